/**
 * Reading lib0's coding off bytes that anybody may have sent.
 *
 * lib0's own decoder throws on bytes that end early, and reads a length before it looks whether so much is there. At the door every frame is
 * a stranger's, so reading is a value here: a `Cursor` goes on, or is `failed` for good, and the caller looks once at the end.
 */

/** What 64 bits take at 7 bits a byte. */
const varUintBytesMax = 10;

export type Cursor = { readonly bytes: Uint8Array; at: number; failed: boolean };

export const cursorOf = (bytes: Uint8Array): Cursor => ({ bytes, at: 0, failed: false });

/** Nothing is left, and nothing went wrong. */
export const isAtEnd = (cursor: Cursor): boolean => !cursor.failed && cursor.at === cursor.bytes.length;

/** lib0's varUint: 7 bits a byte, low end first; at most 2⁵³−1. 0 and `failed` where there is none. */
export function readVarUint(cursor: Cursor): number {
  const { bytes } = cursor;
  let value = 0;
  let scale = 1;
  while (cursor.at < bytes.length) {
    const byte = bytes[cursor.at++] ?? 0;
    value += (byte & 127) * scale;
    if (value > Number.MAX_SAFE_INTEGER) break;
    if (byte < 128) return value;
    scale *= 128;
  }
  cursor.failed = true;
  return 0;
}

/** A varUint of any size: `Infinity` past 2⁵³−1. For numbers of which some are too large to mean anything, and yet no reason to stop reading. */
export function readAnyVarUint(cursor: Cursor): number {
  const begin = cursor.at;
  const value = readVarUint(cursor);
  if (!cursor.failed) return value;
  const end = cursor.bytes.subarray(begin, begin + varUintBytesMax).findIndex((byte) => byte < 128);
  if (end === -1) return 0;
  cursor.at = begin + end + 1;
  cursor.failed = false;
  return Infinity;
}

/** A varUint length and that many bytes: a view into the cursor's bytes, not a copy. */
export function readVarBytes(cursor: Cursor): Uint8Array {
  const length = readVarUint(cursor);
  const end = cursor.at + length;
  if (cursor.failed || end > cursor.bytes.length) {
    cursor.failed = true;
    return cursor.bytes.subarray(0, 0);
  }
  const view = cursor.bytes.subarray(cursor.at, end);
  cursor.at = end;
  return view;
}
