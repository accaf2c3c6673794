/**
 * The journal on one disk (LMDB).
 *
 * One value per record would make LMDB copy and sync a page path for each; and a gateway has many small records at once. So all records that one transaction takes
 * are one value per partition, a batch, under the offsets that it covers:
 *
 *     'j' partition first next  →  batch of records        offsets in 8 bytes, high end first
 *     'm' partition             →  high-water mark         written by trimming, which may leave no batch to tell it
 *     'J'                       →  identity
 *
 * The keys alone tell where a partition begins and ends. A follower at the live end is handed the batch that was just written, as it was before it was
 * encoded, out of a bounded memory of the latest ones (`tailBytesMax`); one that is further back reads slices from disk.
 */

import { randomUUID } from 'node:crypto';
import { keyNumberBytes, keyNumberMax, keyOf, numberInKey } from '#shared/runtime/key.ts';
import { EnvironmentUnavailable, type Environment, type Write } from '#shared/runtime/lmdb.ts';
import { followBy, type Found, type PartitionReader } from './following.ts';
import { JournalUnavailable } from './journal.ts';
import type { Appended, Batch, FollowEnd, Journal, JournalIdentity, JournalRecord, Offset, Partition } from './journal.ts';
import { partitionByName } from './partition.ts';
import { cutBatch, openTail, type Tail } from './tail.ts';
import { decodeBatch, decodeIdentity, decodeMark, encodeBatch, encodeIdentity, encodeMark } from './values.ts';

export type EmbeddedJournalOptions = {
  /** Fixed when the journal is made; 1 if not given. */
  readonly partitionCount?: number;
  /** The longest `update` of a record, in bytes. */
  readonly recordBytesMax?: number;
  /** Updates of one stored batch, in bytes; a longer one has a batch of its own. */
  readonly batchBytesMax?: number;
  /** What is read from disk at once for one follower, in bytes; at least one batch. */
  readonly sliceBytesMax?: number;
  /** The latest batches kept in memory, per partition, in bytes of updates. */
  readonly tailBytesMax?: number;
};

type PartitionState = {
  readonly partition: Partition;
  start: Offset;
  highWater: Offset;
  readonly tail: Tail;
  readonly readers: Set<PartitionReader>;
};

type PendingAppend = {
  readonly records: readonly JournalRecord[];
  readonly outcomes: Appended[];
  readonly resolve: (outcomes: readonly Appended[]) => void;
  readonly reject: (error: Error) => void;
};

type NewBatch = { readonly batch: Batch; readonly bytes: number };

const recordOverheadBytes = 64; // names, origin, and what an object costs: so that a tail of empty updates is bounded too

const identityKey = keyOf('J');
const markKey = (partition: Partition): Uint8Array => keyOf('m', partition);
const batchKey = (partition: Partition, first: Offset, next: Offset): Uint8Array => keyOf('j', partition, first, next);
const firstInKey = (key: Uint8Array): Offset => numberInKey(key, -2 * keyNumberBytes);
const nextInKey = (key: Uint8Array): Offset => numberInKey(key, -keyNumberBytes);

const unavailable = (error: unknown): Error =>
  error instanceof EnvironmentUnavailable
    ? new JournalUnavailable(error.message, { cause: error })
    : error instanceof Error
      ? error
      : new Error(String(error));

/** Reads the journal's identity, or gives it one. */
async function identify(environment: Environment, wantedCount: number | undefined): Promise<JournalIdentity> {
  const bytes = await environment.commit((view) => {
    const stored = view.get(identityKey);
    if (stored !== undefined) return { writes: [], result: stored };
    const made = encodeIdentity({ id: randomUUID(), partitionCount: wantedCount ?? 1 });
    return { writes: [{ key: identityKey, value: made }], result: made };
  });
  const decoded = decodeIdentity(bytes);
  if (decoded.kind === 'newer-version')
    throw new Error(`the journal in ${environment.directory} is of a newer version: ${decoded.found}`);
  if (decoded.kind === 'unreadable')
    throw new Error(`the journal in ${environment.directory} has no readable identity: ${decoded.reason}`);
  const { partitionCount } = decoded.value;
  if (wantedCount !== undefined && wantedCount !== partitionCount) {
    throw new Error(
      `the journal in ${environment.directory} was made with ${partitionCount} partitions, which can't become ${wantedCount}`,
    );
  }
  return decoded.value;
}

