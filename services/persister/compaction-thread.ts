/**
 * The thread that compacts.
 *
 * Loading a document of 17 MB into a Y.Doc takes 13 seconds, and a hostile one takes for ever. On the event loop that would be a
 * pause for everyone, and no timeout can end a computation there. A worker thread can be terminated, and can run out of a heap of its own
 * without taking the process along. It is started when first needed, kept while there is work, and ended when idle.
 *
 * Updates come from the store, whose buffers are not ours to give away (a memory-mapped page, a pool, the store's own copy), so they are
 * copied once, into one buffer, and that is transferred; the answer's buffer comes back the same way.
 */

import { type Transferable, Worker } from 'node:worker_threads';

import { concatenate } from '#shared/runtime/bytes.ts';
import type { Clock, Timer } from '#shared/runtime/clock.ts';

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

type Outcome = Awaited<ReturnType<Compactor['compact']>>;

/** @param entry the worker's file; another one in tests */
export function createCompactionThread(
  clock: Clock,
  limits: { readonly compactionMsMax: number; readonly compactionHeapMbMax: number; readonly compactionIdleMs: number },
  entry: URL = new URL('./compaction-worker.ts', import.meta.url),
): Compactor {
  let worker: Worker | undefined;
  let idle: Timer | undefined;
  let ended = false;
  let giveUp: ((reason: string) => void) | undefined;
  let turn: Promise<unknown> = Promise.resolve();

  const start = (): Worker => {
    const started = new Worker(entry, {
      name: 'compaction',
      resourceLimits: { maxOldGenerationSizeMb: limits.compactionHeapMbMax },
    });
    // A thread that dies while nothing is asked of it is simply started again.
    const forget = (reason: string): void => {
      if (worker !== started) return;
      worker = undefined;
      giveUp?.(reason);
    };
    started.on('error', (error) => forget(error instanceof Error ? error.message : String(error)));
    started.on('exit', (code) => forget(`the compaction thread ended with code ${code}`));
    started.unref();
    return started;
  };
  const terminate = async (): Promise<void> => {
    idle?.cancel();
    const ending = worker;
    worker = undefined;
    await ending?.terminate();
  };

  const run = async (input: CompactionInput): Promise<Outcome> => {
    if (ended) return { kind: 'gave-up', reason: 'stopping' };
    idle?.cancel();
    const running = (worker ??= start());
    const answered = Promise.withResolvers<Outcome>();
    giveUp = (reason) => answered.resolve({ kind: 'gave-up', reason });
    const onAnswer = (answer: CompactionAnswer): void => answered.resolve(answer);
    running.once('message', onAnswer);
    const tooLong = clock.after(limits.compactionMsMax, () => giveUp?.(`took longer than ${limits.compactionMsMax} ms`));
    const request = packRequest(input);
    running.postMessage(request, [request.bytes.buffer]);
    const outcome = await answered.promise;
    tooLong.cancel();
    giveUp = undefined;
    running.off('message', onAnswer);
    if (outcome.kind === 'gave-up') await terminate();
    else idle = clock.after(limits.compactionIdleMs, () => void terminate());
    return outcome;
  };

  return {
    compact: async (input) => {
      const mine = turn.then(() => run(input));
      turn = mine;
      return mine;
    },
    end: async () => {
      ended = true;
      giveUp?.('stopping');
      await turn;
      await terminate();
    },
  };
}

function packRequest({ updates, sha256 }: CompactionInput): ThreadRequest {
  return { bytes: concatenate(updates), lengths: updates.map((update) => update.byteLength), sha256 };
}

/** The thread's side: the answer to a request, and what of it is to be transferred. */
export function answerInThread(
  request: ThreadRequest,
  compact: Compact,
): { readonly answer: CompactionAnswer; readonly transfer: Transferable[] } {
  let at = 0;
  const updates = request.lengths.map((length) => request.bytes.subarray(at, (at += length)));
  const answer = compactOrBlame({ updates, sha256: request.sha256 }, compact);
  if (answer.kind !== 'compacted') return { answer, transfer: [] };
  // Only a buffer that holds nothing else may change hands.
  const update = answer.update.byteLength === answer.update.buffer.byteLength ? answer.update : answer.update.slice();
  return { answer: { ...answer, update }, transfer: update.buffer instanceof ArrayBuffer ? [update.buffer] : [] };
}
