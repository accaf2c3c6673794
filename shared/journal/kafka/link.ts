/**
 * Connections to the brokers, as if they never broke.
 *
 * A broker dies, its partitions move, a connection hangs without a word. kafkajs mends some of that and sits on some of it for ever (a request that
 * ran out of time leaves its dead connection in place, for the next one to run out of time on). There is one mend that is right for all: throw all
 * connections away and make new ones, which also learns anew who leads what. It takes milliseconds, and what was under way on the old
 * ones fails or ends late, which its owners have to expect at any time.
 *
 * Whoever uses a link gets a value or `JournalUnavailable`, and decides when to try again.
 */

import type Cluster from 'kafkajs/src/cluster/index.js';
import { JournalUnavailable, type Offset, type Partition } from '#shared/journal/journal.ts';
import { letIdleConnectionsRest } from './idle-timer.ts';
import { type Broker, describeCode, errorCodes, listOffset, type OffsetQuestion } from './requests.ts';

/** The node that leads a partition; undefined where none does now, and then it is asked anew. */
export type Leaders = (topic: string, partition: Partition) => string | undefined;

export class Link {
  readonly #makeCluster: () => Cluster;
  readonly #topics: readonly string[];
  #current: Promise<Cluster> | undefined;
  #isStale = false;
  #isClosed = false;

  /** A link to the cluster for `topics`, which must be there. Connects when it is first used. */
  constructor(makeCluster: () => Cluster, topics: readonly string[]) {
    letIdleConnectionsRest();
    this.#makeCluster = makeCluster;
    this.#topics = topics;
  }

  /** Who leads which partition. */
  leaders(): Promise<Leaders> {
    return this.#run(async (cluster) => {
      await cluster.refreshMetadataIfNecessary();
      return (topic, partition) => this.#leaderIn(cluster, topic, partition);
    });
  }

  /** Asks something of a node, or of any where it is undefined. Where the network fails, all connections are made anew. */
  ask<T>(node: string | undefined, question: (broker: Broker) => Promise<T>): Promise<T> {
    return this.#run(async (cluster) =>
      question(await (node === undefined ? cluster.findControllerBroker() : cluster.findBroker({ nodeId: node }))),
    );
  }

  async offsetOf(topic: string, partition: Partition, question: OffsetQuestion): Promise<Offset> {
    const { errorCode, offset } = await this.#run(async (cluster) => {
      const nodeId = this.#leaderIn(cluster, topic, partition);
      if (nodeId === undefined) throw new JournalUnavailable(`Kafka: partition ${partition} of ${topic} has no leader now`);
      return listOffset(await cluster.findBroker({ nodeId }), topic, partition, question);
    });
    if (errorCode === errorCodes.none) return offset;
    this.relearn();
    throw new JournalUnavailable(`Kafka: the end of partition ${partition} of ${topic} is not known: ${describeCode(errorCode)}`);
  }

  /** Something was answered that says that others lead by now: learns who. */
  relearn(): void {
    this.#isStale = true;
  }

  /** What is under way may fail. */
  close(): void {
    this.#isClosed = true;
    if (this.#current !== undefined) this.#drop(this.#current);
  }

  /** Runs `use` on the connections that there are; where it throws, they go. */
  async #run<T>(use: (cluster: Cluster) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new JournalUnavailable('the journal was closed');
    const connected = (this.#current ??= this.#connect());
    try {
      const cluster = await connected;
      if (this.#isStale) {
        this.#isStale = false;
        await cluster.refreshMetadata();
      }
      return await use(cluster);
    } catch (error) {
      if (error instanceof JournalUnavailable) throw error;
      this.#drop(connected);
      throw new JournalUnavailable(`Kafka: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }

  async #connect(): Promise<Cluster> {
    const cluster = this.#makeCluster();
    try {
      await cluster.connect();
      await cluster.addMultipleTargetTopics(this.#topics);
      return cluster;
    } catch (error) {
      void cluster.disconnect().catch(() => {});
      throw error;
    }
  }

  #drop(connected: Promise<Cluster>): void {
    if (this.#current === connected) this.#current = undefined;
    // Waits for requests that may never be answered; nobody waits for that.
    void connected.then((cluster) => cluster.disconnect()).catch(() => {});
  }

  #leaderIn(cluster: Cluster, topic: string, partition: Partition): string | undefined {
    const found = cluster.findTopicPartitionMetadata(topic).find(({ partitionId }) => partitionId === partition);
    if (found !== undefined && found.leader >= 0) return String(found.leader);
    this.#isStale = true;
    return undefined;
  }
}
