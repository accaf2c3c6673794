/**
 * The thread that compacts.
 *
 * Loading a document of 17 MB into a Y.Doc takes 13 seconds, and a hostile one takes for ever: that is for a thread (`shared/runtime/thread.ts`).
 *
 * Updates come from the store, whose buffers are not ours to give away (a memory-mapped page, a pool, the store's own copy), so they are
 * copied once, into one buffer, and that is transferred; the answer's buffer comes back the same way.
 */

import type { Transferable } from 'node:worker_threads';

import { concatenate } from '#shared/runtime/bytes.ts';
import type { Clock } from '#shared/runtime/clock.ts';
import { createThread } from '#shared/runtime/thread.ts';

import { type Compact, type CompactionAnswer, type CompactionInput, compactOrBlame } from './compaction-work.ts';

/** Compacts documents, each call on its own; calls wait for one another. */
export type Compactor = {
  /** Never rejects. `gave-up`: too long, out of memory, or the thread died. */
  readonly compact: (input: CompactionInput) => Promise<CompactionAnswer | { readonly kind: 'gave-up'; readonly reason: string }>;
  /** Ends what is under way, which gives up, and lets go of everything. */
  readonly end: () => Promise<void>;
};

/** All updates in one buffer, one after the other. */
export type ThreadRequest = {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly lengths: readonly number[];
  readonly sha256: string | undefined;
};

/** @param entry the worker's file; another one in tests */
export function createCompactionThread(
  clock: Clock,
  limits: { readonly compactionMsMax: number; readonly compactionHeapMbMax: number; readonly compactionIdleMs: number },
  entry: URL = new URL('./compaction-worker.ts', import.meta.url),
): Compactor {
  const { ask, end } = createThread<ThreadRequest, CompactionAnswer>('compaction', entry, clock, {
    answerMsMax: limits.compactionMsMax,
    heapMbMax: limits.compactionHeapMbMax,
    idleMs: limits.compactionIdleMs,
  });
  return {
    compact: async (input) => {
      const request = packRequest(input);
      const outcome = await ask(request, [request.bytes.buffer]);
      switch (outcome.kind) {
        case 'answered':
          return outcome.answer;
        case 'threw':
        case 'gave-up':
          return { kind: 'gave-up', reason: outcome.reason };
        case 'ended':
          return { kind: 'gave-up', reason: 'stopping' };
      }
    },
    end,
  };
}

function packRequest({ updates, sha256 }: CompactionInput): ThreadRequest {
  return { bytes: concatenate(updates), lengths: updates.map((update) => update.byteLength), sha256 };
}

/** The thread's side: the answer to a request. Its buffer holds nothing else, so it may change hands. */
export async function answerInThread(request: ThreadRequest, compact: Compact): Promise<CompactionAnswer> {
  let at = 0;
  const updates = request.lengths.map((length) => request.bytes.subarray(at, (at += length)));
  const answer = compactOrBlame({ updates, sha256: request.sha256 }, compact);
  if (answer.kind !== 'compacted') return answer;
  const isAlone = answer.update.byteLength === answer.update.buffer.byteLength;
  return isAlone ? answer : { ...answer, update: answer.update.slice() };
}

/** What of an answer changes hands. */
export const transferOf = (answer: CompactionAnswer): Transferable[] =>
  answer.kind === 'compacted' && answer.update.buffer instanceof ArrayBuffer ? [answer.update.buffer] : [];
