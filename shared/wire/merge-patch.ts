/** JSON Merge Patch (RFC 7396): a value in which what is to change stands in its place, and null where something is to go. */

import { isMap, noEntries, type JsonValue } from '#shared/document/json/value.ts';

/** `target` with `patch` applied to it. Keys that are new come last, in the patch's order. */
export function mergePatch(target: JsonValue | undefined, patch: JsonValue): JsonValue {
  if (!isMap(patch)) return patch;
  const merged = new Map(isMap(target) ? target : noEntries);
  for (const [key, value] of patch) {
    if (value === null) merged.delete(key);
    else merged.set(key, mergePatch(merged.get(key), value));
  }
  return merged;
}
