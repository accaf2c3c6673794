/**
 * The persister: what was typed goes from the journal into the store, so that documents can be opened without reading the journal from its
 * beginning, and the journal can be cut.
 *
 *     journal ─► intake (by document, no gap unseen) ─► flush (segments, checkpoint, trim) ─► store
 *                                                           └─ grown enough ─► compaction (in a thread) ─► snapshot, head
 *
 * All of that goes on for each partition by itself. Several persisters share the partitions among them (share.ts).
 *
 * It may be killed at any instant, run twice, or wake up late. Each write is of one document under an id that says what it holds, and
 * the order of writes does the rest (flush.ts, compaction.ts). Nothing waits for it: while the store is away people go on typing, the
 * persister holds what its limits allow and the journal the rest, and `lag` says how far behind the store is.
 */

import { mergeUpdates } from '#shared/document/merge.ts';
import type { DocumentName } from '#shared/document/name.ts';
import type { Journal, Offset, Partition } from '#shared/journal/journal.ts';
import type { SharePartitions } from '#shared/journal/sharing.ts';
import type { Clock } from '#shared/runtime/clock.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import { pause } from '#shared/runtime/waiting.ts';
import { findMismatch } from '#shared/store/binding.ts';
import { persevere, type Retrying } from '#shared/store/persevering.ts';
import { type Head, partBytesMax, type Store, StoreUnavailable } from '#shared/store/store.ts';
import { isUnavailable } from '#shared/store/unavailable.ts';

import type { NamedSnapshots } from './compaction.ts';
import { CompactionQueue } from './compaction-queue.ts';
import { type Compactor, createCompactionThread } from './compaction-thread.ts';
import { type Allowance, createAllowance } from './intake.ts';
import { limitProblems, type PersisterLimits } from './limits.ts';
import { MirrorQueue } from './mirror-queue.ts';
import type { Mirroring } from './mirroring.ts';
import { PartitionPersister } from './partition.ts';
import {
  type CompactionStatus,
  type DeadLetterOffice,
  type PartitionStatus,
  type PersisterLag,
  type PersisterMetrics,
  unavailableKind,
} from './reporting.ts';
import type { MergeUpdates } from './segments.ts';
import { Share } from './share.ts';

export type PersisterParts = {
  readonly journal: Journal;
  readonly store: Store;
  /** Says which partitions are this persister's. */
  readonly sharePartitions: SharePartitions;
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
  /** Snapshots that must stay though a later head covers them. None if not given. */
  readonly namedSnapshots?: NamedSnapshots;
  /** Where mirrors are kept up behind what is stored; they are not, if not given. */
  readonly mirroring?: Mirroring;
};

/** `refused` is final: somebody has to look at what is configured. */
export type Started =
  | { readonly kind: 'started' }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'stopped' };

export type PersisterStatus = {
  /** Every partition of the share is being persisted; false while it is not known which those are. */
  readonly ok: boolean;
  /** Whether the journal told its ends when it was asked last, and why not. */
  readonly journal: { readonly ok: boolean; readonly reason: string | undefined };
  readonly partitions: readonly PartitionStatus[];
  readonly compaction: CompactionStatus;
  /** Documents that wait for their mirrors. */
  readonly mirrorsWaiting: number;
};

export type Persister = {
  /** Whether it could start. Waits for as long as the store or the journal is away; never rejects. */
  readonly started: Promise<Started>;
  /** How far the store is behind the journal. Cheap: for each scrape, and for deciding whether writers must wait. */
  readonly lag: () => PersisterLag;
  readonly status: () => PersisterStatus;
  /**
   * Resolves when everything of a partition below `upto` is stored, without waiting for more to gather; however long that takes. Rejects with `StoreUnavailable` where
   * the partition is not persisted here. Who gives up aborts `signal`, and is not remembered.
   */
  readonly storeThrough: (partition: Partition, upto: Offset, signal?: AbortSignal) => Promise<void>;
  /** To be told of a head that was made for a mirror: what it covers is deleted later, as after a compaction of the persister's own. */
  readonly compactedBefore: (document: DocumentName, head: Head) => void;
  /** Stores what was gathered if the store answers, gives the partitions back, and lets go of everything, within `stopMsMax`. Resolves always; may be called again. */
  readonly stop: () => Promise<void>;
};

