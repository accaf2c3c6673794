/**
 * Who is here: the awareness states of one room.
 *
 * Awareness has no authority of its own: every client sends every state that it receives straight back, and a client whose old socket lingers
 * comes back under the same id. Taking entries as they come makes one cursor move into as many messages as there are people, and lets the
 * end of the old socket remove a person who is there. So each client id has an owner, the newest connection that brought it:
 *
 *   - what a connection says of an id that another one owns is an echo if its clock is known, and is dropped;
 *   - it is a take-over if the connection is newer than the owner, and has not been told of that very state before (a client announces
 *     itself at once when it connects, so a session is told who is here only after its first awareness frame, or a moment later);
 *   - an id goes when its owner does, and not before. The clock at which it went is remembered for a while: an echo that was on its way
 *     would otherwise bring back someone who has left, owned by whoever sent the echo.
 *
 * An owner may be another gateway, too. Gateways tell each other of their own ids alone, in one order that is the same for all
 * (`presence-partition.ts`), and what is said last of an id at its highest clock decides who owns it. What a gateway has said and
 * not yet heard itself is later in that order than whatever it hears meanwhile: else two gateways that claim an id at once would each
 * leave it to the other, and nobody would ever take it away.
 *
 * Readers (y-protocols) do not look at a clock that they know, so someone who was cut off and comes back at the clock at which they went
 * would stay unseen until they move. A client that is told that it is gone itself answers with its next clock: so it is told that.
 *
 * Changes are gathered, the latest state of each id, and published once a tick.
 */

import { type AwarenessEntry, checkState, encodeAwarenessUpdate, goneState, isGone } from '#shared/wire/awareness.ts';

/** A connection in the eyes of presence. Later connections have higher numbers. */
export type Speaker = {
  readonly number: number;
  /** Whether it was told who is here: from then on what it says of others may be an echo. */
  informed: boolean;
  /** The client ids that it owns. */
  readonly owned: Set<number>;
};

export type PresenceLimits = {
  readonly awarenessStateBytesMax: number;
  readonly awarenessClientsPerSessionMax: number;
  readonly awarenessClientsPerDocumentMax: number;
};

/** What is to be told to those who are here. */
export type PresenceChanges = {
  /** An awareness update of what changed, or undefined where nothing did. */
  readonly update: Uint8Array | undefined;
  /** Who is to be told that ids of its own are gone, so that it says them anew: an awareness update for each. */
  readonly questions: ReadonlyMap<Speaker, Uint8Array>;
};

/** All that a gateway has of the client ids from `from` to `to`. */
export type Whole = { readonly from: number; readonly to: number; readonly entries: readonly AwarenessEntry[] };

/** So many of those who went last are remembered. */
const goneMax = 1_000;

/** The name of another gateway. */
type Gateway = string;

type Present = {
  readonly owner: Speaker | Gateway;
  readonly clock: number;
  readonly state: Uint8Array;
  /** Of our own: the number of the message in which the other gateways were told. */
  saidIn: number;
};

/** `isOwn`: the other gateways are to be told, too. */
type Change = { readonly entry: AwarenessEntry; readonly isOwn: boolean };

/**
 * Clocks beyond this are not heard. A client whose own id is said to be gone answers with the next clock (y-protocols), so a stranger could drive
 * it to where numbers end, and the frame in which it says so is not its fault.
 */
const clockMax = 2 ** 31;

export class Presence {
  readonly #limits: PresenceLimits;
  readonly #present = new Map<number, Present>();
  /** The client ids of other gateways. */
  readonly #elsewhere = new Map<Gateway, Set<number>>();
  /** By client id, the clock at which it went; the latest last. */
  readonly #gone = new Map<number, number>();
  readonly #changed = new Map<number, Change>();
  /** Our own who came at a clock that readers may know: client ids and clocks. */
  readonly #questions = new Map<number, number>();
  /** Those of other gateways of whom that holds. */
  readonly #unseen = new Map<number, Gateway>();
  #owned = 0;
  #everyone: Uint8Array | undefined;

  constructor(limits: PresenceLimits) {
    this.#limits = limits;
  }

  /** Whether `takeChanges` would return something. */
  get hasChanges(): boolean {
    return this.#changed.size > 0 || this.#questions.size > 0;
  }

  get size(): number {
    return this.#present.size;
  }

  /** Whether anybody is here through a connection of this gateway, or left since the last `takeChanges`. */
  get hasOwn(): boolean {
    return this.#owned > 0 || [...this.#changed.values()].some(({ isOwn }) => isOwn);
  }

  /** Whether anybody is here through `gateway`, or through any other than this one where none is given. */
  isShowing(gateway?: Gateway): boolean {
    return gateway === undefined ? this.#elsewhere.size > 0 : this.#elsewhere.has(gateway);
  }

