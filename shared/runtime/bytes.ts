import { markAsUntransferable } from 'node:worker_threads';

/** One array out of several, copying each byte once. An array and not a Buffer, whose `slice` would be a view. */
export function concatenate(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((bytes, part) => bytes + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}

/** Up to here what is copied becomes a part of a larger piece: an ArrayBuffer of its own costs more than all else that is done with a keystroke. */
const pooledBytesMax = 1024;
const pieceBytes = 8 * 1024;

/**
 * A way to copy, each time into an array. Small ones share a piece of memory, which stays for as long as one of them does. So what is kept for long is copied by another one than what is gone in a moment, and not
 * into Node's own pool, in which everybody has his odds and ends.
 */
export function createCopying(): (bytes: Uint8Array) => Uint8Array {
  let piece = new ArrayBuffer(0);
  let at = 0;
  return (bytes) => {
    const { byteLength } = bytes;
    if (byteLength > pooledBytesMax) return new Uint8Array(bytes);
    if (at + byteLength > piece.byteLength) {
      piece = new ArrayBuffer(pieceBytes);
      markAsUntransferable(piece); // it would go with all that is in it
      at = 0;
    }
    const copy = new Uint8Array(piece, at, byteLength);
    copy.set(bytes);
    at += byteLength;
    return copy;
  };
}
