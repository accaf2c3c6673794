/**
 * UTF-8 whose positions are counted in UTF-16 units, as Yjs counts them.
 *
 * A clock inside a string is a UTF-16 offset, the bytes are UTF-8, and decoding each keystroke to learn its length is most of what a
 * scan would cost. So lengths and offsets are found on the bytes. Valid UTF-8 has no lone surrogates, hence a string on the wire
 * never begins or ends with half a pair: only a cut can make one.
 */

import { isAscii } from 'node:buffer';

/** From this length on a call into native code pays. */
const nativeBytesMin = 96;

/** How many UTF-16 units `bytes[from, to)` are, or -1 where it is no UTF-8 (what a fatal TextDecoder refuses). */
export function utf16Length(bytes: Uint8Array, from: number, to: number): number {
  if (to - from >= nativeBytesMin && isAscii(bytes.subarray(from, to))) return to - from;
  let units = 0;
  let at = from;
  while (at < to) {
    const byte = bytes[at] ?? 0;
    if (byte < 0x80) {
      at++;
      units++;
      continue;
    }
    const size = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    if (byte < 0xc2 || byte > 0xf4 || at + size > to) return -1;
    const second = bytes[at + 1] ?? 0;
    if (second < secondMin(byte) || second > secondMax(byte)) return -1;
    for (let i = 2; i < size; i++) if (((bytes[at + i] ?? 0) & 0xc0) !== 0x80) return -1;
    at += size;
    units += size === 4 ? 2 : 1;
  }
  return units;
}

// Overlong forms, surrogates and what lies past U+10FFFF show in the second byte.
const secondMin = (lead: number): number => (lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80);
const secondMax = (lead: number): number => (lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf);

/** Where in `bytes`, from `from` on, `units` UTF-16 units have passed; `insidePair` where that is in the middle of a character (then `at` is its start). */
export function utf16Offset(
  bytes: Uint8Array,
  from: number,
  units: number,
): { readonly at: number; readonly insidePair: boolean } {
  let at = from;
  let left = units;
  while (left > 0) {
    const byte = bytes[at] ?? 0;
    if (byte < 0x80) at += 1;
    else if (byte < 0xe0) at += 2;
    else if (byte < 0xf0) at += 3;
    else if (left === 1) return { at, insidePair: true };
    else {
      at += 4;
      left--;
    }
    left--;
  }
  return { at, insidePair: false };
}
