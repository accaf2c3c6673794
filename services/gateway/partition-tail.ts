/**
 * The end of one partition, as far as documents that open next need it.
 *
 * A document opens from the store, which has everything below the partition's checkpoint, and from the journal's records since. Reading those
 * records again for each document that opens would cost as much as all of them together each time. So while any room of a
 * partition is open it is read once, from the checkpoint on, and what comes is kept: the tail. It is bounded (tail-memory.ts), and shrinks as the checkpoint
 * moves on; a document whose records have left it is read by itself (`readUpdates`). It is kept as it came and not by document (tail-pages.ts): documents open
 * a thousand times less often than records arrive.
 *
 * No gap goes unseen (rule 5): a batch that does not begin where the one before it ended, or a partition that can't be followed any
 * more, ends the tail, and with it every room of the partition.
 */

import type { Keeper, TailMemory } from '#gateway/tail-memory.ts';
import { TailPages } from '#gateway/tail-pages.ts';
import type { DocumentName } from '#shared/document/name.ts';
import type { Batch, FollowEnd, Following, Journal, JournalRecord, Offset, Partition } from '#shared/journal/journal.ts';

export type TailRecord = { readonly offset: Offset; readonly record: JournalRecord };

/** A room's ear: called with each record of its document as it arrives. */
export type Listener = (record: TailRecord) => void;

const nobody: readonly Listener[] = [];

/** Thrown to whoever waits for something that the tail can't bring any more. */
export class TailLost extends Error {
  override readonly name = 'TailLost';
}

const describeEnd = (end: FollowEnd): string => {
  switch (end.kind) {
    case 'trimmed':
      return `the records from ${end.wanted} on are gone; the first that is left is ${end.start}`;
    case 'beyond-end':
      return `the partition ends at ${end.highWater}, before ${end.wanted}`;
    case 'newer-version':
      return `the record at ${end.offset} is of a version that this program does not know: ${end.found}`;
    case 'failed':
      return end.error.message;
  }
};

export class PartitionTail implements Keeper {
  readonly #partition: Partition;
  readonly #memory: TailMemory;
  readonly #onLost: (reason: string) => void;
  readonly #following: Following;
  /** Arrays are replaced, and never changed: one may be gone through at that moment. */
  readonly #listeners = new Map<DocumentName, readonly Listener[]>();
  readonly #kept: TailPages;
  #start: Offset;
  #next: Offset;
  #lost: TailLost | undefined;
  #waiting: { readonly offset: Offset; readonly resolve: () => void; readonly reject: (lost: TailLost) => void }[] = [];

