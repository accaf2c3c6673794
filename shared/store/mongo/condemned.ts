/**
 * Deleting what a head covers: marked first, and deleted where the mark is (`marks.ts`).
 *
 * The mark is a field of each document, so it goes wherever that document goes: into a backup, and back out of it. Parts of long segments carry marks of their own, since they are documents of their own,
 * and are deleted after the segments that name them.
 */

import type { Db, Document } from 'mongodb';
import type { Condemned, CondemnedKind, Covered } from '../store.ts';
import { makeMark } from '../marks.ts';
import type { Call } from './connection.ts';
import { segmentPartRange, segmentRange, snapshotsRange } from './values.ts';

type Place = { readonly kind: CondemnedKind; readonly where: Document };

/** What is covered, by collection, in the order in which it is deleted. */
function placesOf({ document, head, spared }: Covered): readonly Place[] {
  const endsBelow = { '_id.last': { $lt: head.upto } };
  const stays = [head, ...spared].map(({ upto, sha256 }) => ({ '_id.upto': upto, '_id.sha256': sha256 }));
  return [
    { kind: 'segments', where: { _id: segmentRange(document, head.upto), ...endsBelow } },
    { kind: 'segmentParts', where: { _id: segmentPartRange(document, head.upto), ...endsBelow } },
    { kind: 'snapshots', where: { _id: snapshotsRange(document, head.upto + 1), $nor: stays } },
  ];
}

/** Sets one mark on all that is covered. */
export async function condemn(db: Db, covered: Covered, call: Call): Promise<Condemned> {
  const mark = makeMark();
  const kinds: CondemnedKind[] = [];
  for (const { kind, where } of placesOf(covered)) {
    const { matchedCount } = await db.collection(kind).updateMany(where, { $set: { condemned: mark } }, call);
    if (matchedCount > 0) kinds.push(kind);
  }
  return { mark, kinds };
}

/** Deletes what is covered and has the mark. */
export async function deleteCondemned(db: Db, covered: Covered, { mark, kinds }: Condemned, call: Call): Promise<void> {
  for (const { kind, where } of placesOf(covered)) {
    if (kinds.includes(kind)) await db.collection(kind).deleteMany({ ...where, condemned: mark }, call);
  }
}
