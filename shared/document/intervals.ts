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
  /**
   * Start, end, start, end …: ascending, not touching, in chunks. There is at least one chunk, and none is empty. In one array of all, an
   * interval more would move everything behind it: megabytes for a keystroke at the beginning of a long document.
   */
  readonly chunks: number[][];
  /** As a delete set has it (client, count, clock and length of each), or undefined after a change. */
  encoded: Uint8Array | undefined;
};

/** A chunk is split when it has more numbers than this: 512 intervals. */
const chunkNumbersMax = 1024;
/** Up to so many are added one by one. */
const fewRanges = 32;
/** Also up to so many for each chunk that is there: to walk over a chunk costs as much (with a million intervals, 40 µs; a range 1 to 2 µs). */
const fewRangesPerChunk = 16;

export class IntervalSet {
  readonly #clients = new Map<number, ClientIntervals>();
  #count = 0;
  #encoded: Uint8Array | undefined;

  /** How many intervals there are. */
  get count(): number {
    return this.#count;
  }

  /** Adds the clocks `start` up to but without `end` > `start`. Costs nearly the same however many there are. */
  add(client: number, start: number, end: number): void {
    const intervals = this.#clients.get(client);
    if (intervals === undefined) {
      this.#encoded = undefined;
      this.#clients.set(client, { chunks: [[start, end]], encoded: undefined });
      this.#count++;
      return;
    }
    const { chunks } = intervals;
    const index = chunkEndingAtOrAfter(chunks, start);
    const chunk = chunks[index];
    const first = chunk === undefined ? 0 : firstEndingAtOrAfter(chunk, start);
    if (chunk !== undefined && at(chunk, first) <= start && end <= at(chunk, first + 1)) return;
    this.#encoded = intervals.encoded = undefined;
    if (chunk === undefined) this.#append(chunks, start, end);
    else if (end < at(chunk, first)) this.#insert(chunks, index, first, start, end);
    else this.#join(chunks, index, first, start, end);
  }

