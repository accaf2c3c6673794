/**
 * The store: documents as they were persisted, and how far each partition of the journal is in it.
 *
 * The persister may be killed between any two writes, run twice, or run late (a zombie). So every write here is of one document
 * under an id that says what it holds: to do it again, or late, changes nothing (rule 4). What is stored of a document is a head
 * that names one snapshot (in parts), and segments that came after it.
 *
 *     head { upto: 120, sha256, parts: 2 } ─► snapshot (name, 120, sha256) parts 0, 1       covers every offset below 120
 *                                            segments (name, 120 … 133), (name, 134 … 190)  merged records since; may overlap
 *
 * A reader reads head → parts → segments from `upto` on, then the head again: if it moved, it reads again (`readDocument`).
 *
 * A database may be put back to an hour ago while all of this goes on. What a write then rests on may be gone; how that makes no hole is in `marks.ts`. And what is read in several steps may be
 * of before and of after: whether a checkpoint went back in between is told by its course (`readPosition`).
 *
 * Adapters: memory, embedded (LMDB) and MongoDB; one contract suite holds them all. (A directory can't be put back under the process that has it open: there one transaction looks and writes.)
 */

import type { DocumentName } from '#shared/document/name.ts';
import type { JournalIdentity, Offset, Partition } from '#shared/journal/journal.ts';

/** Merged updates of one document out of the records at `first` up to and with `last`. */
export type SegmentId = { readonly document: DocumentName; readonly first: Offset; readonly last: Offset };
export type Segment = SegmentId & { readonly update: Uint8Array };
/** With the length of its update. */
export type SizedSegmentId = SegmentId & { readonly bytes: number };

/**
 * The state of a document that covers every offset below `upto`. `sha256` (hex) is that of the whole update: its bytes depend on
 * flush borders.
 */
export type SnapshotId = { readonly document: DocumentName; readonly upto: Offset; readonly sha256: string };

/** Names a document's current snapshot. `parts` slices, to be concatenated. */
export type Head = { readonly upto: Offset; readonly sha256: string; readonly parts: number };

/**
 * How far a partition is stored. `course` is the same for as long as the checkpoint has only ever been moved on from what it was: one that was put back is moved on under another one.
 */
export type Position = { readonly upto: Offset; readonly course: string };

/** What may go once `head` stands: segments that end below it, snapshots at or below it but its own and those that are `spared`, and nothing else. */
export type Covered = {
  readonly document: DocumentName;
  readonly head: Pick<Head, 'upto' | 'sha256'>;
  readonly spared: readonly Pick<Head, 'upto' | 'sha256'>[];
};

/** What one call of `condemn` has marked: nothing where there are no `kinds`. */
export type Condemned = {
  readonly mark: string;
  readonly kinds: readonly CondemnedKind[];
  /** Whether there is more of what is covered than it was to mark. */
  readonly more: boolean;
  /** The last of the last kind that it has marked, in the adapter's words. */
  readonly last?: Readonly<Record<string, unknown>>;
};
export type CondemnedKind = 'segments' | 'segmentParts' | 'snapshots';

/** The longest part of a snapshot, in bytes: below MongoDB's 16 MB a document. */
export const partBytesMax = 8 * 1024 * 1024;

/** Thrown where the store can't be read or written now: try again later. Nothing may be concluded about what is stored. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
}

/** Thrown where what is stored has a version that this program does not know: stop, and say so. It is never "unreadable". */
export class NewerVersion extends Error {
  override readonly name = 'NewerVersion';
}

/**
 * Thrown where what is stored contradicts itself (a missing part, a hash that does not match): an error to whoever opens the
 * document.
 */
export class StoreCorrupt extends Error {
  override readonly name = 'StoreCorrupt';
}

/** Every method rejects with `StoreUnavailable` where the store is away, and writes resolve only when durable. */
export type Store = {
  /** The longest update that a segment can hold, in bytes: a frame must fit (checked at start). */
  readonly segmentBytesMax: number;

  /**
   * Binds this store to a journal for good if it is not bound yet. Returns the journal that it is bound to, which may be another
   * one.
   */
  readonly bindJournal: (identity: JournalIdentity) => Promise<JournalIdentity>;

  /** The offset below which everything of this partition is stored; 0 at first. */
  readonly readCheckpoint: (partition: Partition) => Promise<Offset>;

  /** The same, and on which course. */
  readonly readPosition: (partition: Partition) => Promise<Position>;

  /**
   * Moves a checkpoint forward, only where what is stored is ≥ `from` and all of `segments` are there, never backward. Returns what is stored afterwards: less
   * than `to` means that it did not apply, and the caller goes back to the returned offset.
   */
  readonly moveCheckpoint: (
    partition: Partition,
    from: Offset,
    to: Offset,
    segments?: readonly SizedSegmentId[],
  ) => Promise<Offset>;

  /**
   * Inserts a segment; one with the same id already there is a success and stays as it is. `update` ≤ `segmentBytesMax` bytes.
   */
  readonly putSegment: (segment: Segment) => Promise<void>;

  /**
   * The segments with `last` ≥ `from`, ordered by `first`, then `last`, as they stood at one moment of the call. Page by page, a
   * persister that repeats a flush with other borders would make a hole: where 1–3 was read, its 0–6 is behind, and its 7–12 ahead.
   */
  readonly readSegments: (document: DocumentName, from: Offset) => Promise<readonly Segment[]>;

  /** Sizes alone, in the same order: for deciding whether to compact. */
  readonly listSegments: (document: DocumentName, from: Offset) => Promise<readonly SizedSegmentId[]>;

  /** Inserts one slice of a snapshot; one with the same id already there is a success. */
  readonly putSnapshotPart: (snapshot: SnapshotId, part: number, bytes: Uint8Array) => Promise<void>;

  /** One slice, or undefined where it is not there. */
  readonly readSnapshotPart: (snapshot: SnapshotId, part: number) => Promise<Uint8Array | undefined>;

  /** The snapshots of which at least one part is stored, whether or not a head names them. */
  readonly listSnapshots: (document: DocumentName) => Promise<readonly SnapshotId[]>;

  /**
   * Marks what is `covered`, for `deleteCondemned`. That it is covered has to be looked at again in between. With a `limit` it is at most so many of one kind (of large things fewer), in the order in which they
   * are to go: segments, then their parts, then snapshots. (A store that deletes a few at a time of itself leaves nothing over.)
   */
  readonly condemn: (covered: Covered, limit?: number) => Promise<Condemned>;

  /**
   * Deletes, of what is `covered`, what `condemn` has marked and is still marked: what was put back since is not. (A store that can't be put back under its process deletes what is covered.) As often as it is done.
   */
  readonly deleteCondemned: (covered: Covered, condemned: Condemned) => Promise<void>;

  /** The head, or undefined where nothing was compacted yet. */
  readonly readHead: (document: DocumentName) => Promise<Head | undefined>;

  /** The names after `after` of which a segment or a head is stored, in some order that stays the same, at most `limit`; fewer only at the end. */
  readonly listDocuments: (after: DocumentName | undefined, limit: number) => Promise<readonly DocumentName[]>;

  /**
   * Moves a head forward: only where the stored `upto` is lower or there is none, and all parts of its snapshot are there. Returns the head that stands afterwards.
   */
  readonly moveHead: (document: DocumentName, head: Head) => Promise<Head | undefined>;

  readonly close: () => Promise<void>;
};
