/** What the compaction thread does with one document; apart from the thread, so that it can be run in one's own. */

import { createHash } from 'node:crypto';
import { reasonOf } from '#shared/runtime/reason.ts';

/** One snapshot out of updates of one document; throws where they can't be integrated. */
export type Compact = (updates: readonly Uint8Array[]) => Uint8Array;

export type CompactionInput = {
  /** What is stored of a document, oldest first: its snapshot if it has one, then its segments. */
  readonly updates: readonly Uint8Array[];
  /** What the first update must hash to, where it is a snapshot. */
  readonly sha256: string | undefined;
};

export type CompactionAnswer =
  | { readonly kind: 'compacted'; readonly update: Uint8Array; readonly sha256: string }
  /** `culprit`: the index of the first update with which it throws. */
  | { readonly kind: 'threw'; readonly culprit: number; readonly reason: string };

export const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Compacts, or finds out which update is to blame. */
export function compactOrBlame(input: CompactionInput, compact: Compact): CompactionAnswer {
  const [snapshot] = input.updates;
  if (input.sha256 !== undefined && (snapshot === undefined || sha256Of(snapshot) !== input.sha256)) {
    return { kind: 'threw', culprit: 0, reason: 'the stored snapshot does not match its hash' };
  }
  try {
    const update = compact(input.updates);
    return { kind: 'compacted', update, sha256: sha256Of(update) };
  } catch (error) {
    return {
      kind: 'threw',
      culprit: findCulprit(input.updates, compact),
      reason: reasonOf(error),
    };
  }
}

/** The index of the update that ends the shortest prefix that throws, given that the whole does. */
function findCulprit(updates: readonly Uint8Array[], compact: Compact): number {
  let good = 0;
  let bad = updates.length;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    try {
      compact(updates.slice(0, middle));
      good = middle;
    } catch {
      bad = middle;
    }
  }
  return bad - 1;
}
