/**
 * The structs of one client, one after the other without a gap, as bytes that can be added to.
 *
 * Joining and cutting structs is all that a document as bytes needs to know about them:
 *
 * - *Join.* Someone who types sends a struct a keystroke, some 12 bytes each, and Yjs' merge never joins them: 200,000 keystrokes stay
 *   2.7 MB and take seconds to load. A string that follows the one before it (origin = its last clock, same right origin) is the
 *   same text as one struct, so it is appended to it as it arrives; a reader ends with the identical document.
 * - *Cut.* Whoever has a part of a struct gets the rest with the clock before it as origin, which is what Yjs would have made of it.
 *
 * What arrives in small pieces is written into an open page of some kilobytes, which is sealed when it is full; large pieces become pages as
 * they are, views of the update's bytes. So adding costs what the update costs, whatever is there already, and to find a clock one page is read.
 */

import { at } from './intervals.ts';
import { storedUpdateLimits } from './limits.ts';
import type { Scanned, Section } from './scan.ts';
import { StructReader, content, hasKey, hasOrigin, hasRightOrigin } from './struct-reader.ts';
import { utf16Offset } from './utf8.ts';
import { varUintBytes, varUintBytesMax, writeVarUint } from './varint.ts';

/** Structs from clock `start` on, up to the next page's. */
type Page = { readonly start: number; readonly structs: number; bytes: Uint8Array };

/** What a client's structs from some clock on are: to be written after a section's header, in this order. */
export type Piece = {
  readonly client: number;
  readonly start: number;
  readonly structs: number;
  readonly parts: readonly Uint8Array[];
};

/** A page is sealed at about this size. */
const pageBytes = 4096;
const pageBytesMin = 64;
/** A section from this size on becomes pages of its own. */
const viewBytesMin = 2048;

const replacementCharacter = Uint8Array.of(0xef, 0xbf, 0xbd);

export class StructRun {
  readonly client: number;
  readonly start: number;
  #end: number;
  #structs = 0;
  #bytes = 0;
  readonly #pages: Page[] = [];

  // The open page: what arrived since the last one was sealed.
  #open = noBytes;
  #openBytes = 0;
  #openStart = 0;
  #openStructs = 0;

  // The string at the end of the open page, where there is one that can be joined: where its length is written, what that is, and its right origin.
  #textAt = -1;
  #textBytes = 0;
  #textRightClient = -1;
  #textRightClock = 0;

  constructor(client: number, start: number) {
    this.client = client;
    this.start = start;
    this.#end = start;
  }

  /** The clock after the last one. */
  get end(): number {
    return this.#end;
  }

