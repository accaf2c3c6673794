/** What moves forward only, or not at all: heads, checkpoints, and the journal that a store is bound to. */

import type { Collection, Db } from 'mongodb';
import type { DocumentName } from '#shared/document/name.ts';
import type { JournalIdentity, Offset, Partition } from '#shared/journal/journal.ts';
import { storedKinds } from '#shared/runtime/stored-kind.ts';
import type { Head } from '../store.ts';
import { expectDecoded } from '../values.ts';
import type { Call } from './connection.ts';
import {
  bindingId,
  decodeBinding,
  decodeCheckpoint,
  decodeHead,
  encodeBinding,
  encodeCheckpoint,
  encodeHead,
  marks,
  type Fields,
} from './values.ts';
import { idsIn, type ListIds } from './names.ts';
import { insert, move, type Stored } from './writes.ts';

const headsIn = (db: Db): Collection<Stored<string>> => db.collection('documents');
const checkpointsIn = (db: Db): Collection<Stored<Partition | typeof bindingId>> => db.collection('checkpoints');

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

export async function readCheckpoint(db: Db, partition: Partition, call: Call): Promise<Offset> {
  const stored = await checkpointsIn(db).findOne({ _id: partition }, call);
  return stored === null ? 0 : expectDecoded(decodeCheckpoint(stored), nameOfCheckpoint(partition));
}

/** Moves a checkpoint to `to` where what is stored is from `from` on and below `to`. Returns what is stored then. */
export async function moveCheckpoint(
  db: Db,
  { partition, from, to }: { readonly partition: Partition; readonly from: Offset; readonly to: Offset },
  call: Call,
): Promise<Offset> {
  const what = nameOfCheckpoint(partition);
  const outcome = await move(
    checkpointsIn(db),
    {
      what,
      moved: encodeCheckpoint(partition, to),
      where: { ...marks(storedKinds.checkpoint), upto: { $gte: from, $lt: to } },
      mayMove: (stored) => from <= stored && stored < to,
      mayBegin: from <= 0 && to > 0,
      decode: (fields: Fields) => expectDecoded(decodeCheckpoint(fields), what),
    },
    call,
  );
  return outcome === 'moved' ? to : (outcome ?? 0);
}

export async function readHead(db: Db, document: DocumentName, call: Call): Promise<Head | undefined> {
  const stored = await headsIn(db).findOne({ _id: document }, call);
  return stored === null ? undefined : expectDecoded(decodeHead(stored), nameOfHead(document));
}

/** The names that have a head. */
export const headIds = (db: Db, call: Call): ListIds => idsIn(headsIn(db), call);

/** Moves a head where the stored one is lower or there is none. Returns the head that stands then. */
export async function moveHead(db: Db, document: DocumentName, head: Head, call: Call): Promise<Head> {
  const what = nameOfHead(document);
  const outcome = await move(
    headsIn(db),
    {
      what,
      moved: encodeHead(document, head),
      where: { ...marks(storedKinds.head), upto: { $lt: head.upto } },
      mayMove: (stored) => stored.upto < head.upto,
      mayBegin: true,
      decode: (fields: Fields) => expectDecoded(decodeHead(fields), what),
    },
    call,
  );
  return outcome === 'moved' || outcome === undefined ? head : outcome;
}
