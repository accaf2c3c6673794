/**
 * What the store keeps in MongoDB, as BSON documents. Encode and decode side by side, in the same order; golden documents in the tests.
 *
 * Fields have names, and kind and version are fields among them, since people look at all this with mongosh. An `_id` says what its document holds, begins with the document's name and has a fixed
 * order of fields: MongoDB compares embedded documents field by field in the order in which they stand, so the index on `_id`, which every collection has, is all
 * that a scan over one document needs. (Bounds have all the fields, with values of the same types: then no server has anything to decide.)
 */

import { Binary } from 'mongodb';
import type { DocumentName } from '#shared/document/name.ts';
import type { JournalIdentity, Offset, Partition } from '#shared/journal/journal.ts';
import { reasonOf } from '#shared/runtime/reason.ts';
import { storedKinds, type Decoded, type Refusal, type StoredKind } from '#shared/runtime/stored-kind.ts';
import type { Head, Position, SegmentId, SnapshotId } from '../store.ts';

/** A document as it comes from the driver: nothing is known of it yet. */
export type Fields = { readonly [field: string]: unknown };

/** Of ids in MongoDB's order, as a filter takes it. */
export type IdRange<Id> = { readonly $gte: Id } & ({ readonly $lt: Id } | { readonly $lte: Id });

const offsetMax: Offset = Number.MAX_SAFE_INTEGER;

export type StoredSegmentId = { readonly doc: string; readonly first: Offset; readonly last: Offset };
export type StoredSegmentPartId = StoredSegmentId & { readonly sha256: string; readonly part: number };
export type StoredSnapshotPartId = {
  readonly doc: string;
  readonly upto: Offset;
  readonly sha256: string;
  readonly part: number;
};

const knownKinds: ReadonlySet<unknown> = new Set(Object.values(storedKinds).map(({ name }) => name));

export const kindOf = ({ name, version }: StoredKind) => ({ kind: name, version });

/** Why something stored is not of `wanted`; undefined where it is. */
export function refusalOf({ kind, version }: Fields, wanted: StoredKind): Refusal | undefined {
  if (typeof kind !== 'string' || typeof version !== 'number')
    return { kind: 'unreadable', reason: 'it has no kind and version' };
  if (!knownKinds.has(kind)) return { kind: 'newer-version', found: `kind "${kind}", version ${version}` };
  if (kind !== wanted.name) return { kind: 'unreadable', reason: `it is a ${kind}, and not a ${wanted.name}` };
  if (version > wanted.version) return { kind: 'newer-version', found: `${kind}, version ${version}` };
  if (version < wanted.version) return { kind: 'unreadable', reason: `${kind} has no version ${version}` };
  return undefined;
}

/** `read` may throw where a field is not what it should be. Never throws itself. */
export function decodeFields<T>(fields: Fields, kind: StoredKind, read: (fields: Fields) => T): Decoded<T> {
  const refusal = refusalOf(fields, kind);
  if (refusal !== undefined) return refusal;
  try {
    return { kind: 'decoded', value: read(fields) };
  } catch (error) {
    return { kind: 'unreadable', reason: `${kind.name}: ${reasonOf(error)}` };
  }
}

export function numberIn(fields: Fields, field: string): number {
  const value = fields[field];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw new Error(`"${field}" is no number from 0 on`);
  return value;
}

export function textIn(fields: Fields, field: string): string {
  const value = fields[field];
  if (typeof value !== 'string') throw new Error(`"${field}" is no text`);
  return value;
}

/** A view of what the driver read. */
function bytesIn(fields: Fields, field: string): Uint8Array {
  const value = fields[field];
  if (!(value instanceof Binary)) throw new Error(`"${field}" is not binary`);
  const { buffer, position } = value;
  return new Uint8Array(buffer.buffer, buffer.byteOffset, position);
}

function idIn(fields: Fields): Fields {
  const { _id } = fields;
  if (typeof _id !== 'object' || _id === null) throw new Error('"_id" has no fields');
  return _id as Fields;
}

/** What a segment's own document says of its update: all of it, or where the rest is. */
export type SegmentBody =
  | { readonly kind: 'whole'; readonly update: Uint8Array }
  | { readonly kind: 'in-parts'; readonly bytes: number; readonly sha256: string; readonly parts: number };

export const storedSegmentId = ({ document, first, last }: SegmentId): StoredSegmentId => ({ doc: document, first, last });

export function encodeSegment(id: SegmentId, body: SegmentBody) {
  const bytes = body.kind === 'whole' ? body.update.byteLength : body.bytes;
  const common = { _id: storedSegmentId(id), ...kindOf(storedKinds.segment), bytes };
  return body.kind === 'whole'
    ? { ...common, update: new Binary(body.update) }
    : { ...common, sha256: body.sha256, parts: body.parts };
}

export function decodeSegment(fields: Fields): Decoded<SegmentBody> {
  return decodeFields(fields, storedKinds.segment, (fields) => {
    const bytes = numberIn(fields, 'bytes');
    if (fields['update'] === undefined)
      return { kind: 'in-parts', bytes, sha256: textIn(fields, 'sha256'), parts: numberIn(fields, 'parts') };
    const update = bytesIn(fields, 'update');
    if (update.byteLength !== bytes) throw new Error(`"update" has ${update.byteLength} bytes and should have ${bytes}`);
    return { kind: 'whole', update };
  });
}

