/**
 * How a reader is carried along a partition, whatever the partition is kept in.
 *
 * A reader far behind reads from disk; one at the live end should be handed what was just appended, from memory. Two modes with a
 * switch between them are where gaps and duplicates come from. So there is one loop, which asks one question, "what is there at
 * this offset?", and the answer may come from memory or from disk. Where nothing is there yet, the loop rests until it is woken.
 * A slow reader is never queued for: its offset waits.
 */

import { nextTurn } from '#shared/runtime/slices.ts';
import type { Batch, Follower, FollowEnd, Following, Offset } from './journal.ts';

/** What a partition has at an offset. Batches are contiguous, and the first begins at exactly that offset. */
export type Found =
  | { readonly kind: 'batches'; readonly batches: readonly Batch[]; readonly end?: FollowEnd; readonly slow?: boolean }
  | { readonly kind: 'nothing-yet' }
  | FollowEnd;

export type PartitionReader = Following & {
  /**
   * Something was appended or trimmed: looks again. Delivers what is there before it returns, as far as the follower is not busy.
   */
  readonly wake: () => void;
};

/** The follower, with something to be done first when it ends. */
export const lettingGo = (follower: Follower, letGo: () => void): Follower => ({
  onBatch: follower.onBatch,
  onEnd: (end) => {
    letGo();
    follower.onEnd(end);
  },
});

/**
 * Follows from `from` on by asking `find`, which may throw (`failed`). The first batch is delivered after the call has returned.
 * After a `slow` answer (read from disk) others get their turn.
 */
export function followBy(from: Offset, follower: Follower, find: (at: Offset) => Found | Promise<Found>): PartitionReader {
  let at = from;
  let stopped = false;
  let running: Promise<void> | undefined;
  let woken = false;

  const finish = (end: FollowEnd): void => {
    stopped = true;
    follower.onEnd(end);
  };

  const ask = async (): Promise<Found> => {
    try {
      return await find(at);
    } catch (error) {
      return { kind: 'failed', error: error instanceof Error ? error : new Error(String(error)) };
    }
  };

  const deliver = async (batches: readonly Batch[]): Promise<void> => {
    for (const batch of batches) {
      if (stopped) return;
      at = batch.next;
      await follower.onBatch(batch);
    }
  };

  const run = async (): Promise<void> => {
    while (!stopped) {
      woken = false;
      const found = await ask();
      if (stopped || found.kind === 'nothing-yet') return;
      if (found.kind !== 'batches') return finish(found);
      await deliver(found.batches);
      if (stopped) return;
      if (found.end !== undefined) return finish(found.end);
      if (found.slow === true) await nextTurn();
    }
  };

  const wake = (): void => {
    woken = true;
    if (stopped || running !== undefined) return;
    running = run().finally(() => {
      running = undefined;
      if (woken) wake(); // after it was answered "nothing yet", and before it could rest
    });
  };

  wake();
  return {
    wake,
    stop: async () => {
      stopped = true;
      await running;
    },
  };
}