  /** Adds a section of `update` that begins where this ends. Long ones are kept as views of its bytes, or as a copy. */
  append(update: Uint8Array, section: Section, keep: 'view' | 'copy'): void {
    if (section.start !== this.#end) throw new RangeError(`a section at ${section.start} does not follow ${this.#end}`);
    this.#end = section.end;
    const size = section.to - section.from;
    if (size >= viewBytesMin) {
      const { from, to } = section;
      return this.#appendPages(keep === 'view' ? update.subarray(from, to) : update.slice(from, to), section);
    }
    if (this.#openBytes + size > pageBytes) this.#seal();
    const reader = appending;
    reader.begin(update, section.from, storedUpdateLimits);
    reader.read(section.client, section.start);
    // Joining counts on every number being as short as a scan has it, and joins wrongly, for good, where one is not.
    if (reader.refused !== '') throw new Error(`a section that no scan lets through: ${reader.refused}`);
    if (this.#openStructs === 0) this.#openStart = section.start;
    const joined = this.#continues(section.start, reader);
    if (joined) this.#joinText(reader, update);
    this.#copy(update, joined ? reader.position : section.from, section.to);
    const structs = section.structs - (joined ? 1 : 0);
    this.#structs += structs;
    this.#openStructs += structs;
    if (section.structs > 1) {
      reader.position = section.last;
      reader.read(section.client, section.lastClock);
    }
    if (structs > 0) this.#rememberText(reader, section.to - section.last);
    reader.begin(noBytes, 0, storedUpdateLimits);
  }

  #appendPages(bytes: Uint8Array, section: Section): void {
    this.#seal();
    const { marks } = section;
    let start = section.start;
    let from = 0;
    let before = 0;
    for (let i = 0; i < marks.length; i += 3) {
      const mark = at(marks, i + 1) - section.from;
      this.#pages.push({ start, structs: at(marks, i + 2) - before, bytes: bytes.subarray(from, mark) });
      start = at(marks, i);
      from = mark;
      before = at(marks, i + 2);
    }
    this.#pages.push({ start, structs: section.structs - before, bytes: bytes.subarray(from) });
    this.#structs += section.structs;
    this.#bytes += bytes.length;
  }

  /** Whether the struct that `reader` read, at `clock`, is more of the text at the end of the open page. */
  #continues(clock: number, reader: StructReader): boolean {
    return (
      this.#textAt >= 0 &&
      reader.content === content.string &&
      reader.originClient === this.client &&
      reader.originClock === clock - 1 &&
      reader.rightClient === this.#textRightClient &&
      (reader.rightClient < 0 || reader.rightClock === this.#textRightClock) &&
      (reader.info & hasKey) === 0
    );
  }

  #joinText(reader: StructReader, update: Uint8Array): void {
    const { position } = reader;
    reader.position = reader.contentFrom;
    const added = reader.varUint();
    const from = reader.position;
    reader.position = position;
    const grown = this.#textBytes + added;
    const widened = varUintBytes(grown) - varUintBytes(this.#textBytes);
    this.#reserve(widened + added);
    if (widened > 0) {
      const text = this.#textAt + varUintBytes(this.#textBytes);
      this.#open.copyWithin(text + widened, text, this.#openBytes);
      this.#openBytes += widened;
      this.#bytes += widened;
    }
    writeVarUint(this.#open, this.#textAt, grown);
    this.#textBytes = grown;
    this.#copy(update, from, position);
  }

  #rememberText(reader: StructReader, structBytes: number): void {
    this.#textAt = -1;
    // Under a map key each item replaces the one before, so one item of two is not the same.
    if (reader.content !== content.string || (reader.info & hasKey) !== 0) return;
    const contentBytes = reader.position - reader.contentFrom;
    const structAt = this.#openBytes - structBytes;
    this.#textAt = structAt + (structBytes - contentBytes);
    this.#textRightClient = reader.rightClient;
    this.#textRightClock = reader.rightClock;
    reader.position = reader.contentFrom;
    this.#textBytes = reader.varUint();
  }

  #copy(from: Uint8Array, start: number, end: number): void {
    if (end <= start) return;
    this.#reserve(end - start);
    this.#open.set(from.subarray(start, end), this.#openBytes);
    this.#openBytes += end - start;
    this.#bytes += end - start;
  }

  #reserve(bytes: number): void {
    const needed = this.#openBytes + bytes;
    if (needed <= this.#open.length) return;
    const grown = new Uint8Array(Math.max(pageBytesMin, this.#open.length * 2, needed));
    grown.set(this.#open.subarray(0, this.#openBytes));
    this.#open = grown;
  }

  #seal(): void {
    this.#textAt = -1;
    if (this.#openBytes === 0) return;
    this.#pages.push({ start: this.#openStart, structs: this.#openStructs, bytes: this.#open.slice(0, this.#openBytes) });
    this.#openBytes = 0;
    this.#openStructs = 0;
  }

  /**
   * The structs from `clock` < `end` on. Begins one clock earlier where `clock` is in the middle of a surrogate pair, so that the pair stays whole
   * and whoever has its first half drops that. The parts are views; those of 'live' hold until the next `append`, 'lasting' ones for good.
   */
  from(clock: number, views: 'live' | 'lasting'): Piece {
    const { client } = this;
    const pages = this.#livePages(views);
    if (clock <= this.start) return { client, start: this.start, structs: this.#structs, parts: pages.map((page) => page.bytes) };
    const first = pageWith(pages, clock);
    const page = pages[first];
    if (page === undefined) throw new RangeError(`no clock ${clock} below ${this.#end}`);
    const rest = cutStructs(page.bytes, client, page.start, 0, page.bytes.length, page.structs, clock, 'whole');
    let structs = rest.structs;
    const parts = [...rest.parts];
    for (let i = first + 1; i < pages.length; i++) {
      const later = pages[i];
      if (later === undefined) break;
      structs += later.structs;
      parts.push(later.bytes);
    }
    return { client, start: rest.start, structs, parts };
  }

  #livePages(views: 'live' | 'lasting'): readonly Page[] {
    if (this.#openBytes === 0) return this.#pages;
    const bytes = views === 'live' ? this.#open.subarray(0, this.#openBytes) : this.#open.slice(0, this.#openBytes);
    return [...this.#pages, { start: this.#openStart, structs: this.#openStructs, bytes }];
  }

  /**
   * Says that `bytes`, from `from` on, are what this holds: the sealed pages become views of them, so that a copy of everything does
   * not stay beside everything.
   */
  rehome(bytes: Uint8Array, from: number): void {
    let at = from;
    for (const page of this.#pages) {
      page.bytes = bytes.subarray(at, at + page.bytes.length);
      at += page.bytes.length;
    }
  }

  /** What it holds in memory, roughly, in bytes. */
  get heldBytes(): number {
    return this.#bytes + (this.#open.length - this.#openBytes) + this.#pages.length * pageOverhead + runOverhead;
  }
}

const noBytes = new Uint8Array(0);
const pageOverhead = 200;
const runOverhead = 300;

/** Reads what is being appended, and nothing between two calls: making one each time would be most of what a keystroke costs. */
const appending = new StructReader(noBytes, 0, storedUpdateLimits);

const readerAt = (bytes: Uint8Array, position: number): StructReader => new StructReader(bytes, position, storedUpdateLimits);

function pageWith(pages: readonly Page[], clock: number): number {
  let low = 0;
  let high = pages.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((pages[middle]?.start ?? Infinity) <= clock) low = middle;
    else high = middle - 1;
  }
  return low;
}

/**
 * The structs of a section of `update` from clock `from` up to but without `to`: as one piece whose first struct may be new.
 * Both lie in the section, `from` < `to`, and a struct ends at `to`.
 */
export function cutSection(update: Scanned, section: Section, from: number, to: number): Piece {
  const { bytes } = update;
  const { client } = section;
  const end = to === section.end ? { byte: section.to, before: section.structs } : structAt(bytes, section, to);
  if (from === section.start)
    return { client, start: from, structs: end.before, parts: [bytes.subarray(section.from, end.byte)] };
  const mark = markBefore(section, from);
  return cutStructs(bytes, client, mark.start, mark.byte, end.byte, end.before - mark.before, from, 'half');
}

/** A struct that says that so many clocks are left out. */
export function skipStruct(clocks: number): Uint8Array {
  const skip = new Uint8Array(1 + varUintBytesMax);
  skip[0] = content.skip;
  return skip.subarray(0, writeVarUint(skip, 1, clocks));
}

type Place = { readonly start: number; readonly byte: number; readonly before: number };

/** The last place at or before `clock` that a section has marked: its clock, its byte, and how many structs come before it. */
function markBefore(section: Section, clock: number): Place {
  const { marks } = section;
  let place: Place = { start: section.start, byte: section.from, before: 0 };
  for (let i = 0; i < marks.length && at(marks, i) <= clock; i += 3) {
    place = { start: at(marks, i), byte: at(marks, i + 1), before: at(marks, i + 2) };
  }
  return place;
}

/** Where the struct that begins at `clock` is. */
function structAt(bytes: Uint8Array, section: Section, clock: number): Place {
  const mark = markBefore(section, clock);
  const reader = readerAt(bytes, mark.byte);
  let { start, before } = mark;
  while (start < clock) {
    reader.read(section.client, start);
    start += reader.length;
    before++;
  }
  if (start !== clock) throw new RangeError(`no struct begins at ${clock}`);
  return { start, byte: reader.position, before };
}

/**
 * The structs in `bytes[from, to)`, which begin at clock `start`, from `clock` on. Where `clock` is in the middle of a surrogate pair, 'half' puts U+FFFD
 * for the half that is left, as Yjs does; 'whole' begins one clock earlier.
 */
function cutStructs(
  bytes: Uint8Array,
  client: number,
  start: number,
  from: number,
  to: number,
  structs: number,
  clock: number,
  pairs: 'half' | 'whole',
): Piece {
  const reader = readerAt(bytes, from);
  let at = start;
  let left = structs;
  for (;;) {
    const begin = reader.position;
    if (begin >= to) throw new RangeError(`no clock ${clock} in a section of ${client}`);
    reader.read(client, at);
    if (at === clock) return { client, start: clock, structs: left, parts: [bytes.subarray(begin, to)] };
    if (at + reader.length > clock) {
      let offset = clock - at;
      if (pairs === 'whole' && splitsPair(reader, offset)) offset--;
      const head = offset === 0 ? bytes.subarray(begin, reader.position) : restOfStruct(reader, client, at, offset);
      return { client, start: at + offset, structs: left, parts: [head, bytes.subarray(reader.position, to)] };
    }
    at += reader.length;
    left--;
  }
}

function splitsPair(reader: StructReader, offset: number): boolean {
  if (reader.content !== content.string) return false;
  const { position } = reader;
  reader.position = reader.contentFrom;
  reader.varUint();
  const { insidePair } = utf16Offset(reader.bytes, reader.position, offset);
  reader.position = position;
  return insidePair;
}

/** The struct that `reader` read, at `clock`, without its first `offset` clocks: a struct of its own, after the one before it. */
function restOfStruct(reader: StructReader, client: number, clock: number, offset: number): Uint8Array {
  const end = reader.position;
  const rest = reader.length - offset;
  const bytes = new Uint8Array(1 + 6 * varUintBytesMax + (end - reader.contentFrom));
  if (reader.content === content.gc) {
    bytes[0] = content.gc;
    return bytes.subarray(0, writeVarUint(bytes, 1, rest));
  }
  bytes[0] = reader.content | hasOrigin | (reader.info & (hasRightOrigin | hasKey));
  let to = writeVarUint(bytes, writeVarUint(bytes, 1, client), clock + offset - 1);
  if (reader.rightClient >= 0) to = writeVarUint(bytes, writeVarUint(bytes, to, reader.rightClient), reader.rightClock);
  if (reader.content === content.deleted) return bytes.subarray(0, writeVarUint(bytes, to, rest));
  reader.position = reader.contentFrom;
  reader.varUint();
  if (reader.content === content.string) {
    const { at, insidePair } = utf16Offset(reader.bytes, reader.position, offset);
    const half = insidePair ? replacementCharacter : noBytes;
    const from = insidePair ? at + 4 : at;
    to = writeVarUint(bytes, to, half.length + end - from);
    bytes.set(half, to);
    bytes.set(reader.bytes.subarray(from, end), to + half.length);
    reader.position = end;
    return bytes.subarray(0, to + half.length + end - from);
  }
  to = writeVarUint(bytes, to, rest);
  for (let i = 0; i < offset; i++) {
    if (reader.content === content.any) reader.any(0);
    else reader.string();
  }
  bytes.set(reader.bytes.subarray(reader.position, end), to);
  to += end - reader.position;
  reader.position = end;
  return bytes.subarray(0, to);
}
