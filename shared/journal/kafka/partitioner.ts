/** Which partition a document is in: the one that Kafka's clients choose by themselves. */

import kafkajs from 'kafkajs';
import { Buffer } from 'node:buffer';
import type { DocumentName } from '#shared/document/name.ts';
import type { Journal, Partition } from '../journal.ts';

/** Documents whose partition is remembered: kafkajs hashes in BigInt, which would be a twentieth of what a small record costs a gateway. */
const rememberedMax = 20_000;

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
  const remembered = new Map<DocumentName, Partition>();
  return (document) => {
    const before = remembered.get(document);
    if (before !== undefined) return before;
    const partition = choose({ topic, partitionMetadata, message: { key: Buffer.from(document, 'utf8'), value: null } });
    if (remembered.size === rememberedMax) remembered.clear();
    remembered.set(document, partition);
    return partition;
  };
}
