/**
 * Waiting for a store or a journal that is away.
 *
 * It comes back when it comes back: nothing else can be done meanwhile with what was begun, and nothing is lost by waiting. So attempts go on for
 * ever, further and further apart, with jitter, since all who wait notice at the same moment and would all return at the same moment.
 * A drain cuts the waiting short: one more attempt, and then the work is left to whoever starts next.
 */

import type { Clock } from '#shared/runtime/clock.ts';
import { backoffMs, pause } from '#shared/runtime/waiting.ts';
import { isUnavailable, type Unavailable } from './unavailable.ts';

export type Retrying = {
  readonly clock: Clock;
  /** 0 ≤ random() < 1 */
  readonly random: () => number;
  readonly retryMsMin: number;
  readonly retryMsMax: number;
  /** Aborted when the process drains, or the work is no longer its own. */
  readonly draining: AbortSignal;
  /** Called before each wait. */
  readonly onUnavailable: (error: Unavailable, waitMs: number) => void;
};

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
