/**
 * Mirrors in MongoDB, where anybody edits them with any driver.
 *
 * ## Byte for byte
 *
 * Our write must miss if the value is no longer what was read. So the value is part of the filter, as the very bytes that were read (`raw-writes.ts`): an outside write in between makes the filter not match. What
 * MongoDB compares by, though, is `$eq`, and that is not quite equality of bytes:
 *
 *     a field that is an array matches where one of its entries does      shut out: no array, or none that has it as an entry
 *     null matches where there is nothing                                 by type
 *     1, 1.0, NumberLong(1), NumberDecimal("1.00") are one; 0 and -0; a symbol and its text      left
 *
 * Order of keys, types of everything else, texts (by their bytes; the collection has to have the default collation) and binary subtypes are compared exactly. So what may be written over unseen is a write, between a
 * reading of ours and a write of ours, of a value that differs in nothing but how its numbers are stored. Those say the same (`bson-form.ts`): there is no edit in it that could be lost. Such a write at any other time is seen, taken in
 * as an edit that changes nothing, and stays as its author wrote it until the document changes.
 *
 * ## Of one document each
 *
 * Every write is an update of one document by a filter, with `$set` and `$unset` alone, or an insert: no transaction, no pipeline. So what others have beside `value` and `inkstream` stays (the key that a collection is sharded by, perhaps).
 * Names with `$` and `.` are allowed within a value from MongoDB 5.0 on.
 *
 * A value that was written may have 16 MB, as much as a filter: then it and a new value do not fit into one command. It is taken out first, by the same comparison, and the new one written where there is none. Who is
 * killed in between leaves a mirror without a value, which is an edit that is refused, and the value comes back.
 */

import { MongoServerError, type Collection, type Db } from 'mongodb';
import type { DocumentName } from '#shared/document/name.ts';
import type { Guard, MirrorContents, MirrorStore, Rev, SnapshotName, StoredValue } from '../mirrors.ts';
import { bsonTypes } from './bson.ts';
import { bsonForm } from './bson-form.ts';
import { fieldsOf, writeValue, type BsonFields, type BsonValue } from './bson-writer.ts';
import type { Call, Connection } from './connection.ts';
import {
  decodeMirror,
  decodeState,
  documentWith,
  encodeInkstream,
  encodeState,
  namesInMirror,
  namesInState,
  snapshotsInMirror,
  snapshotsInState,
} from './mirror-documents.ts';
import { idsIn, listNames } from './names.ts';
import { documentBytesMax, insertOne, statementBytesMax, updateOne, writeStatement, type Statement } from './raw-writes.ts';
import type { Stored } from './writes.ts';

const mirrors = 'mirrors';
const states = 'mirrorStates';

type Place = typeof mirrors | typeof states;
const collectionOf = (db: Db, place: Place): Collection<Stored<string>> => db.collection(place);

/** Codes with which MongoDB says that a document would become too large, or is nested too deeply. */
const unstorable: ReadonlySet<unknown> = new Set([15, 10_334, 17_419, 17_420]);

/** What can't be stored at any time is a mistake of the caller's, and no store that is away. */
async function storing<T>(document: DocumentName, place: Place, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (!(error instanceof MongoServerError) || !unstorable.has(error.code)) throw error;
    throw new RangeError(`${place}: MongoDB can't store what document ${JSON.stringify(document)} has there: ${error.message}`, {
      cause: error,
    });
  }
}

/** @throws RangeError where it is larger than MongoDB stores */
function checkBytes(document: DocumentName, place: Place, bytes: number): void {
  if (bytes <= documentBytesMax) return;
  throw new RangeError(
    `${place}: document ${JSON.stringify(document)} would have ${bytes} bytes there, and MongoDB stores at most ${documentBytesMax}`,
  );
}

const types = { minKey: -1, array: 4, undefined: 6, null: 10, maxKey: 127 } as const;
const noArray = fieldsOf({ $type: types.array });

/** What a field has to be in a filter so that it is what was read, and nothing that only matches. */
function exactly(stored: StoredValue): BsonFields {
  const [type] = stored.bytes;
  switch (type) {
    case undefined:
      return fieldsOf({ $exists: false });
    case bsonTypes.null:
      return fieldsOf({ $type: types.null, $not: noArray });
    case bsonTypes.undefined:
      return fieldsOf({ $type: types.undefined, $not: noArray });
    case bsonTypes.minKey:
      return fieldsOf({ $type: types.minKey, $not: noArray });
    case bsonTypes.maxKey:
      return fieldsOf({ $type: types.maxKey, $not: noArray });
    case bsonTypes.array: {
      const hasItself =
        stored.bytes.byteLength * 2 > documentBytesMax ? undefined : fieldsOf({ $elemMatch: fieldsOf({ $eq: stored }) });
      return fieldsOf({ $eq: stored, $not: hasItself });
    }
    default:
      return fieldsOf({ $eq: stored, $not: noArray });
  }
}

function holding(guard: Guard): readonly (readonly [string, BsonValue])[] {
  switch (guard.kind) {
    case 'rev':
      return [['inkstream.rev', guard.rev]];
    case 'missing':
      return [['inkstream', exactly({ bytes: new Uint8Array(0) })]];
    case 'unreadable':
      return [['inkstream', exactly(guard)]];
  }
}

/** A filter for a mirror that is there and as `guard` says; and whose value is `value`, if one is given. */
const mirrorWhere = (document: DocumentName, guard: Guard, value?: StoredValue): BsonFields =>
  new Map<string, BsonValue>([
    ['_id', document],
    ...holding(guard),
    ...(value === undefined ? [] : [['value', exactly(value)] as const]),
  ]);

const isNone = ({ bytes }: StoredValue): boolean => bytes.byteLength === 0;
const without = (field: string): BsonFields => fieldsOf({ [field]: '' });

