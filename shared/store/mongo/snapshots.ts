/** The parts of snapshots. A snapshot is there as soon as one of its parts is; that all are is the head's word. */

import type { Collection, Db } from 'mongodb';
import type { DocumentName } from '#shared/document/name.ts';
import type { SnapshotId } from '../store.ts';
import { expectDecoded } from '../values.ts';
import type { Call } from './connection.ts';
import {
  decodeSnapshotId,
  decodeSnapshotPart,
  encodeSnapshotPart,
  snapshotPartId,
  snapshotsRange,
  type StoredSnapshotPartId,
} from './values.ts';
import { countIds, insert, type Stored } from './writes.ts';

const partsIn = (db: Db): Collection<Stored<StoredSnapshotPartId>> => db.collection('snapshots');

/** One slice of a snapshot. */
export type Slice = { readonly snapshot: SnapshotId; readonly part: number };

/** Inserts a slice; one that is there already stays. */
export async function putSnapshotPart(db: Db, { snapshot, part }: Slice, bytes: Uint8Array, call: Call): Promise<void> {
  await insert(partsIn(db), encodeSnapshotPart(snapshot, part, bytes), call);
}

export async function readSnapshotPart(db: Db, { snapshot, part }: Slice, call: Call): Promise<Uint8Array | undefined> {
  const fields = await partsIn(db).findOne({ _id: snapshotPartId(snapshot, part) }, call);
  if (fields === null) return undefined;
  const what = `part ${part} of the snapshot at ${snapshot.upto} of document ${JSON.stringify(snapshot.document)}`;
  return expectDecoded(decodeSnapshotPart(fields), what);
}

/** The snapshots of which there is a part, by `upto`, then hash. */
export async function listSnapshots(db: Db, document: DocumentName, call: Call): Promise<readonly SnapshotId[]> {
  const found = new Map<string, SnapshotId>();
  const what = `a snapshot of document ${JSON.stringify(document)}`;
  const options = { ...call, projection: { kind: 1, version: 1 }, sort: { _id: 1 } } as const;
  for await (const fields of partsIn(db).find({ _id: snapshotsRange(document) }, options)) {
    const id = expectDecoded(decodeSnapshotId(document, fields), what);
    found.set(`${id.upto} ${id.sha256}`, id);
  }
  return [...found.values()];
}

/** Whether the first `parts` parts are there. */
export async function hasParts(db: Db, snapshot: SnapshotId, parts: number, call: Call): Promise<boolean> {
  const range = { $gte: snapshotPartId(snapshot, 0), $lt: snapshotPartId(snapshot, parts) };
  return (await countIds(partsIn(db), range, parts, call)) === parts;
}
