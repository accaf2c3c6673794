/** The latest batches of a partition, in memory, bounded in bytes: what readers at the live end are served from. */

import type { Batch, Offset } from './journal.ts';

export type Tail = {
  /** Adds the batch that follows the last one; `bytes` is what it counts for. */
  readonly push: (batch: Batch, bytes: number) => void;
  /** The batches from `at` on, the first of them cut to begin there; undefined where the tail begins later. */
  readonly from: (at: Offset) => readonly Batch[] | undefined;
};

/** A batch without what lies below `at`. */
export function cutBatch(batch: Batch, at: Offset): Batch {
  if (at <= batch.first) return batch;
  return { ...batch, first: at, records: batch.records.filter((one) => one.offset >= at) };
}

/** The offset of the first record that was appended at `time` or later; undefined where there is none. */
export function firstSince(batches: Iterable<Batch>, time: number): Offset | undefined {
  for (const { records } of batches) {
    const found = records.find((one) => 'record' in one && one.record.time >= time);
    if (found !== undefined) return found.offset;
  }
  return undefined;
}

export function openTail(bytesMax: number): Tail {
  const kept: { readonly batch: Batch; readonly bytes: number }[] = [];
  let bytesKept = 0;
  return {
    push: (batch, bytes) => {
      kept.push({ batch, bytes });
      bytesKept += bytes;
      while (bytesKept > bytesMax) bytesKept -= kept.shift()?.bytes ?? bytesKept;
    },
    from: (at) => {
      const begin = kept.findLastIndex(({ batch }) => batch.first <= at);
      if (begin < 0) return undefined;
      return kept.slice(begin).map(({ batch }) => cutBatch(batch, at));
    },
  };
}
