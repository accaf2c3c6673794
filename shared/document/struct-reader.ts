/**
 * One struct of an update, read off the bytes.
 *
 * An update is sections of structs, and a struct is a GC range, a skipped range, or an item:
 *
 *     GC    00 length
 *     skip  0A length
 *     item  info [origin] [right origin] [parent [key]] content      the parent only where there is neither origin
 *           │└ 5 bits: which content
 *           └ 128: has an origin · 64: a right origin · 32: a key
 *
 * The reader checks what Yjs' own decoder does not (UTF-8, JSON, nesting, lengths of zero) and builds nothing: what it found is in
 * its fields until the next `read`. Nothing throws. The first thing wrong is kept in `refused`, and from then on every read is at the end
 * of the bytes, so loops end by themselves.
 */

import { judgeJson } from './json-text.ts';
import type { UpdateLimits } from './limits.ts';
import { utf16Length } from './utf8.ts';

export const hasOrigin = 128;
export const hasRightOrigin = 64;
export const hasKey = 32;
const contentBits = 31;

/** What a struct holds: the low five bits of its first byte. */
export const content = {
  gc: 0,
  deleted: 1,
  json: 2,
  binary: 3,
  string: 4,
  embed: 5,
  format: 6,
  type: 7,
  any: 8,
  subdocument: 9,
  skip: 10,
} as const;

/** Yjs keeps clocks in doubles, but takes them apart with 32-bit operations here and there. */
export const clockMax = 2 ** 31;

const typeRefMax = 6;
const xmlElementRef = 3;
const xmlHookRef = 5;

export class StructReader {
  bytes: Uint8Array;
  position: number;
  /** What is wrong, in words, or '' so far. */
  refused = '';
  subdocuments = 0;

  // The struct read last.
  info = 0;
  content = 0;
  length = 0;
  /** -1 where it has none. */
  originClient = -1;
  originClock = 0;
  /** -1 where it has none. */
  rightClient = -1;
  rightClock = 0;
  /** The parent's id, or -1 where it is a root (its name is the bytes `rootFrom` to `rootTo`) or where it has an origin. */
  parentClient = -1;
  parentClock = 0;
  rootFrom = 0;
  rootTo = 0;
  /** The map key, where it is written; empty elsewhere. */
  keyFrom = 0;
  keyTo = 0;
  contentFrom = 0;

  #limits: UpdateLimits;

  constructor(bytes: Uint8Array, position: number, limits: UpdateLimits) {
    this.bytes = bytes;
    this.position = position;
    this.#limits = limits;
  }

  /** Goes to `position` of other bytes, as if it were new. */
  begin(bytes: Uint8Array, position: number, limits: UpdateLimits): void {
    this.bytes = bytes;
    this.position = position;
    this.#limits = limits;
    this.refused = '';
    this.subdocuments = 0;
  }

  /** Keeps the first reason and goes to the end of the bytes. */
  refuse(reason: string): 0 {
    if (this.refused === '') this.refused = reason;
    this.position = this.bytes.length;
    return 0;
  }

  /**
   * A number as lib0 writes it. What is longer than it has to be is refused: nobody writes it so, and whoever writes the number anew (a text that
   * was joined, a section that was cut) would find it at another length than the bytes have.
   */
  varUint(): number {
    const { bytes } = this;
    const first = bytes[this.position++] ?? -1;
    if (first >= 0 && first < 128) return first;
    if (first < 0) return this.refuse('it ends early');
    // Nearly all numbers that are longer are client ids, of five bytes: four of them in integers.
    let value = first & 127;
    for (let shift = 7; shift < 28; shift += 7) {
      const byte = bytes[this.position++] ?? -1;
      if (byte < 0) return this.refuse('it ends early');
      value |= (byte & 127) << shift;
      if (byte < 128) return byte > 0 ? value : this.refuse(tooLong);
    }
    for (let factor = 2 ** 28; factor < 2 ** 56; factor *= 128) {
      const byte = bytes[this.position++] ?? -1;
      if (byte < 0) return this.refuse('it ends early');
      value += (byte & 127) * factor;
      if (byte === 0) return this.refuse(tooLong);
      if (byte < 128) return value <= Number.MAX_SAFE_INTEGER ? value : this.refuse('a number is too large');
    }
    return this.refuse('a number is too large');
  }

