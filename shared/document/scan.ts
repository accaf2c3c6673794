/**
 * One pass over the bytes of an update (Yjs' format v1): is it sound, and what is in it?
 *
 * `Y.decodeUpdate` is no check: it accepts updates that make every reader throw, now or at the next keystroke, or that merges drop from
 * in silence. And it builds objects for everything, where a gateway only needs to know which clocks are in an update, where their bytes
 * are, what is deleted, and what must be there before. That is what a scan returns, for a quarter of the time.
 *
 *     update    sections, deletions           section   struct count, client, first clock, structs
 *     deletions client count, then for each: client, range count, then for each: clock, length
 *
 * Nothing here throws, whatever the bytes are. What is refused and why is in the tests, one by one.
 */

import { at, type Ranges } from './intervals.ts';
import { defaultUpdateLimits, type UpdateLimits } from './limits.ts';
import type { Refused } from './state-vector.ts';
import { StructReader, clockMax, content, hasKey } from './struct-reader.ts';

export type { Refused } from './state-vector.ts';

/** Structs of one client without a gap between them: the clocks from `start` up to but without `end`, the bytes from `from` to `to`. */
export type Section = {
  readonly client: number;
  readonly start: number;
  readonly end: number;
  readonly structs: number;
  readonly from: number;
  readonly to: number;
  /** Where its last struct begins, and the clock of that. */
  readonly last: number;
  readonly lastClock: number;
  /** Places to begin reading at, in long ones: clock, byte, structs before it; clock, byte … The section's own beginning is not among them. */
  readonly marks: readonly number[];
};

/** A sound update. Its bytes are never written to, by anyone. */
export type Scanned = {
  readonly bytes: Uint8Array;
  /** Clients descending, clocks ascending. A client has several where the update skips clocks. */
  readonly sections: readonly Section[];
  /** Whether the bytes say "skip": then they can't be handed on as they are. */
  readonly skips: boolean;
  /** The delete set: what it says about others' structs and its own. */
  readonly deletions: Ranges;
  /** What its own structs are deleted by being what they are: GC ranges and deleted contents. */
  readonly gone: Ranges;
  /**
   * What must be there first: section, clock, client, clock …, four numbers each. The struct at the first clock (in the section with that index)
   * refers to the second. References to the own client are not in it (they point backwards), nor is what an earlier one of the section implies.
   */
  readonly dependencies: readonly number[];
  /** Which of its structs say that they are map entries (see `map-entries.ts`). */
  readonly keyed: Ranges;
  /** Of map entries with several clocks, all clocks but the last; deleted contents excepted. */
  readonly replaced: Ranges;
  /** What its items follow: client and clock of the origin, or else the right origin, and 1 where the item says that it is a map entry, else 0. Not where it is the struct before, of the same kind. */
  readonly links: readonly number[];
};

/** Scans all at once: for updates of kilobytes. A refusal closes the sender. */
export function scanUpdate(bytes: Uint8Array, limits: UpdateLimits): Scanned | Refused {
  // One for all, since a scan that is run to its end is alone, and making a new one would cost a third of what scanning a keystroke does.
  inOneGo.begin(bytes, limits);
  const result = inOneGo.step(Number.MAX_SAFE_INTEGER);
  inOneGo.begin(noBytes, limits);
  return result ?? unfinished();
}

/** A scan in steps, for updates of megabytes. */
export function startScan(bytes: Uint8Array, limits: UpdateLimits): Scan {
  const scan = new Scan();
  scan.begin(bytes, limits);
  return scan;
}

const unfinished = (): never => {
  throw new Error('a scan without a budget has an end');
};

/** Marks are about this far apart, in bytes: what has to be read again to find a clock. */
const markDistance = 4096;
/** Sections with fewer structs than this keep every dependency: finding out what is implied would cost more. */
const implyFromStructs = 8;
/** A place is only counted in an update that has this many unanchored items: nearly none has. */
const unanchoredUncounted = 64;
const placeBuckets = 1 << 16;

