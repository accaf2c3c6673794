/**
 * From flushed rooms into the journal: one append at a time, all rooms together, in order.
 *
 * An append that failed may have been written or not, so the same bytes are appended again. If anything of the same room went before it
 * meanwhile, the journal would have an update before what it refers to, and every reader of the journal would have to wait for something that
 * comes later. So there is one append under way at most, and what is flushed meanwhile gathers: one record a room, however many flushes
 * (more only where one would be larger than the journal takes).
 *
 *     flush ─► waiting (one draft a room) ─► appending (retried, the same bytes) ─► durable: the rooms tell their sessions
 *                                                     └─ past unsavedMsMax / unsavedBytesMax: given up, rooms discarded
 *
 * Giving up closes *every* session of the rooms concerned: readers have built on updates that nobody else will ever see. What was not
 * acknowledged is with the clients, and comes back with their Step2.
 */

import { mergeUpdates } from '#shared/document/merge.ts';
import type { DocumentName } from '#shared/document/name.ts';
import type { Scanned } from '#shared/document/scan.ts';
import type { Appended, Journal, JournalRecord } from '#shared/journal/journal.ts';
import type { Clock, Timer } from '#shared/runtime/clock.ts';
import { reasonOf } from '#shared/runtime/reason.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';

/** A room as the appender sees it. */
export type Saved = {
  readonly document: DocumentName;
  /** By this a room knows its own records. */
  readonly origin: string;
  /** All flushes up to `sequence` are durable. */
  readonly saved: (sequence: number) => void;
  /** A flush of this room can't be saved: close everyone, forget everything. `tooLarge`: it never will be. */
  readonly unsavable: (reason: string, tooLarge: boolean) => void;
};

/** What one flush of a room brings: admitted updates, in order, and the same merged. */
export type Draft = {
  readonly room: Saved;
  readonly updates: readonly Scanned[];
  readonly merged: Uint8Array;
  readonly sequence: number;
  readonly author: string;
};

export type AppenderLimits = {
  readonly appendIntervalMs: number;
  readonly unsavedBytesMax: number;
  readonly unsavedMsMax: number;
};

export type AppenderParts = {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly limits: AppenderLimits;
  readonly logger: Logger;
  /** Called with how long an append took, its retries included, in ms, and how many records it had. */
  readonly onAppended: (ms: number, records: number) => void;
  readonly onFailed: () => void;
  /** 0 ≤ x < 1: spreads retries. */
  readonly random: () => number;
};

const tooLargeReason = (bytesMax: number): string => `the journal takes records of at most ${bytesMax} bytes`;

const retryMsMin = 50;
const retryMsMax = 2_000;

type Waiting = { readonly room: Saved; drafts: Draft[] };
type Saving = Waiting & { readonly records: readonly JournalRecord[] };
type Attempt = {
  readonly rooms: readonly Saving[];
  readonly records: readonly JournalRecord[];
  readonly since: number;
  tries: number;
};

export class Appender {
  readonly #parts: AppenderParts;
  #waiting = new Map<Saved, Waiting>();
  #waitingBytes = 0;
  #waitingSince = 0;
  #attempt: Attempt | undefined;
  #attemptBytes = 0;
  #failure: string | undefined;
  #lastAppendAt = Number.NEGATIVE_INFINITY;
  #lastSavedAt = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  #deadline: Timer | undefined;
  /** Appends that were begun, and that ended, one way or the other. */
  #begun = 0;
  #ended = 0;
  #drained: { readonly ended: number; readonly resolve: () => void }[] = [];
  #losses: Set<DocumentName> | undefined;

  constructor(parts: AppenderParts) {
    this.#parts = parts;
  }

  /** Bytes of edits that are not durable yet. */
  get unsavedBytes(): number {
    return this.#waitingBytes + this.#attemptBytes;
  }

