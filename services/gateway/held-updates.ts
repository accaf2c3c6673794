/**
 * Updates of one room that refer to what is not there yet.
 *
 * Trying each of them again at every flush is what a stranger hopes for: 14,000 small updates fit into a few megabytes, and sent in the wrong
 * order each of them makes just one more ready, 100 million trials in all. So each waits under the one clock that it is known to lack, and
 * is looked at when that clock has come. An update that lacks one thing after the other is given up after `trialsMax`.
 */

import type { Missing } from '#shared/document/readiness.ts';
import { type Scanned, weightOf } from '#shared/document/scan.ts';

/** `Owner` is who sent it: bounded for each, and dropped when it leaves. */
export type Held<Owner, Ticket> = {
  readonly owner: Owner;
  readonly update: Scanned;
  readonly ticket: Ticket;
  readonly trials: number;
};

type Waiting<Owner, Ticket> = { readonly clock: number; readonly held: Held<Owner, Ticket> };

/** What a held update is counted with besides what it weighs. */
const overheadBytes = 256;
const trialsMax = 100;

const weigh = ({ update }: { readonly update: Scanned }): number => weightOf(update) + overheadBytes;

export class HeldUpdates<Owner, Ticket> {
  readonly #bytesMax: number;
  readonly #bytes = new Map<Owner, number>();
  /** By client, the latest clock first: what becomes ready next is at the end. */
  readonly #waiting = new Map<number, Waiting<Owner, Ticket>[]>();

  /** `bytesMax` is for one owner. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  /** Keeps an update until `missing` is there. False where its owner has too much here already, or it was tried too often. */
  hold(held: Held<Owner, Ticket>, { client, clock }: Missing): boolean {
    const bytes = (this.#bytes.get(held.owner) ?? 0) + weigh(held);
    if (bytes > this.#bytesMax || held.trials >= trialsMax) return false;
    this.#bytes.set(held.owner, bytes);
    const list = this.#waiting.get(client);
    if (list === undefined) this.#waiting.set(client, [{ clock, held }]);
    else list.splice(placeOf(list, clock), 0, { clock, held });
    return true;
  }

  /** Takes out what waited for a clock of `client` below `end`, to be judged again. */
  take(client: number, end: number): readonly Held<Owner, Ticket>[] {
    const list = this.#waiting.get(client);
    if (list === undefined) return [];
    const ready = list.splice(placeOf(list, end - 1)).toReversed();
    if (list.length === 0) this.#waiting.delete(client);
    for (const { held } of ready) this.#forget(held);
    return ready.map(({ held }) => ({ ...held, trials: held.trials + 1 }));
  }

  /** Forgets what `owner` has here. */
  drop(owner: Owner): void {
    if (!this.#bytes.delete(owner)) return;
    for (const [client, list] of this.#waiting) {
      const kept = list.filter(({ held }) => held.owner !== owner);
      if (kept.length === 0) this.#waiting.delete(client);
      else this.#waiting.set(client, kept);
    }
  }

  #forget(held: Held<Owner, Ticket>): void {
    const bytes = (this.#bytes.get(held.owner) ?? 0) - weigh(held);
    if (bytes > 0) this.#bytes.set(held.owner, bytes);
    else this.#bytes.delete(held.owner);
  }
}

/** Where the clocks of a descending list cease to be above `clock`. */
function placeOf(list: readonly { readonly clock: number }[], clock: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((list[middle]?.clock ?? 0) > clock) low = middle + 1;
    else high = middle;
  }
  return low;
}
