/**
 * The journal on one disk (LMDB).
 *
 * One value per record would make LMDB copy and sync a page path for each; and a gateway has many small records at once. So all
 * records that one transaction takes are one value per partition, a batch, under the offsets that it covers:
 *
 *     'j' partition first next  →  batch of records        offsets in 8 bytes, high end first
 *     'm' partition             →  high-water mark         written by trimming, which may leave no batch to tell it
 *     'J'                       →  identity
 *
 * The keys alone tell where a partition begins and ends. A follower at the live end is handed the batch that was just written, as
 * it was before it was encoded, out of a bounded memory of the latest ones (`tailBytesMax`); one that is further back reads
 * slices from disk.
 */

import { randomUUID } from 'node:crypto';
import { keyNumberBytes, keyNumberMax, keyOf, numberInKey } from '#shared/runtime/key.ts';
import { EnvironmentUnavailable, type Environment, type Write } from '#shared/runtime/lmdb.ts';
import { nextTurn } from '#shared/runtime/slices.ts';
import { describeRefusal, type Decoded } from '#shared/runtime/stored-kind.ts';
import { followBy, lettingGo, type Found, type PartitionReader } from './following.ts';
import { JournalUnavailable } from './journal.ts';
import type { Appended, Batch, FollowEnd, Journal, JournalIdentity, JournalRecord, Offset, Partition } from './journal.ts';
import { packAppends, type PackedBatch, type Packing } from './packing.ts';
import { partitionByName } from './partition.ts';
import { cutBatch, firstSince, openTail, type Tail } from './tail.ts';
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
  readonly resolve: (outcomes: readonly Appended[]) => void;
  readonly reject: (error: unknown) => void;
};

const identityKey = keyOf('J');
const markKey = (partition: Partition): Uint8Array => keyOf('m', partition);
const batchKey = (partition: Partition, first: Offset, next: Offset): Uint8Array => keyOf('j', partition, first, next);
const firstInKey = (key: Uint8Array): Offset => numberInKey(key, -2 * keyNumberBytes);
const nextInKey = (key: Uint8Array): Offset => numberInKey(key, -keyNumberBytes);

/** Two journals in one environment would give the same offsets twice. */
const inUse = new WeakSet<Environment>();

const mebibyte = 1024 * 1024;

const asUnavailable = (error: unknown): unknown =>
  error instanceof EnvironmentUnavailable ? new JournalUnavailable(error.message, { cause: error }) : error;

/** Reads the journal's identity, or gives it one. */
async function identify(environment: Environment, wantedCount: number | undefined): Promise<JournalIdentity> {
  const { directory } = environment;
  if (!environment.has(identityKey)) {
    const value = encodeIdentity({ id: randomUUID(), partitionCount: wantedCount ?? 1 });
    await environment.commit(() => ({ writes: [{ key: identityKey, value }], result: undefined }));
  }
  const identity = expectReadable(
    decodeIdentity(environment.get(identityKey) ?? new Uint8Array()),
    `the journal in ${directory}`,
  );
  if (wantedCount !== undefined && wantedCount !== identity.partitionCount) {
    throw new Error(
      `the journal in ${directory} was made with ${identity.partitionCount} partitions, which can't become ${wantedCount}`,
    );
  }
  return identity;
}

function expectReadable<T>(decoded: Decoded<T>, what: string): T {
  if (decoded.kind === 'decoded') return decoded.value;
  throw new Error(describeRefusal(decoded, what));
}

