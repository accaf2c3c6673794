/**
 * Compaction: a snapshot of a document in the place of its old snapshot and its segments.
 *
 * Segments only ever grow in number, and what was deleted stays in them. So now and then a document goes through a Y.Doc with garbage
 * collection, and the result becomes its new snapshot. The persister may be killed between any two effects, and another one may compact
 * the same document at the same time, so the order is everything:
 *
 *     1 checkpoint   2 head   3 parts   4 segments   5 checkpoint and head again   6 all parts of the new snapshot   7 the head moves   8 later: what it covers goes
 *
 * The checkpoint comes before the segments and is the new snapshot's `upto`: at that moment all below it was stored, so it is in what is
 * read afterwards. Were it read after them, a flush in between would make the snapshot claim what it does not hold. A segment that begins
 * below `upto` is taken in whole, even where it reaches past it: the rest of it is applied once more with its own segment, which is harmless.
 * If the head has moved when it is read again, what it covered may have been deleted under the reading, so nothing is concluded. Nor is anything if the checkpoint was put back meanwhile, with
 * all that is stored: then the segments may be those of yesterday, and would be passed off as all that there was today. That the checkpoint is no lower does not say that it was not put
 * back (it may have caught up), but its course does.
 *
 * What was put back later than that does no harm. The snapshot holds what the journal holds; a head that is ahead of a checkpoint that was put back
 * only makes what is read from the journal again something that is known. And the head moves only to a snapshot that is there (`shared/store/marks.ts`).
 *
 * What may be deleted: heads move forward only, strictly. Once a head with `upto` stands, no other snapshot at or below that `upto` can ever
 * become the head: not an older one, not one with other bytes for the same offsets, not one that a slow persister is still writing. All
 * of those may go, and so may segments that end below it. A snapshot *above* the head may be one that another persister is about to name;
 * it is left alone, and goes when a later head has passed it. That is how the leavings of a crashed compaction go as well. A minute's delay is for readers that
 * read the old head just before; one that needs longer finds a part missing, reads the head again and sees that it has moved.
 * Snapshots that a mirror was made from are kept for as long as the mirror or its state names them. Those names are read after the head, since
 * whoever writes a mirror names the head's snapshot first and then makes sure that it still is the head's (`shared/mirror/rewrite.ts`).
 * All of that goes back when the store is put back, and a deletion that was decided on comes all the same. So what is covered is marked while the head stands, and then it is looked whether it still
 * does: why a deletion that only takes what is marked does no harm then, however late it comes, is in `shared/store/marks.ts`. Where there is very much of it, some goes at a time, and each time is as good as the first.
 *
 * A result that is byte for byte the old snapshot (segments that hold only what was known already) is written again under its new `upto`
 * nevertheless: it is the only way to get rid of those segments, and without it the document would be due at every flush from then on.
 */

import type { DocumentName } from '#shared/document/name.ts';
import type { Journal, Offset } from '#shared/journal/journal.ts';
import { concatenate } from '#shared/runtime/bytes.ts';
import { readParts, sameHead } from '#shared/store/load.ts';
import { sameSnapshot, type SnapshotName } from '#shared/store/mirrors.ts';
import type { Head, SegmentId, SnapshotId, Store } from '#shared/store/store.ts';

import type { Compactor } from './compaction-thread.ts';
import type { PersisterLimits } from './limits.ts';

export type CompactionContext = {
  readonly store: Store;
  readonly journal: Journal;
  readonly compactor: Compactor;
  readonly limits: PersisterLimits;
  /** The same for all persisters of a store, since a snapshot's parts may be written by several. */
  readonly partBytes: number;
  /** Aborted when the persister drains: no effect begins any more. */
  readonly draining: AbortSignal;
};

export type NamedSnapshots = (document: DocumentName) => Promise<readonly SnapshotName[]>;

const noneNamed: NamedSnapshots = async () => [];

/** What a document has beside its snapshot. */
export type Growth = { readonly segments: number; readonly bytes: number; readonly snapshotBytes: number };

export type Compacted =
  | { readonly kind: 'not-due'; readonly growth: Growth; readonly head: Head | undefined }
  | {
      readonly kind: 'compacted';
      readonly head: Head;
      /** That it covers. */
      readonly segments: number;
      readonly bytesIn: number;
      readonly bytesOut: number;
    }
  /** Another persister moved the head meanwhile, or the store was put back; `head` stands now. */
  | { readonly kind: 'overtaken'; readonly head: Head | undefined }
  | { readonly kind: 'threw'; readonly culprit: SegmentId | SnapshotId; readonly reason: string }
  /** The compactor gave up. */
  | { readonly kind: 'gave-up'; readonly reason: string }
  /** The persister drains. */
  | { readonly kind: 'stopping' };

/** Whether a document has grown enough to be worth its compaction (rule 8): the larger its snapshot, the more it takes. */
export function isDue({ segments, bytes, snapshotBytes }: Growth, limits: PersisterLimits): boolean {
  return (
    segments >= limits.compactionSegmentsMin + Math.floor(snapshotBytes / limits.compactionBytesPerSegment) ||
    bytes >= Math.max(limits.compactionBytesMin, (snapshotBytes * limits.compactionSnapshotPercent) / 100)
  );
}

/**
 * Compacts a document if it is due by what is stored; or, where somebody wants its head to be up to date, if there is anything to compact or the head is below
 * `wanted`.
 * @throws StoreUnavailable, StoreCorrupt, NewerVersion; whatever was done until then can be done again
 */