function readPartition(environment: Environment, partition: Partition, tailBytesMax: number): PartitionState {
  const range = { from: keyOf('j', partition), below: keyOf('j', partition + 1), limit: 1 };
  const [firstKey] = environment.keys(range);
  const [lastKey] = environment.keys({ ...range, reverse: true });
  const stored = environment.get(markKey(partition));
  const mark = stored === undefined ? { kind: 'decoded' as const, value: 0 } : decodeMark(stored);
  if (mark.kind !== 'decoded') throw new Error(`partition ${partition}: the high-water mark is ${mark.kind}`);
  const highWater = Math.max(mark.value, lastKey === undefined ? 0 : nextInKey(lastKey));
  const start = firstKey === undefined ? highWater : firstInKey(firstKey);
  return { partition, start, highWater, tail: openTail(tailBytesMax), readers: new Set() };
}

/** Reads batches from disk, from the one that holds `at`, up to about `bytesMax` bytes, to the high-water mark at most. */
function readSlice(environment: Environment, state: PartitionState, at: Offset, bytesMax: number): Found {
  const { partition, highWater } = state;
  const [holding] = environment.keys({
    from: keyOf('j', partition),
    below: batchKey(partition, at, keyNumberMax),
    limit: 1,
    reverse: true,
  });
  const batches: Batch[] = [];
  let end: FollowEnd | undefined;
  let wanted = at;
  let bytes = 0;
  for (const { key, value } of environment.entries({
    from: holding ?? keyOf('j', partition),
    below: keyOf('j', partition, highWater),
  })) {
    const first = firstInKey(key);
    const next = nextInKey(key);
    if (first > wanted || next <= wanted) break;
    const decoded = decodeBatch(value, first);
    const batch = cutBatch(
      { partition, first, next: decoded.end?.kind === 'newer-version' ? decoded.end.offset : next, records: decoded.records },
      at,
    );
    if (batch.next > batch.first) batches.push(batch);
    end = decoded.end;
    wanted = next;
    bytes += value.byteLength;
    if (end !== undefined || bytes >= bytesMax) break;
  }
  if (end !== undefined) return { kind: 'batches', batches, end, slow: true };
  if (batches.length > 0) return { kind: 'batches', batches, slow: true };
  return {
    kind: 'failed',
    error: new Error(`partition ${partition}: the batch at offset ${at} is missing, though the journal goes on to ${highWater}`),
  };
}

/**
 * Opens the journal that is kept in `environment`, making it if there is none. Closing it leaves the environment open.
 * @throws where it has another partition count than was asked for, or is of a newer version
 */