/** Persists its share of the partitions of a journal until it is stopped. */
export function startPersister(parts: PersisterParts): Persister {
  const { journal, clock, limits, logger, random = Math.random, partBytes = partBytesMax } = parts;
  const compactor = parts.compactor ?? createCompactionThread(clock, limits);
  const drain = new AbortController();
  const draining = drain.signal;
  const allowance = createAllowance(limits.gatherBytesMax);
  const retrying = { clock, random, draining, retryMsMin: limits.retryMsMin, retryMsMax: limits.retryMsMax };
  const compaction = new CompactionQueue({ ...parts, compactor, partBytes, draining, random });
  const isOurs = (document: DocumentName): boolean => share.partitions?.has(journal.partitionOf(document)) === true;
  const mirrors = keepMirrors({ ...parts, compactor, partBytes, draining, random }, compaction, isOurs, () => lag().ageMs);
  const share = new Share(createPartitions(parts, retrying, allowance, compaction, mirrors));
  const begunMs = clock.monotonic();
  let journalFailure: string | undefined;

  const started = checkStart(parts, retrying);
  const run = async (): Promise<void> => {
    const outcome = await started;
    if (outcome.kind === 'refused') logger.error({ reason: outcome.reason }, 'the persister refuses to start');
    if (outcome.kind !== 'started') return;
    const sharing = parts.sharePartitions((partitions) => {
      logger.info({ partitions: [...partitions].toSorted((a, b) => a - b) }, 'these partitions are persisted here');
      compaction.forget((document) => !partitions.has(journal.partitionOf(document)));
      share.take(partitions);
      mirrors?.lookAtAll();
    });
    const drained = async (): Promise<void> => {
      await aborted(draining);
      await share.drain();
      await sharing.stop();
    };
    const askForEnd = async (persister: PartitionPersister): Promise<void> => {
      persister.noteHighWater(await journal.highWater(persister.partition));
    };
    const asking = keepAsking(parts, share, draining, askForEnd, (failure) => (journalFailure = failure));
    // By itself: a store that takes its time must not hold up how far it is behind.
    const looking = keepAsking(parts, share, draining, (persister) => persister.lookAtStore());
    await Promise.all([drained(), compaction.run(), mirrors?.run(), asking, looking]);
  };
  const ended = run();

  const lag = (): PersisterLag =>
    share.partitions === undefined ? { records: 0, bytes: 0, ageMs: clock.monotonic() - begunMs } : sumLags(share.persisters);
  const stop = async (): Promise<void> => {
    drain.abort();
    allowance.lift();
    const inTime = new AbortController();
    const timeIsUp = pause(clock, limits.stopMsMax, inTime.signal).then(() => 'late' as const);
    if ((await Promise.race([ended, timeIsUp])) === 'late')
      logger.warn({ lag: lag() }, 'the persister stopped without an answer');
    inTime.abort();
  };
  return {
    started,
    lag,
    status: () => {
      const states = share.persisters.map((partition) => partition.status());
      const journalState = { ok: journalFailure === undefined, reason: journalFailure };
      const ok = journalState.ok && share.partitions !== undefined && states.every(({ state }) => state.kind === 'following');
      const mirrorsWaiting = mirrors?.size ?? 0;
      return { ok, journal: journalState, partitions: states, compaction: compaction.status(), mirrorsWaiting };
    },
    compactedBefore: (document, head) => compaction.compactedBefore(document, head),
    storeThrough: async (partition, upto, signal) => {
      const persister = share.persisters.find((one) => one.partition === partition);
      if (persister === undefined) throw new StoreUnavailable(`partition ${partition} is not persisted here`);
      await persister.storeThrough(upto, signal);
    },
    stop,
  };
}

/** Whether journal, store and limits go together; waits while one of the two is away. */
async function checkStart(parts: PersisterParts, retrying: Omit<Retrying, 'onUnavailable'>): Promise<Started> {
  const { journal, store, clock, limits, logger, metrics } = parts;
  const checked = await persevere(() => findMismatch(journal, store, clock), {
    ...retrying,
    onUnavailable: (error, waitMs) => {
      metrics.failed(unavailableKind(error));
      logger.warn({ err: error, waitMs }, 'the persister waits for the store or the journal before it starts');
    },
  });
  if (checked.kind === 'gave-up' || retrying.draining.aborted) return { kind: 'stopped' };
  const reason = [...limitProblems(limits), ...checked.value].join('; ');
  return reason === '' ? { kind: 'started' } : { kind: 'refused', reason };
}

type Parts = PersisterParts &
  Required<Pick<PersisterParts, 'compactor' | 'partBytes' | 'random'>> & { readonly draining: AbortSignal };

function keepMirrors(
  { mirroring, ...parts }: Parts,
  compaction: CompactionQueue,
  isOurs: (document: DocumentName) => boolean,
  lagMs: () => number,
): MirrorQueue | undefined {
  if (mirroring === undefined) return undefined;
  const { hasMirror, written, end, ...mirrors } = mirroring;
  const mayLagMs = parts.limits.flushIntervalMs + mirroring.queueLimits.mirrorLagMsMax;
  parts.draining.addEventListener('abort', () => void end()); // what is under way gives up
  return new MirrorQueue({
    ...parts,
    ...mirrors,
    isMine: (document) => isOurs(document) && hasMirror(document),
    isBehind: () => lagMs() > mayLagMs,
    onWritten: (document, { head, ...mirror }) => {
      compaction.compactedBefore(document, head);
      written(mirror);
    },
    onFailed: parts.metrics.failed,
  });
}

/** Makes the persister of a partition. What it stores after the partition has left is for its next owner to compact. */
function createPartitions(
  parts: PersisterParts,
  retrying: Omit<Retrying, 'onUnavailable'>,
  allowance: Allowance,
  compaction: CompactionQueue,
  mirrors: MirrorQueue | undefined,
): (partition: Partition, draining: AbortSignal) => PartitionPersister {
  const { merge = mergeUpdates } = parts;
  return (partition, draining) =>
    new PartitionPersister({
      ...parts,
      partition,
      merge,
      allowance,
      retrying: { ...retrying, draining },
      onStored: (document, segments, bytes) => {
        if (draining.aborted) return;
        compaction.grew(document, segments, bytes);
        mirrors?.changed(document);
      },
    });
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

/**
 * Asks something for each partition of the share, round after round: the journal for its end, since a partition that has stopped reading does not see
 * what is appended; the store for its checkpoint, since a partition that nobody writes to does not see that the store was put back. `onAnswer` is told why
 * there was no answer, or undefined.
 */
async function keepAsking(
  { clock, limits, metrics }: PersisterParts,
  share: Share,
  draining: AbortSignal,
  ask: (persister: PartitionPersister) => Promise<void>,
  onAnswer: (failure: string | undefined) => void = () => {},
): Promise<void> {
  while (!draining.aborted) {
    await pause(clock, limits.lagIntervalMs, draining);
    for (const persister of share.persisters) {
      if (draining.aborted) return;
      try {
        await ask(persister);
        onAnswer(undefined);
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        metrics.failed(unavailableKind(error));
        onAnswer(error.message);
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
