/** From the messages of a partition to the records that its follower wants. */

import type { Batch, Follower, FollowEnd, Partition, ReadRecord } from '../journal.ts';
import { decodeRecord } from '../record.ts';
import type { Sink } from './reader.ts';
import type { Slice } from './slice.ts';

/** Records out of messages. What a newer version wrote ends them, with what came before it. */
function decodeSlice(
  partition: Partition,
  { first, next, messages }: Slice,
): { readonly batch: Batch; readonly end?: FollowEnd } {
  const records: ReadRecord[] = [];
  for (const { offset, value } of messages) {
    const bytes = value ?? new Uint8Array();
    const decoded = decodeRecord(bytes);
    if (decoded.kind === 'newer-version') {
      const end: FollowEnd = { kind: 'newer-version', offset, found: decoded.found };
      return { batch: { partition, first, next: offset, records }, end };
    }
    records.push(
      decoded.kind === 'decoded'
        ? { offset, record: decoded.value }
        : { offset, unreadable: decoded.reason, bytes: new Uint8Array(bytes) },
    );
  }
  return { batch: { partition, first, next, records } };
}

/** A follower of records, as a sink of messages. */
export const sinkFor = (partition: Partition, { onBatch, onEnd }: Follower): Sink => ({
  onEnd,
  onSlice: (slice) => {
    const { batch, end } = decodeSlice(partition, slice);
    const delivered = batch.next > batch.first ? onBatch(batch) : undefined;
    return delivered === undefined ? end : delivered.then(() => end);
  },
});
