/**
 * A room: one document on this gateway, and everyone who has it open here.
 *
 * A room holds bytes, never a Y.Doc (`DocumentState`). What sessions send is judged at once against everything that was admitted before it, and
 * waits in a pending list for the end of the tick; `flush` then publishes the pending updates, merged, in one frame to everyone here, and
 * returns them as a draft for the journal. What others appended (`receiveRecord`) is published with them, and not recorded again.
 *
 * Acknowledgements come from sequence numbers. Each flush with something to record has the next number, and appends are durable in that order, so
 * a frame is settled when `durable` reaches the number that it was given on arrival: that of the coming flush where it brought something, and
 * where it brought nothing new that of the last one under way, since what it repeats may be in there, undurable yet.
 */

import type { Draft, Saved } from '#gateway/appender.ts';
import type { Channel } from '#gateway/connection.ts';
import type { CatchUp, Outbox, Position } from '#gateway/outbox.ts';
import { DiffCache } from '#gateway/diff-cache.ts';
import { Fanout } from '#gateway/fanout.ts';
import { bytesOf, type Framing, type Parts } from '#gateway/framing.ts';
import { type Held, HeldUpdates } from '#gateway/held-updates.ts';
import { Presence, type Speaker } from '#gateway/presence.ts';
import type { RoomParts } from '#gateway/room-parts.ts';
import type { DocumentState } from '#shared/document/document-state.ts';
import { readImpliedDeletions } from '#shared/document/implied-deletions.ts';
import { storedUpdateLimits } from '#shared/document/limits.ts';
import { mergeScanned, mergeUpdates } from '#shared/document/merge.ts';
import type { DocumentName } from '#shared/document/name.ts';
import type { Missing } from '#shared/document/readiness.ts';
import { type Scanned, scanUpdate } from '#shared/document/scan.ts';
import { encodeStateVector, parseStateVector } from '#shared/document/state-vector.ts';
import { FewSet, takeFirst } from '#shared/runtime/few.ts';
import { type Closing, malformed, restarting, tooLarge, tryLater } from '#shared/wire/close-codes.ts';

/** When a frame is settled: once the room's `durable` is at least `at`; `Infinity` while it waits for updates that it refers to. */
export type Ticket = { at: number };

/** A session as its room sees it. */
export type Member = {
  readonly outbox: Outbox;
  readonly speaker: Speaker;
  /** Who is speaking, for the record; '' where nobody is known. */
  readonly author: string;
  /** More is durable, or a held update was admitted. Returns whether anything is still to be settled. */
  readonly settled: () => boolean;
  /** Something that it sent refers to what is not here: ask it for that. */
  readonly askAgain: () => void;
  readonly close: (closing: Closing) => void;
};

const tellSettled = (member: Member): boolean => member.settled();

/** Time without asking Yjs what it deletes, in multiples of what asking took: a document may be made so that it takes long. */
const foldRestFactor = 20;

export class Room implements Saved, CatchUp {
  readonly document: DocumentName;
  readonly origin: string;
  readonly presence: Presence;
  readonly #parts: RoomParts;
  readonly #state: DocumentState;
  readonly #fanout: Fanout;
  readonly #members = new Set<Member>();
  /** Those who wait for an acknowledgement. */
  readonly #unsettled = new FewSet<Member>();
  // Emptied with each flush, not made anew: one that waited for it is old, and once thrown away it would take what is in it along to the old generation (nepotism).
  readonly #pending: Scanned[] = [];
  readonly #pendingOwn: Scanned[] = [];
  /** Whose `#pendingOwn` are; 'several' where not of one. */
  #author: Member | 'several' | undefined;
  readonly #held: HeldUpdates<Member, Ticket | undefined>;
  #sequence = 0;
  #published = 0;
  #durable = 0;
  #slowReaders = 0;
  #missed: { readonly published: number; readonly update: Uint8Array }[] = [];
  #missedBytes = 0;
  readonly #diffs: DiffCache;
  #foldedVersion = -1;
  #foldNotBefore = 0;
  #discarded = false;
  #weighed = 0;

