/**
 * Connections to the brokers, as if they never broke.
 *
 * A broker dies, its partitions move, a connection hangs without a word. kafkajs mends some of that, and sits on some of it for ever: a request that
 * ran out of time leaves its dead connection in place for the next one to run out of time on; a client whose first address is a broker that
 * takes connections and says nothing (frozen, or its disk is) never tries the second; a connection that is being closed waits for
 * answers whose time it no longer looks at; and one partition without a leader makes all of what is known of the others an error. So of kafkajs
 * a connection to one broker is used, and which brokers there are and who leads what is asked and kept here.
 *
 * There is one mend that is right for all: throw the connections to the broker away and make new ones. It takes milliseconds, and what was under way on the old
 * ones fails, which its owners have to expect at any time. The other brokers' connections stay.
 *
 * A frozen broker is the hard case, since nothing fails: it would be waited for as long as any request may take, and again each time, while the others have long counted
 * it out. So whoever has not answered for a second is looked up: where the others no longer know it, it is given up at once.
 *
 * Who leads is asked on a connection of its own, of whoever answers first; a connection in use may be waiting for its broker's replicas.
 *
 * Whoever uses a link gets a value or `JournalUnavailable`, and decides when to try again.
 */

import { JournalUnavailable, type Offset, type Partition } from '#shared/journal/journal.ts';
import type { Clock } from '#shared/runtime/clock.ts';
import { createEnding, type Ending } from '#shared/runtime/ending.ts';
import { reasonOf } from '#shared/runtime/reason.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import { type BrokerAddress, closeBroker, connectBroker, isWhole, type KafkaConnection, parseAddress } from './connection.ts';
import { firstAnswer } from './first-answer.ts';
import { letIdleConnectionsRest } from './idle-timer.ts';
import { type Broker, type ClusterMap, describeCode, errorCodes, listOffset, type OffsetQuestion, readMap } from './requests.ts';

/** The node that leads a partition; undefined where none does now, and then it is asked anew. */
export type Leaders = (topic: string, partition: Partition) => string | undefined;

export type LinkParts = {
  readonly connection: KafkaConnection;
  /** They must be there. */
  readonly topics: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
};

/** A node that has not answered for so long is looked up, in ms. Above what requests take that wait for news. */
const suspectMs = 1_000;
/** How long one broker is asked alone who leads, in ms. */
const headStartMs = 250;

/** The connections to one node. `ending` ends when they are thrown away. */
type Node = {
  readonly id: string;
  readonly address: BrokerAddress;
  readonly broker: Promise<Broker>;
  /** The same, once it is connected. */
  connected: Broker | undefined;
  readonly ending: Ending;
};

const nameOf = ({ host, port }: BrokerAddress): string => `${host}:${port}`;

const unavailable = (error: unknown): JournalUnavailable =>
  error instanceof JournalUnavailable ? error : new JournalUnavailable(`Kafka: ${reasonOf(error)}`, { cause: error });

export class Link {
  readonly #parts: LinkParts;
  readonly #nodes = new Map<string, Node>();
  #map: ClusterMap | undefined;
  #learning: Promise<ClusterMap> | undefined;
  #isStale = false;
  #isClosed = false;

  /** Connects when it is first used. */
  constructor(parts: LinkParts) {
    letIdleConnectionsRest();
    this.#parts = parts;
  }

  /** Who leads which partition. */
  async leaders(): Promise<Leaders> {
    const map = await this.#known();
    return (topic, partition) => {
      const leader = map.leaders.get(topic)?.get(partition);
      if (leader === undefined) this.#isStale = true;
      return leader;
    };
  }

  /** The node that leads a partition. Rejects where none does now. */
  async leaderOf(topic: string, partition: Partition): Promise<string> {
    const leader = (await this.leaders())(topic, partition);
    if (leader === undefined) throw new JournalUnavailable(`Kafka: partition ${partition} of ${topic} has no leader now`);
    return leader;
  }

  /** Asks something of a node. Where it fails, for whatever reason, the connections to that node are made anew. */
  async ask<T>(id: string, question: (broker: Broker) => Promise<T>): Promise<T> {
    const node = this.#nodeOf(id, await this.#known());
    const suspicion = this.#suspect(node);
    try {
      return await node.ending.orEnd(node.broker.then(question));
    } catch (error) {
      this.#drop(node, error);
      throw unavailable(error);
    } finally {
      suspicion.end();
    }
  }

  /** Asks something of any node, whichever answers first. */
  async askAny<T>(question: (broker: Broker) => Promise<T>): Promise<T> {
    const { nodes } = await this.#known();
    return firstAnswer(
      [...nodes.keys()].map((id) => () => this.ask(id, question)),
      headStartMs,
      this.#parts.clock,
    );
  }

  /** One offset of a partition; asked twice, since who led it may not any more. */
  async offsetOf(topic: string, partition: Partition, question: OffsetQuestion): Promise<Offset> {
    return this.#offsetOf(topic, partition, question).catch(() => this.#offsetOf(topic, partition, question));
  }

