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

/** So many of those who went last are remembered. */
const goneMax = 1_000;

type Present = { readonly owner: Speaker; readonly clock: number; readonly state: Uint8Array };

/**
 * Clocks beyond this are not heard. A client whose own id is said to be gone answers with the next clock (y-protocols), so a stranger could drive
 * it to where numbers end, and the frame in which it says so is not its fault.
 */
const clockMax = 2 ** 31;

export class Presence {
  readonly #limits: PresenceLimits;
  readonly #present = new Map<number, Present>();
  /** By client id, the clock at which it went; the latest last. */
  readonly #gone = new Map<number, number>();
  readonly #changed = new Map<number, AwarenessEntry>();
  #everyone: Uint8Array | undefined;

  constructor(limits: PresenceLimits) {
    this.#limits = limits;
  }

  /** Whether `takeChanges` would return something. */
  get hasChanges(): boolean {
    return this.#changed.size > 0;
  }

  get size(): number {
    return this.#present.size;
  }

  /** Takes in what a connection says; echoes are dropped. Returns why the connection has to be closed, or undefined. */
  hear(speaker: Speaker, entries: readonly AwarenessEntry[]): string | undefined {
    // Of a client that is named twice the last word counts; the others need not be looked at.
    const latest = new Map(entries.map((entry) => [entry.client, entry]));
    for (const entry of latest.values()) {
      const fault = this.#hearEntry(speaker, entry);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  /** The connection ended: so do the ids that it owns. */
  leave(speaker: Speaker): void {
    for (const client of speaker.owned) {
      const present = this.#present.get(client);
      if (present?.owner === speaker) this.#remove(client, present.clock);
    }
    speaker.owned.clear();
  }

  /** An awareness update of what changed since the last call. */
  takeChanges(): Uint8Array {
    const update = encodeAwarenessUpdate([...this.#changed.values()]);
    this.#changed.clear();
    return update;
  }

  /** An awareness update of everyone, or undefined where nobody is here. Made once until somebody changes. */
  everyone(): Uint8Array | undefined {
    if (this.#present.size === 0) return undefined;
    return (this.#everyone ??= encodeAwarenessUpdate(
      [...this.#present].map(([client, { clock, state }]) => ({ client, clock, state })),
    ));
  }

  #hearEntry(speaker: Speaker, entry: AwarenessEntry): string | undefined {
    const { client, clock } = entry;
    if (clock > clockMax) return undefined;
    const present = this.#present.get(client);
    if (present === undefined ? this.#isEchoOfGone(speaker, entry) : !speaks(speaker, present, entry)) return undefined;
    if (isGone(entry)) {
      if (present?.owner === speaker) {
        this.#remove(client, clock);
        speaker.owned.delete(client);
      }
      return undefined;
    }
    const fault = checkState(entry.state, this.#limits.awarenessStateBytesMax);
    if (fault !== undefined) return fault;
    if (present?.owner !== speaker && speaker.owned.size >= this.#limits.awarenessClientsPerSessionMax) {
      return `one connection can't speak for more than ${this.#limits.awarenessClientsPerSessionMax} awareness client ids`;
    }
    if (present === undefined && this.#present.size >= this.#limits.awarenessClientsPerDocumentMax) return undefined;
    present?.owner.owned.delete(client);
    speaker.owned.add(client);
    // The entry is a view into its message; what stays must not keep the message. (`slice` of a Buffer is a view, too.)
    const state = new Uint8Array(entry.state);
    this.#present.set(client, { owner: speaker, clock, state });
    this.#gone.delete(client);
    this.#note({ client, clock, state });
    return undefined;
  }

  #isEchoOfGone(speaker: Speaker, { client, clock }: AwarenessEntry): boolean {
    const gone = this.#gone.get(client);
    return gone !== undefined && (clock < gone || (clock === gone && speaker.informed));
  }

  #remove(client: number, clock: number): void {
    this.#present.delete(client);
    this.#gone.set(client, clock);
    for (const [oldest] of this.#gone) {
      if (this.#gone.size <= goneMax) break;
      this.#gone.delete(oldest);
    }
    this.#note({ client, clock, state: goneState });
  }

  #note(entry: AwarenessEntry): void {
    this.#changed.set(entry.client, entry);
    this.#everyone = undefined;
  }
}

/** Whether what `speaker` says of a client counts, given what is known. */
function speaks(speaker: Speaker, { owner, clock: known }: Present, entry: AwarenessEntry): boolean {
  const { clock } = entry;
  // y-protocols: a state counts with a higher clock; "gone" with an equal one, too.
  if (owner === speaker) return clock > known || (clock === known && isGone(entry));
  if (speaker.number < owner.number) return false;
  return clock > known || (clock === known && !speaker.informed);
}