  /** The rooms with edits that are not durable yet. */
  get unsavedRooms(): ReadonlySet<Saved> {
    return new Set([...this.#waiting.keys(), ...(this.#attempt?.rooms.map(({ room }) => room) ?? [])]);
  }

  /** The documents with edits that are given up from now on: those stay with the clients that made them. For a drain, which counts them. */
  rememberLosses(): ReadonlySet<DocumentName> {
    this.#losses ??= new Set();
    return this.#losses;
  }

  /** How long the oldest edit has been waiting, in ms. */
  get unsavedMs(): number {
    const since = this.#attempt?.since ?? (this.#waiting.size > 0 ? this.#waitingSince : undefined);
    return since === undefined ? 0 : this.#parts.clock.monotonic() - since;
  }

  /** Why the last append failed, if none went well since. */
  get failure(): string | undefined {
    return this.#failure;
  }

  add(draft: Draft): void {
    const waiting = this.#waiting.get(draft.room);
    if (this.#waiting.size === 0) this.#waitingSince = this.#parts.clock.monotonic();
    if (waiting === undefined) this.#waiting.set(draft.room, { room: draft.room, drafts: [draft] });
    else waiting.drafts.push(draft);
    this.#waitingBytes += draft.merged.length;
    if (this.unsavedBytes > this.#parts.limits.unsavedBytesMax) this.#giveUp('more edits are waiting to be saved than fit');
    else this.#schedule();
  }

  /** Resolves when all that was added until now is durable, or given up, whatever is added meanwhile. */
  drained(): Promise<void> {
    const ended = this.#waiting.size > 0 ? this.#begun + 1 : this.#begun;
    if (this.#ended >= ended) return Promise.resolve();
    return new Promise((resolve) => this.#drained.push({ ended, resolve }));
  }

  #schedule(): void {
    if (this.#attempt !== undefined || this.#timer !== undefined || this.#waiting.size === 0) return;
    const wait = this.#lastAppendAt + this.#parts.limits.appendIntervalMs - this.#parts.clock.monotonic();
    if (wait <= 0) this.#begin();
    else
      this.#timer = this.#parts.clock.after(wait, () => {
        this.#timer = undefined;
        this.#begin();
      });
  }

  #begin(): void {
    const { clock, journal, limits } = this.#parts;
    this.#begun++;
    const rooms: Saving[] = [];
    const records: JournalRecord[] = [];
    for (const { room, drafts } of this.#waiting.values()) {
      const its = this.#recordsOf(room, drafts);
      if (its.some(({ update }) => update.length > journal.recordBytesMax)) {
        // All of the room's records, for those that fit may refer to the one that does not. It takes no other room along.
        this.#unsavable(room, tooLargeReason(journal.recordBytesMax), true);
        continue;
      }
      rooms.push({ room, drafts, records: its });
      records.push(...its);
    }
    if (this.#waiting.size === 0) {
      this.#finish();
      return;
    }
    const attempt: Attempt = { rooms, records, since: this.#waitingSince, tries: 0 };
    this.#attempt = attempt;
    this.#attemptBytes = this.#waitingBytes;
    this.#waiting = new Map();
    this.#waitingBytes = 0;
    this.#lastAppendAt = clock.monotonic();
    // Counted from when the journal last took something: what gathered during a long append is not its fault.
    const left = Math.max(attempt.since, this.#lastSavedAt) + limits.unsavedMsMax - clock.monotonic();
    this.#deadline = clock.after(left, () => this.#giveUp(`the journal took nothing for ${limits.unsavedMsMax} ms`));
    this.#try(attempt);
  }

  #recordsOf(room: Saved, drafts: readonly Draft[]): readonly JournalRecord[] {
    const { clock, journal } = this.#parts;
    const [first] = drafts;
    const author = first !== undefined && drafts.every((draft) => draft.author === first.author) ? first.author : '';
    const merged =
      drafts.length === 1 && first !== undefined && first.merged.length <= journal.recordBytesMax
        ? [first.merged]
        : groupBySize(
            drafts.flatMap(({ updates }) => updates),
            journal.recordBytesMax,
          ).map((group) => mergeUpdates(group.map(({ bytes }) => bytes)));
    const time = clock.now();
    return merged.map((update) => ({ kind: 'update', document: room.document, update, origin: room.origin, author, time }));
  }

  #try(attempt: Attempt): void {
    this.#parts.journal.append(attempt.records).then(
      (outcomes) => {
        if (this.#attempt === attempt) this.#succeeded(attempt, outcomes);
      },
      (error: unknown) => {
        if (this.#attempt === attempt) this.#failed(attempt, error);
      },
    );
  }

  #succeeded(attempt: Attempt, outcomes: readonly Appended[]): void {
    this.#finish();
    this.#failure = undefined;
    this.#lastSavedAt = this.#parts.clock.monotonic();
    this.#parts.onAppended(this.#lastSavedAt - attempt.since, attempt.records.length);
    let next = 0;
    for (const { room, drafts, records } of attempt.rooms) {
      const ours = outcomes.slice(next, (next += records.length));
      const tooLarge = ours.find((outcome) => outcome.kind === 'too-large');
      if (tooLarge === undefined) room.saved(drafts.at(-1)?.sequence ?? 0);
      else this.#unsavable(room, tooLargeReason(tooLarge.bytesMax), true);
    }
    this.#schedule();
  }

  #failed(attempt: Attempt, error: unknown): void {
    this.#parts.onFailed();
    this.#failure = reasonOf(error);
    this.#parts.logger.warn(
      { error: String(error), records: attempt.records.length, tries: attempt.tries },
      'append failed, trying again',
    );
    const wait = Math.min(retryMsMax, retryMsMin * 2 ** attempt.tries++) * (0.5 + this.#parts.random() / 2);
    this.#timer = this.#parts.clock.after(wait, () => {
      this.#timer = undefined;
      this.#try(attempt);
    });
  }

  #giveUp(reason: string): void {
    const rooms = this.unsavedRooms;
    if (this.#waiting.size > 0) this.#begun++;
    this.#finish();
    this.#waiting = new Map();
    this.#waitingBytes = 0;
    this.#parts.logger.error({ rooms: rooms.size }, `gave up saving: ${reason}`);
    for (const room of rooms) this.#unsavable(room, reason, false);
  }

  #unsavable(room: Saved, reason: string, tooLarge: boolean): void {
    const waiting = this.#waiting.get(room);
    for (const draft of waiting?.drafts ?? []) this.#waitingBytes -= draft.merged.length;
    this.#waiting.delete(room);
    this.#losses?.add(room.document);
    room.unsavable(reason, tooLarge);
  }

  #finish(): void {
    this.#ended = this.#begun;
    this.#attempt = undefined;
    this.#attemptBytes = 0;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#deadline?.cancel();
    this.#deadline = undefined;
    const { ended = [], waiting = [] } = Object.groupBy(this.#drained, (one) => (one.ended <= this.#ended ? 'ended' : 'waiting'));
    this.#drained = waiting;
    for (const { resolve } of ended) resolve();
  }
}

/** Neighbours together, up to `bytesMax` a group; what is larger by itself stays alone. */
function groupBySize(updates: readonly Scanned[], bytesMax: number): readonly (readonly Scanned[])[] {
  const groups: Scanned[][] = [];
  let bytes = Infinity;
  for (const update of updates) {
    bytes += update.bytes.length;
    if (bytes > bytesMax) {
      groups.push([]);
      bytes = update.bytes.length;
    }
    groups.at(-1)?.push(update);
  }
  return groups;
}
