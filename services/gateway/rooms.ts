/**
 * The rooms of this gateway: opening them, and letting them go.
 *
 * A document that could not be read must never be served as an empty one: the next client's Step2 would then overwrite what is stored. So
 * opening either ends with the whole document, or with an error to everyone who waits for it. The order of its steps is what makes it whole:
 *
 *     read the checkpoint           all below it is in the store, and stays there
 *     follow the partition from it  (or find it followed already)
 *     read the high-water mark      what was acknowledged before now is below it
 *     read the store                a snapshot and segments, covering at least the checkpoint
 *     read the checkpoint again     lower than before: the store was put back in between, and what was read may have a hole
 *     wait for the high-water mark  then nothing that was acknowledged is missing
 *     load what was read            and keep what comes of the document meanwhile: the tail may have to let go of it
 *
 * A room goes when nobody was in it for `roomIdleMs` and everything in it is durable, or at once where memory is short.
 */

import { PartitionTail, readUpdates, type TailRecord } from '#gateway/partition-tail.ts';
import { TailMemory } from '#gateway/tail-memory.ts';
import { type Member, Room } from '#gateway/room.ts';
import type { RoomMemory, RoomParts } from '#gateway/room-parts.ts';
import type { DocumentState } from '#shared/document/document-state.ts';
import { DocumentUnreadable, loadDocumentState } from '#shared/document/load.ts';
import type { DocumentName } from '#shared/document/name.ts';
import type { Journal, Offset, Partition } from '#shared/journal/journal.ts';
import type { Clock } from '#shared/runtime/clock.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import { readDocumentSince } from '#shared/store/load.ts';
import { type Store, StoreCorrupt } from '#shared/store/store.ts';
import { type Closing, restarting, tryLater, unreadable } from '#shared/wire/close-codes.ts';

export type RoomsLimits = {
  readonly documentsMax: number;
  readonly roomsBytesMax: number;
  readonly sessionsPerDocumentMax: number;
  readonly roomIdleMs: number;
  readonly tailBytesMax: number;
};

export type RoomsParts = Omit<RoomParts, 'onDiscarded' | 'memory'> & {
  readonly journal: Journal;
  readonly store: Store;
  readonly clock: Clock;
  /** For documents that are opened; records are known to be sound. */
  readonly logger: Logger;
  /** Random per process. */
  readonly origin: string;
  readonly roomsLimits: RoomsLimits;
  /** How often tails are shortened to the checkpoint, in ms: each time the store is asked for that of each partition. */
  readonly trimMs: number;
  /** Lets other work go on in the middle of reading a large document. */
  readonly pause: () => Promise<void>;
  readonly onOpenFailed: () => void;
};

type Opening = { readonly kind: 'opening'; readonly opened: Promise<Room | Closing> };
type Open = { readonly kind: 'open'; readonly room: Room; readonly deafen: () => void; emptySince: number | undefined };

type FollowedPartition = { readonly tail: PartitionTail; rooms: number; openings: number };

/** What came of a document while it was loaded. */
type Meanwhile = { readonly records: readonly TailRecord[]; readonly end: () => void };

/** How often empty rooms are looked for. */
const sweepMs = 1_000;

export class Rooms {
  readonly #parts: RoomsParts;
  readonly #rooms = new Map<DocumentName, Opening | Open>();
  readonly #partitions = new Map<Partition, FollowedPartition>();
  /** Documents that are being opened count with what was read of them. */
  readonly #memory: RoomMemory;
  readonly #tailMemory: TailMemory;
  #opened = 0;
  #stopped = false;

  constructor(parts: RoomsParts) {
    this.#parts = parts;
    this.#memory = { bytes: 0, bytesMax: parts.roomsLimits.roomsBytesMax };
    this.#tailMemory = new TailMemory(parts.roomsLimits.tailBytesMax);
    this.#sweepLater();
    this.#trimLater();
  }

  get size(): number {
    return this.#rooms.size;
  }

  /** Bytes of all documents in memory, roughly. */
  get bytes(): number {
    return this.#memory.bytes;
  }

