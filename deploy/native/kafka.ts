/**
 * A Kafka broker as a local process: the real one, out of its own jars, alone in KRaft mode or one of a few nodes, on 127.0.0.1.
 *
 * A data directory is one broker for good. Its first start gives it an identity and ports, and every later one finds them there, so that
 * it comes back under the same address after whatever ended it. What differs from a broker that one would run in earnest is only what a single
 * node forces (replication of 1) and what makes starts short (one partition for offsets, no wait before a group's first assignment). Topics
 * are never made by being asked for: a misspelt one has to fail here as it would there.
 *
 * Clients connect to what a broker advertises, and not to where they found it. A proxy in front of a broker therefore needs a listener of its own, which
 * advertises the proxy: `proxied`.
 */

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startEngine, type Engine, type EnginePlan } from '#deploy/native/engine-process.ts';
import { freePort } from '#deploy/native/free-port.ts';
import { javaLibraries } from '#deploy/native/java-libraries.ts';
import { archiveFlags, firstCompilerAlone, writingFlags } from '#deploy/native/java-starts.ts';
import { kafkaAnswers } from '#deploy/native/kafka-probe.ts';

const run = promisify(execFile);

/** As in `pom.xml`. */
export const kafkaVersion = '4.1.0';

const formatMsMax = 60_000;
const host = '127.0.0.1';

/** What every broker that we start for ourselves has, wherever it runs. */
export const brokerSettings: Readonly<Record<string, string>> = {
  'auto.create.topics.enable': 'false',
  'group.initial.rebalance.delay.ms': '0',
  // Twice a second by default, whether or not there is anything to tell: a quarter of what an idle broker uses.
  'metadata.max.idle.interval.ms': '10000',
  // A killed broker is let in again when the session of its former self has ended: 9 s by default.
  'broker.session.timeout.ms': '2000',
  'broker.heartbeat.interval.ms': '400',
  'offsets.topic.num.partitions': '1',
  'offsets.topic.replication.factor': '1',
  'transaction.state.log.num.partitions': '1',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'share.coordinator.state.topic.num.partitions': '1',
  'share.coordinator.state.topic.replication.factor': '1',
  'share.coordinator.state.topic.min.isr': '1',
  // Its default is a quarter of a small heap.
  'log.cleaner.dedupe.buffer.size': String(8 * 1024 * 1024),
};

/** A node of a cluster whose nodes, each a broker and a controller, are known beforehand. What is told to all of them is the same. */
export type Membership = {
  readonly nodeId: number;
  readonly clusterId: string;
  /** The ports of all nodes' controllers, by node. */
  readonly controllerPorts: ReadonlyMap<number, number>;
};

export type BrokerOptions = {
  /** Made where it is missing. Holds everything: data, settings, `broker.log`. */
  readonly dataDir: string;
  /** Without it: the one that this directory had before, or a free one. */
  readonly port?: number;
  /** One of several nodes: without it the broker is alone. */
  readonly member?: Membership;
  /** A second listener, on `port`, whose clients are told to connect to `advertisedPort`: that of a proxy. */
  readonly proxied?: { readonly port: number; readonly advertisedPort: number };
  /** Further settings of the broker, by Kafka's names: `{ 'log.segment.bytes': '1048576' }`. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly heapMb?: number;
  /** For a broker that does not live long: it compiles less. */
  readonly isBrief?: boolean;
  /** `leashed` (the default) ends with this process, however that ends; `free` stays. */
  readonly lifetime?: EnginePlan['lifetime'];
  /** Writes the classes that it has loaded into this file when it stops (java-starts.ts). */
  readonly archiveTo?: string;
};

export type Broker = Engine & {
  /** `127.0.0.1:<port>`, as clients take it. */
  readonly address: string;
  readonly logFile: string;
};

