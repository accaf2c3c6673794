/**
 * A document's segments in MongoDB.
 *
 * ## Longer than a document may be
 *
 * A document of MongoDB's holds 16 MB, and one paste makes a segment of twice that. So a long segment is written in parts, under ids with the hash of the whole, and then its own document,
 * which says how many parts there are. Killed in between, it leaves parts that nobody looks for: a reader begins at the segment's own document. Two writers who have other bytes
 * for the same offsets write parts beside each other's, and the first to write the segment's document has won. Deleting goes the other way round (`condemned.ts`): first the segments, then all parts
 * that end below the same offset, whosoever they are, and so the leavings go. (A zombie that writes its segment's document after that leaves one without parts. It
 * ends below the head, where nobody reads, and goes with the next deletion.)
 *
 * ## As they stood at one moment
 *
 * A cursor over a hundred thousand segments is many batches, and MongoDB promises a moment only for each of them (snapshot reads are not to be had everywhere). A
 * persister that repeats a flush with other borders meanwhile makes a hole in what is read: see `Store.readSegments`. So the ids are listed once more when everything is read, and what is new
 * in the list is read too, until a listing has nothing new. Segments are inserted and deleted and never changed. So all that this last listing found was there at
 * the moment when it began, since it had been read before; and all that was there at that moment it found, but for what was deleted while it went on. Only what a head covers is deleted,
 * and whoever reads looks whether the head has moved.
 *
 * Listing costs little beside reading, and a flush writes to a document once a second, so the first listing is nearly always the last.
 */

import { createHash } from 'node:crypto';
import type { Collection, Db, Document } from 'mongodb';
import type { DocumentName } from '#shared/document/name.ts';
import type { Offset } from '#shared/journal/journal.ts';
import { concatenate } from '#shared/runtime/bytes.ts';
import { nextTurn, type Slices } from '#shared/runtime/slices.ts';
import type { Decoded } from '#shared/runtime/stored-kind.ts';
import { partBytesMax, StoreCorrupt, StoreUnavailable, type Segment, type SegmentId, type SizedSegmentId } from '../store.ts';
import { expectDecoded } from '../values.ts';
import type { Call, Connection } from './connection.ts';
import { insertAll } from './inserts.ts';
import { countIds, insert, type Stored } from './writes.ts';
import {
  decodeSegment,
  decodeSegmentId,
  decodeSegmentPart,
  decodeSegmentSize,
  encodeSegment,
  encodeSegmentPart,
  segmentPartId,
  segmentNameEnd,
  segmentRange,
  storedSegmentId,
  type Fields,
  type IdRange,
  type SegmentBody,
  type StoredSegmentId,
  type StoredSegmentPartId,
} from './values.ts';

/** How often the ids are listed before a reading is given up. Each further time means that the document was written to during the one before. */
const listingsMax = 20;

export type StoredSegment = ReturnType<typeof encodeSegment>;

const segmentsIn = (db: Db): Collection<Stored<StoredSegmentId>> => db.collection('segments');
const partsIn = (db: Db): Collection<Stored<StoredSegmentPartId>> => db.collection('segmentParts');

type Run = Connection['run'];

const describe = ({ document, first, last }: SegmentId): string =>
  `segment ${first} to ${last} of document ${JSON.stringify(document)}`;
const keyOf = ({ first, last }: SegmentId): string => `${first}-${last}`;

/** Inserts the parts of a segment, if it is too long for one document. Returns its own document, which is to be inserted behind them: whoever sees it finds every part. */
export async function putSegmentParts(db: Db, { update, ...id }: Segment, run: Run): Promise<StoredSegment> {
  const isShort = update.byteLength <= partBytesMax;
  const body: SegmentBody = isShort ? { kind: 'whole', update } : await run((call) => putParts(db, id, update, call));
  return encodeSegment(id, body);
}

/** Inserts the own documents of segments; those that are there already stay. */
export const insertSegments = (db: Db, documents: readonly StoredSegment[], call: Call): Promise<void> =>
  insertAll(segmentsIn(db), documents, call);

async function putParts(db: Db, id: SegmentId, update: Uint8Array, call: Call): Promise<SegmentBody> {
  const bytes = update.byteLength;
  const parts = Array.from({ length: Math.ceil(bytes / partBytesMax) }, (_, part) =>
    update.subarray(part * partBytesMax, (part + 1) * partBytesMax),
  );
  const sha256 = await hashOf(parts);
  for (const [part, slice] of parts.entries()) await insert(partsIn(db), encodeSegmentPart(id, sha256, part, slice), call);
  return { kind: 'in-parts', bytes, sha256, parts: parts.length };
}

/** In hex, part by part, so that others get their turn in between. */
async function hashOf(parts: readonly Uint8Array[]): Promise<string> {
  const hash = createHash('sha256');
  for (const part of parts) {
    hash.update(part);
    await nextTurn();
  }
  return hash.digest('hex');
}

/** The segments of `document` with `last` ≥ `from`. */
export type Wanted = { readonly document: DocumentName; readonly from: Offset; readonly slices: Slices };