  /** The rooms that are open now. */
  *open(): Iterable<Room> {
    for (const entry of this.#rooms.values()) if (entry.kind === 'open') yield entry.room;
  }

  /** The room of a document, opened if need be, or why it can't be had. */
  find(document: DocumentName): Room | Closing | Promise<Room | Closing> {
    const entry = this.#rooms.get(document);
    if (entry?.kind === 'opening') return entry.opened;
    if (entry?.kind === 'open') return entry.room;
    return this.#stopped ? restarting('the server is stopping') : (this.#refusal() ?? this.#open(document));
  }

  /** Returns why the member can't join, or undefined. The room may have gone between its opening and this call. */
  join(room: Room, member: Member): Closing | undefined {
    const entry = this.#entryOf(room);
    if (entry === undefined) return restarting('the document is read again');
    const { sessionsPerDocumentMax } = this.#parts.roomsLimits;
    if (room.members.size >= sessionsPerDocumentMax) {
      return tryLater(`the document has ${sessionsPerDocumentMax} sessions; there is no room for more`);
    }
    room.join(member);
    entry.emptySince = undefined;
    return undefined;
  }

  leave(room: Room, member: Member): void {
    room.leave(member);
    const entry = this.#entryOf(room);
    if (entry !== undefined && room.members.size === 0) entry.emptySince = this.#parts.clock.monotonic();
  }

  #entryOf(room: Room): Open | undefined {
    const entry = this.#rooms.get(room.document);
    return entry?.kind === 'open' && entry.room === room ? entry : undefined;
  }

  /** No more rooms; those that are open stay as they are. */
  stop(): void {
    this.#stopped = true;
  }

  async close(): Promise<void> {
    this.#stopped = true;
    this.#rooms.clear();
    await Promise.all([...this.#partitions.values()].map(({ tail }) => tail.stop()));
    this.#partitions.clear();
  }

  #refusal(): Closing | undefined {
    const { documentsMax, roomsBytesMax } = this.#parts.roomsLimits;
    if (this.#rooms.size >= documentsMax || this.bytes >= roomsBytesMax) this.#evict(() => true);
    if (this.#rooms.size >= documentsMax) return tryLater(`${documentsMax} documents are open; there is no room for more`);
    if (this.bytes >= roomsBytesMax) return tryLater(`the open documents have ${roomsBytesMax} bytes; there is no room for more`);
    return undefined;
  }

  #open(document: DocumentName): Promise<Room | Closing> {
    const opened = this.#read(document).catch((error: unknown): Closing => {
      this.#rooms.delete(document);
      this.#parts.onOpenFailed();
      const isUnreadable = error instanceof StoreCorrupt || error instanceof DocumentUnreadable;
      // What is away is told by those who look after it; each client that tries again must not make it louder.
      this.#parts.logger[isUnreadable ? 'error' : 'warn']({ document, error: String(error) }, 'a document could not be opened');
      if (isUnreadable) {
        return unreadable('what is stored of this document can not be read; it was left as it is');
      }
      return tryLater('the document can not be read now');
    });
    this.#rooms.set(document, { kind: 'opening', opened });
    return opened;
  }

