/**
 * The persister: what was typed goes from the journal into the store, so that documents can be opened without reading the journal from its
 * beginning, and the journal can be cut.
 *
 *     journal ─► intake (by document, no gap unseen) ─► flush (segments, checkpoint, trim) ─► store
 *                                                           └─ grown enough ─► compaction (in a thread) ─► snapshot, head
 *
 * It may be killed at any instant, run twice, or wake up late. Each write is of one document under an id that says what it holds, and
 * the order of writes does the rest (flush.ts, compaction.ts). Nothing waits for it: while the store is away people go on typing, the
 * persister holds what its limits allow and the journal the rest, and `lag` says how far behind the store is.
 */

import { mergeUpdates } from '#shared/document/merge.ts';
import type { Journal, JournalIdentity, Partition } from '#shared/journal/journal.ts';
import type { Clock } from '#shared/runtime/clock.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import { partBytesMax, type Store } from '#shared/store/store.ts';

import { CompactionQueue } from './compaction-queue.ts';
import { type Compactor, createCompactionThread } from './compaction-thread.ts';
import { createAllowance } from './intake.ts';
import { limitProblems, type PersisterLimits } from './limits.ts';
import { PartitionPersister } from './partition.ts';
import type { CompactionStatus, DeadLetterOffice, PartitionStatus, PersisterLag, PersisterMetrics } from './reporting.ts';
import { isUnavailable, pause, persevere } from './retry.ts';
import type { MergeUpdates } from './segments.ts';

export type PersisterParts = {
  readonly journal: Journal;
  readonly store: Store;
  readonly clock: Clock;
  readonly limits: PersisterLimits;
  readonly logger: Logger;
  readonly metrics: PersisterMetrics;
  /** Takes what can't be kept, before the checkpoint covers it. */
  readonly deadLetter: DeadLetterOffice;
  /** Others in tests. */
  readonly compactor?: Compactor;
  readonly merge?: MergeUpdates;
  readonly random?: () => number;
  readonly partBytes?: number;
};

/** `refused` is final: somebody has to look at what is configured. */
export type Started =
  | { readonly kind: 'started' }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'stopped' };

export type PersisterStatus = {
  /** Every partition is being persisted. */
  readonly ok: boolean;
  readonly partitions: readonly PartitionStatus[];
  readonly compaction: CompactionStatus;
};

export type Persister = {
  /** Whether it could start. Waits for as long as the store or the journal is away; never rejects. */
  readonly started: Promise<Started>;
  /** How far the store is behind the journal. Cheap: for each scrape, and for deciding whether writers must wait. */
  readonly lag: () => PersisterLag;
  readonly status: () => PersisterStatus;
  /** Stores what was gathered if the store answers, and lets go of everything, within `stopMsMax`. Resolves always; may be called again. */
  readonly stop: () => Promise<void>;
};

