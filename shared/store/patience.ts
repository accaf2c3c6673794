/**
 * Waiting, at the start of a process, for what it stands on.
 *
 * A cluster is started all at once, and nothing says that brokers and databases are up first. A process that ended at once would be started again and
 * again by whoever supervises it, and its lines would hide why. One that waited for ever would hide a wrong address. So it waits, with growing pauses and
 * a line for each, for a bounded time, and then says in one line what did not answer. What was set up wrongly is not waited for.
 */

import type { Clock } from '#shared/runtime/clock.ts';
import { variableName } from '#shared/runtime/config.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import { backoffMs, pause } from '#shared/runtime/waiting.ts';
import { isUnavailable } from './unavailable.ts';

export type Patience = {
  readonly clock: Clock;
  readonly logger: Logger;
  /** When to give up, by the monotonic clock. */
  readonly deadlineMs: number;
  readonly waitMs: number;
};

const retryMsMin = 250;
const retryMsMax = 5_000;

/**
 * What `attempt` resolves with, tried again and again while the journal or the store is away.
 * @throws Error with one line that says what did not answer, and for how long; and whatever else `attempt` rejects with
 */
export async function waitFor<T>(what: string, attempt: () => Promise<T>, patience: Patience): Promise<T> {
  const { clock, logger, deadlineMs, waitMs } = patience;
  let reason = 'no answer';
  for (let failures = 1; ; failures++) {
    const over = new AbortController();
    const late = pause(clock, deadlineMs - clock.monotonic(), over.signal).then(() => 'late' as const);
    const outcome = await Promise.race([late, attempt().then((value) => ({ value }), failureOf)]);
    over.abort();
    if (outcome !== 'late' && 'value' in outcome) return outcome.value;
    if (outcome !== 'late') reason = outcome.reason;
    const pauseMs = backoffMs(failures, retryMsMin, retryMsMax, Math.random);
    if (outcome === 'late' || clock.monotonic() + pauseMs >= deadlineMs)
      throw new Error(`${what} could not be used within ${waitMs} ms (${variableName('startWaitMs')}): ${reason}`);
    logger.warn({ what, reason, pauseMs: Math.round(pauseMs) }, 'the start waits for something that is away');
    await pause(clock, pauseMs);
  }
}

/** Why an attempt failed that may go well later; what can't is thrown on. */
function failureOf(error: unknown): { readonly reason: string } {
  if (isUnavailable(error)) return { reason: error.message };
  throw error;
}
