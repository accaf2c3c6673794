/**
 * Cutting a partition of the journal behind its checkpoint.
 *
 * What is stored need not be in the journal, but for a while it is good to have it there: a database that is put back to an hour ago
 * catches up by itself, as long as the journal still has that hour. A window in records would be an hour on one day and a minute on the next, so it is a
 * window in time. And where the journal is a cluster of brokers each cut is a request to one of them, which is why there is a shortest time between two.
 *
 * It is only housekeeping, done after a flush: a partition that nobody writes to keeps what it has, and when a cut fails a later flush does it.
 */

import type { Journal, Offset, Partition } from '#shared/journal/journal.ts';
import type { Clock } from '#shared/runtime/clock.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import { isUnavailable } from '#shared/store/unavailable.ts';

import type { PersisterLimits } from './limits.ts';
import type { PersisterMetrics } from './reporting.ts';

export type TrimmingContext = {
  readonly partition: Partition;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly limits: Pick<PersisterLimits, 'restoreWindowMs' | 'trimIntervalMs'>;
  readonly logger: Logger;
  readonly metrics: PersisterMetrics;
};

/** Deletes from the journal what `checkpoint` covers, less the restore window, unless that was done a moment ago. Never above the checkpoint. */
export type TrimBelow = (checkpoint: Offset) => Promise<void>;

export function createTrimming({ partition, journal, clock, limits, logger, metrics }: TrimmingContext): TrimBelow {
  const { restoreWindowMs, trimIntervalMs } = limits;
  let nextMs = -Infinity;
  let trimmed: Offset = 0;
  return async (checkpoint) => {
    if (checkpoint <= trimmed || clock.monotonic() < nextMs) return;
    nextMs = clock.monotonic() + trimIntervalMs;
    try {
      const below =
        restoreWindowMs === 0
          ? checkpoint
          : Math.min(checkpoint, await journal.offsetSince(partition, clock.now() - restoreWindowMs));
      if (below <= trimmed) return;
      await journal.trim(partition, below);
      trimmed = below;
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      metrics.failed('journal-unavailable');
      logger.warn({ partition, checkpoint, err: error }, 'the journal could not be trimmed');
    }
  };
}
