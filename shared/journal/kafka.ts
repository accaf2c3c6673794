/**
 * The journal on Kafka, and what else goes through it.
 *
 *     <prefix>.updates       the journal: key = document name, value = record; kept until the persister deletes what it has stored
 *     <prefix>.presence      who is here; minutes old at most
 *     <prefix>.dead-letter   records that could not be read, with their reasons
 *     <prefix>.control       for what is to come
 *
 * There are two sets of connections: one for appends and for requests that wait for news, one for everything that must not wait behind them. A broker
 * answers the requests of a connection one after the other.
 *
 *     append ─► appends (one request at a time) ─┐
 *     follow ─► reader (Fetch, continuity)  ─────┼─► link (connections, who leads what) ─► brokers
 *     presence ─► topic broadcast ───────────────┘
 *
 * A journal is the topic, and not its name: its id is the topic's (KIP-516), so that a store notices when it is put beside a topic that was made anew.
 */

import { Buffer } from 'node:buffer';
import type { Clock } from '#shared/runtime/clock.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import type { Broadcast } from './broadcast.ts';
import type { DeadLetterTopic } from './dead-letter.ts';
import { type Journal, JournalUnavailable, type Offset, type Partition } from './journal.ts';
import { Appends } from './kafka/appends.ts';
import { createClient, type KafkaConnection } from './kafka/connection.ts';
import { createDeadLetters } from './kafka/dead-letters.ts';
import { coordinatorMsMax, shareByGroup } from './kafka/group-sharing.ts';
import { Link } from './kafka/link.ts';
import { Reader, type ReaderLimits } from './kafka/reader.ts';
import { sinkFor } from './kafka/record-sink.ts';
import { partitionByKey } from './kafka/partitioner.ts';
import { deleteRecords, describeCode, errorCodes, readTopicId } from './kafka/requests.ts';
import { createTopicBroadcast } from './kafka/topic-broadcast.ts';
import {
  findTopics,
  judgeTopics,
  KafkaMisconfigured,
  recordOverheadBytes,
  topicName,
  presenceMessageBytesMax,
} from './kafka/topics.ts';
import { encodeRecord } from './record.ts';
import type { SharePartitions } from './sharing.ts';

export type { KafkaConnection } from './kafka/connection.ts';

const mebibyte = 1024 * 1024;

const defaultReaderLimits: ReaderLimits = {
  waitMs: 250,
  fetchIntervalMs: 8,
  partitionBytesMax: mebibyte,
  fetchBytesMax: 2 * mebibyte,
  retryMsMin: 50,
  retryMsMax: 500,
};

const replicationMsMax = 4_000;
const requestBytesMax = 48 * mebibyte;

export type KafkaParts = {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly readerLimits?: Partial<ReaderLimits>;
};

export type Kafka = {
  readonly journal: Journal;
  readonly broadcast: Broadcast;
  /** Among the processes that call it. */
  readonly sharePartitions: SharePartitions;
  readonly deadLetters: DeadLetterTopic;
  /** What is dangerous about the topics, but may be meant; a line each. */
  readonly warnings: readonly string[];
  /** Closes the journal too. */
  readonly close: () => Promise<void>;
};

type Facts = {
  readonly id: string;
  readonly partitionCount: number;
  readonly messageBytesMax: number;
  readonly warnings: readonly string[];
};

/** What the topics are like. Throws `KafkaMisconfigured` where nobody may be served with them. */
async function examine(connection: KafkaConnection, link: Link, { clock, logger }: KafkaParts): Promise<Facts> {
  const { topicPrefix } = connection;
  const updates = topicName(topicPrefix, 'updates');
  const admin = createClient(connection, logger, () => link.addresses()).admin();
  try {
    await link.addresses(); // fails in its own words, which kafkajs would hide
    await admin.connect();
    const facts = await findTopics(admin, topicPrefix, clock);
    const { faults, warnings } = judgeTopics(topicPrefix, facts);
    const found = facts.get(updates);
    if (faults.length > 0 || found === undefined) throw new KafkaMisconfigured(faults.join('; '));
    const id = await link.askAny((broker) => readTopicId(broker, updates));
    const notTold = `the brokers do not tell topics apart that were made anew (they are older than Kafka 2.8)`;
    return {
      id: id ?? `topic ${updates}`,
      partitionCount: found.partitionCount,
      messageBytesMax: Number(found.settings['max.message.bytes'] ?? mebibyte),
      warnings: id === undefined ? [...warnings, notTold] : warnings,
    };
  } catch (error) {
    if (error instanceof KafkaMisconfigured || error instanceof JournalUnavailable) throw error;
    throw new JournalUnavailable(`Kafka at ${connection.brokers.join(', ')}: ${String(error)}`, { cause: error });
  } finally {
    await admin.disconnect().catch(() => {});
  }
}

