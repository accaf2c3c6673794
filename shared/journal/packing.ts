/** Records of many appends as few batches: which offset each gets, and which go together. Pure. */

import type { DocumentName } from '#shared/document/name.ts';
import type { Appended, JournalRecord, Offset, Partition } from './journal.ts';

export type PackedBatch = {
  readonly partition: Partition;
  readonly first: Offset;
  readonly next: Offset;
  readonly records: readonly { readonly offset: Offset; readonly record: JournalRecord }[];
  /** What the batch counts for in memory, in bytes. */
  readonly bytes: number;
};

export type Packing = {
  readonly partitionOf: (document: DocumentName) => Partition;
  /** The offset that the next record of a partition gets. */
  readonly nextOf: (partition: Partition) => Offset;
  readonly recordBytesMax: number;
  readonly batchBytesMax: number;
};

type Growing = {
  readonly partition: Partition;
  readonly first: Offset;
  readonly records: { offset: Offset; record: JournalRecord }[];
  bytes: number;
};

/** What a record weighs besides its update (names, origin, its object), so that a tail of empty updates is bounded too. */
const recordOverheadBytes = 64;

/**
 * Packs the records of each append, in order. Returns the outcomes, one array for each append, and the batches, those of a
 * partition in order and contiguous. A batch has at most `batchBytesMax` bytes, or one record.
 */
export function packAppends(
  appends: readonly (readonly JournalRecord[])[],
  { partitionOf, nextOf, recordBytesMax, batchBytesMax }: Packing,
): { readonly outcomes: readonly (readonly Appended[])[]; readonly batches: readonly PackedBatch[] } {
  const batches: Growing[] = [];
  const latest = new Map<Partition, Growing>();

  const batchFor = (partition: Partition, bytes: number): Growing => {
    const current = latest.get(partition);
    if (current !== undefined && current.bytes + bytes <= batchBytesMax) return current;
    const first = current === undefined ? nextOf(partition) : current.first + current.records.length;
    const batch: Growing = { partition, first, records: [], bytes: 0 };
    latest.set(partition, batch);
    batches.push(batch);
    return batch;
  };

  const place = (record: JournalRecord): Appended => {
    if (record.update.byteLength > recordBytesMax) return { kind: 'too-large', bytesMax: recordBytesMax };
    const bytes = record.update.byteLength + recordOverheadBytes;
    const batch = batchFor(partitionOf(record.document), bytes);
    const offset = batch.first + batch.records.length;
    batch.records.push({ offset, record });
    batch.bytes += bytes;
    return { kind: 'appended', offset };
  };

  const outcomes = appends.map((records) => records.map(place));
  return { outcomes, batches: batches.map((batch) => ({ ...batch, next: batch.first + batch.records.length })) };
}
