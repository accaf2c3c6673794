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

/** Up to here what is copied becomes a piece of Node's pool, of 8 KB: an ArrayBuffer of its own costs more than all else that is done with a keystroke. */
const pooledBytesMax = 1024;

/** A copy, an array as well. A small one keeps its neighbours in the pool in memory. */
export function copyOf(bytes: Uint8Array): Uint8Array {
  if (bytes.byteLength > pooledBytesMax) return new Uint8Array(bytes);
  const { buffer, byteOffset, byteLength } = Buffer.allocUnsafe(bytes.byteLength);
  const copy = new Uint8Array(buffer, byteOffset, byteLength);
  copy.set(bytes);
  return copy;
}
