/** What a Produce request (versions 3 to 7) says, in bytes. */

import { Buffer } from 'node:buffer';
import { encodeBatch, type Message } from './record-batch.ts';
import { RequestWriter } from './request-writer.ts';

export type ToProduce = { readonly topic: string; readonly partition: number; readonly messages: readonly Message[] };

const noTransaction = -1;

/** Bytes of what lies in no topic, of a topic beside its name, and of a partition beside its batch. */
const frameBytes = 12;
const topicBytes = 6;
const partitionBytes = 8;

/** `acks`: -1 for all in-sync replicas, 1 for the leader alone. Each partition is in `data` once. */
export function encodeProduce(data: readonly ToProduce[], acks: -1 | 1, timeoutMs: number): Buffer {
  const topics = [...Map.groupBy(data, ({ topic }) => topic)].map(([topic, partitions]) => ({
    name: Buffer.from(topic, 'utf8'),
    partitions: partitions.map(({ partition, messages }) => ({ partition, batch: encodeBatch(messages) })),
  }));
  let bytes = frameBytes;
  for (const { name, partitions } of topics) {
    bytes += topicBytes + name.length;
    for (const { batch } of partitions) bytes += partitionBytes + batch.length;
  }
  const writer = new RequestWriter(bytes);
  writer.int16(noTransaction).int16(acks).int32(timeoutMs).int32(topics.length);
  for (const { name, partitions } of topics) {
    writer.text(name).int32(partitions.length);
    for (const { partition, batch } of partitions) writer.int32(partition).bytes(batch);
  }
  return writer.written;
}
