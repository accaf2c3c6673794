/**
 * The values that a document and its mirror can hold.
 *
 * A JavaScript object is the obvious form and the wrong one: it puts integer-like keys first, takes `__proto__` for something else, and its
 * numbers end at 2^53, while the same value comes through BSON, JSON text and Yjs, each with its own idea of a number. So an object is a `Map`
 * here, integers that a double can't hold are bigints, bytes are bytes, and what counts as the same value is decided once, below:
 *
 *     keys      their order says nothing (neither Yjs' maps nor a program that writes to MongoDB keep one)
 *     numbers   by what they are worth: 5, 5.0 and 5n are one number, 0 and -0 too; NaN is itself
 *     bytes     by content
 */

export type JsonValue = null | boolean | number | bigint | string | Uint8Array | readonly JsonValue[] | JsonMap;

/** An object. A `Map`, so integer-like keys keep their place and `__proto__` is a key like any other. */
export type JsonMap = ReadonlyMap<string, JsonValue>;

export const noEntries: JsonMap = new Map();

export function isMap(value: JsonValue | undefined): value is JsonMap {
  return value instanceof Map;
}

export function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** Whether two values are the same (see above). */
export function equalJson(one: JsonValue, other: JsonValue): boolean {
  if (one === other) return true;
  if (isNumeric(one)) return isNumeric(other) && equalNumbers(one, other);
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false;
  if (one instanceof Uint8Array) return other instanceof Uint8Array && Buffer.compare(one, other) === 0;
  if (isList(one)) {
    return isList(other) && one.length === other.length && one.every((value, i) => equalJson(value, other[i] ?? null));
  }
  return isMap(one) && isMap(other) && equalMaps(one, other);
}

export function equalMaps(one: JsonMap, other: JsonMap): boolean {
  if (one.size !== other.size) return false;
  for (const [key, value] of one) {
    const there = other.get(key);
    if (there === undefined || !equalJson(value, there)) return false;
  }
  return true;
}

const isNumeric = (value: JsonValue): value is number | bigint => typeof value === 'number' || typeof value === 'bigint';

function equalNumbers(one: number | bigint, other: number | bigint): boolean {
  if (typeof one === 'bigint') return typeof other === 'number' && Number.isInteger(other) && BigInt(other) === one;
  if (typeof other === 'bigint') return equalNumbers(other, one);
  return one === other || (Number.isNaN(one) && Number.isNaN(other));
}

/**
 * One text for each value: two values have the same exactly if they are the same. What stands for a value where many are compared.
 * Keys in the order of their UTF-16 units; bytes and what JSON has no word for in forms that are no JSON.
 */
export function canonicalText(value: JsonValue): string {
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value).toString() : String(value);
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Uint8Array) return `<${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')}>`;
  if (isList(value)) return `[${value.map(canonicalText).join(',')}]`;
  if (!isMap(value)) return JSON.stringify(value);
  const entries = [...value].toSorted(([one], [other]) => (one < other ? -1 : 1));
  return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${canonicalText(inner)}`).join(',')}}`;
}

const bytesPerNumber = 8;
const bytesPerValue = 2;

/** About how many bytes a value takes as BSON or JSON: for bounds, and for what a change costs. */
export function jsonBytes(value: JsonValue): number {
  if (typeof value === 'string') return Buffer.byteLength(value) + bytesPerValue;
  if (typeof value === 'number' || typeof value === 'bigint') return bytesPerNumber;
  if (value instanceof Uint8Array) return value.byteLength + bytesPerValue;
  let bytes = bytesPerValue;
  if (isList(value)) for (const inner of value) bytes += jsonBytes(inner) + bytesPerValue;
  else if (isMap(value)) for (const [key, inner] of value) bytes += Buffer.byteLength(key) + jsonBytes(inner) + bytesPerValue;
  return bytes;
}
