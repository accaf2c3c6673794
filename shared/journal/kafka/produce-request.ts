/** What a Produce request (versions 3 to 7) says, in bytes. */

import { Buffer } from 'node:buffer';
import { encodeBatch, type Message } from './record-batch.ts';

export type ToProduce = { readonly topic: string; readonly partition: number; readonly messages: readonly Message[] };

function int16(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeInt32BE(value);
  return bytes;
}

/** `acks`: -1 for all in-sync replicas, 1 for the leader alone. Each partition is in `data` once. */
export function encodeProduce(data: readonly ToProduce[], acks: -1 | 1, timeoutMs: number): Buffer {
  const noTransaction = int16(-1);
  const topics = Map.groupBy(data, ({ topic }) => topic);
  const parts = [noTransaction, int16(acks), int32(timeoutMs), int32(topics.size)];
  for (const [topic, partitions] of topics) {
    const name = Buffer.from(topic, 'utf8');
    parts.push(int16(name.length), name, int32(partitions.length));
    for (const { partition, messages } of partitions) {
      const batch = encodeBatch(messages);
      parts.push(int32(partition), int32(batch.length), batch);
    }
  }
  return Buffer.concat(parts);
}
