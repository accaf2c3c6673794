/**
 * A cluster of real processes on a broker and a database of its own: what a test kills, freezes, cuts off and starts again, part by part.
 *
 * Gateways keep their addresses over restarts, so their clients find them again. All processes reach Kafka and MongoDB through proxies, so that the
 * network can fail as well.
 */

import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KafkaConnection } from '#shared/journal/kafka/connection.ts';
import { provisionForTests } from '#test/harness/kafka-topics.ts';
import type { Had } from '#test/harness/own-engine.ts';
import { type OwnKafka, startOwnKafka } from '#test/harness/own-kafka.ts';
import { type OwnMongodb, startOwnMongodb } from '#test/harness/own-mongodb.ts';
import { type Server, type ServerOptions, startServer } from '#test/harness/server.ts';

/** One process of the cluster. */
export type ClusterNode = {
  readonly name: string;
  readonly url: string;
  /** For gateways, as a `WebsocketProvider` takes it. */
  readonly wsUrl: string;
  /** The process that runs now, or the last one that did. */
  readonly process: () => Server;
  /** What all processes that it has been said so far. */
  readonly diagnostics: () => string;
  /** kill -9. */
  readonly kill: () => Promise<void>;
  /** SIGTERM. Resolves with the exit code. */
  readonly stop: () => Promise<number>;
  readonly start: () => Promise<void>;
  readonly freeze: () => void;
  readonly thaw: () => void;
};

export type TestCluster = {
  readonly gateways: readonly ClusterNode[];
  readonly persisters: readonly ClusterNode[];
  readonly changefeeds: readonly ClusterNode[];
  readonly kafka: OwnKafka;
  readonly mongodb: OwnMongodb;
  /** Straight to the broker, past the proxy. */
  readonly connection: KafkaConnection;
  /** Ends everything. */
  readonly remove: () => Promise<void>;
};

type Settings = Readonly<Record<string, string | number>>;

export type TestClusterOptions = {
  readonly gateways?: number;
  readonly persisters?: number;
  /** None if not given. */
  readonly changefeeds?: number;
  readonly partitions?: number;
  /** Where no test stops the database. */
  readonly isDatabaseInMemory?: boolean;
  /** The garbage of all processes can be collected from here, for `memoryInUse`. */
  readonly canCollect?: boolean;
  readonly gatewaySettings?: Settings;
  readonly persisterSettings?: Settings;
  readonly changefeedSettings?: Settings;
};

type Service = 'gateway' | 'persister' | 'changefeed';

const diagnosticsCharactersMax = 20_000_000;

async function startNode(name: string, options: ServerOptions): Promise<ClusterNode> {
  let server = await startServer(options);
  const { port } = server;
  let said = '';
  return {
    name,
    url: server.url,
    wsUrl: server.wsUrl,
    process: () => server,
    diagnostics: () => said + server.stderr(),
    kill: () => server.kill(),
    stop: () => server.stop(),
    start: async () => {
      said = (said + server.stderr()).slice(-diagnosticsCharactersMax);
      server = await startServer({ ...options, port });
    },
    freeze: () => void process.kill(server.pid, 'SIGSTOP'),
    thaw: () => void process.kill(server.pid, 'SIGCONT'),
  };
}

/** Writes what each process has said into a file of its own. Resolves with the directory. */
export async function saveDiagnostics({ gateways, persisters, changefeeds }: TestCluster): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'inkstream-diagnostics-'));
  for (const { name, diagnostics } of [...gateways, ...persisters, ...changefeeds])
    await writeFile(join(directory, `${name.replace(' ', '-')}.log`), diagnostics());
  return directory;
}

/** Starts a cluster. The caller removes it. What can't be had here is a value. */
export async function startTestCluster(options: TestClusterOptions = {}): Promise<Had<TestCluster>> {
  const kafka = await startOwnKafka();
  if (kafka.kind === 'missing') return kafka;
  const mongodb = await startOwnMongodb({ isInMemory: options.isDatabaseInMemory ?? false });
  if (mongodb.kind === 'missing') {
    await kafka.remove();
    return mongodb;
  }
  const nodes: ClusterNode[] = [];
  const remove = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.kill()));
    await Promise.all([kafka.remove(), mongodb.remove()]);
  };
  try {
    const connection = await provisionForTests([kafka.address], options.partitions ?? 4);
    const common: Settings = {
      KAFKA_BROKERS: kafka.proxy.address,
      KAFKA_TOPIC_PREFIX: connection.topicPrefix,
      MONGODB_URL: mongodb.proxiedUrl,
    };
    const { canCollect = false } = options;
    const start = async (service: Service, count: number, settings: Settings = {}) => {
      const names = Array.from({ length: count }, (_, index) => `${service} ${index + 1}`);
      const started = await Promise.all(
        names.map((name) => startNode(name, { service, settings: { ...common, ...settings }, canCollect })),
      );
      nodes.push(...started);
      return started;
    };
    // Whom they would give way to here is mostly other tests.
    const persisters = await start('persister', options.persisters ?? 2, { NICENESS: 0, ...options.persisterSettings });
    const gateways = await start('gateway', options.gateways ?? 2, options.gatewaySettings);
    const changefeeds = await start('changefeed', options.changefeeds ?? 0, options.changefeedSettings);
    return { kind: 'had', gateways, persisters, changefeeds, kafka, mongodb, connection, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
