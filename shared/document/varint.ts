/** Unsigned integers as lib0 writes them: seven bits a byte, low end first. Into a buffer of known size, without an encoder. */

/** How many bytes `value` takes. */
export function varUintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

/** Writes `value` at `at` and returns where the next one goes. The room for it is the caller's to make. */
export function writeVarUint(bytes: Uint8Array, at: number, value: number): number {
  let rest = value;
  let to = at;
  while (rest > 127) {
    bytes[to++] = 128 | (rest % 128);
    rest = Math.floor(rest / 128);
  }
  bytes[to++] = rest;
  return to;
}

/** The longest that `writeVarUint` writes for a safe integer. */
export const varUintBytesMax = 8;

/** Memory that is not cleared first: the caller writes all of what it keeps. */
export const allocate = (bytes: number): Uint8Array => {
  const memory = Buffer.allocUnsafeSlow(bytes);
  return new Uint8Array(memory.buffer, memory.byteOffset, bytes);
};