  async #read(document: DocumentName): Promise<Room> {
    const { journal, store, pause } = this.#parts;
    const partition = journal.partitionOf(document);
    const position = await store.readPosition(partition);
    const checkpoint = position.upto;
    const followed = this.#follow(partition, checkpoint);
    const { tail } = followed;
    followed.openings++;
    let meanwhile: Meanwhile | undefined;
    try {
      const highWater = await journal.highWater(partition);
      const stored = await readDocumentSince(store, document, partition, position);
      await tail.reached(highWater);
      const upto = tail.next;
      meanwhile = this.#gather(tail, document);
      const since =
        checkpoint >= tail.start
          ? tail.updatesOf(document, checkpoint)
          : await this.#readAround(tail, document, checkpoint, upto);
      const updates = [...stored.updates, ...since];
      const bytes = updates.reduce((sum, update) => sum + update.length, 0);
      this.#memory.bytes += bytes;
      const state = await loadDocumentState(updates, pause).finally(() => {
        this.#memory.bytes -= bytes;
      });
      return this.#enter(document, followed, meanwhile.records, state);
    } finally {
      meanwhile?.end();
      followed.openings--;
      this.#releaseIfUnused(partition, followed);
    }
  }

  /** The updates of a document below `upto`, of which some have left the tail. */
  #readAround(tail: PartitionTail, document: DocumentName, from: Offset, upto: Offset): Promise<readonly Uint8Array[]> {
    return tail.next > from ? readUpdates(this.#parts.journal, document, from, upto) : Promise.resolve([]);
  }

  /** Keeps what comes of a document from now on. It counts with the bytes of all documents. */
  #gather(tail: PartitionTail, document: DocumentName): Meanwhile {
    const records: TailRecord[] = [];
    let bytes = 0;
    const deafen = tail.listen(document, (record) => {
      records.push(record);
      bytes += record.record.update.length;
      this.#memory.bytes += record.record.update.length;
    });
    const end = (): void => {
      deafen();
      this.#memory.bytes -= bytes;
    };
    return { records, end };
  }

  /** All but what came `meanwhile` is in the state: from here on records go to the room as they come. No await may come between. */
  #enter(document: DocumentName, followed: FollowedPartition, meanwhile: readonly TailRecord[], state: DocumentState): Room {
    followed.tail.assertFollowing();
    const origin = `${this.#parts.origin}.${this.#opened++}`;
    const onDiscarded = (gone: Room): void => this.#forget(gone);
    const room = new Room(document, origin, state, { ...this.#parts, memory: this.#memory, onDiscarded });
    const hear = ({ record }: TailRecord): void => {
      if (record.origin === room.origin) return;
      const fault = room.receiveRecord(record.update);
      if (fault === undefined) return;
      this.#parts.logger.error({ document, fault }, 'a record does not fit its document; the document is read again');
      room.discard();
    };
    for (const record of meanwhile) hear(record);
    // Nobody would be told that a room is gone which nobody knows yet, and what they type into it would be lost.
    if (room.isDiscarded) throw new Error('a record that came during the opening does not fit the document');
    const deafen = followed.tail.listen(document, hear);
    followed.rooms++;
    this.#rooms.set(document, { kind: 'open', room, deafen, emptySince: this.#parts.clock.monotonic() });
    this.#parts.exchange?.open({ document, presence: room.presence, changed: () => this.#parts.requestFlush(room) });
    return room;
  }

  #follow(partition: Partition, from: Offset): FollowedPartition {
    const known = this.#partitions.get(partition);
    if (known !== undefined) return known;
    const { journal, logger } = this.#parts;
    const tail = new PartitionTail(journal, partition, from, this.#tailMemory, (reason) => {
      logger.error({ partition, reason }, 'a partition can not be followed any more; its documents are read again');
      this.#partitions.delete(partition);
      for (const room of [...this.open()]) if (journal.partitionOf(room.document) === partition) room.discard();
    });
    const followed = { tail, rooms: 0, openings: 0 };
    this.#partitions.set(partition, followed);
    return followed;
  }

  #releaseIfUnused(partition: Partition, followed: FollowedPartition): void {
    if (followed.rooms > 0 || followed.openings > 0) return;
    if (this.#partitions.get(partition) === followed) this.#partitions.delete(partition);
    void followed.tail.stop();
  }

  #forget(room: Room): void {
    const entry = this.#entryOf(room);
    if (entry === undefined) return;
    this.#rooms.delete(room.document);
    entry.deafen();
    this.#parts.exchange?.close(room.document);
    const partition = this.#parts.journal.partitionOf(room.document);
    const followed = this.#partitions.get(partition);
    if (followed === undefined) return;
    followed.rooms--;
    this.#releaseIfUnused(partition, followed);
  }

  /** Lets go of empty, settled rooms that `isOld` says are old enough, by when they became empty. */
  #evict(isOld: (emptySince: number) => boolean): void {
    for (const entry of this.#rooms.values()) {
      if (entry.kind !== 'open' || entry.emptySince === undefined) continue;
      if (isOld(entry.emptySince) && entry.room.isSettled && entry.room.members.size === 0) entry.room.discard();
    }
  }

  #sweepLater(): void {
    this.#parts.clock.after(sweepMs, () => {
      if (this.#stopped) return;
      const before = this.#parts.clock.monotonic() - this.#parts.roomsLimits.roomIdleMs;
      this.#evict((emptySince) => emptySince <= before);
      this.#sweepLater();
    });
  }

  #trimLater(): void {
    this.#parts.clock.after(this.#parts.trimMs, () => {
      if (!this.#stopped) void this.#trimTails().finally(() => this.#trimLater());
    });
  }

  async #trimTails(): Promise<void> {
    for (const [partition, followed] of this.#partitions) {
      if (followed.tail.isEmpty) continue;
      // A store that is away costs memory here, up to the tail's bound, and nothing else.
      const checkpoint = await this.#parts.store.readCheckpoint(partition).catch(() => 0);
      // A document that is being opened counts on the tail from the checkpoint that it read.
      if (followed.openings === 0) followed.tail.trim(checkpoint);
    }
  }
}
