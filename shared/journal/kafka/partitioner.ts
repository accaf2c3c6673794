/** Which partition a document is in: the one that Kafka's clients choose by themselves. */

import kafkajs from 'kafkajs';
import { Buffer } from 'node:buffer';
import type { Journal } from '../journal.ts';

/** The partition of a document: Kafka's own choice for a key (murmur2), so that whoever appends by key finds the same one. */
export function partitionByKey(topic: string, partitionCount: number): Journal['partitionOf'] {
  const choose = kafkajs.Partitioners.DefaultPartitioner();
  const partitionMetadata = Array.from({ length: partitionCount }, (_, partitionId) => ({
    partitionId,
    partitionErrorCode: 0,
    leader: 0,
    replicas: [],
    isr: [],
  }));
  return (document) => choose({ topic, partitionMetadata, message: { key: Buffer.from(document, 'utf8'), value: null } });
}
