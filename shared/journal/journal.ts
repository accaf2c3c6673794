/**
 * The journal: the ordered, durable stream of everything that was ever typed.
 *
 * A gateway may tell a person "saved" only when the edit can no longer be lost, and everyone else must see edits in one order.
 * Both come from one place: an edit is a record in a partition of the journal, "saved" is the completion of `append`, and the
 * order is the record's offset. Rooms, the persister and (later) the changefeed are readers of partitions.
 *
 * Readers trust nobody: each batch says at which offset it begins, and a reader whose expectation differs has a gap and must
 * start again from the store (rule 5). Adapters: memory, embedded (LMDB) and Kafka; one contract suite holds them all.
 */

import type { DocumentName } from '#shared/document/name.ts';

/**
 * A position in one partition: 0, 1, 2 …; never used twice. Batches may skip offsets inside (Kafka's control records), not
 * between.
 */
export type Offset = number;

/** A partition's number, 0 … `partitionCount - 1`. */
export type Partition = number;

/** A merged Yjs update (v1) of one document. `update` is never written to after it has been handed over. */
export type UpdateRecord = {
  readonly kind: 'update';
  readonly document: DocumentName;
  readonly update: Uint8Array;
  /** Who appended it: random per process and room, so that a room knows its own records when it reads them. */
  readonly origin: string;
  /** Who wrote it (`sub` of the token), or '' where several did or nobody is known. */
  readonly author: string;
  /** When it was appended: milliseconds since 1970, the appending process's clock. For people, never for ordering. */
  readonly time: number;
};

/**
 * Everything that a journal can hold. New kinds join this union (a tombstone is one to come), so switches over it stay
 * exhaustive.
 */
export type JournalRecord = UpdateRecord;

/** What a reader gets: a record, or bytes that are none (dead-letter them, and go on). */
export type ReadRecord =
  | { readonly offset: Offset; readonly record: JournalRecord }
  | { readonly offset: Offset; readonly unreadable: string; readonly bytes: Uint8Array };

/**
 * Records of one partition, in order. It covers the offsets `first` up to but without `next`, whether or not each has a record.
 */
export type Batch = {
  readonly partition: Partition;
  readonly first: Offset;
  readonly next: Offset;
  readonly records: readonly ReadRecord[];
};

/** What became of one record of an `append`. `too-large` is final: the same bytes will never be taken. */
export type Appended =
  | { readonly kind: 'appended'; readonly offset: Offset }
  | { readonly kind: 'too-large'; readonly bytesMax: number };

/**
 * Why following a partition ended by itself. `trimmed`: records at the wanted offset are gone, `start` is the first that is left.
 */
export type FollowEnd =
  | { readonly kind: 'trimmed'; readonly wanted: Offset; readonly start: Offset }
  | { readonly kind: 'beyond-end'; readonly wanted: Offset; readonly highWater: Offset }
  | { readonly kind: 'newer-version'; readonly offset: Offset; readonly found: string }
  | { readonly kind: 'failed'; readonly error: Error };

export type Follower = {
  /** Called with each batch in turn; the next one comes after the returned promise settles (backpressure). Must not throw. */
  readonly onBatch: (batch: Batch) => void | Promise<void>;
  /** Called once if following can't go on; not after `stop`. */
  readonly onEnd: (end: FollowEnd) => void;
};

export type Following = {
  /** No batch begins after the call; resolves when the one under way is done (so `onBatch` itself must not wait for it). */
  readonly stop: () => Promise<void>;
};

/** Who this journal is. Its id is made once, with the journal, so that a store can tell when it is put beside another one. */
export type JournalIdentity = { readonly id: string; readonly partitionCount: number };

/** Thrown by `append` where nothing is known to be wrong with the records: append the same bytes again later. */
export class JournalUnavailable extends Error {
  override readonly name = 'JournalUnavailable';
}

export type Journal = {
  readonly identity: JournalIdentity;

  /** The longest `update` of a record, in bytes: a frame must fit (checked at start). */
  readonly recordBytesMax: number;

  /** The partition that all records of a document are in. Pure; the same for the life of the journal. */
  readonly partitionOf: (document: DocumentName) => Partition;

  /**
   * Appends records, in their order within a partition. Resolves, with one outcome per record, when every one that was taken is
   * durable (synced; `acks=all`). Calls made while an earlier one is under way keep their order; those of one tick may share one
   * sync.
   * @throws JournalUnavailable (as a rejection) where some or all may be missing. Every call that was made later, and had not
   *   resolved by then, rejects as well, so that what is repeated is not overtaken: the caller repeats them all in their order,
   *   before anything new, with the same bytes. Records that were there already are then there twice, which Yjs does not mind.
   */
  readonly append: (records: readonly JournalRecord[]) => Promise<readonly Appended[]>;

  /** The offset that the next record of this partition will have. Rejects with `JournalUnavailable`. */
  readonly highWater: (partition: Partition) => Promise<Offset>;

  /**
   * The offset of the first record, of those that are left, that was appended at `time` (milliseconds since 1970) or later; the
   * high-water mark where there is none. By the clocks of those who appended, so roughly. Rejects with `JournalUnavailable`.
   */
  readonly offsetSince: (partition: Partition, time: number) => Promise<Offset>;

  /**
   * Reads a partition from `from` on, for ever: what is there, then what comes. Only durable records are seen. Nothing is called
   * before `follow` has returned. The first batch begins at `from`, and each further one where the one before it ended.
   */
  readonly follow: (partition: Partition, from: Offset, follower: Follower) => Following;

  /**
   * Deletes the records below `below`, except that a batch which reaches past it may stay whole. Offsets go on where they were,
   * even if nothing is left; past the end deletes everything that is there, below the start nothing. Idempotent.
   */
  readonly trim: (partition: Partition, below: Offset) => Promise<void>;

  /**
   * Stops the followings without a word and waits for the appends under way. Later calls reject with `JournalUnavailable`; a
   * later `follow` ends as `failed`.
   */
  readonly close: () => Promise<void>;
};
