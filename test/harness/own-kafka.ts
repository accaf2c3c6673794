/** A Kafka broker that one test has for itself: in Docker where a daemon answers, else a local process. */

import { freePort } from '#deploy/native/free-port.ts';
import { brokerSettings, kafkaVersion, startBroker } from '#deploy/native/kafka.ts';
import { javaLibraries } from '#deploy/native/java-libraries.ts';
import { kafkaAnswers } from '#deploy/native/kafka-probe.ts';
import { dockerHost, startContainer } from '#test/harness/docker.ts';
import { startKafkaProxy, type KafkaProxy } from '#test/harness/kafka-proxy.ts';
import { ownLocalEngine, type Had, type OwnEngine } from '#test/harness/own-engine.ts';

const image = `apache/kafka:${kafkaVersion}`;

export type OwnKafka = OwnEngine & {
  /** `host:port`, straight to the broker. */
  readonly address: string;
  /** Clients that are given `proxy.address` stay behind the proxy: the broker advertises it to them. Goes with `remove`. */
  readonly proxy: KafkaProxy;
};

export type OwnKafkaOptions = {
  /** Further settings of the broker, by Kafka's names. */
  readonly settings?: Readonly<Record<string, string>>;
};

type Listeners = { readonly direct: number; readonly proxied: number; readonly advertised: number };

/**
 * Starts a broker, with a proxy before its second listener. The caller removes it.
 * @throws Error where it should start and does not; what can't be had at all is a value.
 */
export async function startOwnKafka({ settings = {} }: OwnKafkaOptions = {}): Promise<Had<OwnKafka>> {
  const docker = await dockerHost();
  if (docker === undefined) {
    const libraries = await javaLibraries();
    if (libraries.kind === 'missing') return { kind: 'missing', reason: `no Kafka: no Docker daemon, and ${libraries.reason}` };
  }
  const [direct, proxied] = [await freePort(), await freePort()];
  const host = docker ?? '127.0.0.1';
  const proxy = await startKafkaProxy({ host, port: proxied });
  const listeners = { direct, proxied, advertised: proxy.port };
  try {
    const engine = docker === undefined ? await local(listeners, settings) : await contained(docker, listeners, settings);
    const remove = async (): Promise<void> => {
      await proxy.close();
      await engine.remove();
    };
    return { kind: 'had', ...engine, address: `${host}:${direct}`, proxy, remove };
  } catch (error) {
    await proxy.close();
    throw error;
  }
}

const local = ({ direct, proxied, advertised }: Listeners, settings: Readonly<Record<string, string>>): Promise<OwnEngine> =>
  ownLocalEngine(
    () => `local process (${kafkaVersion})`,
    (dataDir) =>
      startBroker({ dataDir, isBrief: true, port: direct, proxied: { port: proxied, advertisedPort: advertised }, settings }),
  );

function contained(host: string, listeners: Listeners, settings: Readonly<Record<string, string>>): Promise<OwnEngine> {
  const { direct, proxied, advertised } = listeners;
  const all = {
    'node.id': '1',
    'process.roles': 'broker,controller',
    'controller.quorum.voters': '1@localhost:9093',
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAIN',
    listeners: `PLAIN://:${direct},PROXIED://:${proxied},CONTROLLER://:9093`,
    'advertised.listeners': `PLAIN://${host}:${direct},PROXIED://127.0.0.1:${advertised}`,
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAIN:PLAINTEXT,PROXIED:PLAINTEXT',
    ...brokerSettings,
    ...settings,
  };
  // The image takes settings by their names in capitals.
  const environment = Object.fromEntries(
    Object.entries(all).map(([name, value]) => [`KAFKA_${name.toUpperCase().replaceAll('.', '_')}`, value]),
  );
  return startContainer(host, {
    image,
    ports: [direct, proxied],
    environment,
    readyLine: /Kafka Server started/u,
    answers: (at) => kafkaAnswers(`${at}:${direct}`),
  });
}
