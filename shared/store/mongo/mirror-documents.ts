/**
 * Mirrors and their states as BSON documents. Encode and decode side by side, in the same order; golden documents in the tests.
 *
 *     mirrors        { _id: name, value, inkstream: { kind, version, rev, prev, upto, sha256, hash, seal, omitted?, intent?, applied, refused, unrepresented } }
 *     mirrorStates   { _id: name, kind, version, rev, before, next, history: [{ upto, sha256, applied }] }
 *
 * What people write beside `value` and `inkstream` stays as it is, and is no affair of ours. `inkstream` is read as something that anybody may have written: where it is not ours it is unreadable, which is
 * no error. A list that is for people (`refused`, `unrepresented`) may be gone: whoever has read it may remove it.
 */

import type { DocumentName } from '#shared/document/name.ts';
import { reasonOf } from '#shared/runtime/reason.ts';
import { describeRefusal, storedKinds } from '#shared/runtime/stored-kind.ts';
import type {
  AppliedUpdate,
  Guard,
  Inkstream,
  Mirror,
  MirrorState,
  RefusedEdit,
  Remembered,
  SnapshotName,
  Version,
} from '../mirrors.ts';
import { NewerVersion, StoreCorrupt } from '../store.ts';
import { bsonTypes } from './bson.ts';
import {
  bytesOf,
  dateOf,
  documentOf,
  documentsOf,
  fieldsAt,
  hasField,
  numberOf,
  storedOf,
  textOf,
  textsOf,
  type StoredFields,
} from './bson-fields.ts';
import { fieldsOf, writeDocument, type BsonFields, type BsonValue } from './bson-writer.ts';
import { documentBytesMax } from './raw-writes.ts';
import { kindOf, refusalOf } from './values.ts';

const noBytes = { bytes: new Uint8Array(0) };

const nameOfMirror = (document: DocumentName): string => `the mirror of document ${JSON.stringify(document)}`;
const nameOfState = (document: DocumentName): string => `the state of the mirror of document ${JSON.stringify(document)}`;

const encodeSnapshot = ({ upto, sha256 }: SnapshotName) => ({ upto, sha256 });
const decodeSnapshot = (fields: StoredFields): SnapshotName => ({
  upto: numberOf(fields, 'upto'),
  sha256: textOf(fields, 'sha256'),
});

const encodeApplied = (applied: readonly AppliedUpdate[]): readonly BsonFields[] =>
  applied.map(({ offset, update }) => fieldsOf({ offset, update }));

const decodeApplied = (fields: StoredFields): readonly AppliedUpdate[] =>
  documentsOf(fields, 'applied').map((entry) => ({ update: bytesOf(entry, 'update'), offset: numberOf(entry, 'offset') }));

function encodeVersion({ rev, prev, snapshot, hash, seal, omitted, intent }: Version) {
  const open = intent === undefined ? undefined : fieldsOf({ valueHash: intent.valueHash, update: intent.update });
  return { rev, prev, ...encodeSnapshot(snapshot), hash, seal, omitted, intent: open };
}

function decodeVersion(fields: StoredFields): Version {
  const intent = hasField(fields, 'intent') ? documentOf(fields, 'intent') : undefined;
  return {
    rev: textOf(fields, 'rev'),
    prev: textOf(fields, 'prev'),
    snapshot: decodeSnapshot(fields),
    hash: textOf(fields, 'hash'),
    seal: textOf(fields, 'seal'),
    omitted: hasField(fields, 'omitted') ? textOf(fields, 'omitted') : undefined,
    intent: intent === undefined ? undefined : { valueHash: textOf(intent, 'valueHash'), update: bytesOf(intent, 'update') },
  };
}

const encodeRefused = ({ reason, time, value }: RefusedEdit): BsonFields =>
  fieldsOf({ reason, time: new Date(time), value: value ?? noBytes });

const decodeRefused = (fields: StoredFields): RefusedEdit => ({
  reason: textOf(fields, 'reason'),
  time: dateOf(fields, 'time'),
  value: storedOf(fields, 'value'),
});

/** The field `inkstream`. */
export const encodeInkstream = (inkstream: Inkstream): BsonFields =>
  fieldsOf({
    ...kindOf(storedKinds.mirror),
    ...encodeVersion(inkstream),
    applied: encodeApplied(inkstream.applied),
    refused: inkstream.refused.map(encodeRefused),
    unrepresented: inkstream.unrepresented,
  });

/** What `read` makes of our field; undefined where it is nothing that we wrote. @throws NewerVersion */
function ourField<T>(document: DocumentName, mirror: StoredFields, read: (fields: StoredFields) => T): T | undefined {
  if (mirror.elements.get('inkstream')?.type !== bsonTypes.document) return undefined;
  const fields = documentOf(mirror, 'inkstream');
  if (!isOurs(fields)) return undefined;
  const refusal = refusalOf(marksIn(fields), storedKinds.mirror);
  if (refusal?.kind === 'newer-version') throw new NewerVersion(describeRefusal(refusal, nameOfMirror(document)));
  return refusal === undefined ? orUndefined(() => read(fields)) : undefined;
}