/**
 * Starts a broker on a data directory, new or used, and resolves when it serves requests (some 3 s; a new directory 1 s more).
 * @throws Error where Java or Maven is missing (`javaLibraries` says so beforehand), or the broker does not start.
 */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const libraries = await javaLibraries();
  if (libraries.kind === 'missing') throw new Error(`no Kafka broker: ${libraries.reason}`);
  const { dataDir } = options;
  await mkdir(dataDir, { recursive: true });
  const ports = await portsOf(options);
  const settingsFile = join(dataDir, 'server.properties');
  await writeFile(settingsFile, settingsText(options, ports));
  const archive = options.archiveTo === undefined ? archiveFlags('kafka', libraries) : writingFlags(options.archiveTo);
  const java = ['-cp', libraries.classPath, `-Dlog4j2.configurationFile=${join(import.meta.dirname, 'log4j2.properties')}`];
  const alone = options.member === undefined ? ['--standalone'] : [];
  const clusterId = options.member?.clusterId ?? newClusterId();
  await format(dataDir, [
    ...[...archiveFlags('kafka', libraries), ...java, 'kafka.tools.StorageTool', 'format', ...alone],
    ...['--cluster-id', clusterId, '--config', settingsFile, '--ignore-formatted'],
  ]);

  const address = `${host}:${ports.client}`;
  const logFile = join(dataDir, 'broker.log');
  const engine = await startEngine({
    name: `Kafka on ${address}`,
    command: 'java',
    args: [
      `-Xmx${options.heapMb ?? 512}m`,
      '-XX:+UseSerialGC',
      ...(options.isBrief === true ? [firstCompilerAlone] : []),
      ...archive,
      ...java,
      'kafka.Kafka',
      settingsFile,
    ],
    logFile,
    readyLine: /Kafka Server started/u,
    answers: () => kafkaAnswers(address),
    lifetime: options.lifetime ?? 'leashed',
  });
  return { ...engine, address, logFile };
}

type Ports = { readonly client: number; readonly controller: number };

/** The ports of this directory's broker: the same for its whole life, unless the caller names another. */
async function portsOf({ dataDir, port, member }: BrokerOptions): Promise<Ports> {
  const file = join(dataDir, 'ports.json');
  const before = existsSync(file) ? (JSON.parse(await readFile(file, 'utf8')) as Ports) : undefined;
  const client = port ?? before?.client ?? (await freePort());
  const ports = { client, controller: member?.controllerPorts.get(member.nodeId) ?? before?.controller ?? (await freePort()) };
  await writeFile(file, JSON.stringify(ports));
  return ports;
}

function settingsText({ dataDir, member, proxied, settings }: BrokerOptions, ports: Ports): string {
  const listeners = [`PLAIN://${host}:${ports.client}`];
  const advertised = [...listeners];
  if (proxied !== undefined) {
    listeners.push(`PROXIED://${host}:${proxied.port}`);
    advertised.push(`PROXIED://${host}:${proxied.advertisedPort}`);
  }
  const all = {
    'process.roles': 'broker,controller',
    ...quorumSettings(member, ports),
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAIN',
    listeners: [...listeners, `CONTROLLER://${host}:${ports.controller}`].join(','),
    'advertised.listeners': advertised.join(','),
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAIN:PLAINTEXT,PROXIED:PLAINTEXT',
    'log.dirs': join(dataDir, 'log'),
    ...brokerSettings,
    ...settings,
  };
  return Object.entries(all)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

const quorumSettings = (member: Membership | undefined, ports: Ports): Readonly<Record<string, string>> =>
  member === undefined
    ? { 'node.id': '1', 'controller.quorum.bootstrap.servers': `${host}:${ports.controller}` }
    : {
        'node.id': String(member.nodeId),
        'controller.quorum.voters': [...member.controllerPorts].map(([node, port]) => `${node}@${host}:${port}`).join(','),
      };

/** What a cluster is known by to its nodes. */
export function newClusterId(): string {
  const id = randomBytes(16);
  id[0] = 0x40; // an id must not begin with a dash
  return id.toString('base64url');
}

/** Makes a new directory a node's. The mark is written last: a format that was cut short is done again. */
async function format(dataDir: string, command: readonly string[]): Promise<void> {
  const mark = join(dataDir, 'formatted');
  if (existsSync(mark)) return;
  await run('java', ['-XX:+UseSerialGC', firstCompilerAlone, ...command], { timeout: formatMsMax });
  await writeFile(mark, '');
}
