/**
 * The y-websocket door: one session, one socket, one document, spoken to in the frames of y-websocket 3.x.
 *
 * A session is opening until its room is there, and then open; a message that comes before, or while a large update is being read,
 * waits in the inbox, in order and bounded. With `?ack=1` the session is told how many of its Step2 and Update frames are settled:
 * each frame has a ticket, and the count is how many tickets from the first on are due.
 */

import type { Connection, ConnectionEvents } from '#gateway/connection.ts';
import { bytesOf, type Framing, type Parts } from '#gateway/framing.ts';
import type { GatewayLimits } from '#gateway/limits.ts';
import { Outbox, type Traffic } from '#gateway/outbox.ts';
import type { Speaker } from '#gateway/presence.ts';
import type { Member, Room, Ticket } from '#gateway/room.ts';
import type { Rooms } from '#gateway/rooms.ts';
import type { DocumentName } from '#shared/document/name.ts';
import type { UpdateLimits } from '#shared/document/limits.ts';
import { type Refused, type Scanned, scanUpdate, startScan } from '#shared/document/scan.ts';
import type { Clock, Timer } from '#shared/runtime/clock.ts';
import { takeFirst } from '#shared/runtime/few.ts';
import { decodeAwareness } from '#shared/wire/awareness.ts';
import { type Closing, comesBackInVain, malformed, tooLarge, tryLater } from '#shared/wire/close-codes.ts';
import {
  decodeFrame,
  encodeAck,
  encodeAwareness,
  encodeStep1,
  encodeStep2,
  encodeUpdate,
  keepAliveFrame,
  step2Header,
  updateHeader,
} from '#shared/wire/y-websocket.ts';

/** A room hands the same state of a small document, the same bytes, to all who ask the same: it is framed once. */
const step2Frames = new WeakMap<Uint8Array, Uint8Array>();

function frameStep2(update: Parts): Parts {
  const [only] = update;
  if (update.length !== 1 || only === undefined) return [step2Header(bytesOf(update)), ...update];
  const known = step2Frames.get(only);
  if (known !== undefined) return [known];
  // Kept for long, unlike other frames, so in memory of its own.
  const frame = new Uint8Array(encodeStep2(only));
  step2Frames.set(only, frame);
  return [frame];
}

/** The frames of this door: the same for everyone, but for the acknowledgement, which has to be asked for. */
const plain: Framing = {
  step1: encodeStep1,
  update: encodeUpdate,
  catchUp: (update) => [updateHeader(bytesOf(update)), ...update],
  step2: frameStep2,
  awareness: encodeAwareness,
  ack: undefined,
  keepAlive: keepAliveFrame,
};

const acknowledging: Framing = { ...plain, ack: encodeAck };

/** What all sessions of this door share. */
export type DoorParts = {
  readonly rooms: Pick<Rooms, 'find' | 'join' | 'leave'>;
  readonly limits: GatewayLimits;
  readonly updateLimits: UpdateLimits;
  readonly clock: Clock;
  readonly traffic: Traffic & { framesIn: number; bytesIn: number };
  /** Lets other work go on in the middle of reading a large update. */
  readonly pause: () => Promise<void>;
  /** From 0 up to 1. */
  readonly random: () => number;
  /** Resolves when a session may write much. */
  readonly turn: () => Promise<void>;
  /** Called where handling what a client sent threw. Returns how its session is to be closed. */
  readonly onThrown: (error: unknown) => Closing;
  /** Called once, with why we closed the session. */
  readonly onClosing: (closing: Closing) => void;
  readonly onAckMs: (ms: number) => void;
};

/** Updates longer than this are scanned in steps of it, with other work in between. */
const scanStepBytes = 256 * 1024;
/** How long a client has to announce itself before it is told who is here (presence.ts). */
const announceMs = 250;
/** A client that is let in and closed at once comes back at once (y-websocket 3.0 resets its back-off when it opens). */
const refusalDelayMs = 1_000;
const rateWindowMs = 10_000;
/** What a message that waits is counted with besides its bytes. */
const messageOverheadBytes = 128;
/** Messages out of an inbox that are handled in one turn of the event loop. */
const messagesPerTurn = 500;
/** How often a client is asked for what its updates refer to and is not here. */
const askAgainMs = 5_000;
/** Acknowledgements that may be due at different times; a client that makes more is closed. */
const ticketsMax = 100_000;

type Phase =
  | { readonly kind: 'opening' }
  | { readonly kind: 'open'; readonly room: Room; readonly outbox: Outbox }
  | { readonly kind: 'closed' };

/** The ticket of `count` frames that came one after the other, the first of them at `since`. */
type Settling = Ticket & { count: number; readonly since: number };