function readPartition(environment: Environment, partition: Partition, tailBytesMax: number): PartitionState {
  const range = { from: keyOf('j', partition), below: keyOf('j', partition + 1), limit: 1 };
  const [firstKey] = environment.keys(range);
  const [lastKey] = environment.keys({ ...range, reverse: true });
  const stored = environment.get(markKey(partition));
  const mark = stored === undefined ? 0 : expectReadable(decodeMark(stored), `the high-water mark of partition ${partition}`);
  const highWater = Math.max(mark, lastKey === undefined ? 0 : nextInKey(lastKey));
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

/** Looks from the start on: who asks does so in order to trim what is before the answer, so what is looked at once is gone then. */
async function offsetSince(environment: Environment, state: PartitionState, time: number): Promise<Offset> {
  const { partition, highWater } = state;
  for (const { key, value } of environment.entries({ from: keyOf('j', partition), below: keyOf('j', partition, highWater) })) {
    const first = firstInKey(key);
    const decoded = decodeBatch(value, first);
    const found = firstSince([{ partition, first, next: nextInKey(key), records: decoded.records }], time);
    if (found !== undefined) return found;
    await nextTurn();
  }
  return highWater;
}

/** Takes appends, as many at once as have come in when a transaction begins, and tells followers what has become durable. */
function collectAppends(environment: Environment, packing: Packing, publish: (batches: readonly PackedBatch[]) => void) {
  let pending: PendingAppend[] = [];
  let requested = false;
  let settled: Promise<void> = Promise.resolve();

  const commitPending = (): Promise<void> => {
    let taken: readonly PendingAppend[] = [];
    const decide = () => {
      requested = false;
      taken = pending;
      pending = [];
      const packed = packAppends(
        taken.map(({ records }) => records),
        packing,
      );
      const writes = packed.batches.map(({ partition, first, next, records }): Write => ({
        key: batchKey(partition, first, next),
        value: encodeBatch(records.map(({ record }) => record)),
      }));
      return { writes, result: packed };
    };
    return environment.commit(decide).then(
      ({ batches, outcomes }) => {
        publish(batches);
        for (const [index, { resolve }] of taken.entries()) resolve(outcomes[index] ?? []);
      },
      (error: unknown) => {
        // Those that came later fail as well: what is repeated must not be overtaken.
        const failed = [...taken, ...pending];
        pending = [];
        requested = false; // where the disk was full, `decide` was never called
        for (const { reject } of failed) reject(asUnavailable(error));
      },
    );
  };

  const append = (records: readonly JournalRecord[]): Promise<readonly Appended[]> => {
    const { promise, resolve, reject } = Promise.withResolvers<readonly Appended[]>();
    pending.push({ records, resolve, reject });
    if (!requested) {
      requested = true;
      settled = commitPending();
    }
    return promise;
  };

  return { append, drained: () => settled };
}

const trimmedAtOnce = 1000; // batches in one transaction: its list of changed pages is held in memory

/** Deletes the batches that end at or below `below`, from the lowest on. */
async function trimPartition(environment: Environment, state: PartitionState, below: Offset): Promise<void> {
  const { partition } = state;
  for (;;) {
    const limit = Math.max(0, Math.min(below, state.highWater)); // what is kept for a while makes callers go below 0
    const range = { from: keyOf('j', partition), below: keyOf('j', partition, limit), limit: trimmedAtOnce };
    const keys = [...environment.keys(range)].filter((key) => nextInKey(key) <= limit);
    const last = keys.at(-1);
    if (last === undefined) return;
    const deletions = keys.map((key): Write => ({ key, value: undefined }));
    const decide = () => ({
      writes: [...deletions, { key: markKey(partition), value: encodeMark(state.highWater) }],
      result: undefined,
    });
    await environment.commit(decide, { releases: true });
    state.start = Math.max(state.start, nextInKey(last));
  }
}

/**
 * Opens the journal that is kept in `environment`, making it if there is none. Closing it leaves the environment open.
 * @throws where it has another partition count than was asked for, or is of a newer version
 */
export async function openEmbeddedJournal(environment: Environment, options: EmbeddedJournalOptions = {}): Promise<Journal> {
  const {
    recordBytesMax = 64 * mebibyte,
    batchBytesMax = mebibyte,
    sliceBytesMax = mebibyte,
    tailBytesMax = 4 * mebibyte,
  } = options;
  if (inUse.has(environment)) throw new Error(`the journal in ${environment.directory} is open already`);
  inUse.add(environment);
  const identity = await identify(environment, options.partitionCount).catch((error: unknown) => {
    inUse.delete(environment);
    throw asUnavailable(error);
  });
  const { partitionCount } = identity;
  const partitions = Array.from({ length: partitionCount }, (_, partition) =>
    readPartition(environment, partition, tailBytesMax),
  );
  let closed = false;

  const ifOpen = (): void => {
    if (closed) throw new JournalUnavailable('the journal was closed');
  };
  const stateOf = (partition: Partition): PartitionState => {
    const state = partitions[partition];
    if (state === undefined) throw new RangeError(`there is no partition ${partition}, only 0 to ${partitionCount - 1}`);
    return state;
  };
  const partitionOf: Journal['partitionOf'] = (document) => partitionByName(document, partitionCount);
  const nextOf = (partition: Partition): Offset => stateOf(partition).highWater;

  const appends = collectAppends(environment, { partitionOf, nextOf, recordBytesMax, batchBytesMax }, (batches) => {
    for (const { bytes, ...batch } of batches) {
      const state = stateOf(batch.partition);
      state.highWater = batch.next;
      state.tail.push(batch, bytes);
    }
    for (const partition of new Set(batches.map((batch) => batch.partition))) {
      for (const reader of stateOf(partition).readers) reader.wake();
    }
  });

  const find = (state: PartitionState, at: Offset): Found => {
    ifOpen();
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
    append: (records) => (closed ? Promise.reject(new JournalUnavailable('the journal was closed')) : appends.append(records)),
    highWater: async (partition) => {
      ifOpen();
      return stateOf(partition).highWater;
    },
    offsetSince: async (partition, time) => {
      ifOpen();
      return offsetSince(environment, stateOf(partition), time);
    },
    follow: (partition, from, follower) => {
      const state = stateOf(partition);
      const letGo = (): void => void state.readers.delete(reader);
      const reader = followBy(from, lettingGo(follower, letGo), (at) => find(state, at));
      state.readers.add(reader);
      return {
        stop: () => {
          letGo();
          return reader.stop();
        },
      };
    },
    trim: async (partition, below) => {
      ifOpen();
      await trimPartition(environment, stateOf(partition), below).catch((error: unknown) => {
        throw asUnavailable(error);
      });
    },
    close: async () => {
      closed = true;
      const stopping = partitions.flatMap(({ readers }) => [...readers].map((reader) => reader.stop()));
      await appends.drained();
      await Promise.all(stopping);
      inUse.delete(environment);
    },
  };
}