/** Never added to. */
const noNumbers: number[] = [];
const noBytes = new Uint8Array(0);

export class Scan {
  readonly #reader = new StructReader(noBytes, 0, defaultUpdateLimits);
  #limits = defaultUpdateLimits;
  #sections: Section[] = [];
  #deletions = noNumbers;
  #gone = noNumbers;
  #dependencies = noNumbers;
  #keyed = noNumbers;
  #replaced = noNumbers;
  #links = noNumbers;
  #result: Scanned | Refused | undefined;
  #inDeletions = false;
  #skips = false;
  /** Structs and deleted ranges so far. */
  #counted = 0;
  #unanchored = 0;
  /** Unanchored items by place, in buckets: two places may share one, which the limit is far enough from to bear. */
  #places: Uint32Array | undefined;

  // The section, or the client's part of the deletions, that is being read.
  /** How many follow it; -1 before the count is read. */
  #groupsLeft = -1;
  #itemsLeft = 0;
  #client = -1;
  #clock = 0;
  #start = 0;
  #structs = 0;
  #from = 0;
  #last = 0;
  #lastClock = 0;
  #lastKeyed = false;
  #nextMark = 0;
  #marks = noNumbers;
  /** The highest clock that this section refers to, by client, once it is long enough to be worth it. */
  #referred: Map<number, number> | undefined;

  /** Goes to the beginning of `bytes`. What was found before stays as it is. */
  begin(bytes: Uint8Array, limits: UpdateLimits): void {
    this.#reader.begin(bytes, 0, limits);
    this.#limits = limits;
    this.#sections = [];
    this.#deletions = this.#gone = this.#dependencies = this.#keyed = this.#replaced = this.#links = noNumbers;
    this.#result = undefined;
    this.#inDeletions = this.#skips = false;
    this.#counted = this.#unanchored = this.#itemsLeft = this.#structs = 0;
    this.#places = undefined;
    this.#groupsLeft = this.#client = -1;
  }

