/**
 * Making segments out of records: merging, cutting to what the store takes, and finding what can't be merged.
 *
 * Gateways check every update before it becomes a record, so merging does not fail. If it does all the same (a bug in a gateway, a
 * foreign program that appends), the flush must neither stop for ever nor lose the neighbours of the culprit. A record may be bad in
 * itself, or only together with those before it; both are found by the same bisection, which keeps what merged so far as its base
 * and takes in halves of the rest. What remains can be merged; the culprits go to the dead letters, with the reason. Memory that ran out is no verdict
 * on a record: that error is thrown on, else everything would be a culprit.
 */

import type { DocumentName } from '#shared/document/name.ts';
import type { Offset } from '#shared/journal/journal.ts';
import { reasonOf } from '#shared/runtime/reason.ts';
import type { Segment } from '#shared/store/store.ts';

import type { DocumentRecords } from './intake.ts';

/** Merges updates of one document, in journal order; throws where they can't be merged. */
export type MergeUpdates = (updates: readonly Uint8Array[]) => Uint8Array;

export type Culprit = { readonly offset: Offset; readonly reason: string; readonly update: Uint8Array };

export type Made =
  | { readonly kind: 'made'; readonly segment: Segment | undefined; readonly culprits: readonly Culprit[] }
  /** One record alone is longer than a segment may be. It must not be dropped, so somebody has to decide. */
  | { readonly kind: 'too-large'; readonly offset: Offset; readonly bytes: number };

/** `segmentBytesMax` is the store's; `runBytes`, at most that, is how many bytes of updates are merged in one go. */
export type Cut = { readonly segmentBytesMax: number; readonly runBytes: number };

type Run = { readonly from: number; readonly to: number };

/** The segments of a document's records, in order, without a hole between them; one at a time, since merging takes time and memory. */
export function* makeSegments(
  document: DocumentName,
  records: DocumentRecords,
  merge: MergeUpdates,
  cut: Cut,
): Generator<Made, undefined> {
  const { offsets, updates } = records;
  const runs = cutIntoRuns(updates, Math.min(cut.runBytes, cut.segmentBytesMax)).toReversed();
  for (let run = runs.pop(); run !== undefined; run = runs.pop()) {
    const merged = mergeOrBisect(updates, run, merge);
    const first = offsetAt(offsets, run.from);
    if (merged.update !== undefined && merged.update.byteLength > cut.segmentBytesMax) {
      if (run.to - run.from === 1) {
        yield { kind: 'too-large', offset: first, bytes: merged.update.byteLength };
        return undefined;
      }
      const middle = (run.from + run.to) >> 1;
      runs.push({ from: middle, to: run.to }, { from: run.from, to: middle });
      continue;
    }
    const last = offsetAt(offsets, run.to - 1);
    const segment = merged.update === undefined ? undefined : { document, first, last, update: merged.update };
    const culprits = merged.culprits.map(({ index, reason }) => ({
      offset: offsetAt(offsets, index),
      reason,
      update: updates[index] ?? new Uint8Array(),
    }));
    yield { kind: 'made', segment, culprits };
  }
}

function cutIntoRuns(updates: readonly Uint8Array[], bytesMax: number): Run[] {
  const runs: Run[] = [];
  let from = 0;
  let bytes = 0;
  for (const [index, update] of updates.entries()) {
    if (index > from && bytes + update.byteLength > bytesMax) {
      runs.push({ from, to: index });
      from = index;
      bytes = 0;
    }
    bytes += update.byteLength;
  }
  if (from < updates.length) runs.push({ from, to: updates.length });
  return runs;
}

type Merged = {
  readonly update: Uint8Array | undefined;
  readonly culprits: readonly { readonly index: number; readonly reason: string }[];
};

/** Merges a run; where that throws, everything of it that can be merged in order, and the indices of what can't. */
function mergeOrBisect(updates: readonly Uint8Array[], run: Run, merge: MergeUpdates): Merged {
  const culprits: { index: number; reason: string }[] = [];
  const extend = (base: Uint8Array | undefined, from: number, to: number): Uint8Array | undefined => {
    const added = updates.slice(from, to);
    try {
      return merge(base === undefined ? added : [base, ...added]);
    } catch (error) {
      if (isOutOfMemory(error)) throw error;
      if (to - from === 1) {
        culprits.push({ index: from, reason: reasonOf(error) });
        return base;
      }
      const middle = (from + to) >> 1;
      return extend(extend(base, from, middle), middle, to);
    }
  };
  return { update: extend(undefined, run.from, run.to), culprits };
}

/** V8's words for an ArrayBuffer that it can't have. */
const isOutOfMemory = (error: unknown): boolean => error instanceof RangeError && error.message.includes('allocation failed');

function offsetAt(offsets: readonly Offset[], index: number): Offset {
  const offset = offsets[index];
  if (offset === undefined) throw new Error(`no record at ${index} of ${offsets.length}`);
  return offset;
}