  /** Reads the struct at `clock` of `client`. */
  read(client: number, clock: number): void {
    if (this.position >= this.bytes.length) return void this.refuse('it ends early');
    const info = this.bytes[this.position++] ?? 0;
    this.info = info;
    this.content = info & contentBits;
    this.originClient = this.rightClient = this.parentClient = -1;
    this.keyFrom = this.keyTo = 0;
    if (this.content === content.gc || this.content === content.skip) {
      if (info !== this.content) this.refuse('a range of nothing has flags');
      this.length = this.varUint();
    } else {
      this.#readPlace(client, clock);
      this.contentFrom = this.position;
      this.length = this.#readContent();
    }
    if (this.length === 0) this.refuse('a struct has the length 0');
    else if (clock + this.length > clockMax) this.refuse('a clock is past 2^31');
  }

  #readPlace(client: number, clock: number): void {
    if (this.info & hasOrigin) {
      this.originClient = this.varUint();
      this.originClock = this.varUint();
      if (this.originClient === client && this.originClock >= clock) this.refuse('an item has its origin in itself or later');
    }
    if (this.info & hasRightOrigin) {
      this.rightClient = this.varUint();
      this.rightClock = this.varUint();
      if (this.rightClient === client && this.rightClock >= clock) this.refuse('an item has its right origin in itself or later');
      if (this.rightClient === this.originClient && this.rightClock === this.originClock) {
        this.refuse('an item has the same origin on both sides');
      }
    }
    if (this.info & (hasOrigin | hasRightOrigin)) return;
    const isRoot = this.varUint();
    if (isRoot > 1) this.refuse('a parent is neither a root nor an item');
    if (isRoot === 1) {
      this.string();
      this.rootTo = this.position;
      this.rootFrom = this.#stringFrom;
    } else {
      this.parentClient = this.varUint();
      this.parentClock = this.varUint();
      if (this.parentClient === client && this.parentClock >= clock)
        this.refuse('an item is its own parent, or the parent is later');
    }
    if (this.info & hasKey) {
      this.string();
      this.keyTo = this.position;
      this.keyFrom = this.#stringFrom;
    }
  }

  #readContent(): number {
    switch (this.content) {
      case content.deleted:
        return this.varUint();
      case content.json: {
        const count = this.varUint();
        for (let i = 0; i < count && this.refused === ''; i++) this.#json(true);
        return count;
      }
      case content.binary:
        this.#skip(this.varUint());
        return 1;
      case content.string:
        return this.string();
      case content.embed:
        this.#json(false);
        return 1;
      case content.format:
        this.string();
        this.#json(false);
        return 1;
      case content.type: {
        const type = this.varUint();
        if (type > typeRefMax) this.refuse('it has a type that nobody knows');
        if (type === xmlElementRef || type === xmlHookRef) this.string();
        return 1;
      }
      case content.any: {
        const count = this.varUint();
        for (let i = 0; i < count && this.refused === ''; i++) this.any(0);
        return count;
      }
      case content.subdocument:
        return this.#readSubdocument();
      default:
        this.refuse('it has a content that nobody knows');
        return 1;
    }
  }

  #readSubdocument(): 1 {
    this.string();
    if (++this.subdocuments > this.#limits.subdocumentsPerUpdateMax) this.refuse('it has too many subdocuments');
    // Yjs reads properties off it, which throws on null; and a `guid` in it would be taken for the document's.
    if (this.bytes[this.position] !== anyObject) this.refuse('the options of a subdocument are no object');
    const from = this.position + 1;
    this.any(0);
    if (this.refused === '' && this.#hasGuid(from)) this.refuse('the options of a subdocument name another one');
    return 1;
  }

  #hasGuid(from: number): boolean {
    const end = this.position;
    this.position = from;
    let found = false;
    const count = this.varUint();
    for (let i = 0; i < count; i++) {
      this.string();
      const at = this.#stringFrom;
      found ||= this.position - at === 4 && Buffer.from(this.bytes.subarray(at, this.position)).toString('latin1') === 'guid';
      this.any(1);
    }
    this.position = end;
    return found;
  }

  #stringFrom = 0;

  /** Reads a string and returns its length in UTF-16 units. */
  string(): number {
    const bytes = this.varUint();
    const from = this.position;
    if (!this.#skip(bytes)) return 0;
    this.#stringFrom = from;
    const units = utf16Length(this.bytes, from, this.position);
    return units < 0 ? this.refuse('a text is not UTF-8') : units;
  }

  #skip(bytes: number): boolean {
    if (bytes > this.bytes.length - this.position) {
      this.refuse('it ends early');
      return false;
    }
    this.position += bytes;
    return true;
  }

  /** `undefinedToo`: array contents may say `undefined`, which is no JSON; elsewhere Yjs would throw on it. */
  #json(undefinedToo: boolean): void {
    this.string();
    if (this.refused !== '') return;
    const verdict = judgeJson(this.bytes, this.#stringFrom, this.position, this.#limits.nestingMax);
    if (verdict === 'fine' || (undefinedToo && this.#isUndefined())) return;
    this.refuse(verdict === 'too-deep' ? 'it is nested too deeply' : 'a value is not JSON');
  }

  #isUndefined(): boolean {
    if (this.position - this.#stringFrom !== undefinedText.length) return false;
    return undefinedText.every((byte, i) => this.bytes[this.#stringFrom + i] === byte);
  }

  /** Skips a value as lib0's `writeAny` writes it. */
  any(depth: number): void {
    if (depth > this.#limits.nestingMax) return void this.refuse('it is nested too deeply');
    if (this.position >= this.bytes.length) return void this.refuse('it ends early');
    const tag = this.bytes[this.position++] ?? 0;
    switch (tag) {
      case 127: // undefined
      case 126: // null
      case 121: // false
      case 120: // true
        return;
      case 125:
        return this.#varInt();
      case 124: // float32
        return void this.#skip(4);
      case 123: // float64
      case 122: // bigint
        return void this.#skip(8);
      case 119:
        return void this.string();
      case anyObject: {
        const count = this.varUint();
        for (let i = 0; i < count && this.refused === ''; i++) {
          this.string();
          this.any(depth + 1);
        }
        return;
      }
      case 117: {
        const count = this.varUint();
        for (let i = 0; i < count && this.refused === ''; i++) this.any(depth + 1);
        return;
      }
      case 116:
        return void this.#skip(this.varUint());
      default:
        this.refuse('it has a value that nobody knows');
    }
  }

  /** lib0's `readVarInt`: a sign and six bits, then seven a byte. It throws where the value leaves the safe integers. */
  #varInt(): void {
    let value = 0;
    for (let factor = 1, i = 0; i < 8; i++) {
      if (this.position >= this.bytes.length) return void this.refuse('it ends early');
      const byte = this.bytes[this.position++] ?? 0;
      value += (byte & (i === 0 ? 63 : 127)) * factor;
      factor *= i === 0 ? 64 : 128;
      if (byte < 128) return void (value > Number.MAX_SAFE_INTEGER && this.refuse('a number is too large'));
    }
    this.refuse('a number is too large');
  }
}

const tooLong = 'a number is written longer than it has to be';
const anyObject = 118;
const undefinedText = Buffer.from('undefined');
