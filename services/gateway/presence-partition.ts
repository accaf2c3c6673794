/**
 * Who is here through the other gateways: one partition of the documents.
 *
 * Every gateway tells the others of its own people: what changed, once a tick, and everything where it is asked. Messages may get lost, and what
 * is lost must not last. A person that is missing comes with the next sign of life that clients give by themselves (y-protocols, every 15 s); a person
 * who left, and whose end was lost, would stay for ever. So each gateway numbers what it sends to a partition, and whoever misses a
 * number is in doubt about that gateway and asks it about every document here; the answer is all of its people, and whoever else it had is gone.
 *
 *   - A gateway that has people says something every 10 s at least. One that is silent for 30 s is forgotten with its people. That is counted
 *     in ticks of our own clock that ran: a process that was frozen finds an hour gone, and must not take all others for dead. It asks them
 *     instead, and forgets those that don't answer.
 *   - A message of a forgotten gateway means that it was frozen or cut off, and puts it in doubt.
 *   - After a gap in what we heard everyone is in doubt, and may have asked us in vain: we leave out a number of our own.
 *   - A query counts as asked when we hear it ourselves; until then it may be lost, and is repeated. One is under way at a time, and
 *     those out of doubt come once in a tick: messages that keep getting lost must not make storms.
 *   - A gateway that has had nobody for so long that all others have forgotten it takes a new name and counts from 1: news, and no doubt.
 */

import type { Presence } from '#gateway/presence.ts';
import { type Asked, decodePresenceMessage, encodePresenceMessage, type PresenceBody } from '#gateway/presence-message.ts';
import { changesOf, type Envelope, nobodyIn, queriesTo, unseenOf, wholeOf } from '#gateway/presence-portions.ts';
import type { DocumentName } from '#shared/document/name.ts';
import type { Broadcast, Listening } from '#shared/journal/broadcast.ts';
import type { Partition } from '#shared/journal/journal.ts';
import { type AwarenessEntry, decodeAwareness } from '#shared/wire/awareness.ts';

/** A room as far as other gateways are concerned. */
export type SharedRoom = {
  readonly document: DocumentName;
  readonly presence: Presence;
  /** There are changes for the people here. */
  readonly changed: () => void;
};

/** Messages that came from others, that we sent, and that could not be used. */
export type PresenceCounters = { messagesIn: number; messagesOut: number; ignored: number };

export type PresencePartitionParts = {
  readonly broadcast: Broadcast;
  /** Random per process. */
  readonly origin: string;
  readonly limits: { readonly awarenessClientsPerDocumentMax: number };
  /** Runs something at the end of this turn of the event loop. */
  readonly endOfTick: (run: () => void) => void;
  readonly counters: PresenceCounters;
  /** How many names this gateway has had, in all partitions. */
  readonly names: { taken: number };
};

/** How often `tick` is to be called. */
export const presenceTickMs = 5_000;
/** After so many ticks of silence a gateway that has people says that it is alive, */
const aliveTicks = 2;
/** and after so many it is forgotten. */
const forgottenTicks = 6;
/** After so many ticks a query that we have not heard ourselves is repeated. */
const unheardTicks = 2;
/** Before so many ticks nobody here has been forgotten: who is not known is new to us, and no reason for doubt. */
const youngTicks = 2;
/** Names of gateways that are remembered in one partition; more can't be ours. */
const gatewaysMax = 1_000;
/** Whom a query asks that is for everyone. */
const everyone = '';

type Known = { number: number; silentTicks: number };

/** A query on its way: its number, and what is asked again if it gets lost. */
type Asking = {
  readonly number: number;
  ticks: number;
  readonly opened: readonly DocumentName[];
  readonly doubted: readonly string[];
};

export class PresencePartition {
  readonly #parts: PresencePartitionParts;
  readonly #partition: Partition;
  readonly #listening: Listening;
  readonly #rooms = new Map<DocumentName, SharedRoom>();
  readonly #known = new Map<string, Known>();
  #name: string;
  /** Of our messages under this name: the last one that was sent, and the last one that came back. */
  #sent = 0;
  #heard = 0;
  #silentTicks = 0;
  #ticks = 0;
  #isReady = false;
  #isStopped = false;
  #isScheduled = false;
  #mayDoubt = true;
  /** Rooms whose opening nobody was told of yet. */
  readonly #opened = new Set<DocumentName>();
  /** Gateways of which something was missed; `everyone` is one of them after a gap. */
  readonly #doubted = new Set<string>();
  #asking: Asking | undefined;
  readonly #answersDue = new Set<DocumentName>();

