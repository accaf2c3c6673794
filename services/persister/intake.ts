/**
 * What comes out of the journal, sorted by document, on its way to the store.
 *
 * Readers trust nobody (rule 5): a batch that does not begin where the last one ended is a gap, and whatever follows it would be written
 * under a checkpoint that claims more than was read. So a gap ends the gathering; what came before it is whole and is kept.
 *
 * Memory is bounded over all partitions by one allowance. Past it `onBatch` does not settle, so nothing more is read; the journal
 * keeps the rest for as long as it takes.
 */

import type { DocumentName } from '#shared/document/name.ts';
import type { DeadLetter } from '#shared/journal/dead-letter.ts';
import type { Batch, JournalRecord, Offset } from '#shared/journal/journal.ts';

/** Records of one document in journal order: `updates[i]` was at `offsets[i]`. */
export type DocumentRecords = { readonly offsets: Offset[]; readonly updates: Uint8Array[] };

/** Everything that was read of a partition from `first` up to but without `next`. */
export type Gathering = {
  readonly first: Offset;
  next: Offset;
  readonly documents: Map<DocumentName, DocumentRecords>;
  readonly unreadable: DeadLetter[];
  records: number;
  /** Of the updates alone. */
  updateBytes: number;
  /** What it is held to occupy in memory. */
  heldBytes: number;
  /** When the oldest record was appended, or arrived where that can't be told. Milliseconds since 1970. */
  oldestTime: number | undefined;
};

/** What a record costs beside its update: a view, two array slots, its share of a map. */
const recordOverheadBytes = 160;

export function startGathering(first: Offset): Gathering {
  return {
    first,
    next: first,
    documents: new Map(),
    unreadable: [],
    records: 0,
    updateBytes: 0,
    heldBytes: 0,
    oldestTime: undefined,
  };
}

/** Adds a batch, or finds the gap before it. `now`: milliseconds since 1970. */
export function takeBatch(
  gathering: Gathering,
  batch: Batch,
  now: number,
):
  | { readonly kind: 'taken'; readonly heldBytes: number }
  | { readonly kind: 'gap'; readonly expected: Offset; readonly found: Offset } {
  if (batch.first !== gathering.next) return { kind: 'gap', expected: gathering.next, found: batch.first };
  const heldBefore = gathering.heldBytes;
  for (const read of batch.records) {
    if ('record' in read) {
      takeRecord(gathering, read.offset, read.record);
      gathering.oldestTime ??= Math.min(read.record.time, now);
    } else {
      const { offset, unreadable: reason, bytes } = read;
      const { partition } = batch;
      gathering.unreadable.push({ partition, offset, time: now, document: undefined, reason, content: 'record', bytes });
      gathering.heldBytes += bytes.byteLength + recordOverheadBytes;
      gathering.oldestTime ??= now;
    }
  }
  gathering.records += batch.records.length;
  gathering.next = batch.next;
  return { kind: 'taken', heldBytes: gathering.heldBytes - heldBefore };
}

function takeRecord(gathering: Gathering, offset: Offset, record: JournalRecord): void {
  switch (record.kind) {
    case 'update': {
      let records = gathering.documents.get(record.document);
      if (records === undefined) gathering.documents.set(record.document, (records = { offsets: [], updates: [] }));
      records.offsets.push(offset);
      records.updates.push(record.update);
      gathering.updateBytes += record.update.byteLength;
      gathering.heldBytes += record.update.byteLength + recordOverheadBytes;
    }
  }
}

/** The bytes that several may hold together. Each asks for room before it takes what it has, and may go over by that. */
export type Allowance = {
  readonly take: (bytes: number) => void;
  readonly giveBack: (bytes: number) => void;
  /** Undefined while there is room; otherwise a promise that settles when there is again. */
  readonly room: () => Promise<void> | undefined;
  /** Lets everybody go on, for good: nothing more will be taken. */
  readonly lift: () => void;
};

export function createAllowance(bytesMax: number): Allowance {
  let taken = 0;
  let lifted = false;
  let waiting: (() => void)[] = [];
  const wake = (): void => {
    const woken = waiting;
    waiting = [];
    for (const resolve of woken) resolve();
  };
  return {
    take: (bytes) => void (taken += bytes),
    giveBack: (bytes) => {
      taken -= bytes;
      if (taken < bytesMax) wake();
    },
    room: () => (lifted || taken < bytesMax ? undefined : new Promise((resolve) => waiting.push(resolve))),
    lift: () => {
      lifted = true;
      wake();
    },
  };
}
