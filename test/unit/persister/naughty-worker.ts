/** A compaction thread that does what it is asked to: everything that a thread should not. */

import type { ThreadRequest } from '#persister/compaction-thread.ts';
import { answerQuestions } from '#shared/runtime/thread.ts';

let count = 0;
const kept: unknown[] = [];

const deeds: Readonly<Record<string, () => void>> = {
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

// Not async: what it throws ends the thread.
answerQuestions(({ bytes }: ThreadRequest) => {
  count++;
  deeds[new TextDecoder().decode(bytes)]?.();
  return Promise.resolve({ kind: 'compacted', update: Uint8Array.of(count), sha256: '' });
});