  /** Follows `partition` from `from` on. `onLost` is called once, when that can't go on. */
  constructor(journal: Journal, partition: Partition, from: Offset, memory: TailMemory, onLost: (reason: string) => void) {
    this.#partition = partition;
    this.#memory = memory;
    this.#kept = new TailPages(memory.pageBytes);
    memory.add(this);
    this.#onLost = onLost;
    this.#start = from;
    this.#next = from;
    this.#following = journal.follow(partition, from, {
      onBatch: (batch) => this.#take(batch),
      onEnd: (end) => this.#lose(describeEnd(end)),
    });
  }

  /** Every record from here on is still in memory. */
  get start(): Offset {
    return this.#start;
  }

  /** Every record below this was seen. */
  get next(): Offset {
    return this.#next;
  }

  /** Whether nothing is kept. */
  get isEmpty(): boolean {
    return this.#kept.isEmpty;
  }

  get bytes(): number {
    return this.#kept.bytes;
  }

  /** Throws `TailLost` where nothing comes any more. */
  assertFollowing(): void {
    if (this.#lost !== undefined) throw this.#lost;
  }

  /** Resolves when every record below `offset` was seen; rejects with `TailLost`. */
  reached(offset: Offset): Promise<void> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    if (this.#next >= offset) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiting.push({ offset, resolve, reject }));
  }

  /** The updates of a document at `from` or later that were seen so far. Asserts that none of them has left the tail. */
  updatesOf(document: DocumentName, from: Offset): readonly Uint8Array[] {
    if (from < this.#start) throw new Error(`the tail begins at ${this.#start}, after ${from}`);
    return this.#kept.updatesOf(document, from);
  }

  /** Calls `listener` with every later record of `document`, until the returned function is called; with the one that is being handed out still, if another listener calls it. */
  listen(document: DocumentName, listener: Listener): () => void {
    this.#listeners.set(document, [...(this.#listeners.get(document) ?? []), listener]);
    return () => {
      const left = this.#listeners.get(document)?.filter((one) => one !== listener) ?? [];
      if (left.length > 0) this.#listeners.set(document, left);
      else this.#listeners.delete(document);
    };
  }

  /** Lets go of what is below `below`, page by page. */
  trim(below: Offset): void {
    this.#letGo(() => this.#kept.trim(below));
  }

  dropOldest(): void {
    this.#letGo(() => this.#kept.dropOldest());
  }

  stop(): Promise<void> {
    return this.#end(`partition ${this.#partition} is not followed any more`);
  }

  #take(batch: Batch): void {
    if (this.#lost !== undefined) return;
    if (batch.first !== this.#next) {
      this.#lose(`a batch begins at ${batch.first}, where ${this.#next} was to come`);
      return;
    }
    this.#next = batch.next;
    this.#keep(batch);
    const waiting = this.#waiting;
    this.#waiting = waiting.filter(({ offset }) => offset > this.#next);
    for (const { offset, resolve } of waiting) if (offset <= this.#next) resolve();
  }

  #keep(batch: Batch): void {
    for (const entry of batch.records) {
      // What is no record is nobody's edit that we could show; the persister sets it aside and says so.
      if (!('record' in entry)) continue;
      const { document, update } = entry.record;
      const before = this.#kept.bytes;
      this.#kept.append(entry.offset, document, update);
      this.#memory.take(this.#kept.bytes - before);
      for (const listener of this.#listeners.get(document) ?? nobody) listener(entry);
      if (this.#lost !== undefined) return;
    }
  }

  #letGo(drop: () => Offset | undefined): void {
    const before = this.#kept.bytes;
    this.#start = drop() ?? this.#start;
    this.#memory.giveBack(before - this.#kept.bytes);
  }

  #lose(reason: string): void {
    if (this.#lost !== undefined) return;
    void this.#end(`partition ${this.#partition}: ${reason}`);
    this.#onLost(reason);
  }

  #end(reason: string): Promise<void> {
    this.#lost ??= new TailLost(reason);
    for (const { reject } of this.#waiting.splice(0)) reject(this.#lost);
    this.trim(Number.POSITIVE_INFINITY);
    this.#memory.remove(this);
    return this.#following.stop();
  }
}

/** Reads the updates of one document from `from` up to `to` off the journal, for a document whose records have left the tail. */
export function readUpdates(journal: Journal, document: DocumentName, from: Offset, to: Offset): Promise<readonly Uint8Array[]> {
  return new Promise((resolve, reject) => {
    const updates: Uint8Array[] = [];
    let next = from;
    const finish = (fault?: string): void => {
      void following.stop();
      if (fault === undefined) resolve(updates);
      else reject(new TailLost(fault));
    };
    const following = journal.follow(journal.partitionOf(document), from, {
      onBatch: (batch) => {
        if (next >= to) return;
        if (batch.first !== next) {
          finish(`a batch begins at ${batch.first}, where ${next} was to come`);
          return;
        }
        for (const entry of batch.records) {
          if ('record' in entry && entry.record.document === document && entry.offset < to) updates.push(entry.record.update);
        }
        next = batch.next;
        if (next >= to) finish();
      },
      onEnd: (end) => finish(describeEnd(end)),
    });
  });
}