  /** `origin` is this room's alone: a record that an earlier room of the same document appended may arrive yet, and is news to this one. */
  constructor(document: DocumentName, origin: string, state: DocumentState, parts: RoomParts) {
    this.document = document;
    this.origin = origin;
    this.#state = state;
    this.#parts = parts;
    this.#diffs = new DiffCache(state);
    this.presence = new Presence(parts.limits);
    this.#fanout = new Fanout(parts);
    this.#held = new HeldUpdates(parts.limits.heldBytesMax);
    this.#weigh();
  }

  get members(): ReadonlySet<Member> {
    return this.#members;
  }

  /** The number of the last flush that is durable. */
  get durable(): number {
    return this.#durable;
  }

  /** Bytes in memory, roughly. */
  get bytes(): number {
    return this.#state.bytes + this.#missedBytes + this.#diffs.bytes;
  }

  /** Whether everything in here is published and durable. */
  get isSettled(): boolean {
    return this.#durable === this.#sequence && this.#pending.length === 0;
  }

  /** Whether it is gone: it publishes and records nothing any more. */
  get isDiscarded(): boolean {
    return this.#discarded;
  }

  /** The state vector, encoded: the server's own Step1. */
  get vector(): Uint8Array {
    return this.#state.vector;
  }

  channelFor(framing: Framing): Channel {
    return this.#fanout.channelFor(framing);
  }

  spoken(): number {
    return this.#fanout.spoken;
  }

  join(member: Member): void {
    this.#members.add(member);
  }

