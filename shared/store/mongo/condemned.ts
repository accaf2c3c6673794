/**
 * Deleting what a head covers: marked first, and deleted where the mark is (`marks.ts`).
 *
 * The mark is a field of each document, so it goes wherever that document goes: into a backup, and back out of it. Parts of long segments carry marks of their own, since they are documents of their own,
 * and are deleted after the segments that name them.
 *
 * Nearly always that is a handful of documents, and one command marks them all. But a command has ten seconds, and a document that could not be compacted for a day has a hundred thousand segments. An update that is
 * cut short has marked some of them, with a mark that nobody asks for again, and the next one begins with the first of them once more. So whoever can't have all at once sets a limit. No update takes one: so a
 * look at the ids tells first where it has to end, and the deletion ends there as well instead of going over all the rest. What of one kind is left over keeps the next kind as it is.
 */

import type { Db, Document } from 'mongodb';
import type { Condemned, CondemnedKind, Covered } from '../store.ts';
import { makeMark } from '../marks.ts';
import type { Call } from './connection.ts';
import {
  segmentPartRange,
  segmentRange,
  snapshotsRange,
  type IdRange,
  type StoredSegmentId,
  type StoredSegmentPartId,
  type StoredSnapshotPartId,
} from './values.ts';
import type { Stored } from './writes.ts';

type StoredId = StoredSegmentId | StoredSegmentPartId | StoredSnapshotPartId;
type Place = { readonly kind: CondemnedKind; readonly range: IdRange<StoredId>; readonly where: Document; readonly max: number };

/** Parts have up to 8 MB each. */
const partsMax = 16;

/** What is covered, by collection, in the order in which it is deleted. */
function placesOf({ document, head, spared }: Covered): readonly Place[] {
  const endsBelow = { '_id.last': { $lt: head.upto } };
  const stays = [head, ...spared].map(({ upto, sha256 }) => ({ '_id.upto': upto, '_id.sha256': sha256 }));
  return [
    { kind: 'segments', range: segmentRange(document, head.upto), where: endsBelow, max: Infinity },
    { kind: 'segmentParts', range: segmentPartRange(document, head.upto), where: endsBelow, max: partsMax },
    { kind: 'snapshots', range: snapshotsRange(document, head.upto + 1), where: { $nor: stays }, max: partsMax },
  ];
}

/** With `last` it is what is covered up to there. */
const filterOf = ({ range, where }: Place, last?: Condemned['last']): Document => ({
  _id: last === undefined ? range : { ...range, $lte: last },
  ...where,
});

/** The last one of the first `limit`, where there are more. */
async function lastOf(db: Db, place: Place, limit: number, call: Call): Promise<StoredId | undefined> {
  const options = { ...call, projection: { _id: 1 }, sort: { _id: 1 }, skip: limit - 1, limit: 2 } as const;
  const [last, next] = await db.collection<Stored<StoredId>>(place.kind).find(filterOf(place), options).toArray();
  return next === undefined ? undefined : last?._id;
}

/** Sets one mark on all that is covered, or on the first `limit` of it. */
export async function condemn(db: Db, covered: Covered, call: Call, limit?: number): Promise<Condemned> {
  const mark = makeMark();
  const kinds: CondemnedKind[] = [];
  for (const place of placesOf(covered)) {
    const last = limit === undefined ? undefined : await lastOf(db, place, Math.min(limit, place.max), call);
    const update = { $set: { condemned: mark } };
    const { matchedCount } = await db.collection(place.kind).updateMany(filterOf(place, last), update, call);
    if (matchedCount > 0 || last !== undefined) kinds.push(place.kind);
    if (last !== undefined) return { mark, kinds, more: true, last };
  }
  return { mark, kinds, more: false };
}

/** Deletes what is covered and has the mark. */
export async function deleteCondemned(db: Db, covered: Covered, condemned: Condemned, call: Call): Promise<void> {
  const { mark, kinds, last } = condemned;
  for (const place of placesOf(covered)) {
    if (!kinds.includes(place.kind)) continue;
    const filter = filterOf(place, place.kind === kinds.at(-1) ? last : undefined);
    await db.collection(place.kind).deleteMany({ ...filter, condemned: mark }, call);
  }
}
