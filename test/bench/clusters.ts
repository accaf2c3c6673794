/**
 * The clusters that are measured: two gateways each, with a document's people on both, and what lies between them.
 *
 * What the gateways stand on is theirs and not ours to measure: a broker works for all gateways of a cluster, can be another product, and stands on machines of
 * its own. So its CPU is read beside the gateways', and the persister's too.
 */

import { lagMsOf } from '#test/harness/checkpoints.ts';
import { updatesTopicOf, type Engines, type Place, type Redis } from './engines.ts';
import { startProcess, type ServerProcess } from './server-process.ts';
import {
  peerEnvironment,
  traitsOf,
  versionOf,
  type RunningServer,
  type ServerKind,
  type ServerName,
  type StartOptions,
} from './servers.ts';

const gatewayCount = 2;

/** Whatever of them has started, is stopped where one does not start. */
async function startTogether(starts: readonly Promise<ServerProcess>[]): Promise<readonly ServerProcess[]> {
  const outcomes = await Promise.allSettled(starts);
  const started = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed === undefined) return started;
  await stopAll(started);
  throw failed.reason;
}

const stopAll = async (processes: readonly ServerProcess[]): Promise<void> =>
  void (await Promise.all(processes.map(({ stop }) => stop())));

const gateways = <Result>(make: (number: number) => Promise<Result>): Promise<Result>[] =>
  Array.from({ length: gatewayCount }, (_, number) => make(number));

/** How a process of ours finds its place. */
export const placeSettings = ({ brokers, topicPrefix, mongodbUrl }: Place): Readonly<Record<string, string>> => ({
  INKSTREAM_PORT: '0',
  INKSTREAM_KAFKA_BROKERS: brokers,
  INKSTREAM_KAFKA_TOPIC_PREFIX: topicPrefix,
  INKSTREAM_MONGODB_URL: mongodbUrl,
});

export function startPersister(place: Place): Promise<ServerProcess> {
  const environment = placeSettings(place);
  return startProcess({ name: 'persister', entry: 'services/persister/main.ts', environment, instrumented: false });
}

export const urlOf = ({ port }: ServerProcess): string => `http://127.0.0.1:${port}`;

async function startOurs(kind: ServerKind, engines: Engines, options: StartOptions): Promise<RunningServer> {
  const place = await engines.newPlace();
  const environment = { ...placeSettings(place), ...options.environment };
  const gateway = (number: number): Promise<ServerProcess> =>
    startProcess({
      name: `gateway ${number + 1}`,
      entry: 'services/gateway/main.ts',
      environment,
      instrumented: options.instrumented === true && number === 0,
    });
  const [persister, ...serving] = await startTogether([startPersister(place), ...gateways(gateway)]);
  const [first] = serving;
  if (persister === undefined || first === undefined) throw new Error('a cluster of nothing');
  return {
    kind,
    ports: serving.map(({ port }) => port ?? 0),
    pids: serving.map(({ pid }) => pid),
    beside: { persister: persister.pid, Kafka: engines.pids.kafka, MongoDB: engines.pids.mongodb },
    lagSeconds: async () => (await lagMsOf({ url: urlOf(persister) })) / 1_000,
    ask: first.ask,
    stop: async () => {
      await stopAll(serving);
      await persister.stop();
      await place.remove();
    },
  };
}

type Peers = {
  readonly entry: string;
  readonly environment: (number: number) => Readonly<Record<string, string>>;
  readonly beside: RunningServer['beside'];
  readonly remove: () => Promise<void>;
};

async function startPeers(kind: ServerKind, peers: Peers, options: StartOptions): Promise<RunningServer> {
  const environments = await Promise.all(gateways(() => peerEnvironment()));
  const serving = await startTogether(
    environments.map((environment, number) =>
      startProcess({
        name: `${kind.name} ${number + 1}`,
        entry: peers.entry,
        environment: { ...environment, ...peers.environment(number), ...options.environment },
        instrumented: options.instrumented === true && number === 0,
      }),
    ),
  );
  const [first] = serving;
  if (first === undefined) throw new Error('a cluster of nothing');
  return {
    kind,
    ports: environments.map(({ PORT }) => Number(PORT)),
    pids: serving.map(({ pid }) => pid),
    beside: peers.beside,
    ask: first.ask,
    stop: async () => {
      await stopAll(serving);
      await peers.remove();
    },
  };
}

async function startRelays(kind: ServerKind, engines: Engines, options: StartOptions): Promise<RunningServer> {
  const place = await engines.newPlace();
  const kafka = { KAFKA_BROKERS: place.brokers, KAFKA_TOPIC: updatesTopicOf(place) };
  const peers = {
    entry: 'test/bench/server-relay.ts',
    environment: (number: number) => ({ ...kafka, RELAY: String(number) }),
    beside: { Kafka: engines.pids.kafka },
    remove: place.remove,
  };
  return startPeers(kind, peers, options);
}

const startHocuspocus = (kind: ServerKind, redis: Redis, options: StartOptions): Promise<RunningServer> => {
  const peers = {
    entry: 'test/bench/server-hocuspocus.ts',
    environment: () => ({ REDIS_PORT: String(redis.port) }),
    beside: { Redis: redis.pid },
    remove: async () => {},
  };
  return startPeers(kind, peers, options);
};

/** The clusters that can be measured with what there is. */
export function clusterKinds(engines: Engines): readonly ServerKind[] {
  const kindOf = (
    name: Exclude<ServerName, 'y-websocket'>,
    title: string,
    start: (kind: ServerKind, options: StartOptions) => Promise<RunningServer>,
  ): ServerKind => {
    const kind: ServerKind = {
      ...traitsOf[name],
      title: title.replace('%', versionOf(name)),
      start: (options) => start(kind, options),
    };
    return kind;
  };
  const { redis } = engines;
  return [
    kindOf('inkstream', 'Inkstream %', (kind, options) => startOurs(kind, engines, options)),
    ...(redis === undefined
      ? []
      : [kindOf('hocuspocus', 'Hocuspocus % with Redis', (kind, options) => startHocuspocus(kind, redis, options))]),
    kindOf('floor', 'floor % with Kafka', (kind, options) => startRelays(kind, engines, options)),
  ];
}
