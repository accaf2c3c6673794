/**
 * The journal in memory: the ground that simulations and unit tests stand on.
 *
 * Its contents are a `JournalDisk`, which outlives the adapters opened on it: several processes share one, and one that "crashes"
 * opens another adapter on it. Nothing happens by itself or by chance. Before and after each thing that a real journal does in an
 * order, `step` is called and waited for: it may throw (`JournalUnavailable`, or a crash of the test's own: before, and it was
 * lost; after, and it is there and nobody was told), or take its time.
 */

import { followBy, lettingGo, type Found, type PartitionReader } from './following.ts';
import { JournalUnavailable } from './journal.ts';
import type { Appended, Batch, Journal, JournalIdentity, JournalRecord, Offset, Partition } from './journal.ts';
import { partitionByName } from './partition.ts';
import { cutBatch, firstSince } from './tail.ts';

/** What a journal in memory does, step by step. `read` is a follower's question for what comes next. */
export type JournalStep = 'append' | 'trim' | 'high-water' | 'read';

export type Moment = 'before' | 'after';

type DiskPartition = { start: Offset; highWater: Offset; batches: Batch[] };

/** The contents of a journal, and who waits for more of it. */
export type JournalDisk = {
  readonly identity: JournalIdentity;
  readonly partitions: readonly DiskPartition[];
  readonly readers: Set<{ readonly partition: Partition; readonly wake: () => void }>;
};

export function createJournalDisk(options: { readonly id?: string; readonly partitionCount?: number } = {}): JournalDisk {
  const { id = 'memory', partitionCount = 1 } = options;
  return {
    identity: { id, partitionCount },
    partitions: Array.from({ length: partitionCount }, () => ({ start: 0, highWater: 0, batches: [] })),
    readers: new Set(),
  };
}

export type MemoryJournalOptions = {
  /** Opens a journal on these contents instead of new ones. */
  readonly disk?: JournalDisk;
  /** Of a new disk; 1 if not given. */
  readonly partitionCount?: number;
  readonly recordBytesMax?: number;
  /**
   * Called, and waited for, before and after each append to a partition and each trim, and before each other question. What it
   * throws is what the call rejects with.
   */
  readonly step?: (step: JournalStep, moment: Moment) => void | Promise<void>;
};

export type MemoryJournal = Journal & {
  readonly disk: JournalDisk;
  /** What kill -9 does: from now on this adapter changes nothing, calls nobody, and settles no promise. */
  readonly crash: () => void;
};

const never = new Promise<never>(() => {});

export function createMemoryJournal(options: MemoryJournalOptions = {}): MemoryJournal {
  const { recordBytesMax = 64 * 1024 * 1024 } = options;
  const disk =
    options.disk ?? createJournalDisk(options.partitionCount === undefined ? {} : { partitionCount: options.partitionCount });
  const readers = new Set<PartitionReader>();
  let last: Promise<unknown> = Promise.resolve();
  let failures = 0;
  let closed = false;
  let crashed = false;

  const step = async (name: JournalStep, moment: Moment): Promise<void> => {
    if (crashed) await never;
    await options.step?.(name, moment);
    if (crashed) await never;
  };

  const partitionOf = (document: JournalRecord['document']): Partition => partitionByName(document, disk.identity.partitionCount);

  const stateOf = (partition: Partition): DiskPartition => {
    const state = disk.partitions[partition];
    if (state === undefined) throw new RangeError(`there is no partition ${partition}, only 0 to ${disk.partitions.length - 1}`);
    return state;
  };

  const appendTo = async (partition: Partition, records: readonly JournalRecord[]): Promise<Offset> => {
    await step('append', 'before');
    const state = stateOf(partition);
    const first = state.highWater;
    state.highWater += records.length;
    state.batches.push({
      partition,
      first,
      next: state.highWater,
      records: records.map((record, index) => ({ offset: first + index, record })),
    });
    for (const reader of disk.readers) if (reader.partition === partition) reader.wake();
    await step('append', 'after');
    return first;
  };

  const append = async (records: readonly JournalRecord[]): Promise<readonly Appended[]> => {
    const outcomes: Appended[] = records.map(() => ({ kind: 'too-large', bytesMax: recordBytesMax }));
    const fitting = [...records.entries()].filter(([, record]) => record.update.byteLength <= recordBytesMax);
    for (const [partition, group] of Map.groupBy(fitting, ([, record]) => partitionOf(record.document))) {
      const first = await appendTo(
        partition,
        group.map(([, record]) => record),
      );
      for (const [place, [index]] of group.entries()) outcomes[index] = { kind: 'appended', offset: first + place };
    }
    return outcomes;
  };

  /** Appends one after the other; when one fails, those that were made before its failure was known fail too. */
  const inTurn = (records: readonly JournalRecord[]): Promise<readonly Appended[]> => {
    const failuresBefore = failures;
    const turn = last.then(async () => {
      if (failures !== failuresBefore) throw new JournalUnavailable('an append before this one failed');
      try {
        return await append(records);
      } catch (error) {
        failures += 1;
        throw error;
      }
    });
    last = turn.catch(() => {});
    return turn;
  };

  const find = async (partition: Partition, at: Offset): Promise<Found> => {
    if (closed) return { kind: 'failed', error: new JournalUnavailable('the journal was closed') };
    await step('read', 'before');
    const { start, highWater, batches } = stateOf(partition);
    if (at > highWater) return { kind: 'beyond-end', wanted: at, highWater };
    if (at < start) return { kind: 'trimmed', wanted: at, start };
    if (at === highWater) return { kind: 'nothing-yet' };
    const begin = batches.findLastIndex((batch) => batch.first <= at);
    return { kind: 'batches', batches: batches.slice(begin).map((batch) => cutBatch(batch, at)) };
  };

  const ifOpen = (): void => {
    if (closed) throw new JournalUnavailable('the journal was closed');
  };

  return {
    disk,
    identity: disk.identity,
    recordBytesMax,
    partitionOf,
    append: async (records) => {
      ifOpen();
      return inTurn(records);
    },
    highWater: async (partition) => {
      ifOpen();
      await step('high-water', 'before');
      return stateOf(partition).highWater;
    },
    offsetSince: async (partition, time) => {
      ifOpen();
      const { batches, highWater } = stateOf(partition);
      return firstSince(batches, time) ?? highWater;
    },
    follow: (partition, from, follower) => {
      const letGo = (): void => {
        disk.readers.delete(waiting);
        readers.delete(reader);
      };
      const reader = followBy(from, lettingGo(follower, letGo), (at) => find(partition, at));
      const waiting = { partition, wake: reader.wake };
      disk.readers.add(waiting);
      readers.add(reader);
      return {
        stop: () => {
          letGo();
          return reader.stop();
        },
      };
    },
    trim: async (partition, below) => {
      ifOpen();
      await step('trim', 'before');
      const state = stateOf(partition);
      const limit = Math.min(below, state.highWater);
      state.batches = state.batches.filter((batch) => batch.next > limit);
      state.start = state.batches[0]?.first ?? state.highWater;
      await step('trim', 'after');
    },
    close: async () => {
      closed = true;
      const stopping = [...readers].map((reader) => reader.stop());
      await last;
      await Promise.all(stopping);
    },
    crash: () => {
      crashed = true;
      closed = true;
      for (const reader of readers) void reader.stop();
    },
  };
}
