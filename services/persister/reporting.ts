/** What the persister tells the people who run it: diagnostics, numbers, its state, and the records that it set aside. */

import type { DocumentName } from '#shared/document/name.ts';
import type { DeadLetter } from '#shared/journal/dead-letter.ts';
import type { Offset, Partition } from '#shared/journal/journal.ts';
import { StoreUnavailable } from '#shared/store/store.ts';
import type { Unavailable } from '#shared/store/unavailable.ts';

/** Everything that goes wrong here, by kind, for counting. */
export type PersisterError =
  | 'store-unavailable'
  | 'journal-unavailable'
  | 'journal-failed'
  | 'gap'
  | 'went-back'
  | 'partition-stopped'
  | 'compaction-threw'
  | 'compaction-gave-up'
  | 'compaction-store'
  | 'mirror-failed';

/** What it counts as when something is away. */
export const unavailableKind = (error: Unavailable): 'store-unavailable' | 'journal-unavailable' =>
  error instanceof StoreUnavailable ? 'store-unavailable' : 'journal-unavailable';

/** Called as things happen; must not throw. */
export type PersisterMetrics = {
  /** A flush is complete: its segments are stored and its checkpoint stands. `bytes` are those of the records' updates. */
  readonly flushed: (flush: {
    readonly records: number;
    readonly segments: number;
    readonly bytes: number;
    readonly ms: number;
  }) => void;
  /** A document has a new head. */
  readonly compacted: (compaction: { readonly bytesIn: number; readonly bytesOut: number; readonly ms: number }) => void;
  readonly deadLettered: () => void;
  readonly failed: (error: PersisterError) => void;
};

/**
 * Where dead letters go. The checkpoint waits for it. A rejection with `JournalUnavailable` or `StoreUnavailable` is retried, so a letter may come
 * twice; any other one stops the partition. Each letter is logged and counted besides, without its bytes.
 */
export type DeadLetterOffice = (letter: DeadLetter) => void | Promise<void>;

export type PartitionState =
  /** Its checkpoint and the journal's end are being read. */
  | { readonly kind: 'starting' }
  | { readonly kind: 'following' }
  /** The store or the journal is away; retried for ever. */
  | { readonly kind: 'retrying'; readonly reason: string }
  /** Can't go on without a person: going on would skip records, or misread them. Everything is still in the journal. */
  | { readonly kind: 'stopped'; readonly reason: string }
  /** Drained. */
  | { readonly kind: 'ended' };

export type PartitionStatus = {
  readonly partition: Partition;
  readonly state: PartitionState;
  /** Below this everything is in the store; undefined until it was read. */
  readonly checkpoint: Offset | undefined;
};

export type CompactionStatus = {
  /** Documents that wait to be looked at, and snapshots whose leavings wait to be deleted. */
  readonly queued: number;
  /** Documents that could not be compacted, and are left alone for a while: their segments stay, so nothing is lost, but they open slowly. */
  readonly failing: number;
  /** Some of them, those that failed most often first. */
  readonly failures: readonly { readonly document: DocumentName; readonly failures: number; readonly reason: string }[];
};

/** How far the store is behind the journal, over all partitions of the share. */
export type PersisterLag = {
  /** Offsets between the checkpoints and the journal's ends, as last heard. */
  readonly records: number;
  /** Bytes of updates that are held and not persisted yet. What was not read yet is not in it. */
  readonly bytes: number;
  /** The age of the oldest record that is not persisted; where it was not read yet, how long there has been one. */
  readonly ageMs: number;
};