  /** `host:port` of the brokers, the one first that answers now, and of those that were given. */
  async addresses(): Promise<readonly string[]> {
    const { toldBy, nodes } = await this.#learn();
    return [...new Set([toldBy, ...nodes.values()].map(nameOf).concat(this.#parts.connection.brokers))];
  }

  /** Something was answered that says that others lead by now: learns who. */
  relearn(): void {
    this.#isStale = true;
  }

  /** What is under way fails. */
  close(): void {
    this.#isClosed = true;
    for (const node of this.#nodes.values()) this.#drop(node, new JournalUnavailable('the journal was closed'));
  }

  async #offsetOf(topic: string, partition: Partition, question: OffsetQuestion): Promise<Offset> {
    const node = await this.leaderOf(topic, partition);
    const { errorCode, offset } = await this.ask(node, (broker) => listOffset(broker, topic, partition, question));
    if (errorCode === errorCodes.none) return offset;
    this.relearn();
    throw new JournalUnavailable(`Kafka: the end of partition ${partition} of ${topic} is not known: ${describeCode(errorCode)}`);
  }

  /** What is known, if nothing speaks against it. */
  async #known(): Promise<ClusterMap> {
    if (this.#isClosed) throw new JournalUnavailable('the journal was closed');
    return this.#map === undefined || this.#isStale ? this.#learn() : this.#map;
  }

  /** Asks who is there and who leads what. One question is under way at a time, for all who want to know. */
  #learn(): Promise<ClusterMap> {
    this.#isStale = false;
    this.#learning ??= this.#askForMap()
      .then((map) => {
        this.#map = map;
        for (const node of this.#nodes.values()) {
          const address = map.nodes.get(node.id);
          if (address === undefined || nameOf(address) !== nameOf(node.address))
            this.#drop(node, new JournalUnavailable(`Kafka: node ${node.id} is not there any more`), 'known');
        }
        return map;
      })
      .catch((error: unknown) => {
        this.#isStale = true;
        throw unavailable(error);
      })
      .finally(() => {
        this.#learning = undefined;
      });
    return this.#learning;
  }

  #askForMap(): Promise<ClusterMap> {
    const { connection, topics, clock, logger } = this.#parts;
    const known = [...(this.#map?.nodes ?? [])];
    // Those that work now are asked first.
    const inUse = known.filter(([id]) => this.#nodes.has(id));
    const all = [...inUse, ...known].map(([, address]) => nameOf(address)).concat(connection.brokers);
    return firstAnswer(
      [...new Set(all)].map((name) => async () => {
        const address = parseAddress(name);
        const broker = await connectBroker(connection, address, logger);
        try {
          return { ...(await readMap(broker, topics)), toldBy: address };
        } finally {
          closeBroker(broker, new Error('it has told'));
        }
      }),
      headStartMs,
      clock,
    );
  }

  #nodeOf(id: string, { nodes }: ClusterMap): Node {
    const before = this.#nodes.get(id);
    if (before !== undefined && (before.connected === undefined || isWhole(before.connected))) return before;
    // Brokers close what was idle for ten minutes.
    if (before !== undefined) this.#drop(before, new JournalUnavailable(`Kafka: node ${id} closed a connection`), 'known');
    const address = nodes.get(id);
    if (this.#isClosed || address === undefined) {
      this.#isStale = true;
      throw new JournalUnavailable(`Kafka: node ${id} is not there now`);
    }
    const { connection, logger } = this.#parts;
    const broker = connectBroker(connection, address, logger);
    const node: Node = { id, address, ending: createEnding(), broker, connected: undefined };
    this.#nodes.set(id, node);
    node.broker.then(
      (broker) => (node.connected = broker),
      () => {},
    );
    return node;
  }

  /** Looks a node up for as long as it does not answer, and gives it up when the others have. */
  #suspect(node: Node): { readonly end: () => void } {
    const { clock } = this.#parts;
    let hasEnded = false;
    const look = async (): Promise<void> => {
      await this.#learn().catch(() => {});
      if (!hasEnded && this.#nodes.get(node.id) === node) timer = clock.after(suspectMs, () => void look());
    };
    let timer = clock.after(suspectMs, () => void look());
    return {
      end: () => {
        hasEnded = true;
        timer.cancel();
      },
    };
  }

  /** Throws the connections to a node away. Unless it is known better, it may lead nothing any more. */
  #drop(node: Node, reason: unknown, why: 'failed' | 'known' = 'failed'): void {
    if (this.#nodes.get(node.id) !== node) return;
    this.#nodes.delete(node.id);
    if (why === 'failed') this.#isStale = true;
    const error = unavailable(reason);
    node.ending.end(error);
    node.broker.then(
      (broker) => closeBroker(broker, error),
      () => {},
    );
  }
}
