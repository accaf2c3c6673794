/**
 * Whether bytes are JSON, without building what they say.
 *
 * Readers `JSON.parse` formats, embeds and old array contents, and throw where they can't, so whoever lets an update in must know. Parsing
 * here would cost memory and, for a value of megabytes, the event loop. This accepts what `JSON.parse` accepts (RFC 8259).
 */

import { nestingBound } from './limits.ts';

const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const backslash = 0x5c;
const openBracket = 0x5b;
const openBrace = 0x7b;
/** From an opening bracket or brace to the closing one. */
const toClosing = 2;

const escapable = Buffer.from('"\\/bfnrt');
const literals = ['true', 'false', 'null'].map((word) => Buffer.from(word));

// Only ever used within one call.
const open = new Uint8Array(nestingBound);

export type JsonVerdict = 'fine' | 'malformed' | 'too-deep';

/** Judges `bytes[from, to)`, which are valid UTF-8. */
export function judgeJson(bytes: Uint8Array, from: number, to: number, nestingMax: number): JsonVerdict {
  let depth = 0;
  let at = skipSpace(bytes, from, to);
  for (;;) {
    const first = at < to ? (bytes[at] ?? 0) : 0;
    if (first === openBrace || first === openBracket) {
      if (depth === nestingMax || depth === nestingBound) return 'too-deep';
      open[depth++] = first;
      at = skipSpace(bytes, at + 1, to);
      if (at < to && bytes[at] === first + toClosing) {
        depth--;
        at++;
      } else {
        if (first === openBrace) at = skipKey(bytes, at, to);
        if (at < 0) return 'malformed';
        continue;
      }
    } else {
      at = skipScalar(bytes, at, to);
      if (at < 0) return 'malformed';
    }
    for (;;) {
      at = skipSpace(bytes, at, to);
      if (depth === 0) return at === to ? 'fine' : 'malformed';
      const container = open[depth - 1] ?? 0;
      const next = at < to ? bytes[at] : 0;
      at++;
      if (next === container + toClosing) {
        depth--;
        continue;
      }
      if (next !== comma) return 'malformed';
      at = skipSpace(bytes, at, to);
      if (container === openBrace) at = skipKey(bytes, at, to);
      if (at < 0) return 'malformed';
      break;
    }
  }
}

// Each of these returns where the next thing begins, or -1.

function skipSpace(bytes: Uint8Array, from: number, to: number): number {
  let at = from;
  while (at < to) {
    const byte = bytes[at];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break;
    at++;
  }
  return at;
}

function skipKey(bytes: Uint8Array, from: number, to: number): number {
  const end = skipString(bytes, from, to);
  if (end < 0) return -1;
  const at = skipSpace(bytes, end, to);
  return at < to && bytes[at] === colon ? skipSpace(bytes, at + 1, to) : -1;
}

function skipScalar(bytes: Uint8Array, from: number, to: number): number {
  if (from >= to) return -1;
  if (bytes[from] === quote) return skipString(bytes, from, to);
  const literal = literals.find((word) => word[0] === bytes[from]);
  if (literal === undefined) return skipNumber(bytes, from, to);
  if (from + literal.length > to) return -1;
  for (let i = 1; i < literal.length; i++) if (bytes[from + i] !== literal[i]) return -1;
  return from + literal.length;
}

function skipString(bytes: Uint8Array, from: number, to: number): number {
  if (from >= to || bytes[from] !== quote) return -1;
  let at = from + 1;
  while (at < to) {
    const byte = bytes[at++] ?? 0;
    if (byte === quote) return at;
    if (byte < 0x20) return -1;
    if (byte !== backslash) continue;
    const escaped = at < to ? (bytes[at++] ?? 0) : 0;
    if (escaped === 0x75) {
      if (at + 4 > to) return -1;
      for (let i = 0; i < 4; i++) if (!isHex(bytes[at + i] ?? 0)) return -1;
      at += 4;
    } else if (!escapable.includes(escaped)) return -1;
  }
  return -1;
}

function skipNumber(bytes: Uint8Array, from: number, to: number): number {
  let at = bytes[from] === 0x2d ? from + 1 : from;
  const whole = skipDigits(bytes, at, to);
  if (whole < 0 || (bytes[at] === 0x30 && whole > at + 1)) return -1;
  at = whole;
  if (at < to && bytes[at] === 0x2e) {
    at = skipDigits(bytes, at + 1, to);
    if (at < 0) return -1;
  }
  if (at < to && ((bytes[at] ?? 0) | 0x20) === 0x65) {
    at++;
    if (at < to && (bytes[at] === 0x2b || bytes[at] === 0x2d)) at++;
    at = skipDigits(bytes, at, to);
  }
  return at;
}

function skipDigits(bytes: Uint8Array, from: number, to: number): number {
  let at = from;
  while (at < to && isDigit(bytes[at] ?? 0)) at++;
  return at === from ? -1 : at;
}

const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;
const isHex = (byte: number): boolean => isDigit(byte) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66);