const inkstreamIn = (fields: StoredFields): Inkstream => ({
  ...decodeVersion(fields),
  applied: decodeApplied(fields),
  refused: orUndefined(() => documentsOf(fields, 'refused').map(decodeRefused)) ?? [],
  unrepresented: orUndefined(() => textsOf(fields, 'unrepresented')) ?? [],
});

function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

const marksIn = (fields: StoredFields) => ({
  kind: orUndefined(() => textOf(fields, 'kind')),
  version: orUndefined(() => numberOf(fields, 'version')),
});

/** A kind that is not known is anybody's here, and no newer one of ours. */
const isOurs = (fields: StoredFields): boolean => marksIn(fields).kind === storedKinds.mirror.name;

/** A mirror out of its document. @throws NewerVersion */
export function decodeMirror(document: DocumentName, bytes: Buffer): Mirror {
  const fields = fieldsAt(bytes);
  const inkstream = ourField(document, fields, inkstreamIn);
  return {
    value: storedOf(fields, 'value') ?? noBytes,
    inkstream,
    guard: guardOf(fields, inkstream),
    roomBytes: documentBytesMax - (bytes.byteLength - bytesIn(fields, 'value') - bytesIn(fields, 'inkstream')),
  };
}

function bytesIn({ elements }: StoredFields, name: string): number {
  const element = elements.get(name);
  return element === undefined ? 0 : element.end - element.start;
}

function guardOf(fields: StoredFields, inkstream: Inkstream | undefined): Guard {
  if (inkstream !== undefined) return { kind: 'rev', rev: inkstream.rev };
  const stored = storedOf(fields, 'inkstream');
  return stored === undefined ? { kind: 'missing' } : { kind: 'unreadable', bytes: stored.bytes };
}

/** What of a mirror and of its state names snapshots, as projections: neither the value nor any edit, which may have megabytes. */
export const namesInMirror = { 'inkstream.kind': 1, 'inkstream.version': 1, 'inkstream.upto': 1, 'inkstream.sha256': 1 } as const;
export const namesInState = {
  kind: 1,
  version: 1,
  ...{ 'before.upto': 1, 'before.sha256': 1, 'next.upto': 1, 'next.sha256': 1 },
  ...{ 'history.upto': 1, 'history.sha256': 1 },
} as const;

/** The snapshot that a mirror names, out of what `namesInMirror` leaves of it. More may pass for ours than in the whole mirror. @throws NewerVersion */
export function snapshotsInMirror(document: DocumentName, bytes: Buffer): readonly SnapshotName[] {
  const name = ourField(document, fieldsAt(bytes), decodeSnapshot);
  return name === undefined ? [] : [name];
}

/** The snapshots that a state names, out of what `namesInState` leaves of it. @throws NewerVersion, StoreCorrupt */
export const snapshotsInState = (document: DocumentName, bytes: Buffer): readonly SnapshotName[] =>
  stateIn(document, bytes, (fields) =>
    [documentOf(fields, 'before'), documentOf(fields, 'next'), ...documentsOf(fields, 'history')].map(decodeSnapshot),
  );

/** A state as the fields of its document, but for the id. */
export const encodeState = ({ rev, before, next, history }: MirrorState): BsonFields =>
  fieldsOf({
    ...kindOf(storedKinds.mirrorState),
    rev,
    before: fieldsOf(encodeVersion(before)),
    next: fieldsOf(encodeVersion(next)),
    history: history.map(({ snapshot, applied }) => fieldsOf({ ...encodeSnapshot(snapshot), applied: encodeApplied(applied) })),
  });

/** A state out of its document. @throws NewerVersion, StoreCorrupt */
export const decodeState = (document: DocumentName, bytes: Buffer): MirrorState =>
  stateIn(document, bytes, (fields) => ({
    rev: textOf(fields, 'rev'),
    before: decodeVersion(documentOf(fields, 'before')),
    next: decodeVersion(documentOf(fields, 'next')),
    history: documentsOf(fields, 'history').map((entry): Remembered => ({
      snapshot: decodeSnapshot(entry),
      applied: decodeApplied(entry),
    })),
  }));

function stateIn<T>(document: DocumentName, bytes: Buffer, read: (fields: StoredFields) => T): T {
  const fields = fieldsAt(bytes);
  const refusal = refusalOf(marksIn(fields), storedKinds.mirrorState);
  if (refusal !== undefined) {
    const Failure = refusal.kind === 'newer-version' ? NewerVersion : StoreCorrupt;
    throw new Failure(describeRefusal(refusal, nameOfState(document)));
  }
  try {
    return read(fields);
  } catch (error) {
    const reason = reasonOf(error);
    throw new StoreCorrupt(describeRefusal({ kind: 'unreadable', reason }, nameOfState(document)));
  }
}

/** The bytes of a document. */
export const documentWith = (document: DocumentName, fields: BsonFields): Uint8Array =>
  writeDocument(new Map<string, BsonValue>([['_id', document], ...fields]));