export async function compactDocument(document: DocumentName, context: CompactionContext, wanted?: Offset): Promise<Compacted> {
  const { store, journal, compactor, limits, partBytes, draining } = context;
  const partition = journal.partitionOf(document);
  const { upto, course } = await store.readPosition(partition);
  const head = await store.readHead(document);
  const listed = (await store.listSegments(document, head?.upto ?? 0)).filter(({ first }) => first < upto);
  const growth = {
    segments: listed.length,
    bytes: listed.reduce((sum, { bytes }) => sum + bytes, 0),
    snapshotBytes: head === undefined ? 0 : (head.parts - 1) * partBytes,
  };
  const isWanted = (growth: Growth): boolean =>
    isDue(growth, limits) || (wanted !== undefined && (growth.segments > 0 || (head?.upto ?? Infinity) < wanted));
  if (upto <= (head?.upto ?? 0) || !isWanted(growth)) return { kind: 'not-due', growth, head };

  const old = head === undefined ? undefined : await readParts(store, document, head);
  const parts = old === undefined || 'wrong' in old ? [] : old.parts;
  const snapshotBytes = parts.reduce((sum, part) => sum + part.byteLength, 0);
  if (!isWanted({ ...growth, snapshotBytes })) return { kind: 'not-due', growth: { ...growth, snapshotBytes }, head };
  const segments = (await store.readSegments(document, head?.upto ?? 0)).filter(({ first }) => first < upto);
  const position = await store.readPosition(partition); // after the segments
  const standing = await store.readHead(document);
  const wasPutBack = position.upto < upto || position.course !== course;
  if (wasPutBack || !sameHead(standing, head)) return { kind: 'overtaken', head: standing };
  if (old !== undefined && 'wrong' in old) throw old.wrong;

  const base = head === undefined ? [] : [concatenate(parts)];
  const answer = await compactor.compact({ updates: [...base, ...segments.map(({ update }) => update)], sha256: head?.sha256 });
  if (draining.aborted) return { kind: 'stopping' };
  if (answer.kind === 'gave-up') return answer;
  if (answer.kind === 'threw') {
    const culprit = segments[answer.culprit - base.length];
    return {
      kind: 'threw',
      reason: answer.reason,
      culprit: culprit ?? { document, upto: head?.upto ?? 0, sha256: head?.sha256 ?? '' },
    };
  }
  const into = { document, upto, sha256: answer.sha256 };
  return replaceHead(into, answer.update, { segments: segments.length, bytes: snapshotBytes + growth.bytes }, context);
}

/** Writes a snapshot and lets the head name it. */
async function replaceHead(
  snapshot: SnapshotId,
  update: Uint8Array,
  taken: { readonly segments: number; readonly bytes: number },
  context: CompactionContext,
): Promise<Compacted> {
  const { store, partBytes, draining } = context;
  const { document, upto, sha256 } = snapshot;
  const parts = Math.max(1, Math.ceil(update.byteLength / partBytes));
  for (let part = 0; part < parts; part++) {
    if (draining.aborted) return { kind: 'stopping' };
    await store.putSnapshotPart(snapshot, part, update.subarray(part * partBytes, (part + 1) * partBytes));
  }
  // Only now: whoever sees this head finds every part of it.
  const head = await store.moveHead(document, { upto, sha256, parts });
  if (head === undefined || !sameSnapshot(head, snapshot)) return { kind: 'overtaken', head };
  return { kind: 'compacted', head, segments: taken.segments, bytesIn: taken.bytes, bytesOut: update.byteLength };
}

const isCovered = (snapshot: SnapshotId, head: Head): boolean => snapshot.upto <= head.upto && !sameSnapshot(snapshot, head);

async function unnamed(
  document: DocumentName,
  snapshots: readonly SnapshotId[],
  named: NamedSnapshots,
): Promise<readonly SnapshotId[]> {
  const names = await named(document);
  return snapshots.filter((one) => !names.some((name) => sameSnapshot(name, one)));
}

/** Whether anything is stored that this head covers: left by a compaction, or by a persister that was killed before it could clean up. */
export async function hasCovered(document: DocumentName, head: Head, store: Store, named = noneNamed): Promise<boolean> {
  const covered = (await store.listSnapshots(document)).filter((snapshot) => isCovered(snapshot, head));
  if (covered.length > 0 && (await unnamed(document, covered, named)).length > 0) return true;
  return (await store.listSegments(document, 0)).some(({ last }) => last < head.upto);
}

/** Of one kind that are deleted at a time, where all at once is too much. */
export const retiredAtOnce = 1_000;

/** Whether the store, which may have been put back, has this head or a later one. Of two for the same offsets out of other bytes one is not the other: it was made anew. */
async function stands(document: DocumentName, head: Head, store: Store): Promise<boolean> {
  const standing = await store.readHead(document);
  return standing !== undefined && (standing.upto > head.upto || sameSnapshot(standing, head));
}

/**
 * Deletes what `head` covers, which was seen to stand a while ago; with a `limit` at most so many of a kind. Can be repeated, and done late. What other heads cover by now is left to their own retirements.
 * Returns whether that was all.
 */
export async function retireCovered(
  document: DocumentName,
  head: Head,
  store: Store,
  named = noneNamed,
  limit?: number,
): Promise<boolean> {
  if (!(await stands(document, head, store))) return true;
  const spared = await named(document);
  const condemned = await store.condemn({ document, head, spared }, limit);
  if (condemned.kinds.length === 0) return true;
  if (!(await stands(document, head, store))) return true; // after all marks
  const sparedStill = condemned.kinds.includes('snapshots') ? await named(document) : []; // after the head
  await store.deleteCondemned({ document, head, spared: [...spared, ...sparedStill] }, condemned);
  return !condemned.more;
}