/** Persists all partitions of a journal until it is stopped. */
export function startPersister(parts: PersisterParts): Persister {
  const { journal, store, clock, limits, logger, metrics } = parts;
  const { merge = mergeUpdates, random = Math.random, partBytes = partBytesMax } = parts;
  const compactor = parts.compactor ?? createCompactionThread(clock, limits);
  const drain = new AbortController();
  const draining = drain.signal;
  const allowance = createAllowance(limits.gatherBytesMax);
  const retrying = { clock, random, draining, retryMsMin: limits.retryMsMin, retryMsMax: limits.retryMsMax };
  const compaction = new CompactionQueue({
    store,
    journal,
    compactor,
    limits,
    partBytes,
    draining,
    clock,
    random,
    logger,
    metrics,
  });
  const partitions = Array.from({ length: journal.identity.partitionCount }, (_, partition) => {
    const onStored = compaction.grew.bind(compaction);
    return new PartitionPersister({ ...parts, partition, merge, retrying, allowance, onStored });
  });

  const start = async (): Promise<Started> => {
    const checked = await persevere(() => findMismatch(journal, store), {
      ...retrying,
      onUnavailable: (error, waitMs) => {
        metrics.failed(error.name === 'StoreUnavailable' ? 'store-unavailable' : 'journal-unavailable');
        logger.warn({ err: error, waitMs }, 'the persister waits for the store or the journal before it starts');
      },
    });
    if (checked.kind === 'gave-up' || draining.aborted) return { kind: 'stopped' };
    const reason = [...limitProblems(limits), ...checked.value].join('; ');
    return reason === '' ? { kind: 'started' } : { kind: 'refused', reason };
  };
  const started = start();
  const run = async (): Promise<void> => {
    const outcome = await started;
    if (outcome.kind === 'refused') logger.error({ reason: outcome.reason }, 'the persister refuses to start');
    if (outcome.kind !== 'started') return;
    const following = partitions.map((partition) => partition.run());
    await Promise.all([
      ...following,
      compaction.run(),
      keepAskingForEnds(journal, partitions, clock, limits.lagIntervalMs, draining),
    ]);
  };
  const ended = run();

  const stop = async (): Promise<void> => {
    drain.abort();
    allowance.lift();
    const inTime = new AbortController();
    const timeIsUp = pause(clock, limits.stopMsMax, inTime.signal).then(() => 'late' as const);
    if ((await Promise.race([ended, timeIsUp])) === 'late')
      logger.warn({ lag: sumLags(partitions) }, 'the persister stopped without an answer');
    inTime.abort();
  };
  return {
    started,
    lag: () => sumLags(partitions),
    status: () => {
      const states = partitions.map((partition) => partition.status());
      return { ok: states.every(({ state }) => state.kind === 'following'), partitions: states, compaction: compaction.status() };
    },
    stop,
  };
}

/** What speaks against putting this store beside this journal, in words; empty where nothing does. */
async function findMismatch(journal: Journal, store: Store): Promise<readonly string[]> {
  const bound = await store.bindJournal(journal.identity);
  if (bound.id !== journal.identity.id || bound.partitionCount !== journal.identity.partitionCount) {
    return [`the store belongs to ${nameOf(bound)}, and this is ${nameOf(journal.identity)}`];
  }
  const problems: string[] = [];
  for (let partition: Partition = 0; partition < bound.partitionCount; partition++) {
    // In this order: another persister may move the checkpoint in between, but never past the end that is read after it.
    const checkpoint = await store.readCheckpoint(partition);
    const highWater = await journal.highWater(partition);
    if (checkpoint <= highWater) continue;
    problems.push(
      `partition ${partition} is stored up to ${checkpoint}, but the journal ${journal.identity.id} ends at ${highWater}: it was cut or replaced`,
    );
  }
  return problems;
}

const nameOf = ({ id, partitionCount }: JournalIdentity): string => `journal ${id} with ${partitionCount} partitions`;

/** For `lag`: a partition that has stopped reading does not see what is appended. */
async function keepAskingForEnds(
  journal: Journal,
  partitions: readonly PartitionPersister[],
  clock: Clock,
  intervalMs: number,
  draining: AbortSignal,
): Promise<void> {
  while (!draining.aborted) {
    await pause(clock, intervalMs, draining);
    for (const [partition, persister] of partitions.entries()) {
      try {
        if (!draining.aborted) persister.noteHighWater(await journal.highWater(partition));
      } catch (error) {
        if (!isUnavailable(error)) throw error;
      }
    }
  }
}

function sumLags(partitions: readonly PartitionPersister[]): PersisterLag {
  const sum = { records: 0, bytes: 0, ageMs: 0 };
  for (const partition of partitions) {
    const { records, bytes, ageMs } = partition.lag();
    sum.records += records;
    sum.bytes += bytes;
    sum.ageMs = Math.max(sum.ageMs, ageMs);
  }
  return sum;
}
