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
 *   - an id goes when its owner does, and not before.
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

export type PresenceLimits = { readonly awarenessStateBytesMax: number; readonly awarenessClientsPerSessionMax: number };

type Present = { readonly owner: Speaker; readonly clock: number; readonly state: Uint8Array };

export class Presence {
  readonly #limits: PresenceLimits;
  readonly #present = new Map<number, Present>();
  readonly #changed = new Map<number, AwarenessEntry>();

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
    for (const entry of entries) {
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

  /** An awareness update of everyone, or undefined where nobody is here. */
  everyone(): Uint8Array | undefined {
    if (this.#present.size === 0) return undefined;
    return encodeAwarenessUpdate([...this.#present].map(([client, { clock, state }]) => ({ client, clock, state })));
  }

  #hearEntry(speaker: Speaker, entry: AwarenessEntry): string | undefined {
    const { client, clock } = entry;
    const present = this.#present.get(client);
    if (present !== undefined && !speaks(speaker, present, clock)) return undefined;
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
    present?.owner.owned.delete(client);
    speaker.owned.add(client);
    // The entry is a view into its message; what stays must not keep the message.
    const state = entry.state.slice();
    this.#present.set(client, { owner: speaker, clock, state });
    this.#changed.set(client, { client, clock, state });
    return undefined;
  }

  #remove(client: number, clock: number): void {
    this.#present.delete(client);
    this.#changed.set(client, { client, clock, state: goneState });
  }
}

/** Whether what `speaker` says of a client at `clock` counts, given what is known. */
function speaks(speaker: Speaker, { owner, clock: known }: Present, clock: number): boolean {
  // y-protocols: a state counts with a higher clock; "gone" with an equal one, too.
  if (owner === speaker) return clock >= known;
  if (speaker.number < owner.number) return false;
  return clock > known || (clock === known && !speaker.informed);
}
