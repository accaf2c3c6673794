/**
 * Many updates as one, by sections.
 *
 * `Y.mergeUpdates` decodes every struct, sorts its inputs anew for each run of structs (10,000 keystrokes take a second) and never joins typed
 * text. Updates that were admitted follow each other without gaps, so merging them is appending each section to its client's run; what
 * overlaps is cut. Where there is a gap after all, what Yjs does with it is right, if slow.
 */

import * as Y from 'yjs';
import { assembleUpdate, emptyUpdate } from './assemble.ts';
import { IntervalSet } from './intervals.ts';
import { storedUpdateLimits } from './limits.ts';
import { DocumentUnreadable } from './load.ts';
import { scanUpdate, type Scanned } from './scan.ts';
import { StructRun } from './struct-run.ts';
import { partOf } from './update-parts.ts';

/** Merges updates that a document took one after the other, in that order. A single one comes back as it is. */
export function mergeScanned(updates: readonly Scanned[]): Uint8Array {
  const [only] = updates;
  if (only === undefined) return emptyUpdate;
  if (updates.length === 1) return only.bytes;
  const merged = new Merged();
  for (const update of updates) merged.append(update);
  return merged.encode();
}

/**
 * Merges records of one document in journal order. They may begin anywhere, overlap and repeat. A single one comes back as it is.
 * @throws DocumentUnreadable where one of them is no sound update; the message says which.
 */
export function mergeUpdates(updates: readonly Uint8Array[]): Uint8Array {
  const merged = new Merged();
  let hasGap = false;
  for (const update of scanStored(updates)) {
    if (updates.length === 1) return update.bytes;
    const rest = hasGap ? undefined : merged.restOf(update);
    if (rest === 'gap') hasGap = true;
    else if (rest !== undefined) merged.append(rest);
  }
  return hasGap ? mergeInTree(updates) : merged.encode();
}

function* scanStored(updates: readonly Uint8Array[]): Generator<Scanned> {
  for (const [index, update] of updates.entries()) {
    const scanned = scanUpdate(update, storedUpdateLimits);
    if ('refused' in scanned) throw new DocumentUnreadable(`update ${index + 1} of ${updates.length}: ${scanned.refused}`);
    yield scanned;
  }
}

class Merged {
  readonly #runs = new Map<number, StructRun>();
  readonly #deleted = new IntervalSet();

  /** What of `update` is not in it yet, `undefined` where it brings nothing, or 'gap' where it does not join what is there. */
  restOf(update: Scanned): Scanned | undefined | 'gap' {
    let overlaps = false;
    let previous = -1;
    for (const { client, start } of update.sections) {
      const run = this.#runs.get(client);
      if (client === previous || (run !== undefined && (start < run.start || start > run.end))) return 'gap';
      if (run !== undefined && start < run.end) overlaps = true;
      previous = client;
    }
    if (!overlaps) return update;
    return partOf(
      update,
      ({ client, start, end }) => ({ from: Math.max(start, this.#runs.get(client)?.end ?? 0), to: end }),
      update.deletions,
    );
  }

  append(update: Scanned): void {
    for (const section of update.sections) {
      let run = this.#runs.get(section.client);
      if (run === undefined) this.#runs.set(section.client, (run = new StructRun(section.client, section.start)));
      run.append(update.bytes, section, 'view');
    }
    this.#deleted.addAll(update.deletions);
  }

  encode(): Uint8Array {
    const runs = [...this.#runs.values()].toSorted((a, b) => b.client - a.client);
    return assembleUpdate(
      runs.map((run) => run.from(run.start, 'live')),
      this.#deleted.encode(),
    );
  }
}

const branches = 32;

/** Yjs sorts all of its inputs for each run of structs that it writes, so few at a time. */
function mergeInTree(updates: readonly Uint8Array[]): Uint8Array {
  let level = updates;
  while (level.length > 1) {
    const next: Uint8Array[] = [];
    for (let i = 0; i < level.length; i += branches) next.push(Y.mergeUpdates(level.slice(i, i + branches)));
    level = next;
  }
  return level[0] ?? emptyUpdate;
}