  /** Goes on for about `bytesBudget` bytes (at least one struct). Undefined: not finished. At the end, the same result each time. */
  step(bytesBudget: number): Scanned | Refused | undefined {
    if (this.#result !== undefined) return this.#result;
    const reader = this.#reader;
    const until = reader.position + bytesBudget;
    if (!this.#inDeletions && this.#readSections(until)) this.#startDeletions();
    if (this.#inDeletions && this.#readDeletions(until)) {
      if (reader.position !== reader.bytes.length) reader.refuse('it goes on after its end');
      this.#result = this.#finish();
    }
    if (reader.refused !== '') this.#result = { refused: `broken update: ${reader.refused}` };
    return this.#result;
  }

  #finish(): Scanned {
    return {
      bytes: this.#reader.bytes,
      sections: this.#sections,
      skips: this.#skips,
      deletions: this.#deletions,
      gone: this.#gone,
      dependencies: this.#dependencies,
      keyed: this.#keyed,
      replaced: this.#replaced,
      links: this.#links,
    };
  }

  /** True when there are no more. */
  #readSections(until: number): boolean {
    const reader = this.#reader;
    if (this.#groupsLeft < 0) this.#groupsLeft = reader.varUint();
    for (;;) {
      while (this.#itemsLeft > 0) {
        this.#readStruct();
        if (reader.refused !== '' || reader.position >= until) return false;
      }
      this.#endSection();
      if (this.#groupsLeft === 0) return reader.refused === '';
      this.#groupsLeft--;
      this.#itemsLeft = reader.varUint();
      const client = reader.varUint();
      this.#clock = reader.varUint();
      if (this.#client >= 0 && client >= this.#client) reader.refuse('its clients do not descend');
      if (this.#itemsLeft === 0) reader.refuse('a section is empty');
      if (reader.refused !== '') return false;
      this.#client = client;
      this.#beginSection();
    }
  }

  #beginSection(): void {
    this.#start = this.#clock;
    this.#from = this.#reader.position;
    this.#structs = 0;
    this.#nextMark = this.#from + markDistance;
    this.#marks = noNumbers;
    this.#referred = undefined;
  }

  #endSection(): void {
    if (this.#structs === 0) return;
    this.#sections.push({
      client: this.#client,
      start: this.#start,
      end: this.#clock,
      structs: this.#structs,
      from: this.#from,
      to: this.#reader.position,
      last: this.#last,
      lastClock: this.#lastClock,
      marks: this.#marks,
    });
    this.#structs = 0;
  }

  #readStruct(): void {
    const reader = this.#reader;
    const begin = reader.position;
    reader.read(this.#client, this.#clock);
    this.#itemsLeft--;
    if (++this.#counted > this.#limits.structsPerUpdateMax) reader.refuse('it has too many structs');
    if (reader.refused !== '') return;
    const end = this.#clock + reader.length;
    if (reader.content === content.skip) {
      this.#skips = true;
      reader.position = begin;
      this.#endSection();
      reader.read(this.#client, this.#clock);
      this.#clock = end;
      this.#beginSection();
      return;
    }
    if (begin >= this.#nextMark) this.#mark(begin);
    if (reader.content <= content.deleted) this.#gone = withRange(this.#gone, this.#client, this.#clock, end);
    if (reader.content !== content.gc) this.#noteReferences();
    this.#noteKey(end);
    this.#last = begin;
    this.#lastClock = this.#clock;
    this.#structs++;
    this.#clock = end;
  }

  #mark(begin: number): void {
    if (this.#marks === noNumbers) this.#marks = [];
    this.#marks.push(this.#clock, begin, this.#structs);
    this.#nextMark = begin + markDistance;
  }

  #noteKey(end: number): void {
    const reader = this.#reader;
    const isKeyed = (reader.info & hasKey) !== 0;
    if (reader.originClient >= 0 || reader.rightClient >= 0) this.#noteLink(isKeyed);
    this.#lastKeyed = isKeyed;
    if (!isKeyed) return;
    this.#keyed = withRange(this.#keyed, this.#client, this.#clock, end);
    if (end - this.#clock === 1 || reader.content === content.deleted) return;
    this.#replaced = withRange(this.#replaced, this.#client, this.#clock, end - 1);
  }

  #noteLink(isKeyed: boolean): void {
    const reader = this.#reader;
    const client = reader.originClient >= 0 ? reader.originClient : reader.rightClient;
    const clock = reader.originClient >= 0 ? reader.originClock : reader.rightClock;
    const isNext = this.#structs > 0 && client === this.#client && clock === this.#clock - 1;
    if (isNext && isKeyed === this.#lastKeyed) return;
    if (this.#links.length > 0) this.#links.push(client, clock, isKeyed ? 1 : 0);
    else this.#links = [client, clock, isKeyed ? 1 : 0];
  }

  #noteReferences(): void {
    const reader = this.#reader;
    if (reader.originClient >= 0) this.#noteReference(reader.originClient, reader.originClock);
    if (reader.rightClient >= 0) this.#noteReference(reader.rightClient, reader.rightClock);
    if (reader.originClient >= 0 || reader.rightClient >= 0) return;
    if (reader.parentClient >= 0) this.#noteReference(reader.parentClient, reader.parentClock);
    if (++this.#unanchored > unanchoredUncounted) this.#countPlace();
  }

  #noteReference(client: number, clock: number): void {
    if (client === this.#client) return;
    if (this.#structs >= implyFromStructs) {
      this.#referred ??= new Map();
      const referred = this.#referred.get(client);
      if (referred !== undefined && referred >= clock) return;
      this.#referred.set(client, clock);
    }
    if (this.#dependencies.length > 0) this.#dependencies.push(this.#sections.length, this.#clock, client, clock);
    else this.#dependencies = [this.#sections.length, this.#clock, client, clock];
  }

  #countPlace(): void {
    const reader = this.#reader;
    this.#places ??= new Uint32Array(placeBuckets);
    let hash = 0;
    if (reader.parentClient >= 0) hash = mix(mix(hash, reader.parentClient % 2 ** 32), reader.parentClock);
    else for (let i = reader.rootFrom; i < reader.rootTo; i++) hash = mix(hash, reader.bytes[i] ?? 0);
    for (let i = reader.keyFrom; i < reader.keyTo; i++) hash = mix(hash, (reader.bytes[i] ?? 0) + 1);
    const bucket = (hash ^ (hash >>> 16)) & (placeBuckets - 1);
    const count = (this.#places[bucket] ?? 0) + 1;
    this.#places[bucket] = count;
    if (count + unanchoredUncounted > this.#limits.unanchoredPerUpdateMax) reader.refuse('it has too many items at one place');
  }

  #startDeletions(): void {
    this.#inDeletions = true;
    this.#groupsLeft = this.#reader.varUint();
    this.#itemsLeft = 0;
  }

  /** True when there are no more. */
  #readDeletions(until: number): boolean {
    const reader = this.#reader;
    for (;;) {
      while (this.#itemsLeft > 0) {
        this.#readDeletion();
        if (reader.refused !== '') return true;
        if (reader.position >= until) return false;
      }
      if (this.#groupsLeft === 0) return true;
      this.#groupsLeft--;
      this.#client = reader.varUint();
      this.#itemsLeft = reader.varUint();
      if (reader.refused !== '') return true;
      if (reader.position >= until) return false;
    }
  }

  #readDeletion(): void {
    const reader = this.#reader;
    const start = reader.varUint();
    const length = reader.varUint();
    this.#itemsLeft--;
    if (reader.refused !== '') return;
    if (length === 0) reader.refuse('a deletion has the length 0');
    if (start + length > clockMax) reader.refuse('a clock is past 2^31');
    if (++this.#counted > this.#limits.structsPerUpdateMax) reader.refuse('it has too many deletions');
    if (this.#deletions.length > 0) this.#deletions.push(this.#client, start, start + length);
    else this.#deletions = [this.#client, start, start + length];
  }
}

const mix = (hash: number, value: number): number => Math.imul(hash ^ value, 0x9e3779b1) ^ (hash >>> 15);

/** `ranges` with one more behind, joined to the last one where they touch. Adds to `ranges` itself where it has some. */
function withRange(ranges: number[], client: number, start: number, end: number): number[] {
  const { length } = ranges;
  if (length === 0) return [client, start, end];
  if (ranges[length - 3] === client && ranges[length - 1] === start) ranges[length - 1] = end;
  else ranges.push(client, start, end);
  return ranges;
}

const inOneGo = new Scan();

/** What the dependency at `i` of `dependencies` says. There may be a million in one update: no object for each. */
export const dependency = {
  section: (dependencies: readonly number[], i: number): number => at(dependencies, i),
  clock: (dependencies: readonly number[], i: number): number => at(dependencies, i + 1),
  client: (dependencies: readonly number[], i: number): number => at(dependencies, i + 2),
  needs: (dependencies: readonly number[], i: number): number => at(dependencies, i + 3),
} as const;

const bytesPerNumber = 8;
/** An object of nine fields, and its place in the array. */
const bytesPerSection = 128;

/**
 * What keeping an update costs in memory, in bytes, roughly: what was found in it besides the bytes themselves. A deletion of three bytes is three
 * numbers of eight, a struct of eight bytes that refers to somebody else's is four or more, so what is kept must not be bounded by its bytes alone.
 */
export function weightOf(update: Scanned): number {
  const { deletions, gone, dependencies, keyed, replaced, links, sections } = update;
  const found = [deletions, gone, dependencies, keyed, replaced, links, ...sections.map(({ marks }) => marks)];
  const numbers = found.reduce((sum, { length }) => sum + length, 0);
  return update.bytes.length + sections.length * bytesPerSection + numbers * bytesPerNumber;
}
