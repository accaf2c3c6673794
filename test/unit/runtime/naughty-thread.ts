/** A thread that does what it is asked to: everything that a thread should not. */

import { answerQuestions } from '#shared/runtime/thread.ts';

let count = 0;
const kept: unknown[] = [];

const deeds = {
  count: () => count,
  bytes: (bytes: Uint8Array | undefined) => bytes?.byteLength,
  spin: () => {
    for (;;) count = 0;
  },
  grow: () => {
    for (;;) kept.push(Array.from({ length: 10_000 }, (_, index) => ({ index })));
  },
  exit: () => process.exit(3),
  throw: () => {
    throw new Error('thrown in the thread');
  },
};

export type Deed = keyof typeof deeds;

answerQuestions(async ({ deed, bytes }: { readonly deed: Deed; readonly bytes?: Uint8Array }) => {
  count++;
  return deeds[deed](bytes);
});
