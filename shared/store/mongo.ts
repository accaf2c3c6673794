/**
 * The store in MongoDB: what gateways and persisters on many machines share.
 *
 *     segments       {doc, first, last}                 update, or how many parts it has
 *     segmentParts   {doc, first, last, sha256, part}   of segments that are too long for one document
 *     snapshots      {doc, upto, sha256, part}          a slice
 *     documents      name                               head
 *     checkpoints    partition, or "journal"            checkpoint, or the journal that this store is bound to
 *     mirrors, mirrorStates                             see `mongo/mirrors.ts`
 *     leases, tokens                                    who follows the changes of mirrors, and how far (`mongo/leases.ts`, `mongo/changes.ts`)
 *
 * Transactions over all of that would be the obvious way. They want a replica set, hold up others while they last and end after a minute, and the port does not need
 * them: every write here is of one document, under an id that says what it holds or guarded by a comparison. So this works the same on one `mongod`, on a replica set and on a sharded cluster (shard any of
 * the first three by `_id`, which begins with the name, the others by `_id` or not at all). No index is made: ids are all that is searched by.
 *
 * A write resolves when a majority of the members has it on disk, a read sees nothing that a fail-over could take back, and what is read after
 * something else in one process is never older than it (`mongo/connection.ts`). What becomes of the driver's errors is in `mongo/failures.ts`.
 */

import { systemClock, type Clock } from '#shared/runtime/clock.ts';
import { createSlices, type Slices } from '#shared/runtime/slices.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import type { Changes } from './changes.ts';
import type { LeaseStore } from './leases.ts';
import type { MirrorStore } from './mirrors.ts';
import { createMongoChanges } from './mongo/changes.ts';
import { connectionLimits, openConnection, type Connection, type ConnectionLimits } from './mongo/connection.ts';
import { createMongoLeases } from './mongo/leases.ts';
import { createMongoMirrors } from './mongo/mirrors.ts';
import { condemn, deleteCondemned } from './mongo/condemned.ts';
import { bindJournal, headIds, type LeftAt, moveCheckpoint, moveHead, readHead, readPosition } from './mongo/positions.ts';
import { Inserts } from './mongo/inserts.ts';
import { listNames } from './mongo/names.ts';
import {
  insertSegments,
  listSegmentNames,
  listSegments,
  putSegmentParts,
  readSegments,
  type StoredSegment,
} from './mongo/segments.ts';
import { listSnapshots, putSnapshotPart, readSnapshotPart } from './mongo/snapshots.ts';
import { partBytesMax, type Store } from './store.ts';

/** All that is kept in one database, on one connection: nothing that one of them reads is older than what another one has seen. `close` closes all of it. */
export type Database = {
  readonly store: Store;
  readonly mirrors: MirrorStore;
  readonly changes: Changes;
  readonly leases: LeaseStore;
  readonly close: () => Promise<void>;
};

export type MongoStoreOptions = Partial<ConnectionLimits> & {
  /** `mongodb://…` with the name of the database. Its concerns, read preference and time limits are overruled. */
  readonly url: string;
  /** The longest update of a segment, in bytes. */
  readonly segmentBytesMax?: number;
  /** How long the segments of a document are read, in milliseconds, before others get their turn. */
  readonly sliceMs?: number;
  readonly clock?: Clock;
  readonly logger?: Logger;
};

/**
 * Opens what is kept in the database that `url` names. The caller closes it.
 * @throws StoreUnavailable where MongoDB can't be reached now; Error with one line, without the password, where no waiting helps: a malformed URL, one without a database's name, credentials that
 * are refused, a server that can't do what the store needs
 */
export async function openDatabase(options: MongoStoreOptions): Promise<Database> {
  const { url, segmentBytesMax = 64 * 1024 * 1024, sliceMs = 5, clock = systemClock, logger, ...limits } = options;
  const connection = await openConnection(url, { ...connectionLimits, ...limits }, logger);
  return {
    store: createStore(connection, segmentBytesMax, createSlices(clock, sliceMs)),
    mirrors: createMongoMirrors(connection),
    changes: createMongoChanges(connection, clock),
    leases: createMongoLeases(connection),
    close: connection.close,
  };
}

/** Opens the store alone; closing it closes the connection. Throws as `openDatabase` does. */
export async function openMongoStore(options: MongoStoreOptions): Promise<Store> {
  const { store } = await openDatabase(options);
  return store;
}

function createStore({ db, run, close }: Connection, segmentBytesMax: number, slices: Slices): Store {
  const segments = new Inserts<StoredSegment>((documents) => run((call) => insertSegments(db, documents, call)));
  const leftAt: LeftAt = new Map();
  return {
    segmentBytesMax,
    bindJournal: (identity) => run((call) => bindJournal(db, identity, call)),
    readCheckpoint: (partition) => run(async (call) => (await readPosition(db, partition, call)).upto),
    readPosition: (partition) => run((call) => readPosition(db, partition, call)),
    moveCheckpoint: (partition, from, to, segments = []) =>
      run((call) => moveCheckpoint(db, { partition, from, to, segments }, leftAt, call)),
    putSegment: async (segment) => {
      if (segment.update.byteLength > segmentBytesMax) throw new RangeError(`a segment has at most ${segmentBytesMax} bytes`);
      await segments.add(await putSegmentParts(db, segment, run), Math.min(segment.update.byteLength, partBytesMax));
    },
    readSegments: (document, from) => run((call) => readSegments(db, { document, from, slices }, call)),
    listSegments: (document, from) => run((call) => listSegments(db, { document, from, slices }, call)),
    putSnapshotPart: async (snapshot, part, bytes) => {
      if (bytes.byteLength > partBytesMax) throw new RangeError(`a part of a snapshot has at most ${partBytesMax} bytes`);
      await run((call) => putSnapshotPart(db, { snapshot, part }, bytes, call));
    },
    readSnapshotPart: (snapshot, part) => run((call) => readSnapshotPart(db, { snapshot, part }, call)),
    listSnapshots: (document) => run((call) => listSnapshots(db, document, call)),
    condemn: (covered, limit) => run((call) => condemn(db, covered, call, limit)),
    deleteCondemned: (covered, condemned) => run((call) => deleteCondemned(db, covered, condemned, call)),
    readHead: (document) => run((call) => readHead(db, document, call)),
    listDocuments: (after, limit) =>
      run((call) => listNames([headIds(db, call), (from, count) => listSegmentNames(db, from, count, call)], after, limit)),
    moveHead: (document, head) => run((call) => moveHead(db, document, head, call)),
    close,
  };
}
