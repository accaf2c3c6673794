/** Keys in an ordered map of bytes: numbers as 8 bytes, high end first, so that byte order is number order. */

import { Buffer } from 'node:buffer';

/** How many bytes a number takes in a key. */
export const keyNumberBytes = 8;

/** Above every number that a key can hold. */
export const keyNumberMax = Number.MAX_SAFE_INTEGER;

/** One key out of parts: text and bytes as they are, numbers (0 … 2⁵³ - 1) as 8 bytes. */
export function keyOf(...parts: readonly (string | number | Uint8Array)[]): Uint8Array {
  return Buffer.concat(
    parts.map((part) =>
      typeof part === 'string' ? Buffer.from(part, 'utf8') : typeof part === 'number' ? numberBytes(part) : part,
    ),
  );
}

function numberBytes(value: number): Uint8Array {
  const bytes = Buffer.alloc(keyNumberBytes);
  bytes.writeUInt32BE(Math.floor(value / 2 ** 32), 0);
  bytes.writeUInt32BE(value % 2 ** 32, 4);
  return bytes;
}

/** The number that is at `position` of a key; negative positions count from its end. */
export function numberInKey(key: Uint8Array, position: number): number {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  const at = position < 0 ? key.byteLength + position : position;
  return view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);
}
