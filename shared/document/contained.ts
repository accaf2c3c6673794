/** Whether updates bring anything that others do not: told from their bytes, without building a document. */

import { at, IntervalSet, type Ranges } from './intervals.ts';
import { storedUpdateLimits } from './limits.ts';
import { scanUpdate, type Scanned } from './scan.ts';

function scan(update: Uint8Array): Scanned {
  const scanned = scanUpdate(update, storedUpdateLimits);
  if ('refused' in scanned) throw new Error(`a stored update can't be read: ${scanned.refused}`);
  return scanned;
}

function areCovered(ranges: Ranges, set: IntervalSet): boolean {
  for (let i = 0; i < ranges.length; i += 3) if (!set.covers(at(ranges, i), at(ranges, i + 1), at(ranges, i + 2))) return false;
  return true;
}

/**
 * Whether all structs and all deletions of `updates` are among those of `others`. Costs by their size: for what came since a snapshot, not for documents.
 * @throws Error where one of them can't be read
 */
export function areContained(updates: readonly Uint8Array[], others: readonly Uint8Array[]): boolean {
  const structs = new IntervalSet();
  const deleted = new IntervalSet();
  for (const { sections, deletions, gone } of others.map(scan)) {
    for (const { client, start, end } of sections) structs.add(client, start, end);
    deleted.addAll(deletions);
    deleted.addAll(gone); // a struct that is a range of deleted ones
  }
  return updates
    .map(scan)
    .every(
      ({ sections, deletions, gone }) =>
        sections.every(({ client, start, end }) => structs.covers(client, start, end)) &&
        areCovered(deletions, deleted) &&
        areCovered(gone, deleted),
    );
}
