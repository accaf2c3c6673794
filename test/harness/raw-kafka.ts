/**
 * Kafka without the product between: what a test writes, and what it finds, must not pass through the code that it tests.
 */

import { randomUUID } from 'node:crypto';
import { Kafka, logLevel } from 'kafkajs';

export type RawKafka = {
  readonly createTopic: (topic: string, partitions?: number, settings?: Readonly<Record<string, string>>) => Promise<void>;
  /** With `acks=all`, as one batch; resolves with the offset of the first. Not retried: rejects where it is not acknowledged. */
  readonly produce: (topic: string, values: readonly string[], partition?: number) => Promise<number>;
  /** The first offset that there is, and the one that comes next. */
  readonly offsets: (topic: string, partition?: number) => Promise<{ readonly low: number; readonly high: number }>;
  /** Everything that is in the partition now. */
  readonly read: (
    topic: string,
    partition?: number,
  ) => Promise<readonly { readonly offset: number; readonly key: Buffer | null; readonly value: Buffer | null }[]>;
  /** What is below `offset` is gone. */
  readonly deleteBelow: (topic: string, offset: number, partition?: number) => Promise<void>;
  readonly deleteTopic: (topic: string) => Promise<void>;
  readonly close: () => Promise<void>;
};

/** Connects to a broker. `requestMsMax` is how long a response is waited for. */
export async function openRawKafka(addresses: readonly string[], requestMsMax = 10_000): Promise<RawKafka> {
  const common = { brokers: [...addresses], clientId: 'raw', logLevel: logLevel.NOTHING, requestTimeout: requestMsMax };
  const kafka = new Kafka(common);
  const admin = kafka.admin();
  const producer = new Kafka({ ...common, retry: { retries: 0 } }).producer({ allowAutoTopicCreation: false });
  await Promise.all([admin.connect(), producer.connect()]);

  const offsets: RawKafka['offsets'] = async (topic, partition = 0) => {
    const found = (await admin.fetchTopicOffsets(topic)).find((one) => one.partition === partition);
    if (found === undefined) throw new Error(`${topic} has no partition ${partition}`);
    return { low: Number(found.low), high: Number(found.high) };
  };

  const read: RawKafka['read'] = async (topic, partition = 0) => {
    const { low, high } = await offsets(topic, partition);
    if (low === high) return [];
    const found: Awaited<ReturnType<RawKafka['read']>>[number][] = [];
    const consumer = kafka.consumer({ groupId: `raw-${randomUUID()}`, maxWaitTimeInMs: 100 });
    await consumer.connect();
    try {
      await consumer.subscribe({ topic, fromBeginning: true });
      await new Promise<void>((resolve, reject) => {
        // A coordinator that is still loading its topic is no end: kafkajs starts the consumer again by itself.
        consumer.on(consumer.events.CRASH, ({ payload }) => {
          if (!payload.restart) reject(payload.error);
        });
        consumer
          .run({
            autoCommit: false,
            eachMessage: async ({ partition: from, message }) => {
              const offset = Number(message.offset);
              if (from !== partition || offset >= high) return;
              found.push({ offset, key: message.key, value: message.value });
              if (offset === high - 1) resolve();
            },
          })
          .catch(reject);
      });
    } finally {
      await consumer.disconnect();
    }
    return found;
  };

  return {
    offsets,
    read,
    createTopic: async (topic, partitions = 1, settings = {}) => {
      const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
      await admin.createTopics({
        waitForLeaders: true,
        topics: [{ topic, numPartitions: partitions, replicationFactor: 1, configEntries }],
      });
    },
    produce: async (topic, values, partition = 0) => {
      const messages = values.map((value) => ({ value, partition }));
      const [written] = await producer.send({ topic, acks: -1, timeout: requestMsMax, messages });
      return Number(written?.baseOffset);
    },
    deleteBelow: (topic, offset, partition = 0) =>
      admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(offset) }] }),
    deleteTopic: (topic) => admin.deleteTopics({ topics: [topic] }),
    close: async () => {
      await Promise.all([admin.disconnect(), producer.disconnect()]);
    },
  };
}
