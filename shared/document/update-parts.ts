/**
 * Parts of an update: what of it is not there yet, what of it can be taken now.
 *
 * An update that overlaps what readers have is not always harmless: an item over a GC range makes every reader throw. So what
 * goes out begins exactly where readers are, and what is cut away is never seen again.
 */

import { assembleUpdate, noDeletions } from './assemble.ts';
import { at, IntervalSet, type Ranges } from './intervals.ts';
import { storedUpdateLimits } from './limits.ts';
import { scanUpdate, type Scanned, type Section } from './scan.ts';
import { cutSection, skipStruct } from './struct-run.ts';

/** Which clocks of a section to keep: `from` up to but without `to`; none where `from` ≥ `to`. */
export type Bounds = (section: Section, index: number) => { readonly from: number; readonly to: number };

/** The structs of `update` within `bounds` and, for its delete set, `deletions`; undefined where that is nothing. */
export function partOf(update: Scanned, bounds: Bounds, deletions: Ranges): Scanned | undefined {
  const pieces: { client: number; start: number; structs: number; parts: Uint8Array[] }[] = [];
  let end = 0;
  for (const [index, section] of update.sections.entries()) {
    const { from, to } = bounds(section, index);
    if (from >= to) continue;
    const { client, start, structs, parts } = cutSection(update, section, from, to);
    const last = pieces.at(-1);
    if (last?.client !== client) pieces.push({ client, start, structs, parts: [...parts] });
    else {
      last.structs += 1 + structs;
      last.parts.push(skipStruct(start - end), ...parts);
    }
    end = to;
  }
  if (pieces.length === 0 && deletions.length === 0) return undefined;
  return rescan(assembleUpdate(pieces, encodeDeletions(deletions)));
}

/** Scans what was put together here out of what was sound before. */
export function rescan(bytes: Uint8Array): Scanned {
  const scanned = scanUpdate(bytes, storedUpdateLimits);
  if ('refused' in scanned) throw new Error(`a sound update was cut into an unsound one: ${scanned.refused}`);
  return scanned;
}

function encodeDeletions(deletions: Ranges): Uint8Array {
  if (deletions.length === 0) return noDeletions;
  const set = new IntervalSet();
  set.addAll(deletions);
  return set.encode();
}

/** The ranges of `ranges` cut at `limit`, a clock for each client: those below it, and those from it on. */
export function splitRanges(
  ranges: Ranges,
  limit: (client: number) => number,
): { readonly below: Ranges; readonly above: Ranges } {
  const below: number[] = [];
  const above: number[] = [];
  for (let i = 0; i < ranges.length; i += 3) {
    const client = at(ranges, i);
    const start = at(ranges, i + 1);
    const end = at(ranges, i + 2);
    const border = limit(client);
    if (start < border) below.push(client, start, Math.min(end, border));
    if (end > border) above.push(client, Math.max(start, border), end);
  }
  return { below, above };
}