/** An update that makes the value this one, and sets other fields. */
function settingValue(value: StoredValue, others: { readonly [field: string]: BsonValue } = {}): BsonFields {
  const set = fieldsOf(isNone(value) ? others : { value, ...others });
  return fieldsOf({ $set: set.size === 0 ? undefined : set, $unset: isNone(value) ? without('value') : undefined });
}

type Replacement = {
  readonly guard: Guard;
  readonly replaced: StoredValue;
  readonly contents: MirrorContents;
  readonly bytesMax: number;
};

async function replaceMirror(
  db: Db,
  document: DocumentName,
  { guard, replaced, contents, bytesMax }: Replacement,
  call: Call,
): Promise<boolean> {
  const { value, inkstream } = contents;
  const bookkeeping = writeValue(encodeInkstream(inkstream));
  checkBytes(document, mirrors, value.bytes.byteLength + bookkeeping.bytes.byteLength);
  const update = settingValue(value, { inkstream: bookkeeping });
  const whole = writeStatement({ where: mirrorWhere(document, guard, replaced), update });
  if (whole.byteLength <= bytesMax) return updateOne(db, mirrors, whole, call);

  const takeOut: Statement = { where: mirrorWhere(document, guard, replaced), update: fieldsOf({ $unset: without('value') }) };
  if (!(await updateOne(db, mirrors, writeStatement(takeOut), call))) return false;
  const none = { bytes: new Uint8Array(0) };
  return updateOne(db, mirrors, writeStatement({ where: mirrorWhere(document, guard, none), update }), call);
}

async function editValue(
  db: Db,
  document: DocumentName,
  seen: { readonly guard: Guard; readonly value: StoredValue } | undefined,
  value: StoredValue,
  call: Call,
): Promise<boolean> {
  checkBytes(document, mirrors, value.bytes.byteLength);
  if (seen === undefined) return insertOne(db, mirrors, documentWith(document, fieldsOf({ value })), call);
  const where = mirrorWhere(document, seen.guard, seen.value);
  return updateOne(db, mirrors, writeStatement({ where, update: settingValue(value) }), call);
}

/** Writes a state where the stored one has the rev `expected`; undefined: where there is none. */
async function writeState(
  db: Db,
  document: DocumentName,
  expected: Rev | undefined,
  state: BsonFields,
  call: Call,
): Promise<boolean> {
  const whole = documentWith(document, state);
  checkBytes(document, states, whole.byteLength);
  if (expected === undefined) return insertOne(db, states, whole, call);
  const where = fieldsOf({ _id: document, rev: expected });
  return updateOne(db, states, writeStatement({ where, update: fieldsOf({ $set: state }) }), call);
}

/** A document as it is stored; with a projection, what is left of it. */
async function read(db: Db, place: Place, document: DocumentName, call: Call, projection = {}): Promise<Buffer | undefined> {
  const found = await collectionOf(db, place).findOne({ _id: document }, { ...call, projection, raw: true });
  return found === null ? undefined : (found as unknown as Buffer);
}

async function listNamedSnapshots(db: Db, document: DocumentName, call: Call): Promise<readonly SnapshotName[]> {
  const mirror = await read(db, mirrors, document, call, namesInMirror);
  const state = await read(db, states, document, call, namesInState);
  return [
    ...(mirror === undefined ? [] : snapshotsInMirror(document, mirror)),
    ...(state === undefined ? [] : snapshotsInState(document, state)),
  ];
}

/** Mirrors in the database of a connection. Closing them closes it. `bytesMax`: what one statement may have; tests have less. */
export function createMongoMirrors({ db, run, close }: Connection, bytesMax = statementBytesMax): MirrorStore {
  const write = (document: DocumentName, place: Place, work: (call: Call) => Promise<boolean>): Promise<boolean> =>
    run((call) => storing(document, place, () => work(call)));
  return {
    form: bsonForm,
    readState: (document) =>
      run(async (call) => {
        const found = await read(db, states, document, call);
        return found === undefined ? undefined : decodeState(document, found);
      }),
    writeState: (document, expected, state) =>
      write(document, states, (call) => writeState(db, document, expected, encodeState(state), call)),
    readMirror: (document) =>
      run(async (call) => {
        const found = await read(db, mirrors, document, call);
        return found === undefined ? undefined : decodeMirror(document, found);
      }),
    writeBookkeeping: (document, guard, inkstream) =>
      write(document, mirrors, (call) => {
        const bookkeeping = writeValue(encodeInkstream(inkstream));
        checkBytes(document, mirrors, bookkeeping.bytes.byteLength);
        const update = fieldsOf({ $set: fieldsOf({ inkstream: bookkeeping }) });
        return updateOne(db, mirrors, writeStatement({ where: mirrorWhere(document, guard), update }), call);
      }),
    replaceMirror: (document, guard, replaced, contents) =>
      write(document, mirrors, (call) => replaceMirror(db, document, { guard, replaced, contents, bytesMax }, call)),
    insertMirror: (document, { value, inkstream }) =>
      write(document, mirrors, (call) => {
        const whole = documentWith(document, fieldsOf({ value, inkstream: encodeInkstream(inkstream) }));
        checkBytes(document, mirrors, whole.byteLength);
        return insertOne(db, mirrors, whole, call);
      }),
    editValue: (document, seen, value) => write(document, mirrors, (call) => editValue(db, document, seen, value, call)),
    listNamedSnapshots: (document) => run((call) => listNamedSnapshots(db, document, call)),
    listDocuments: (after, limit) =>
      run((call) => listNames([idsIn(collectionOf(db, mirrors), call), idsIn(collectionOf(db, states), call)], after, limit)),
    close,
  };
}
