/**
 * Waiting for a store or a journal that is away.
 *
 * It comes back when it comes back: nothing else can be done with what was gathered, and the journal holds the rest. So attempts go on for
 * ever, further and further apart, with jitter, since all partitions notice at the same moment and would all return at the same moment.
 * A drain cuts the waiting short: one more attempt, and then the work is left to whoever starts next.
 */

import type { Clock } from '#shared/runtime/clock.ts';
import { backoffMs, pause } from '#shared/runtime/waiting.ts';
import { StoreUnavailable } from '#shared/store/store.ts';
import { isUnavailable, type Unavailable } from '#shared/store/unavailable.ts';

export type Retrying = {
  readonly clock: Clock;
  /** 0 ≤ random() < 1 */
  readonly random: () => number;
  readonly retryMsMin: number;
  readonly retryMsMax: number;
  /** Aborted when the persister drains. */
  readonly draining: AbortSignal;
  /** Called before each wait. */
  readonly onUnavailable: (error: Unavailable, waitMs: number) => void;
};

/** What it counts as. */
export const unavailableKind = (error: Unavailable): 'store-unavailable' | 'journal-unavailable' =>
  error instanceof StoreUnavailable ? 'store-unavailable' : 'journal-unavailable';

/** Repeats `attempt` until the store and the journal let it through. `gave-up`: a drain ended it. Other errors are thrown on. */
export async function persevere<T>(
  attempt: () => Promise<T>,
  retrying: Retrying,
): Promise<{ readonly kind: 'done'; readonly value: T } | { readonly kind: 'gave-up' }> {
  const { clock, random, retryMsMin, retryMsMax, draining } = retrying;
  for (let failures = 1; ; failures++) {
    const lastAttempt = draining.aborted;
    try {
      return { kind: 'done', value: await attempt() };
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      const waitMs = backoffMs(failures, retryMsMin, retryMsMax, random);
      retrying.onUnavailable(error, waitMs);
      if (lastAttempt) return { kind: 'gave-up' };
      await pause(clock, waitMs, draining);
    }
  }
}
