/** A compaction thread that does what it is asked to: everything that a thread should not. */

import { parentPort } from 'node:worker_threads';

import type { ThreadRequest } from '#persister/compaction-thread.ts';

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

parentPort?.on('message', ({ bytes }: ThreadRequest) => {
  count++;
  deeds[new TextDecoder().decode(bytes)]?.();
  parentPort?.postMessage({ kind: 'compacted', update: Uint8Array.of(count), sha256: '' }, []);
});