  constructor(parts: PresencePartitionParts, partition: Partition) {
    this.#parts = parts;
    this.#partition = partition;
    this.#name = this.#newName();
    this.#listening = parts.broadcast.listen(partition, {
      onMessage: (message) => this.#hear(message),
      onGap: () => this.#missed(),
    });
    void this.#listening.ready.then(() => {
      this.#isReady = true;
      this.#later();
    });
  }

  get isEmpty(): boolean {
    return this.#rooms.size === 0;
  }

  /** Names of the gateways that are known here. */
  get gateways(): Iterable<string> {
    return this.#known.keys();
  }

  /** A room opened: asks who is there. */
  open(room: SharedRoom): void {
    this.#rooms.set(room.document, room);
    this.#opened.add(room.document);
    this.#later();
  }

  /** The room is gone, and whoever was here through it. */
  close(document: DocumentName): void {
    const room = this.#rooms.get(document);
    if (room === undefined) return;
    this.#rooms.delete(document);
    this.#opened.delete(document);
    if (room.presence.hasOwn) this.#send({ kind: 'nobody', documents: [document] });
  }

  /** Tells the others what changed in a room, before its `takeChanges`. */
  tell(document: DocumentName): void {
    const presence = this.#rooms.get(document)?.presence;
    if (presence === undefined) return;
    const changes = presence.ownChanges();
    if (changes.length > 0) {
      this.#sendAll(changesOf(this.#envelope, document, changes));
      presence.said(changes, this.#sent);
    }
    for (const [to, entries] of presence.unseen()) this.#sendAll(unseenOf(this.#envelope, to, document, entries));
  }

  /** To be called every `presenceTickMs`. `isLate`: the last time was long ago, since the process did not run. */
  tick(isLate: boolean): void {
    this.#ticks++;
    if (isLate) {
      for (const known of this.#known.values()) known.silentTicks = Math.max(known.silentTicks, forgottenTicks - aliveTicks - 1);
      this.#doubt(everyone);
    }
    for (const [gateway, known] of this.#known) if (++known.silentTicks >= forgottenTicks) this.#forget(gateway);
    if (this.#asking !== undefined && ++this.#asking.ticks >= unheardTicks) this.#askAgain();
    this.#mayDoubt = true;
    this.#silentTicks++;
    if ([...this.#rooms.values()].some(({ presence }) => presence.hasOwn)) {
      if (this.#silentTicks >= aliveTicks) this.#send({ kind: 'alive' });
    } else if (this.#sent > 0 && this.#silentTicks >= forgottenTicks) {
      this.#askAgain();
      this.#name = this.#newName();
      this.#sent = 0;
      this.#heard = 0;
    }
    this.#later();
  }

  /** Says goodbye to those who may know us, and hears nothing more. */
  leave(): void {
    if (this.#isStopped) return;
    if (this.#sent > 0) this.#send({ kind: 'goodbye' });
    this.#isStopped = true;
    this.#listening.stop();
  }

  #newName(): string {
    return `${this.#parts.origin}/${this.#parts.names.taken++}`;
  }

  #isOwnName(gateway: string): boolean {
    return gateway.startsWith(`${this.#parts.origin}/`);
  }

  get #envelope(): Envelope {
    return { gateway: this.#name, messageBytesMax: this.#parts.broadcast.messageBytesMax };
  }

  #sendAll(bodies: readonly PresenceBody[]): void {
    for (const body of bodies) this.#send(body);
  }

  #send(body: PresenceBody): void {
    this.#sent++;
    this.#silentTicks = 0;
    this.#parts.counters.messagesOut++;
    this.#parts.broadcast.send(this.#partition, encodePresenceMessage({ gateway: this.#name, number: this.#sent, body }));
  }

  #hear(bytes: Uint8Array): void {
    const decoded = decodePresenceMessage(bytes);
    if (decoded.kind !== 'decoded') {
      this.#parts.counters.ignored++;
      return;
    }
    const { gateway, number, body } = decoded.value;
    if (this.#isOwnName(gateway)) {
      if (gateway === this.#name) this.#hearOwn(number);
      return;
    }
    this.#parts.counters.messagesIn++;
    if (body.kind === 'goodbye') this.#forget(gateway);
    else if (this.#notice(gateway, number)) this.#take(gateway, body);
    else this.#parts.counters.ignored++;
  }

  #hearOwn(number: number): void {
    this.#heard = number;
    if (this.#asking === undefined || number < this.#asking.number) return;
    if (number > this.#asking.number) this.#askAgain();
    this.#asking = undefined;
    this.#later();
  }

  /** Returns whether the gateway is known now. */
  #notice(gateway: string, number: number): boolean {
    const known = this.#known.get(gateway);
    if (known === undefined && this.#known.size >= gatewaysMax) return false;
    const expected = known === undefined ? 1 : known.number + 1;
    const isNew = known === undefined && this.#ticks < youngTicks;
    this.#known.set(gateway, { number, silentTicks: 0 });
    if (number !== expected && !isNew) this.#doubt(gateway);
    return true;
  }

  #doubt(gateway: string): void {
    this.#doubted.add(gateway);
    this.#later();
  }

  #forget(gateway: string): void {
    if (!this.#known.delete(gateway)) return;
    this.#doubted.delete(gateway);
    for (const room of this.#rooms.values()) {
      if (!room.presence.isShowing(gateway)) continue;
      room.presence.forgetGateway(gateway);
      room.changed();
    }
  }

  #missed(): void {
    this.#sent++;
    this.#doubt(everyone);
  }

  #take(gateway: string, body: Exclude<PresenceBody, { readonly kind: 'goodbye' }>): void {
    switch (body.kind) {
      case 'changes':
        this.#takeEntries(body, ({ presence }, entries) => presence.hearGateway(gateway, entries, this.#heard));
        return;
      case 'whole':
        this.#takeEntries(body, ({ presence }, entries) => presence.hearWhole(gateway, { ...body, entries }, this.#heard));
        return;
      case 'nobody':
        for (const document of body.documents) {
          const room = this.#rooms.get(document);
          room?.presence.forgetGateway(gateway);
          if (room?.presence.hasChanges === true) room.changed();
        }
        return;
      case 'query':
        if (body.to === everyone || body.to === this.#name) this.#answerLater(body.documents);
        return;
      case 'unseen':
        if (body.to !== this.#name) return;
        this.#takeEntries(body, ({ presence }, entries) => {
          for (const { client, clock } of entries) presence.saySeenToGo(client, clock);
          return 0;
        });
        return;
      case 'alive':
    }
  }

  #takeEntries(
    { document, awareness }: { readonly document: DocumentName; readonly awareness: Uint8Array },
    take: (room: SharedRoom, entries: readonly AwarenessEntry[]) => number,
  ): void {
    const room = this.#rooms.get(document);
    if (room === undefined) return;
    const decoded = decodeAwareness(awareness, this.#parts.limits.awarenessClientsPerDocumentMax);
    if ('refused' in decoded) this.#parts.counters.ignored++;
    else if (take(room, decoded.entries) > 0) this.#parts.counters.ignored++;
    if (room.presence.hasChanges) room.changed();
  }

  #answerLater(asked: readonly Asked[]): void {
    for (const { document, shows } of asked) {
      if (shows || this.#rooms.get(document)?.presence.hasOwn === true) this.#answersDue.add(document);
    }
    if (this.#answersDue.size > 0) this.#later();
  }

  /** Asks and answers at the end of the tick: what comes together is asked and answered together. */
  #later(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#parts.endOfTick(() => {
      this.#isScheduled = false;
      if (this.#isStopped) return;
      this.#answer();
      this.#ask();
    });
  }

  #answer(): void {
    const empty: DocumentName[] = [];
    for (const document of this.#answersDue) {
      const presence = this.#rooms.get(document)?.presence;
      const own = presence?.own() ?? [];
      if (own.length === 0) empty.push(document);
      else this.#sendAll(wholeOf(this.#envelope, document, own));
      presence?.said(own, this.#sent);
    }
    this.#answersDue.clear();
    this.#sendAll(nobodyIn(this.#envelope, empty));
  }

  #ask(): void {
    if (!this.#isReady || this.#asking !== undefined || this.isEmpty) return;
    const doubted = this.#mayDoubt ? [...this.#doubted] : [];
    const opened = [...this.#opened];
    if (doubted.length + opened.length === 0) return;
    const [first = everyone] = doubted;
    const to = doubted.length === 1 ? first : everyone;
    if (doubted.length > 0) {
      this.#mayDoubt = false;
      this.#doubted.clear();
      this.#query(to, this.#rooms.keys());
    }
    if (doubted.length === 0 || to !== everyone) this.#query(everyone, opened);
    this.#opened.clear();
    this.#asking = { number: this.#sent, ticks: 0, opened, doubted };
  }

  #query(to: string, documents: Iterable<DocumentName>): void {
    const asked = [...documents].map((document) => ({
      document,
      shows: this.#rooms.get(document)?.presence.isShowing(to === everyone ? undefined : to) ?? false,
    }));
    this.#sendAll(queriesTo(this.#envelope, to, asked));
  }

  /** The query under way may be lost: what it asked is to be asked again. */
  #askAgain(): void {
    if (this.#asking === undefined) return;
    const { opened, doubted } = this.#asking;
    this.#asking = undefined;
    for (const document of opened) if (this.#rooms.has(document)) this.#opened.add(document);
    for (const gateway of doubted) if (gateway === everyone || this.#known.has(gateway)) this.#doubted.add(gateway);
    this.#later();
  }
}