  leave(member: Member): void {
    if (!this.#members.delete(member)) return;
    this.#unsettled.delete(member);
    this.#held.drop(member);
    this.presence.leave(member.speaker);
    if (this.presence.hasChanges) this.#parts.requestFlush(this);
  }

  /** A session's Step1: `vector` as it came. Returns why the session has to be closed, or undefined. */
  question(member: Member, vector: Uint8Array): Closing | undefined {
    const parsed = parseStateVector(vector);
    if ('refused' in parsed) return malformed(parsed.refused);
    // A view into its message would keep the message as long as the question waits.
    member.outbox.step2(new Uint8Array(vector));
    return undefined;
  }

  /**
   * A session's update, scanned. `ticket` says when it is settled. Returns why the session has to be closed, or undefined.
   * A Step2 may bring what a client has got elsewhere and not yet understood: its ready part is taken, the rest settles nothing.
   */
  receive(member: Member, update: Scanned, frame: 'step2' | 'update', ticket: Ticket): Closing | undefined {
    let judgement = this.#state.judge(update);
    if (judgement.kind === 'fresh' && judgement.deletionsOnly && frame === 'step2' && this.#foldImpliedDeletions()) {
      judgement = this.#state.judge(update);
    }
    switch (judgement.kind) {
      case 'nothing-new':
        this.#parts.counters.nothingNew++;
        ticket.at = this.#underWay;
        return undefined;
      case 'fresh':
        return this.#admit(member, judgement.update, ticket);
      case 'waiting': {
        if (frame === 'update') return this.#hold({ owner: member, update, ticket, trials: 0 }, judgement.missing);
        const { ready, rest } = this.#state.split(update);
        ticket.at = this.#underWay;
        const closing = ready === undefined ? undefined : this.#admit(member, ready, ticket);
        // Without the rest, where it does not fit: the client keeps it, and its next Step2 brings it again.
        if (closing === undefined && rest !== undefined)
          this.#held.hold({ owner: member, update: rest, ticket: undefined, trials: 0 }, judgement.missing);
        return closing;
      }
    }
  }

  /** A record that somebody else appended. Returns why the room can't go on, or undefined. */
  receiveRecord(update: Uint8Array): string | undefined {
    // It merges many updates that were admitted one by one, and may be over the limits of one.
    const scanned = scanUpdate(update, storedUpdateLimits);
    if ('refused' in scanned) return scanned.refused;
    const judgement = this.#state.judge(scanned);
    if (judgement.kind === 'waiting') return 'a record refers to what no record before it brought';
    if (judgement.kind === 'fresh') {
      this.#state.take(judgement.update);
      this.#pending.push(judgement.update);
      this.#weigh();
      this.#parts.requestFlush(this);
    }
    return undefined;
  }

  /** Remembers that `member` has frames that are not settled. */
  awaitDurable(member: Member): void {
    this.#unsettled.add(member);
  }

  /** A session's awareness update is in: tell the others at the end of the tick. */
  hear(member: Member, entries: Parameters<Presence['hear']>[1]): Closing | undefined {
    const fault = this.presence.hear(member.speaker, entries);
    if (this.presence.hasChanges) this.#parts.requestFlush(this);
    return fault === undefined ? undefined : malformed(fault);
  }

  /** Publishes what is pending. Returns what has to be recorded, if anything has. */
  flush(): Draft | undefined {
    if (this.#discarded) return undefined;
    this.#releaseHeld();
    const draft = this.#pending.length > 0 ? this.#publishPending() : undefined;
    if (this.presence.hasChanges) {
      this.#parts.exchange?.tell(this.document);
      this.#fanout.sendPresence(this.presence.takeChanges(), this.#members);
    }
    this.#weigh();
    return draft;
  }

  saved(sequence: number): void {
    this.#durable = sequence;
    this.#unsettled.retain(tellSettled);
  }

  unsavable(reason: string, isTooLarge: boolean): void {
    this.discard(isTooLarge ? tooLarge(reason) : tryLater(reason));
  }

  /** Closes everyone; what they sent and we did not acknowledge comes back with them. */
  discard(closing: Closing = restarting('the document is read again')): void {
    if (this.#discarded) return;
    this.#discarded = true;
    this.#weigh();
    this.#parts.onDiscarded(this);
    for (const member of this.#members) member.close(closing);
  }

  position(): Position {
    return { sequence: this.#published, vector: this.#pending.length === 0 ? this.#state.vector : this.#publishedVector() };
  }

  /** The state vector without what is pending, which nobody has been sent yet. */
  #publishedVector(): Uint8Array {
    const vector = new Map(this.#state.vectorMap);
    for (const { sections } of this.#pending.toReversed()) {
      for (const { client, start } of sections.toReversed()) {
        if (start > 0) vector.set(client, start);
        else vector.delete(client);
      }
    }
    return encodeStateVector(vector);
  }

  stateFor(vector: Uint8Array): Parts {
    const answer = this.#diffs.answer(vector);
    this.#weigh();
    return answer;
  }

  missedSince(from: Position): Parts | undefined {
    if (from.sequence === this.#published) return undefined;
    const missed = this.#missed.filter(({ published }) => published > from.sequence);
    const isWhole = missed.length === this.#published - from.sequence;
    const diff = this.stateFor(from.vector);
    if (!isWhole) return diff;
    const merged = mergeUpdates(missed.map(({ update }) => update));
    return merged.length < bytesOf(diff) ? [merged] : diff;
  }

  everyone(missed: boolean): Uint8Array | undefined {
    return missed ? this.presence.everyoneAndGone() : this.presence.everyone();
  }

  slowReaders(change: 1 | -1): void {
    this.#slowReaders += change;
    if (this.#slowReaders > 0) return;
    this.#missed = [];
    this.#missedBytes = 0;
    this.#weigh();
  }

  #weigh(): void {
    const bytes = this.#discarded ? 0 : this.bytes;
    this.#parts.memory.bytes += bytes - this.#weighed;
    this.#weighed = bytes;
  }

  /** The number of the last flush with something to record, the coming one included. */
  get #underWay(): number {
    return this.#pendingOwn.length > 0 ? this.#sequence + 1 : this.#sequence;
  }

  #admit(member: Member, update: Scanned, ticket: Ticket): Closing | undefined {
    const mustWait = this.#parts.writersMustWait();
    if (mustWait !== undefined) return tryLater(mustWait);
    const { documentBytesMax } = this.#parts.limits;
    if (this.#state.bytes + update.bytes.length > documentBytesMax) {
      return tooLarge(`the document would be larger than ${documentBytesMax} bytes`);
    }
    const { memory } = this.#parts;
    if (memory.bytes + update.bytes.length > memory.bytesMax) {
      return tryLater(`the open documents have ${memory.bytesMax} bytes; there is no room for more`);
    }
    this.#state.take(update);
    this.#weigh();
    this.#parts.counters.editsIn++;
    this.#pending.push(update);
    this.#pendingOwn.push(update);
    this.#author = this.#author === undefined || this.#author === member ? member : 'several';
    ticket.at = this.#sequence + 1;
    this.#parts.requestFlush(this);
    return undefined;
  }

  #hold(held: Held<Member, Ticket | undefined>, missing: Missing): Closing | undefined {
    if (!this.#held.hold(held, missing)) return tryLater('too many updates refer to what is not here: synchronise again');
    this.#parts.counters.held++;
    held.owner.askAgain();
    if (held.ticket !== undefined) held.ticket.at = Number.POSITIVE_INFINITY;
    return undefined;
  }

  /** Admits the held updates that what is pending has made ready. Those are pending then themselves, and may make others ready. */
  #releaseHeld(): void {
    if (this.#held.isEmpty) return;
    for (let i = 0; i < this.#pending.length; i++) {
      for (const { client } of this.#pending[i]?.sections ?? []) {
        for (const held of this.#held.take(client, this.#state.vectorMap.get(client) ?? 0)) this.#release(held);
      }
    }
  }

  #release(held: Held<Member, Ticket | undefined>): void {
    const { owner, update, ticket = { at: 0 } } = held;
    // One that was released before may have closed its session.
    if (!this.#members.has(owner)) return;
    const judgement = this.#state.judge(update);
    const closing =
      judgement.kind === 'waiting' ? this.#hold(held, judgement.missing) : this.receive(owner, update, 'update', ticket);
    if (closing !== undefined) owner.close(closing);
    else if (held.ticket !== undefined && owner.settled()) this.#unsettled.add(owner);
  }

  /** Takes in what Yjs deletes by itself. Returns whether that changed anything; where it can't be known, a needless record is made. */
  #foldImpliedDeletions(): boolean {
    const { clock, limits } = this.#parts;
    const begun = clock.monotonic();
    if (this.#state.bytes > limits.foldBytesMax || this.#foldedVersion === this.#state.version || begun < this.#foldNotBefore)
      return false;
    const implied = readImpliedDeletions(this.#state.encode());
    const ended = clock.monotonic();
    this.#foldNotBefore = ended + foldRestFactor * (ended - begun);
    if (implied === undefined) return false;
    this.#state.noteDeleted(implied);
    this.#foldedVersion = this.#state.version;
    return true;
  }

  #publishPending(): Draft | undefined {
    const updates = takeFirst(this.#pending, this.#pending.length);
    const own = takeFirst(this.#pendingOwn, this.#pendingOwn.length);
    const author = this.#author === 'several' ? undefined : this.#author;
    this.#author = undefined;
    const merged = mergeScanned(updates);
    // An author who is the only one has everything in the frame already; it may have left since.
    const isAlone = author !== undefined && own.length === updates.length;
    const except = isAlone && this.#members.has(author) ? author : undefined;
    this.#published++;
    this.#parts.counters.flushes++;
    if (this.#slowReaders > 0) this.#remember(merged);
    this.#fanout.sendUpdate(merged, this.#members, except);
    if (own.length === 0) return undefined;
    this.#sequence++;
    return {
      room: this,
      updates: own,
      // Without what others appended in between, our own need not follow one another.
      merged: own.length === updates.length ? merged : mergeUpdates(own.map(({ bytes }) => bytes)),
      sequence: this.#sequence,
      author: author?.author ?? '',
    };
  }

  #remember(update: Uint8Array): void {
    this.#missed.push({ published: this.#published, update });
    this.#missedBytes += update.length;
    while (this.#missedBytes > this.#parts.limits.missedBytesMax) this.#missedBytes -= this.#missed.shift()?.update.length ?? 0;
  }
}
