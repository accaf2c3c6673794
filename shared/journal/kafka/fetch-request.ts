/** What a Fetch request (versions 4 to 11) asks for, in bytes. */

import { Buffer } from 'node:buffer';
import { RequestWriter } from './request-writer.ts';

export type ToFetch = { readonly topic: string; readonly partition: number; readonly offset: number; readonly bytesMax: number };

export type FetchOptions = {
  /** How long the broker may wait for anything that is new, in ms. */
  readonly waitMs: number;
  /** Of all partitions together; at least one batch. */
  readonly bytesMax: number;
};

/** The versions since when a request has these fields. */
const since = { logStart: 5, session: 7, leaderEpoch: 9, rack: 11 } as const;

const noReplica = -1;
const bytesMin = 1;
/** Nobody writes in transactions here, and one that hangs must not hold up readers. */
const readUncommitted = 0;
const noSession = { id: 0, epoch: -1 } as const;
const unknown = -1;

/** The longest that what does not lie in a topic or a partition takes, and that a partition takes. */
const frameBytes = 35;
const partitionBytes = 28;

/** Each partition is in `wanted` once. */
export function encodeFetch(wanted: readonly ToFetch[], { waitMs, bytesMax }: FetchOptions, version: number): Buffer {
  const topics = [...Map.groupBy(wanted, ({ topic }) => topic)].map(([topic, partitions]) => ({
    name: Buffer.from(topic, 'utf8'),
    partitions,
  }));
  const namesBytes = topics.reduce((sum, { name }) => sum + 2 + name.length + 4, 0);
  const writer = new RequestWriter(frameBytes + namesBytes + wanted.length * partitionBytes);
  writer.int32(noReplica).int32(waitMs).int32(bytesMin).int32(bytesMax).int8(readUncommitted);
  if (version >= since.session) writer.int32(noSession.id).int32(noSession.epoch);
  writer.int32(topics.length);
  for (const { name, partitions } of topics) {
    writer.text(name).int32(partitions.length);
    for (const { partition, offset, bytesMax: partitionBytesMax } of partitions) {
      writer.int32(partition);
      if (version >= since.leaderEpoch) writer.int32(unknown);
      writer.int64(offset);
      if (version >= since.logStart) writer.int64(unknown);
      writer.int32(partitionBytesMax);
    }
  }
  const forgotten = 0;
  if (version >= since.session) writer.int32(forgotten);
  if (version >= since.rack) writer.int16(0);
  return writer.written;
}
