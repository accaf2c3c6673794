/**
 * Plain values between Yjs and us: what is in an entry of a map or a list, an embed or a format, and is no shared type.
 *
 * Yjs has `undefined`, which is dropped from objects and null in lists, as `JSON.stringify` does it; and it says so.
 */

import { nameOf, named, shownKey, storedKey } from './names.ts';
import { depthMax, inside, type Place } from './place.ts';
import { isList, isMap, type JsonValue } from './value.ts';

export type Note = (place: Place, what: string) => void;

/** A plain value of Yjs; undefined for `undefined`. */
export function fromPlain(value: unknown, place: Place, note: Note): JsonValue | undefined {
  if (value === undefined) {
    note(place, 'undefined, for which JSON has no word');
    return undefined;
  }
  if (typeof value === 'string') return value.toWellFormed();
  if (value === null || typeof value === 'boolean' || typeof value === 'number' || typeof value === 'bigint') return value;
  if (value instanceof Uint8Array) return value;
  if (place.depth >= depthMax) return tooDeep(place, note);
  if (Array.isArray(value)) return value.map((inner, i) => fromPlain(inner, inside(place, i), note) ?? null);
  const entries = new Map<string, JsonValue>();
  for (const [key, inner] of Object.entries(value)) {
    const shown = fromPlain(inner, inside(place, key), note);
    if (shown !== undefined) entries.set(shownKey(key), shown);
  }
  return entries;
}

export function tooDeep(place: Place, note: Note): JsonValue {
  note(place, 'nested too deeply');
  return named('too-deep');
}

/** A value as Yjs stores it. Bigints that a number holds exactly become numbers; bytes are copied into a `Uint8Array`, since Yjs takes nothing that extends it. */
export function toPlain(value: JsonValue): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (isList(value)) return value.map(toPlain);
  if (!isMap(value)) return value;
  return Object.fromEntries([...value].map(([key, inner]) => [storedKey(key), toPlain(inner)]));
}

/** lib0 reads what is deeper than this no more. */
const plainDepthMax = 60;

const bitsOfLong = 64;

/** Why Yjs can't hold `value` as a plain one, in words; undefined where it can. `as` JSON: formats and embeds, which Yjs writes as JSON text. */
export function whyNotPlain(value: JsonValue, as: 'any' | 'json', depth = 0): string | undefined {
  if (depth > plainDepthMax) return `it is nested more than ${plainDepthMax} levels deep`;
  if (typeof value === 'bigint') {
    if (BigInt.asIntN(bitsOfLong, value) !== value) return 'an integer has more than 64 bits';
    return as === 'json' && !Number.isSafeInteger(Number(value))
      ? 'an integer past 2^53 does not fit into a format or an embed'
      : undefined;
  }
  if (as === 'json' && typeof value === 'number' && !Number.isFinite(value))
    return `${value} does not fit into a format or an embed`;
  if (as === 'json' && value instanceof Uint8Array) return 'bytes do not fit into a format or an embed';
  if (isList(value)) return firstReason(value, as, depth);
  if (!isMap(value)) return undefined;
  const name = nameOf(value);
  if (name !== undefined) return `{"@inkstream": ${JSON.stringify(name)}} names what can't be made from outside`;
  return firstReason(value.values(), as, depth);
}

function firstReason(values: Iterable<JsonValue>, as: 'any' | 'json', depth: number): string | undefined {
  for (const value of values) {
    const reason = whyNotPlain(value, as, depth + 1);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

/** Whether a plain value would lose keys on the way: lib0 reads a key `__proto__` into the prototype. */
export function losesKeys(value: JsonValue): boolean {
  if (isList(value)) return value.some(losesKeys);
  if (!isMap(value)) return false;
  return value.has('__proto__') || [...value.values()].some(losesKeys);
}