export class YWebsocketSession implements Member, ConnectionEvents {
  readonly speaker: Speaker;
  readonly author = '';
  readonly #document: DocumentName;
  readonly #connection: Connection;
  readonly #parts: DoorParts;
  readonly #asksForAck: boolean;
  #phase: Phase = { kind: 'opening' };
  #timer: Timer | undefined;
  #inbox: Uint8Array[] = [];
  #inboxNext = 0;
  #inboxBytes = 0;
  #isReading = false;
  readonly #tickets: Settling[] = [];
  #settledFrames = 0;
  #askNotBefore = 0;
  #rateWindowEnd = 0;
  #framesInWindow = 0;

  /** `number` grows with each session of this process. */
  constructor(document: DocumentName, connection: Connection, number: number, asksForAck: boolean, parts: DoorParts) {
    this.#document = document;
    this.#connection = connection;
    this.#parts = parts;
    this.#asksForAck = asksForAck;
    this.speaker = { number, informed: false, owned: new Set() };
  }

  get outbox(): Outbox {
    if (this.#phase.kind !== 'open') throw new Error('a session that is not open has no outbox');
    return this.#phase.outbox;
  }

  /** Opens the session; its first messages may have come already. */
  begin(): void {
    const found = this.#parts.rooms.find(this.#document);
    if (found instanceof Promise) this.#guard(found.then((room) => this.#enter(room)));
    else this.#enter(found);
  }

  message(message: Uint8Array): void {
    if (this.#phase.kind === 'closed') return;
    this.#parts.traffic.framesIn++;
    this.#parts.traffic.bytesIn += message.length;
    const fault = this.#checkRate() ?? this.#checkSize(message);
    if (fault !== undefined) this.close(fault);
    else if (this.#phase.kind === 'open' && !this.#isReading && this.#inboxNext === this.#inbox.length) {
      this.#handle(this.#phase.room, message);
    } else this.#queue(message);
  }

  drained(): void {
    if (this.#phase.kind === 'open') this.#phase.outbox.drained();
  }

  closed(): void {
    const phase = this.#phase;
    if (phase.kind === 'closed') return;
    this.#phase = { kind: 'closed' };
    this.#timer?.cancel();
    this.#inbox = [];
    if (phase.kind !== 'open') return;
    phase.outbox.end();
    this.#parts.rooms.leave(phase.room, this);
  }

  close(closing: Closing): void {
    if (this.#phase.kind === 'closed') return;
    this.closed();
    this.#parts.onClosing(closing);
    // It comes back at once, is sent the document, and sends the same again: not several times a second, and not all of a room together.
    if (comesBackInVain(closing)) this.#parts.clock.after(this.#refusalDelayMs(), () => this.#connection.close(closing));
    else this.#connection.close(closing);
  }

  settled(): boolean {
    if (this.#phase.kind !== 'open') return false;
    const { durable } = this.#phase.room;
    let due = 0;
    for (const { at, count } of this.#tickets) {
      if (at > durable) break;
      due++;
      this.#settledFrames += count;
    }
    if (due > 0) {
      const now = this.#parts.clock.monotonic();
      for (const { since } of takeFirst(this.#tickets, due)) this.#parts.onAckMs(now - since);
      this.#phase.outbox.ack(this.#settledFrames);
    }
    return this.#tickets.length > 0;
  }

  /** Sends an empty frame if nothing was sent since the last call: y-websocket drops a server that is silent for 30 s. */
  keepAlive(): void {
    if (this.#phase.kind !== 'open') return;
    this.#phase.outbox.keepAlive();
  }

  #enter(found: Room | Closing): void {
    if (this.#phase.kind === 'closed') return;
    if ('code' in found) {
      this.close(found);
      return;
    }
    const { clock, limits, traffic } = this.#parts;
    const framing = this.#asksForAck ? acknowledging : plain;
    const outbox = new Outbox(
      this.#connection,
      framing,
      found.channelFor(framing),
      found,
      limits,
      traffic,
      (closing) => this.close(closing),
      this.#parts.turn,
    );
    const refusal = this.#parts.rooms.join(found, this);
    if (refusal !== undefined) {
      outbox.end();
      this.close(refusal);
      return;
    }
    this.#phase = { kind: 'open', room: found, outbox };
    outbox.ask(found.vector);
    this.#timer = clock.after(announceMs, () => this.#inform(outbox));
    this.#continue();
  }

  #refusalDelayMs(): number {
    return refusalDelayMs * (1 + this.#parts.random());
  }

  askAgain(): void {
    if (this.#phase.kind !== 'open') return;
    const now = this.#parts.clock.monotonic();
    if (now < this.#askNotBefore) return;
    this.#askNotBefore = now + askAgainMs;
    this.#phase.outbox.ask(this.#phase.room.vector);
  }

  #queue(message: Uint8Array): void {
    this.#inbox.push(message);
    this.#inboxBytes += message.length + messageOverheadBytes;
    if (this.#inboxBytes > this.#parts.limits.openingBytesMax)
      this.close(tryLater('too much was sent while the document was opened or a large update was read'));
  }

  /** Handles what waits in the inbox, some messages a turn: others are waiting, too. */
  #continue(): void {
    for (let count = 0; this.#phase.kind === 'open' && !this.#isReading; count++) {
      const message = this.#inbox[this.#inboxNext];
      if (message === undefined) {
        this.#inbox = [];
        this.#inboxNext = 0;
        return;
      }
      if (count === messagesPerTurn) {
        this.#guard(this.#parts.pause().then(() => this.#continue()));
        return;
      }
      this.#inboxNext++;
      this.#inboxBytes -= message.length + messageOverheadBytes;
      this.#handle(this.#phase.room, message);
    }
  }

  /** What is handled in a later turn ends its session alone, too, where it throws. */
  #guard(handling: Promise<void>): void {
    handling.catch((error: unknown) => this.close(this.#parts.onThrown(error)));
  }

  #handle(room: Room, message: Uint8Array): void {
    const frame = decodeFrame(message);
    switch (frame.kind) {
      case 'step1':
        this.#closeIf(room.question(this, frame.vector));
        return;
      case 'step2':
      case 'update':
        this.#read(room, frame.update, frame.kind);
        return;
      case 'awareness':
        this.#hear(room, frame.awareness);
        return;
      case 'query-awareness':
        this.speaker.informed = true;
        this.outbox.everyone();
        return;
      case 'unknown':
        return;
      case 'malformed':
        this.close(malformed(frame.reason));
    }
  }

  #read(room: Room, update: Uint8Array, kind: 'step2' | 'update'): void {
    if (update.length <= scanStepBytes) this.#receive(room, scanUpdate(update, this.#parts.updateLimits), kind);
    else this.#guard(this.#readInSteps(room, update, kind));
  }

  async #readInSteps(room: Room, update: Uint8Array, kind: 'step2' | 'update'): Promise<void> {
    this.#isReading = true;
    const scan = startScan(update, this.#parts.updateLimits);
    let scanned = scan.step(scanStepBytes);
    while (scanned === undefined && this.#phase.kind === 'open') {
      await this.#parts.pause();
      scanned = scan.step(scanStepBytes);
    }
    this.#isReading = false;
    if (this.#phase.kind !== 'open' || scanned === undefined) return;
    this.#receive(room, scanned, kind);
    this.#continue();
  }

  #receive(room: Room, scanned: Scanned | Refused, kind: 'step2' | 'update'): void {
    if ('refused' in scanned) {
      this.close(malformed(scanned.refused));
      return;
    }
    const ticket: Settling = { at: 0, count: 1, since: this.#asksForAck ? this.#parts.clock.monotonic() : 0 };
    const closing = room.receive(this, scanned, kind, ticket);
    if (closing !== undefined) this.close(closing);
    else if (this.#asksForAck) {
      const last = this.#tickets.at(-1);
      // What settles at one time shares a ticket; one that is held may yet settle at another.
      if (last !== undefined && last.at === ticket.at && ticket.at !== Infinity) last.count++;
      else this.#tickets.push(ticket);
      if (this.#tickets.length > ticketsMax) this.close(tryLater('too many frames wait to be settled'));
      else if (ticket.at <= room.durable ? this.settled() : true) room.awaitDurable(this);
    }
  }

  #hear(room: Room, awareness: Uint8Array): void {
    const decoded = decodeAwareness(awareness, this.#parts.limits.awarenessClientsPerDocumentMax);
    if ('refused' in decoded) {
      this.close(malformed(decoded.refused));
      return;
    }
    const closing = room.hear(this, decoded.entries);
    if (closing !== undefined) this.close(closing);
    else if (!this.speaker.informed) this.#inform(this.outbox);
  }

  /** Tells the session who is here, once. */
  #inform(outbox: Outbox): void {
    if (this.speaker.informed) return;
    this.speaker.informed = true;
    this.#timer?.cancel();
    outbox.everyone();
  }

  #closeIf(closing: Closing | undefined): void {
    if (closing !== undefined) this.close(closing);
  }

  #checkSize(message: Uint8Array): Closing | undefined {
    const { frameBytesMax } = this.#parts.limits;
    if (message.length <= frameBytesMax) return undefined;
    return tooLarge(`the message has ${message.length} bytes; at most ${frameBytesMax} are taken`);
  }

  #checkRate(): Closing | undefined {
    const now = this.#parts.clock.monotonic();
    if (now >= this.#rateWindowEnd) {
      this.#rateWindowEnd = now + rateWindowMs;
      this.#framesInWindow = 0;
    }
    const framesMax = (this.#parts.limits.framesPerSecondMax * rateWindowMs) / 1000;
    if (++this.#framesInWindow <= framesMax) return undefined;
    return tryLater(`more than ${framesMax} messages in ${rateWindowMs / 1000} s`);
  }
}