/** Of a segment's document without its update. */
export function decodeSegmentSize(fields: Fields): Decoded<number> {
  return decodeFields(fields, storedKinds.segment, (fields) => numberIn(fields, 'bytes'));
}

/** Which segment of `document` this is. */
export function decodeSegmentId(document: DocumentName, fields: Fields): Decoded<SegmentId> {
  return decodeFields(fields, storedKinds.segment, (fields) => {
    const id = idIn(fields);
    return { document, first: numberIn(id, 'first'), last: numberIn(id, 'last') };
  });
}

/** All of a document's segments whose `first` is below `below`. */
export const segmentRange = (document: DocumentName, below: Offset = offsetMax): IdRange<StoredSegmentId> => ({
  $gte: { doc: document, first: 0, last: 0 },
  $lt: { doc: document, first: below, last: 0 },
});

/** Behind all segments of a name, and before those of the next. */
export const segmentNameEnd = (name: string): StoredSegmentId => ({ doc: name, first: offsetMax, last: offsetMax });

export const segmentPartId = (id: SegmentId, sha256: string, part: number): StoredSegmentPartId => ({
  ...storedSegmentId(id),
  sha256,
  part,
});

export function encodeSegmentPart(id: SegmentId, sha256: string, part: number, bytes: Uint8Array) {
  return { _id: segmentPartId(id, sha256, part), ...kindOf(storedKinds.segmentPart), bytes: new Binary(bytes) };
}

export function decodeSegmentPart(fields: Fields): Decoded<Uint8Array> {
  return decodeFields(fields, storedKinds.segmentPart, (fields) => bytesIn(fields, 'bytes'));
}

export const segmentPartRange = (document: DocumentName, below: Offset): IdRange<StoredSegmentPartId> => ({
  $gte: { doc: document, first: 0, last: 0, sha256: '', part: 0 },
  $lt: { doc: document, first: below, last: 0, sha256: '', part: 0 },
});

export const snapshotPartId = ({ document, upto, sha256 }: SnapshotId, part: number): StoredSnapshotPartId => ({
  doc: document,
  upto,
  sha256,
  part,
});

export function encodeSnapshotPart(snapshot: SnapshotId, part: number, bytes: Uint8Array) {
  return { _id: snapshotPartId(snapshot, part), ...kindOf(storedKinds.snapshotPart), bytes: new Binary(bytes) };
}

export function decodeSnapshotPart(fields: Fields): Decoded<Uint8Array> {
  return decodeFields(fields, storedKinds.snapshotPart, (fields) => bytesIn(fields, 'bytes'));
}

/** Which snapshot of `document` this is a part of. */
export function decodeSnapshotId(document: DocumentName, fields: Fields): Decoded<SnapshotId> {
  return decodeFields(fields, storedKinds.snapshotPart, (fields) => {
    const id = idIn(fields);
    return { document, upto: numberIn(id, 'upto'), sha256: textIn(id, 'sha256') };
  });
}

/** The parts of a document's snapshots whose `upto` is below `below`. */
export const snapshotsRange = (document: DocumentName, below: Offset = offsetMax): IdRange<StoredSnapshotPartId> => ({
  $gte: { doc: document, upto: 0, sha256: '', part: 0 },
  $lt: { doc: document, upto: below, sha256: '', part: 0 },
});

/** In the place of a head that is to come, where there was none before. */
export function encodeComingHead(document: DocumentName, mark: string) {
  return { _id: document, ...kindOf(storedKinds.head), marks: { [mark]: 1 } };
}

/** Undefined where one is to come, and none came before it. */
export function decodeHead(fields: Fields): Decoded<Head | undefined> {
  return decodeFields(fields, storedKinds.head, (fields) =>
    fields['upto'] === undefined && typeof fields['marks'] === 'object'
      ? undefined
      : { upto: numberIn(fields, 'upto'), sha256: textIn(fields, 'sha256'), parts: numberIn(fields, 'parts') },
  );
}

/** `mark` is that of a move that is to come. */
export function encodeCheckpoint(partition: Partition, { upto, course }: Position, mark?: string) {
  return {
    _id: partition,
    ...kindOf(storedKinds.checkpoint),
    upto,
    course,
    ...(mark === undefined ? {} : { marks: { [mark]: 1 } }),
  };
}

/** One from before there were courses is on a course without a name. */
export function decodeCheckpoint(fields: Fields): Decoded<Position> {
  return decodeFields(fields, storedKinds.checkpoint, (fields) => ({
    upto: numberIn(fields, 'upto'),
    course: fields['course'] === undefined ? '' : textIn(fields, 'course'),
  }));
}

/** Beside the checkpoints, whose ids are numbers. */
export const bindingId = 'journal' as const;

export function encodeBinding({ id, partitionCount }: JournalIdentity) {
  return { _id: bindingId, ...kindOf(storedKinds.journalBinding), id, partitionCount };
}

export function decodeBinding(fields: Fields): Decoded<JournalIdentity> {
  return decodeFields(fields, storedKinds.journalBinding, (fields) => ({
    id: textIn(fields, 'id'),
    partitionCount: numberIn(fields, 'partitionCount'),
  }));
}
