/**
 * What moves forward only, or not at all: heads, checkpoints, and the journal that a store is bound to.
 *
 * A move is made by a mark (`marks.ts`): a first update sets it where the document may be moved, a second one moves the document where it still is. Where there is no document yet an upsert does not help: with such a
 * filter it tries to insert a second one whenever the first does not match. So the update, the look at what is there instead, and the insert are three operations, of which each may find that somebody else was
 * there before: then it is decided again.
 */

import type { Collection, Db } from 'mongodb';
import type { DocumentName } from '#shared/document/name.ts';
import type { JournalIdentity, Offset, Partition } from '#shared/journal/journal.ts';
import { storedKinds } from '#shared/runtime/stored-kind.ts';
import { makeMark, moveByMark } from '../marks.ts';
import type { Head, Position, SizedSegmentId } from '../store.ts';
import { expectDecoded } from '../values.ts';
import type { Call } from './connection.ts';
import { hasSegments } from './segments.ts';
import { hasParts } from './snapshots.ts';
import {
  bindingId,
  decodeBinding,
  decodeCheckpoint,
  decodeHead,
  encodeBinding,
  encodeCheckpoint,
  encodeComingHead,
  kindOf,
} from './values.ts';
import { idsIn, type ListIds } from './names.ts';
import { insert, type Stored } from './writes.ts';

const headsIn = (db: Db): Collection<Stored<string>> => db.collection('documents');
const checkpointsIn = (db: Db): Collection<Stored<Partition | typeof bindingId>> => db.collection('checkpoints');

const absent = { $exists: false };

const nameOfHead = (document: DocumentName): string => `the head of document ${JSON.stringify(document)}`;
const nameOfCheckpoint = (partition: Partition): string => `the checkpoint of partition ${partition}`;

/** Binds the store to a journal if it is not bound yet. Returns the one that it is bound to. */
export async function bindJournal(db: Db, identity: JournalIdentity, call: Call): Promise<JournalIdentity> {
  const bindings = checkpointsIn(db);
  const stored = await bindings.findOne({ _id: bindingId }, call);
  if (stored === null && (await insert(bindings, encodeBinding(identity), call))) return identity;
  const standing = stored ?? (await bindings.findOne({ _id: bindingId }, call));
  return expectDecoded(decodeBinding(standing ?? {}), 'the binding to a journal');
}

const beginning: Position = { upto: 0, course: '' };

export async function readPosition(db: Db, partition: Partition, call: Call): Promise<Position> {
  const stored = await checkpointsIn(db).findOne({ _id: partition }, call);
  return stored === null ? beginning : expectDecoded(decodeCheckpoint(stored), nameOfCheckpoint(partition));
}

/** Where an adapter has left the checkpoints itself: only from there does it go on with their course. */
export type LeftAt = Map<Partition, Position>;

export type CheckpointMove = {
  readonly partition: Partition;
  readonly from: Offset;
  readonly to: Offset;
  readonly segments: readonly SizedSegmentId[];
};

/** Moves a checkpoint to `to` where what is stored is from `from` on and below `to`, and the segments are there. Returns what is stored then. */
export async function moveCheckpoint(db: Db, move: CheckpointMove, leftAt: LeftAt, call: Call): Promise<Offset> {
  const { partition, from, to, segments } = move;
  const checkpoints = checkpointsIn(db);
  let left = leftAt.get(partition);
  leftAt.delete(partition); // whatever becomes of this one, until it has succeeded
  let course = '';
  const markAt = async (position: Position, next: string, mark: string): Promise<boolean> => {
    course = next;
    const where = {
      ...kindOf(storedKinds.checkpoint),
      upto: position.upto,
      course: position.course === '' ? absent : position.course,
    };
    const update = { $set: { course, [`marks.${mark}`]: 1 } };
    return (await checkpoints.updateOne({ _id: partition, ...where }, update, call)).matchedCount > 0;
  };
  const moved = await moveByMark<Offset>({
    what: nameOfCheckpoint(partition),
    mark: async (mark) => {
      const here = left;
      left = undefined; // a move that missed may have been made, and taken back by a store that was put back to here
      if (here !== undefined && from <= here.upto && here.upto < to && (await markAt(here, here.course, mark))) return 'marked';
      const stored = await checkpoints.findOne({ _id: partition }, call);
      const standing = stored === null ? beginning : expectDecoded(decodeCheckpoint(stored), nameOfCheckpoint(partition));
      if (standing.upto < from || standing.upto >= to) return { stands: standing.upto };
      if (stored !== null) return (await markAt(standing, makeMark(), mark)) ? 'marked' : 'again';
      course = makeMark();
      return (await insert(checkpoints, encodeCheckpoint(partition, { upto: 0, course }, mark), call)) ? 'marked' : 'again';
    },
    look: () => hasSegments(db, segments, call),
    write: async (mark) => {
      const update = { $set: { upto: to }, $unset: { marks: '' } };
      return (await checkpoints.updateOne({ _id: partition, [`marks.${mark}`]: 1 }, update, call)).matchedCount > 0;
    },
    read: async () => (await readPosition(db, partition, call)).upto,
  });
  if (moved !== 'moved') return moved.stands;
  leftAt.set(partition, { upto: to, course });
  return to;
}

export async function readHead(db: Db, document: DocumentName, call: Call): Promise<Head | undefined> {
  const stored = await headsIn(db).findOne({ _id: document }, call);
  return stored === null ? undefined : expectDecoded(decodeHead(stored), nameOfHead(document));
}

/** The names that have a head. */
export const headIds = (db: Db, call: Call): ListIds => idsIn(headsIn(db), call);

/** Moves a head where the stored one is lower or there is none, and its snapshot is there. Returns the head that stands then. */
export async function moveHead(db: Db, document: DocumentName, head: Head, call: Call): Promise<Head | undefined> {
  const heads = headsIn(db);
  const isLower = { $or: [{ upto: { $lt: head.upto } }, { upto: absent, marks: { $exists: true } }] };
  const moved = await moveByMark<Head | undefined>({
    what: nameOfHead(document),
    mark: async (mark) => {
      const where = { _id: document, ...kindOf(storedKinds.head), ...isLower };
      if ((await heads.updateOne(where, { $set: { [`marks.${mark}`]: 1 } }, call)).matchedCount > 0) return 'marked';
      const stored = await heads.findOne({ _id: document }, call);
      if (stored === null) return (await insert(heads, encodeComingHead(document, mark), call)) ? 'marked' : 'again';
      const standing = expectDecoded(decodeHead(stored), nameOfHead(document));
      return standing === undefined || standing.upto < head.upto ? 'again' : { stands: standing };
    },
    look: () => hasParts(db, { document, ...head }, head.parts, call),
    write: async (mark) => {
      const { upto, sha256, parts } = head;
      const update = { $set: { upto, sha256, parts }, $unset: { marks: '' } };
      return (await heads.updateOne({ _id: document, [`marks.${mark}`]: 1 }, update, call)).matchedCount > 0;
    },
    read: () => readHead(db, document, call),
  });
  return moved === 'moved' ? head : moved.stands;
}