  #append(chunks: number[][], start: number, end: number): void {
    this.#count++;
    const last = chunks.at(-1);
    if (last === undefined || last.length >= chunkNumbersMax) chunks.push([start, end]);
    else last.push(start, end);
  }

  #insert(chunks: number[][], index: number, first: number, start: number, end: number): void {
    this.#count++;
    const chunk = chunkAt(chunks, index);
    chunk.splice(first, 0, start, end);
    if (chunk.length > chunkNumbersMax) chunks.splice(index + 1, 0, chunk.splice(chunkNumbersMax / 2));
  }

  /** The interval at `first` touches the new one; those behind it may, in this chunk and in later ones. */
  #join(chunks: number[][], index: number, first: number, start: number, end: number): void {
    const chunk = chunkAt(chunks, index);
    let behind = firstStartingAfter(chunk, first, end);
    chunk[first] = Math.min(start, at(chunk, first));
    chunk[first + 1] = Math.max(end, at(chunk, behind - 1));
    this.#count -= (behind - first) / 2 - 1;
    const isWhole = behind === chunk.length;
    if (behind > first + 2) chunk.splice(first + 2, behind - first - 2);
    let later = index + 1;
    for (let next = chunks[later]; isWhole && next !== undefined && at(next, 0) <= end; next = chunks[later]) {
      behind = firstStartingAfter(next, 0, end);
      chunk[first + 1] = Math.max(end, at(next, behind - 1));
      this.#count -= behind / 2;
      if (behind < next.length) {
        next.splice(0, behind);
        break;
      }
      later++;
    }
    if (later > index + 1) chunks.splice(index + 1, later - index - 1);
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
    for (const [client, order] of starts) {
      const chunks = this.#clients.get(client)?.chunks ?? [];
      if (order.length > chunks.length * fewRangesPerChunk) this.#merge(client, chunks, ascending(order, ranges), ranges);
      else for (const i of order) this.add(client, at(ranges, i + 1), at(ranges, i + 2));
    }
  }

  /** Adds ranges of one client, ascending by their starts, in one walk over what is there. */
  #merge(client: number, before: readonly (readonly number[])[], order: readonly number[], ranges: Ranges): void {
    let chunk: number[] = [];
    const chunks = [chunk];
    const append = (start: number, end: number): void => {
      const last = chunk.length - 1;
      if (last > 0 && start <= at(chunk, last)) {
        chunk[last] = Math.max(end, at(chunk, last));
        return;
      }
      if (chunk.length >= chunkNumbersMax) chunks.push((chunk = []));
      chunk.push(start, end);
    };
    let next = 0;
    for (const known of before) {
      for (let i = 0; i < known.length; i += 2) {
        for (; next < order.length && rangeStart(order, next, ranges) < at(known, i); next++) {
          append(rangeStart(order, next, ranges), at(ranges, at(order, next) + 2));
        }
        append(at(known, i), at(known, i + 1));
      }
    }
    for (; next < order.length; next++) append(rangeStart(order, next, ranges), at(ranges, at(order, next) + 2));
    this.#clients.set(client, { chunks, encoded: undefined });
    this.#count += numbersIn(chunks) / 2 - numbersIn(before) / 2;
    this.#encoded = undefined;
  }

  /** Whether every clock from `start` up to but without `end` is in it. */
  covers(client: number, start: number, end: number): boolean {
    const chunks = this.#clients.get(client)?.chunks;
    const chunk = chunks?.[chunkEndingAtOrAfter(chunks, end)];
    return chunk !== undefined && at(chunk, firstEndingAtOrAfter(chunk, end)) <= start;
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
  const numbers = numbersIn(intervals.chunks);
  const bytes = new Uint8Array((numbers + 2) * varUintBytesMax);
  let to = writeVarUint(bytes, 0, client);
  to = writeVarUint(bytes, to, numbers / 2);
  for (const chunk of intervals.chunks) {
    for (let i = 0; i < chunk.length; i += 2) {
      to = writeVarUint(bytes, to, at(chunk, i));
      to = writeVarUint(bytes, to, at(chunk, i + 1) - at(chunk, i));
    }
  }
  return (intervals.encoded = bytes.slice(0, to));
}

const rangeStart = (order: readonly number[], index: number, ranges: Ranges): number => at(ranges, at(order, index) + 1);
const numbersIn = (chunks: readonly (readonly number[])[]): number => chunks.reduce((sum, { length }) => sum + length, 0);

function chunkAt(chunks: readonly number[][], index: number): number[] {
  const chunk = chunks[index];
  if (chunk === undefined) throw new RangeError(`no chunk ${index} in ${chunks.length}`);
  return chunk;
}

/** The index of the first chunk whose end is ≥ `clock`, or their number; the last one is tried first, since people work at the end. */
function chunkEndingAtOrAfter(chunks: readonly number[][], clock: number): number {
  let low = 0;
  let high = chunks.length - 1;
  const endOf = (index: number): number => chunks[index]?.at(-1) ?? -1;
  if (endOf(high) < clock) return chunks.length;
  if (high > 0 && endOf(high - 1) < clock) return high;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (endOf(middle) < clock) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The index of the first interval of a chunk whose end is ≥ `clock`; there is one. */
function firstEndingAtOrAfter(chunk: readonly number[], clock: number): number {
  let low = 0;
  let high = chunk.length / 2 - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (at(chunk, middle * 2 + 1) < clock) low = middle + 1;
    else high = middle;
  }
  return low * 2;
}

/** The index of the first interval of a chunk, from `from` on, that starts after `clock`, or the chunk's length. */
function firstStartingAfter(chunk: readonly number[], from: number, clock: number): number {
  let index = from;
  while (index < chunk.length && at(chunk, index) <= clock) index += 2;
  return index;
}

/** An element that is known to be there. */
export function at(numbers: readonly number[], index: number): number {
  const value = numbers[index];
  if (value === undefined) throw new RangeError(`no element ${index} in ${numbers.length}`);
  return value;
}
