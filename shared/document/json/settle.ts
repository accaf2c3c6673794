/**
 * A value from outside, made harmless.
 *
 * A lone surrogate has no UTF-8: what is stored of it is not what was hashed, and it would come back as an edit for ever. It becomes U+FFFD before anything else looks
 * at the value. Keys that could be written in two ways are written in one. What is deeper than anybody can walk is refused.
 */

import { settledKey } from './names.ts';
import type { Wrong } from './nodes.ts';
import { depthMax, inside, type Place } from './place.ts';
import { isList, isMap, type JsonMap, type JsonValue } from './value.ts';

/** The value itself where nothing in it had to be changed. */
export function settle(value: JsonValue, place: Place): JsonValue | Wrong {
  if (typeof value === 'string') return value.toWellFormed();
  if (isMap(value)) return settleMap(value, place);
  if (!isList(value)) return value;
  if (place.depth > depthMax) return tooDeep(place);
  let settled: JsonValue[] | undefined;
  for (const [i, inner] of value.entries()) {
    const done = settle(inner, inside(place, i));
    if (isWrong(done)) return done;
    if (done !== inner) (settled ??= [...value])[i] = done;
  }
  return settled ?? value;
}

/** Where two keys become one, the later counts. */
function settleMap(value: JsonMap, place: Place): JsonValue | Wrong {
  if (place.depth > depthMax) return tooDeep(place);
  const settled = new Map<string, JsonValue>();
  let changed = false;
  for (const [key, inner] of value) {
    const shown = settledKey(key.toWellFormed());
    const done = settle(inner, inside(place, key));
    if (isWrong(done)) return done;
    if (shown !== key || done !== inner) changed = true;
    settled.set(shown, done);
  }
  return changed ? settled : value;
}

export function isWrong(value: JsonValue | Wrong): value is Wrong {
  return typeof value === 'object' && value !== null && 'wrong' in value;
}

const tooDeep = (place: Place): Wrong => ({ place, wrong: `it is nested more than ${depthMax} levels deep` });
