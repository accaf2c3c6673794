/**
 * One flush: what was gathered of a partition goes into the store.
 *
 * The obvious way is one transaction. It would tie us to stores that have transactions over everything, and it is not needed: Yjs
 * updates may be applied twice, so what matters is only the order of the effects.
 *
 *     segments (any order, several at a time) ─► dead letters ─► checkpoint ─► trim of the journal (trimming.ts)
 *
 * Killed before the checkpoint, the next persister reads the same records and writes segments again: the same ones (a duplicate is a
 * success) or others that overlap them (harmless). Killed after it, everything below it is stored. A phantom may appear, a hole never.
 * A zombie that does all of this an hour late writes segments that are covered already, and moves no checkpoint, since that only goes forward.
 * A store that is put back to a moment of this flush no longer has all of its segments, perhaps, though they were written. So the checkpoint moves only where they are
 * there (`shared/store/marks.ts`), and where not, the records are read again.
 */

import type { DocumentName } from '#shared/document/name.ts';
import type { DeadLetter } from '#shared/journal/dead-letter.ts';
import type { Offset, Partition } from '#shared/journal/journal.ts';
import type { Clock } from '#shared/runtime/clock.ts';
import { createSlices } from '#shared/runtime/slices.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import { persevere, type Retrying } from '#shared/store/persevering.ts';
import type { SizedSegmentId, Store } from '#shared/store/store.ts';

import { createAllowance, type DocumentRecords, type Gathering } from './intake.ts';
import type { PersisterLimits } from './limits.ts';
import type { DeadLetterOffice, PersisterMetrics } from './reporting.ts';
import { makeSegments, type MergeUpdates } from './segments.ts';
import type { TrimBelow } from './trimming.ts';

export type FlushContext = {
  readonly partition: Partition;
  readonly store: Store;
  readonly clock: Clock;
  readonly limits: PersisterLimits;
  readonly merge: MergeUpdates;
  readonly deadLetter: DeadLetterOffice;
  readonly logger: Logger;
  readonly metrics: PersisterMetrics;
  readonly retrying: Retrying;
  /** Told of a document's new segments once the checkpoint covers them. */
  readonly onStored: (document: DocumentName, segments: number, bytes: number) => void;
  readonly trimBelow: TrimBelow;
};

export type Flushed =
  | { readonly kind: 'flushed'; readonly checkpoint: Offset }
  /** The stored checkpoint is below what was read, or segments are gone that were written: the store was set back in time. Read again from there. */
  | { readonly kind: 'go-back'; readonly checkpoint: Offset }
  /** The persister drains and the store does not answer. Everything is still in the journal. */
  | { readonly kind: 'gave-up' }
  | { readonly kind: 'too-large'; readonly document: DocumentName; readonly offset: Offset; readonly bytes: number };

/** Stores a gathering and moves the checkpoint over it; retries while the store or the journal is away. Throws `NewerVersion`. */
export async function flush(gathering: Gathering, context: FlushContext): Promise<Flushed> {
  const { partition, store, clock, metrics, retrying } = context;
  const started = clock.monotonic();
  const stored: Stored = new Map();

  const written = await writeSegments(gathering.documents, stored, context);
  if (written.kind !== 'written') return written;
  // Set aside before the checkpoint covers them: a kill in between sets them aside twice, not never.
  for (const letter of [...gathering.unreadable, ...written.letters]) {
    if (!(await setAside(letter, context))) return { kind: 'gave-up' };
  }

  const { first, next } = gathering;
  const segmentIds = [...stored.values()].flatMap(({ segments }) => segments);
  const moved = await persevere(() => store.moveCheckpoint(partition, first, next, segmentIds), retrying);
  if (moved.kind === 'gave-up') return moved;
  if (moved.value < next) return { kind: 'go-back', checkpoint: moved.value };

  for (const [document, of] of stored) context.onStored(document, of.segments.length, of.bytes);
  metrics.flushed({
    records: gathering.records,
    segments: segmentIds.length,
    bytes: gathering.updateBytes,
    ms: clock.monotonic() - started,
  });
  await context.trimBelow(moved.value);
  return { kind: 'flushed', checkpoint: moved.value };
}

/** The segments that were written, by document. */
type Stored = Map<DocumentName, { readonly segments: readonly SizedSegmentId[]; readonly bytes: number }>;

type Written =
  | { readonly kind: 'written'; readonly letters: readonly DeadLetter[] }
  | { readonly kind: 'gave-up' }
  | Extract<Flushed, { readonly kind: 'too-large' }>;

/**
 * Merges and writes document after document, several at a time: as many as are worth one sync of the store, and no more, since
 * whoever else writes to it, such as the journal in the same directory, waits until all of that is on the disk. A write that
 * fails is tried again. `stored` gets what was written.
 */
async function writeSegments(
  documents: Map<DocumentName, DocumentRecords>,
  stored: Stored,
  context: FlushContext,
): Promise<Written> {
  const { partition, store, clock, limits, merge, retrying } = context;
  const remaining = [...documents];
  const letters: DeadLetter[] = [];
  const ended: Exclude<Written, { readonly kind: 'written' }>[] = [];
  const slices = createSlices(clock, limits.flushSliceMs);
  const underWay = createAllowance(limits.segmentWriteBytesMax);
  const cut = { segmentBytesMax: store.segmentBytesMax, runBytes: limits.flushBytes };

  const writeOne = async (document: DocumentName, records: DocumentRecords): Promise<void> => {
    const written = { segments: [] as SizedSegmentId[], bytes: 0 };
    const segments = makeSegments(document, records, merge, cut);
    // One after the other: what is stored of a document never has a hole in it.
    for (;;) {
      for (let wait = underWay.room() ?? slices(); wait !== undefined; wait = underWay.room() ?? slices()) await wait;
      const { value: made } = segments.next();
      if (made === undefined) break;
      if (made.kind === 'too-large') {
        ended.push({ kind: 'too-large', document, offset: made.offset, bytes: made.bytes });
        return;
      }
      for (const { offset, reason, update } of made.culprits)
        letters.push({ partition, offset, time: clock.now(), document, reason, content: 'update', bytes: update });
      const { segment } = made;
      if (segment === undefined) continue;
      const { byteLength } = segment.update;
      underWay.take(byteLength);
      const done = await persevere(() => store.putSegment(segment), retrying).finally(() => underWay.giveBack(byteLength));
      if (done.kind === 'gave-up') {
        ended.push(done);
        return;
      }
      const { first, last } = segment;
      written.segments.push({ document, first, last, bytes: byteLength });
      written.bytes += byteLength;
    }
    stored.set(document, written);
  };

  const write = async (): Promise<void> => {
    for (let next = remaining.pop(); next !== undefined && ended.length === 0; next = remaining.pop()) await writeOne(...next);
  };
  // All of them are waited for even when one throws: nothing of this flush may be under way after it.
  const outcomes = await Promise.allSettled(Array.from({ length: Math.min(limits.segmentWritesMax, documents.size) }, write));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  return ended[0] ?? { kind: 'written', letters };
}

/** False where a drain ended it. */
async function setAside(letter: DeadLetter, context: FlushContext): Promise<boolean> {
  const { partition, offset, document, reason } = letter;
  const done = await persevere(async () => context.deadLetter(letter), context.retrying);
  if (done.kind === 'gave-up') return false;
  context.metrics.deadLettered();
  context.logger.error({ partition, offset, document, reason, bytes: letter.bytes.byteLength }, 'a record was set aside');
  return true;
}
