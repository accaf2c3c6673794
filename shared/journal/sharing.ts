/**
 * Sharing the partitions of a journal among several processes that do the same work: persisters.
 *
 * Each partition is worked on by one of them, most of the time. Never rely on it: a process that was frozen, or cut off, does not
 * know that its partitions are another's by now, and goes on. What it does must be harmless (rule 4), so all that sharing is for is
 * that no work is done twice without need, and that none is left undone.
 */

import type { Partition } from './journal.ts';

export type Sharing = {
  /** Gives the partitions back, so that others take them over at once. Resolves always. */
  readonly stop: () => Promise<void>;
};

/**
 * Takes part in the sharing. `onShare` is called with the whole share whenever it changes, for the first time some time after the
 * call; partitions that are no longer in it may be another's already. Must not throw.
 */
export type SharePartitions = (onShare: (partitions: ReadonlySet<Partition>) => void) => Sharing;

/** For a process that is alone: everything is its own. */
export const allPartitions =
  (partitionCount: number): SharePartitions =>
  (onShare) => {
    queueMicrotask(() => onShare(new Set(Array.from({ length: partitionCount }, (_, partition) => partition))));
    return { stop: async () => {} };
  };