function createJournal(
  { id, partitionCount, messageBytesMax }: Facts,
  topic: string,
  links: { readonly waiting: Link; readonly free: Link },
  reader: Reader,
): Journal {
  const recordBytesMax = messageBytesMax - recordOverheadBytes;
  const limits = { batchBytesMax: recordBytesMax, requestBytesMax, replicationMsMax };
  const appends = new Appends({ link: links.waiting, topic, limits, bytesMax: recordBytesMax });
  const partitionOf = partitionByKey(topic, partitionCount);
  let closed = false;
  const ifOpen = (): void => {
    if (closed) throw new JournalUnavailable('the journal was closed');
  };
  return {
    identity: { id, partitionCount },
    recordBytesMax,
    partitionOf,
    append: async (records) => {
      ifOpen();
      const fitting = records.filter(({ update }) => update.byteLength <= recordBytesMax);
      const outcomes = await appends.append(
        fitting.map((record) => ({
          document: record.document,
          partition: partitionOf(record.document),
          message: { key: Buffer.from(record.document, 'utf8'), value: encodeRecord(record), timestamp: record.time },
        })),
      );
      let next = 0;
      return records.map((record) => {
        const outcome = record.update.byteLength <= recordBytesMax ? outcomes[next++] : undefined;
        return outcome ?? { kind: 'too-large', bytesMax: recordBytesMax };
      });
    },
    highWater: async (partition) => {
      ifOpen();
      return links.free.offsetOf(topic, partition, -1);
    },
    offsetSince: async (partition, time) => {
      ifOpen();
      // Read first: what is appended in between may be of that time.
      const highWater = await links.free.offsetOf(topic, partition, -1);
      const since = await links.free.offsetOf(topic, partition, Math.max(0, time));
      return since < 0 ? highWater : since;
    },
    follow: (partition, from, follower) => {
      if (!closed) return reader.read(topic, partition, from, sinkFor(partition, follower));
      let stopped = false;
      queueMicrotask(() => {
        if (!stopped) follower.onEnd({ kind: 'failed', error: new JournalUnavailable('the journal was closed') });
      });
      return {
        stop: async () => {
          stopped = true;
        },
      };
    },
    trim: async (partition, below) => {
      ifOpen();
      await trimTopic(links.free, topic, partition, below);
    },
    close: async () => {
      closed = true;
      await appends.drained();
      await reader.close();
    },
  };
}

async function trimTopic(link: Link, topic: string, partition: Partition, below: Offset): Promise<void> {
  const highWater = await link.offsetOf(topic, partition, -1);
  const offset = Math.min(below, highWater);
  if (offset <= (await link.offsetOf(topic, partition, -2))) return;
  const node = await link.leaderOf(topic, partition);
  const code = await link.ask(node, (broker) => deleteRecords(broker, topic, partition, offset, replicationMsMax));
  if (code === errorCodes.none) return;
  link.relearn();
  throw new JournalUnavailable(`Kafka: ${topic} can not be trimmed now: ${describeCode(code)}`);
}

/**
 * Opens the journal on Kafka.
 * @throws JournalUnavailable where no broker answers now, KafkaMisconfigured where an operator has to do something first
 */
export async function openKafka(connection: KafkaConnection, parts: KafkaParts): Promise<Kafka> {
  const { clock, logger } = parts;
  const updates = topicName(connection.topicPrefix, 'updates');
  const presence = topicName(connection.topicPrefix, 'presence');
  const deadLetter = topicName(connection.topicPrefix, 'dead-letter');
  const topics = [updates, presence, deadLetter];
  const waiting = new Link({ connection, topics, clock, logger });
  const free = new Link({ connection, topics, clock, logger });
  // Both are connected before the first append wants one.
  const [facts] = await Promise.all([examine(connection, free, parts), waiting.leaders()]).catch((error: unknown) => {
    waiting.close();
    free.close();
    throw error;
  });
  const limits = { ...defaultReaderLimits, ...parts.readerLimits };
  const reader = new Reader({ waiting, catchingUp: free, clock, logger, limits });
  const client = createClient({ ...connection, requestMsMax: coordinatorMsMax }, logger, () => free.addresses());
  const journal = createJournal(facts, updates, { waiting, free }, reader);
  const messageBytesMax = presenceMessageBytesMax;
  const { partitionOf } = journal;
  const { broadcast, drained } = createTopicBroadcast({
    link: free,
    reader,
    topic: presence,
    partitionOf,
    messageBytesMax,
    clock,
    logger,
  });
  return {
    journal,
    broadcast,
    sharePartitions: shareByGroup({ client, groupId: `${connection.topicPrefix}.persister`, topic: updates, clock, logger }),
    deadLetters: createDeadLetters(free, reader, deadLetter, replicationMsMax),
    warnings: facts.warnings,
    close: async () => {
      await drained();
      await journal.close();
      waiting.close();
      free.close();
    },
  };
}