  /** Takes in what a connection says; echoes are dropped. Returns why the connection has to be closed, or undefined. */
  hear(speaker: Speaker, entries: readonly AwarenessEntry[]): string | undefined {
    for (const entry of latestOfEach(entries)) {
      const fault = this.#hearEntry(speaker, entry);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  /** The connection ended: so do the ids that it owns. */
  leave(speaker: Speaker): void {
    for (const client of speaker.owned) {
      const present = this.#present.get(client);
      if (present?.owner === speaker) this.#remove(client, present, present.clock);
    }
    speaker.owned.clear();
  }

  /**
   * Takes in what another gateway says of its own. Our messages up to number `heard` came before it. Returns how many entries were
   * of no use: they can't be shown, and are passed over.
   */
  hearGateway(gateway: Gateway, entries: readonly AwarenessEntry[], heard: number): number {
    let useless = 0;
    for (const entry of latestOfEach(entries)) if (!this.#hearOfElsewhere(gateway, entry, heard)) useless++;
    return useless;
  }

  /** Like `hearGateway`; whoever else it had of those client ids is gone. */
  hearWhole(gateway: Gateway, { from, to, entries }: Whole, heard: number): number {
    const useless = this.hearGateway(gateway, entries, heard);
    const named = new Set(entries.map(({ client }) => client));
    for (const client of this.#elsewhere.get(gateway) ?? []) {
      const present = this.#present.get(client);
      if (present !== undefined && client >= from && client <= to && !named.has(client)) {
        this.#remove(client, present, present.clock);
      }
    }
    return useless;
  }

  /** The gateway is gone, and everybody who was here through it. */
  forgetGateway(gateway: Gateway): void {
    this.hearWhole(gateway, { from: 0, to: Infinity, entries: [] }, 0);
  }

  /** Readers know `clock` of one of our own, and have seen it go. */
  saySeenToGo(client: number, clock: number): void {
    const present = this.#present.get(client);
    if (present !== undefined && isSpeaker(present.owner) && present.clock === clock) this.#questions.set(client, clock);
  }

  /** Everybody who is here through this gateway, by client id. */
  own(): readonly AwarenessEntry[] {
    return [...this.#present]
      .filter(([, { owner }]) => isSpeaker(owner))
      .map(([client, { clock, state }]) => ({ client, clock, state }))
      .toSorted((a, b) => a.client - b.client);
  }

  /** Of what changed since `takeChanges`, what the other gateways are to be told. */
  ownChanges(): readonly AwarenessEntry[] {
    return [...this.#changed.values()].filter(({ isOwn }) => isOwn).map(({ entry }) => entry);
  }

  /** The other gateways are told this of our own in message `number`. */
  said(entries: readonly AwarenessEntry[], number: number): void {
    for (const { client } of entries) {
      const present = this.#present.get(client);
      if (present !== undefined && isSpeaker(present.owner)) present.saidIn = number;
    }
  }

  /** By gateway, those of its own that readers here have seen go at the very clock at which they are back. */
  unseen(): ReadonlyMap<Gateway, readonly AwarenessEntry[]> {
    const found = new Map<Gateway, AwarenessEntry[]>();
    for (const [client, gateway] of this.#unseen) {
      const present = this.#present.get(client);
      if (present?.owner !== gateway) continue;
      const entries = found.get(gateway) ?? [];
      entries.push({ client, clock: present.clock, state: goneState });
      found.set(gateway, entries);
    }
    return found;
  }

  /** What changed since the last call. */
  takeChanges(): PresenceChanges {
    const entries = [...this.#changed.values()].map(({ entry }) => entry);
    const questions = new Map<Speaker, AwarenessEntry[]>();
    for (const [client, clock] of this.#questions) {
      const present = this.#present.get(client);
      if (present?.clock !== clock || !isSpeaker(present.owner)) continue;
      const asked = questions.get(present.owner) ?? [];
      asked.push({ client, clock, state: goneState });
      questions.set(present.owner, asked);
    }
    this.#changed.clear();
    this.#questions.clear();
    this.#unseen.clear();
    return {
      update: entries.length > 0 ? encodeAwarenessUpdate(entries) : undefined,
      questions: new Map([...questions].map(([speaker, asked]) => [speaker, encodeAwarenessUpdate(asked)])),
    };
  }

  /** An awareness update of everyone, or undefined where nobody is here. Made once until somebody changes. */
  everyone(): Uint8Array | undefined {
    if (this.#present.size === 0) return undefined;
    return (this.#everyone ??= encodeAwarenessUpdate(this.#entries()));
  }

  /** The same with those who went lately, for a reader that may have missed that: it would show them on and on. */
  everyoneAndGone(): Uint8Array | undefined {
    const gone = [...this.#gone].map(([client, clock]) => ({ client, clock, state: goneState }));
    return gone.length === 0 ? this.everyone() : encodeAwarenessUpdate([...this.#entries(), ...gone]);
  }

  #entries(): AwarenessEntry[] {
    return [...this.#present].map(([client, { clock, state }]) => ({ client, clock, state }));
  }

  #hearEntry(speaker: Speaker, entry: AwarenessEntry): string | undefined {
    const { client, clock } = entry;
    if (clock > clockMax) return undefined;
    const present = this.#present.get(client);
    if (present === undefined ? this.#isEchoOfGone(speaker, entry) : !speaks(speaker, present, entry)) return undefined;
    if (isGone(entry)) {
      if (present?.owner === speaker) this.#remove(client, present, clock);
      return undefined;
    }
    const fault = checkState(entry.state, this.#limits.awarenessStateBytesMax);
    if (fault !== undefined) return fault;
    if (present?.owner !== speaker && speaker.owned.size >= this.#limits.awarenessClientsPerSessionMax) {
      return `one connection can't speak for more than ${this.#limits.awarenessClientsPerSessionMax} awareness client ids`;
    }
    if (present === undefined && this.#isFull) return undefined;
    if (present === undefined ? this.#gone.get(client) === clock : present.clock === clock) this.#questions.set(client, clock);
    this.#put(entry, speaker, present);
    return undefined;
  }

  /** Returns whether the entry can be understood; it may be late. */
  #hearOfElsewhere(gateway: Gateway, entry: AwarenessEntry, heard: number): boolean {
    const { client, clock } = entry;
    if (clock > clockMax) return false;
    const present = this.#present.get(client);
    if (isGone(entry)) {
      if (present?.owner === gateway && clock >= present.clock) this.#remove(client, present, clock);
      return true;
    }
    if (present === undefined ? (this.#gone.get(client) ?? -1) > clock || this.#isFull : !isNewer(entry, present, heard))
      return true;
    if (present?.owner === gateway && present.clock === clock) return true;
    if (checkState(entry.state, this.#limits.awarenessStateBytesMax) !== undefined) return false;
    if (present === undefined && this.#gone.get(client) === clock) this.#unseen.set(client, gateway);
    this.#put(entry, gateway, present);
    return true;
  }

  get #isFull(): boolean {
    return this.#present.size >= this.#limits.awarenessClientsPerDocumentMax;
  }

  #isEchoOfGone(speaker: Speaker, { client, clock }: AwarenessEntry): boolean {
    const gone = this.#gone.get(client);
    return gone !== undefined && (clock < gone || (clock === gone && speaker.informed));
  }

  #put({ client, clock, state: view }: AwarenessEntry, owner: Speaker | Gateway, before: Present | undefined): void {
    if (before !== undefined) this.#release(client, before.owner);
    if (isSpeaker(owner)) {
      owner.owned.add(client);
      this.#owned++;
    } else this.#elsewhere.set(owner, (this.#elsewhere.get(owner) ?? new Set<number>()).add(client));
    // The entry is a view into its message; what stays must not keep the message. (`slice` of a Buffer is a view, too.)
    const state = new Uint8Array(view);
    this.#present.set(client, { owner, clock, state, saidIn: Infinity });
    this.#gone.delete(client);
    // Nobody here has to know that someone is connected elsewhere now.
    if (isSpeaker(owner) || before?.clock !== clock) this.#note({ client, clock, state }, isSpeaker(owner));
  }

  #remove(client: number, { owner }: Present, clock: number): void {
    this.#present.delete(client);
    this.#release(client, owner);
    this.#gone.set(client, clock);
    for (const [oldest] of this.#gone) {
      if (this.#gone.size <= goneMax) break;
      this.#gone.delete(oldest);
    }
    this.#note({ client, clock, state: goneState }, isSpeaker(owner));
  }

  #release(client: number, owner: Speaker | Gateway): void {
    if (isSpeaker(owner)) {
      owner.owned.delete(client);
      this.#owned--;
      return;
    }
    const clients = this.#elsewhere.get(owner);
    clients?.delete(client);
    if (clients?.size === 0) this.#elsewhere.delete(owner);
  }

  #note(entry: AwarenessEntry, isOwn: boolean): void {
    this.#changed.set(entry.client, { entry, isOwn });
    this.#everyone = undefined;
  }
}

const isSpeaker = (owner: Speaker | Gateway): owner is Speaker => typeof owner !== 'string';

/** Of a client that is named twice the last word counts; the others need not be looked at. */
const latestOfEach = (entries: readonly AwarenessEntry[]): Iterable<AwarenessEntry> =>
  new Map(entries.map((entry) => [entry.client, entry])).values();

/** Whether what another gateway says counts, given what is known. At equal clocks what comes later in the order of all gateways does. */
function isNewer({ clock }: AwarenessEntry, { owner, clock: known, saidIn }: Present, heard: number): boolean {
  return clock > known || (clock === known && !(isSpeaker(owner) && saidIn > heard));
}

/** Whether what `speaker` says of a client counts, given what is known. */
function speaks(speaker: Speaker, { owner, clock: known }: Present, entry: AwarenessEntry): boolean {
  const { clock } = entry;
  // y-protocols: a state counts with a higher clock; "gone" with an equal one, too.
  if (owner === speaker) return clock > known || (clock === known && isGone(entry));
  if (isSpeaker(owner) && speaker.number < owner.number) return false;
  return clock > known || (clock === known && !speaker.informed);
}