export async function openEmbeddedJournal(environment: Environment, options: EmbeddedJournalOptions = {}): Promise<Journal> {
  const recordBytesMax = options.recordBytesMax ?? 64 * 1024 * 1024;
  const batchBytesMax = options.batchBytesMax ?? 1024 * 1024;
  const sliceBytesMax = options.sliceBytesMax ?? 1024 * 1024;
  const tailBytesMax = options.tailBytesMax ?? 4 * 1024 * 1024;
  const identity = await identify(environment, options.partitionCount);
  const partitions = Array.from({ length: identity.partitionCount }, (_, partition) =>
    readPartition(environment, partition, tailBytesMax),
  );
  let pending: PendingAppend[] = [];
  let requested = false;
  let lastCommit: Promise<void> = Promise.resolve();
  let closed = false;

  const stateOf = (partition: Partition): PartitionState => {
    const state = partitions[partition];
    if (state === undefined) throw new RangeError(`there is no partition ${partition}, only 0 to ${partitions.length - 1}`);
    return state;
  };
  const partitionOf = (document: JournalRecord['document']): Partition => partitionByName(document, identity.partitionCount);

  /** Gives the records their offsets and packs them into batches. */
  const pack = (appends: readonly PendingAppend[]): readonly NewBatch[] => {
    const packed: NewBatch[] = [];
    const open = new Map<Partition, { first: Offset; records: { offset: Offset; record: JournalRecord }[]; bytes: number }>();
    const finish = (partition: Partition): void => {
      const { first, records, bytes } = open.get(partition)!;
      packed.push({ batch: { partition, first, next: first + records.length, records }, bytes });
    };
    for (const { records, outcomes } of appends) {
      for (const record of records) {
        const bytes = record.update.byteLength + recordOverheadBytes;
        if (record.update.byteLength > recordBytesMax) {
          outcomes.push({ kind: 'too-large', bytesMax: recordBytesMax });
          continue;
        }
        const partition = partitionOf(record.document);
        let batch = open.get(partition) ?? { first: stateOf(partition).highWater, records: [], bytes: 0 };
        if (batch.records.length > 0 && batch.bytes + bytes > batchBytesMax) {
          finish(partition);
          batch = { first: batch.first + batch.records.length, records: [], bytes: 0 };
        }
        open.set(partition, batch);
        const offset = batch.first + batch.records.length;
        batch.records.push({ offset, record });
        batch.bytes += bytes;
        outcomes.push({ kind: 'appended', offset });
      }
    }
    for (const partition of open.keys()) finish(partition);
    return packed;
  };

  const publish = (packed: readonly NewBatch[]): void => {
    const touched = new Set<PartitionState>();
    for (const { batch, bytes } of packed) {
      const state = stateOf(batch.partition);
      state.highWater = batch.next;
      state.tail.push(batch, bytes);
      touched.add(state);
    }
    for (const { readers } of touched) for (const reader of readers) reader.wake();
  };

  const commitPending = (): Promise<void> => {
    let taken: PendingAppend[] = [];
    return environment
      .commit(() => {
        requested = false;
        taken = pending;
        pending = [];
        const packed = pack(taken);
        const writes = packed.map(({ batch }): Write => ({
          key: batchKey(batch.partition, batch.first, batch.next),
          value: encodeBatch(batch.records.flatMap((one) => ('record' in one ? [one.record] : []))),
        }));
        return { writes, result: packed };
      })
      .then(
        (packed) => {
          publish(packed);
          for (const { resolve, outcomes } of taken) resolve(outcomes);
        },
        (error: unknown) => {
          // Those that came later fail as well: what is repeated must not be overtaken.
          const failed = [...taken, ...pending];
          pending = [];
          requested = false;
          for (const { reject } of failed) reject(unavailable(error));
        },
      );
  };

  const find = (state: PartitionState, at: Offset): Found => {
    if (closed) return { kind: 'failed', error: new JournalUnavailable('the journal was closed') };
    if (at > state.highWater) return { kind: 'beyond-end', wanted: at, highWater: state.highWater };
    if (at < state.start) return { kind: 'trimmed', wanted: at, start: state.start };
    if (at === state.highWater) return { kind: 'nothing-yet' };
    const batches = state.tail.from(at);
    return batches === undefined ? readSlice(environment, state, at, sliceBytesMax) : { kind: 'batches', batches };
  };

  return {
    identity,
    recordBytesMax,
    partitionOf,
    append: (records) => {
      if (closed) return Promise.reject(new JournalUnavailable('the journal was closed'));
      const { promise, resolve, reject } = Promise.withResolvers<readonly Appended[]>();
      pending.push({ records, outcomes: [], resolve, reject });
      if (!requested) {
        requested = true;
        lastCommit = commitPending();
      }
      return promise;
    },
    highWater: async (partition) => {
      if (closed) throw new JournalUnavailable('the journal was closed');
      return stateOf(partition).highWater;
    },
    follow: (partition, from, follower) => {
      const state = stateOf(partition);
      const reader = followBy(
        from,
        {
          ...follower,
          onEnd: (end) => {
            state.readers.delete(reader);
            follower.onEnd(end);
          },
        },
        (at) => find(state, at),
      );
      state.readers.add(reader);
      return {
        stop: () => {
          state.readers.delete(reader);
          return reader.stop();
        },
      };
    },
    trim: async (partition, below) => {
      if (closed) throw new JournalUnavailable('the journal was closed');
      await trimPartition(environment, stateOf(partition), below);
    },
    close: async () => {
      closed = true;
      const stopping = partitions.flatMap(({ readers }) => [...readers].map((reader) => reader.stop()));
      await lastCommit;
      await Promise.all(stopping);
    },
  };
}

const trimmedAtOnce = 1000; // batches in one transaction: its list of changed pages is held in memory

/** Deletes the batches that end at or below `below`, from the lowest on. */
async function trimPartition(environment: Environment, state: PartitionState, below: Offset): Promise<void> {
  const { partition } = state;
  for (;;) {
    const limit = Math.min(below, state.highWater);
    const found = [
      ...environment.keys({ from: keyOf('j', partition), below: keyOf('j', partition, limit), limit: trimmedAtOnce }),
    ];
    const keys = found.filter((key) => nextInKey(key) <= limit);
    const last = keys.at(-1);
    if (last === undefined) return;
    try {
      await environment.commit(
        () => ({
          writes: [
            ...keys.map((key) => ({ key, value: undefined })),
            { key: markKey(partition), value: encodeMark(state.highWater) },
          ],
          result: undefined,
        }),
        { releases: true },
      );
    } catch (error) {
      throw unavailable(error);
    }
    state.start = Math.max(state.start, nextInKey(last));
  }
}
