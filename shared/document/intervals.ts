/**
 * Sets of clocks per client, as sorted intervals: which parts of a document are deleted.
 *
 * Deletions do not show in a state vector, so "does this bring anything new" is a question to such a set, asked for each deletion
 * that somebody sends. It is also what every reader is sent whole, so each client's part is kept encoded until it changes.
 */

import { varUintBytesMax, varUintBytes, writeVarUint } from './varint.ts';

/** Client, first clock, clock after the last, and so on: what a scan finds, in the order in which it was found. */
export type Ranges = readonly number[];

type ClientIntervals = {
  /** Start, end, start, end …: ascending, not touching. Never empty. */
  readonly bounds: number[];
  /** As a delete set has it (client, count, clock and length of each), or undefined after a change. */
  encoded: Uint8Array | undefined;
};

/** Up to so many are added one by one. */
const fewRanges = 32;

export class IntervalSet {
  readonly #clients = new Map<number, ClientIntervals>();
  #count = 0;
  #encoded: Uint8Array | undefined;

  /** How many intervals there are. */
  get count(): number {
    return this.#count;
  }

  /** Adds the clocks `start` up to but without `end` > `start`. */
  add(client: number, start: number, end: number): void {
    const intervals = this.#clients.get(client);
    if (intervals === undefined) {
      this.#encoded = undefined;
      this.#clients.set(client, { bounds: [start, end], encoded: undefined });
      this.#count++;
      return;
    }
    const { bounds } = intervals;
    const first = firstEndingAtOrAfter(bounds, start);
    if (first < bounds.length && at(bounds, first) <= start && end <= at(bounds, first + 1)) return;
    this.#encoded = intervals.encoded = undefined;
    let behind = first;
    while (behind < bounds.length && at(bounds, behind) <= end) behind += 2;
    this.#count += 1 - (behind - first) / 2;
    if (first === bounds.length) return void bounds.push(start, end);
    if (behind === first) return void bounds.splice(first, 0, start, end);
    const from = Math.min(start, at(bounds, first));
    const to = Math.max(end, at(bounds, behind - 1));
    bounds[first] = from;
    bounds[first + 1] = to;
    if (behind > first + 2) bounds.splice(first + 2, behind - first - 2);
  }

  /** Adds all of them; in any order, as many as there may be. */
  addAll(ranges: Ranges): void {
    if (ranges.length <= fewRanges * 3) {
      for (let i = 0; i < ranges.length; i += 3) this.add(at(ranges, i), at(ranges, i + 1), at(ranges, i + 2));
      return;
    }
    const starts = new Map<number, number[]>();
    for (let i = 0; i < ranges.length; i += 3) {
      const client = at(ranges, i);
      const known = starts.get(client);
      if (known === undefined) starts.set(client, [i]);
      else known.push(i);
    }
    for (const [client, order] of starts) this.#merge(client, ascending(order, ranges), ranges);
  }

  /** Adds ranges of one client, ascending by their starts, in one walk over what is there. */
  #merge(client: number, order: readonly number[], ranges: Ranges): void {
    const before = this.#clients.get(client)?.bounds ?? [];
    const bounds: number[] = [];
    const append = (start: number, end: number): void => {
      const last = bounds.length - 1;
      if (last > 0 && start <= at(bounds, last)) bounds[last] = Math.max(end, at(bounds, last));
      else bounds.push(start, end);
    };
    let next = 0;
    for (const i of order) {
      const start = at(ranges, i + 1);
      for (; next < before.length && at(before, next) <= start; next += 2) append(at(before, next), at(before, next + 1));
      append(start, at(ranges, i + 2));
    }
    for (; next < before.length; next += 2) append(at(before, next), at(before, next + 1));
    this.#clients.set(client, { bounds, encoded: undefined });
    this.#count += (bounds.length - before.length) / 2;
    this.#encoded = undefined;
  }

  /** Whether every clock from `start` up to but without `end` is in it. */
  covers(client: number, start: number, end: number): boolean {
    const bounds = this.#clients.get(client)?.bounds;
    if (bounds === undefined) return false;
    const i = firstEndingAtOrAfter(bounds, end);
    return i < bounds.length && at(bounds, i) <= start;
  }

  /** Yjs' delete set: clients descending, ranges ascending. Cached until the next change; never written to. */
  encode(): Uint8Array {
    if (this.#encoded !== undefined) return this.#encoded;
    const parts = [...this.#clients].toSorted(([a], [b]) => b - a).map(([client, intervals]) => encoded(client, intervals));
    const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, varUintBytes(parts.length)));
    let to = writeVarUint(bytes, 0, parts.length);
    for (const part of parts) {
      bytes.set(part, to);
      to += part.length;
    }
    return (this.#encoded = bytes);
  }
}

/** Where ranges are, ordered by their starts; nearly always they are already. */
function ascending(order: number[], ranges: Ranges): readonly number[] {
  const isAscending = order.every((i, index) => index === 0 || at(ranges, i + 1) >= at(ranges, at(order, index - 1) + 1));
  return isAscending ? order : order.toSorted((a, b) => at(ranges, a + 1) - at(ranges, b + 1));
}

function encoded(client: number, intervals: ClientIntervals): Uint8Array {
  if (intervals.encoded !== undefined) return intervals.encoded;
  const { bounds } = intervals;
  const bytes = new Uint8Array((bounds.length + 2) * varUintBytesMax);
  let to = writeVarUint(bytes, 0, client);
  to = writeVarUint(bytes, to, bounds.length / 2);
  for (let i = 0; i < bounds.length; i += 2) {
    to = writeVarUint(bytes, to, at(bounds, i));
    to = writeVarUint(bytes, to, at(bounds, i + 1) - at(bounds, i));
  }
  return (intervals.encoded = bytes.slice(0, to));
}

/** The index of the first interval whose end is ≥ `clock`; the last one is tried first, since people work at the end. */
function firstEndingAtOrAfter(bounds: readonly number[], clock: number): number {
  let low = 0;
  let high = bounds.length / 2;
  if (at(bounds, bounds.length - 1) < clock) return bounds.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (at(bounds, middle * 2 + 1) < clock) low = middle + 1;
    else high = middle;
  }
  return low * 2;
}

/** An element that is known to be there. */
export function at(numbers: readonly number[], index: number): number {
  const value = numbers[index];
  if (value === undefined) throw new RangeError(`no element ${index} in ${numbers.length}`);
  return value;
}