/** In order, as they stood at one moment of the call. */
export async function readSegments(db: Db, wanted: Wanted, call: Call): Promise<readonly Segment[]> {
  const known = new Map<string, Segment | StoreCorrupt>();
  const read = async (range: IdRange<StoredSegmentId>): Promise<void> => {
    for await (const { id, value: body } of scan(db, wanted, { range, decode: decodeSegment }, call)) {
      known.set(keyOf(id), body.kind === 'whole' ? { ...id, update: body.update } : await joinParts(db, id, body, call));
    }
  };
  await read(segmentRange(wanted.document));
  for (let listing = 0; listing < listingsMax; listing++) {
    const listed = await listSegments(db, wanted, call);
    const missing = listed.filter((id) => !known.has(keyOf(id)));
    const [first, last] = [missing.at(0), missing.at(-1)];
    if (first === undefined || last === undefined) return listed.map((id) => expectWhole(known.get(keyOf(id))));
    await read({ $gte: storedSegmentId(first), $lte: storedSegmentId(last) });
  }
  const name = JSON.stringify(wanted.document);
  throw new StoreUnavailable(`document ${name} was written to each of the ${listingsMax} times that its segments were listed`);
}

function expectWhole(segment: Segment | StoreCorrupt | undefined): Segment {
  if (segment === undefined) throw new Error('a segment was listed as known and is not');
  if (segment instanceof StoreCorrupt) throw segment;
  return segment;
}

/** The sizes of segments, in order. */
export async function listSegments(db: Db, wanted: Wanted, call: Call): Promise<readonly SizedSegmentId[]> {
  const found: SizedSegmentId[] = [];
  const range = segmentRange(wanted.document);
  const projection = { kind: 1, version: 1, bytes: 1 };
  for await (const { id, value: bytes } of scan(db, wanted, { range, decode: decodeSegmentSize, projection }, call))
    found.push({ ...id, bytes });
  return found;
}

/** The names after `after` that have segments, at most `limit`, in the order of their bytes. Goes from document to document in the index: however many segments one has, it is one query. */
export async function listSegmentNames(db: Db, after: string | undefined, limit: number, call: Call): Promise<readonly string[]> {
  const names: string[] = [];
  const options = { ...call, projection: { _id: 1 }, sort: { _id: 1 } } as const;
  for (let last = after ?? ''; names.length < limit;) {
    const found = await segmentsIn(db).findOne({ _id: { $gt: segmentNameEnd(last) } }, options);
    if (found === null) break;
    last = found._id.doc;
    names.push(last);
  }
  return names;
}

type Scan<T> = {
  readonly range: IdRange<StoredSegmentId>;
  readonly decode: (fields: Fields) => Decoded<T>;
  readonly projection?: Document;
};

async function* scan<T>(
  db: Db,
  { document, from, slices }: Wanted,
  { range, decode, projection = {} }: Scan<T>,
  call: Call,
): AsyncGenerator<{ readonly id: SegmentId; readonly value: T }> {
  const cursor = segmentsIn(db).find({ _id: range, '_id.last': { $gte: from } }, { ...call, projection, sort: { _id: 1 } });
  for await (const fields of cursor) {
    for (let turn = slices(); turn !== undefined; turn = slices()) await turn;
    const id = expectDecoded(decodeSegmentId(document, fields), `a segment of document ${JSON.stringify(document)}`);
    yield { id, value: expectDecoded(decode(fields), describe(id)) };
  }
}

/** A long segment out of its parts, or what is wrong with it: to be thrown unless it has been deleted meanwhile, its parts last. */
async function joinParts(
  db: Db,
  id: SegmentId,
  { bytes, sha256, parts }: Extract<SegmentBody, { readonly kind: 'in-parts' }>,
  call: Call,
): Promise<Segment | StoreCorrupt> {
  const found: Uint8Array[] = [];
  for (let part = 0; part < parts; part++) {
    const what = `part ${part} of ${parts} of ${describe(id)}`;
    const fields = await partsIn(db).findOne({ _id: segmentPartId(id, sha256, part) }, call);
    if (fields === null) return new StoreCorrupt(`${what} is missing`);
    found.push(expectDecoded(decodeSegmentPart(fields), what));
  }
  const update = concatenate(found);
  const hash = await hashOf(found);
  if (hash === sha256 && update.byteLength === bytes) return { ...id, update };
  return new StoreCorrupt(`${describe(id)}: its hash is ${hash} and should be ${sha256}`);
}

/** Ids that are looked for in one command. */
const idsAtOnce = 1_000;

/** Whether all of these segments are there, with all of their parts. */
export async function hasSegments(db: Db, segments: readonly SizedSegmentId[], call: Call): Promise<boolean> {
  for (let at = 0; at < segments.length; at += idsAtOnce) {
    const ids = segments.slice(at, at + idsAtOnce).map(storedSegmentId);
    if ((await countIds(segmentsIn(db), { $in: ids }, ids.length, call)) < ids.length) return false;
  }
  for (const segment of segments) if (segment.bytes > partBytesMax && !(await hasParts(db, segment, call))) return false;
  return true;
}

async function hasParts(db: Db, id: SegmentId, call: Call): Promise<boolean> {
  const fields = await segmentsIn(db).findOne({ _id: storedSegmentId(id) }, call);
  if (fields === null) return false;
  const body = expectDecoded(decodeSegment(fields), describe(id));
  if (body.kind === 'whole') return true;
  const range = { $gte: segmentPartId(id, body.sha256, 0), $lt: segmentPartId(id, body.sha256, body.parts) };
  return (await countIds(partsIn(db), range, body.parts, call)) === body.parts;
}
