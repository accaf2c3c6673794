/** The parts of a local cluster as processes: how each is started, and how one knows that it serves. */

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { PartName } from '#deploy/cluster-record.ts';
import type { ClusterPorts } from '#deploy/cluster-settings.ts';
import { type Engine, startEngine } from '#deploy/native/engine-process.ts';
import { kafkaAnswers } from '#deploy/native/kafka-probe.ts';
import { startBroker } from '#deploy/native/kafka.ts';
import { databaseAnswers, startDatabase } from '#deploy/native/mongodb.ts';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '../..');
const host = '127.0.0.1';
const answerMsMax = 2_000;
/** Less than an engine has to become ready: it is the process itself that says what it waited for in vain. */
const startWaitMs = 45_000;
const provisionMsMax = 60_000;

export type Place = {
  readonly directory: string;
  readonly ports: ClusterPorts;
  readonly logLevel: string;
  /** Whatever is not Inkstream's in it goes to every process. */
  readonly environment: NodeJS.ProcessEnv;
};

export type StartedPart = Pick<Engine, 'pid'> & {
  readonly mongodbUrl?: string;
  /** What people should know of it. */
  readonly note?: string;
};

export const portOf = (name: PartName, { kafka, mongodb, persister, changefeed, gateways, balancer }: ClusterPorts): number =>
  ({ kafka, mongodb, persister, changefeed, 'gateway-1': gateways[0], 'gateway-2': gateways[1], haproxy: balancer })[name];

export const addressOf = (name: PartName, ports: ClusterPorts): string => `${host}:${portOf(name, ports)}`;

const logFileOf = ({ directory }: Place, name: PartName | 'provision'): string => join(directory, 'logs', `${name}.log`);

/** Whether a part that is there does its work; within two seconds, and without throwing. */
export function partAnswers(name: PartName, ports: ClusterPorts): Promise<boolean> {
  const address = addressOf(name, ports);
  switch (name) {
    case 'kafka':
      return kafkaAnswers(address);
    case 'mongodb':
      return databaseAnswers(address);
    case 'persister':
    case 'changefeed':
    case 'gateway-1':
    case 'gateway-2':
    case 'haproxy':
      return fetch(`http://${address}/readyz`, { signal: AbortSignal.timeout(answerMsMax) }).then(
        ({ ok }) => ok,
        () => false,
      );
  }
}

/** Starts a part, which stays when this process ends. Rejects where it does not become ready, with the last that it said. */
export async function startPart(name: PartName, place: Place, mongodbUrl: string): Promise<StartedPart> {
  const { directory, ports } = place;
  switch (name) {
    case 'kafka':
      return startBroker({ dataDir: join(directory, 'kafka'), port: ports.kafka, lifetime: 'free' });
    case 'mongodb': {
      const options = { dataDir: join(directory, 'mongodb'), database: 'inkstream', port: ports.mongodb };
      const database = await startDatabase({ ...options, lifetime: 'free' });
      const note = database.kind === 'mongod' ? undefined : 'no mongod was found: this is a stand-in, for trying things out';
      return { pid: database.pid, mongodbUrl: database.url, ...(note === undefined ? {} : { note }) };
    }
    case 'persister':
    case 'changefeed':
      return startService(name, name, place, mongodbUrl);
    case 'gateway-1':
    case 'gateway-2':
      return startService(name, 'gateway', place, mongodbUrl);
    case 'haproxy':
      return startBalancer(place);
  }
}

/** The settings by which processes of this cluster find Kafka and MongoDB, in an environment without other settings of Inkstream's. */
function settingsFor({ environment, ports, logLevel }: Place, mongodbUrl: string): NodeJS.ProcessEnv {
  const inherited = Object.entries(environment).filter(([name]) => !name.startsWith('INKSTREAM_'));
  return {
    ...Object.fromEntries(inherited),
    INKSTREAM_KAFKA_BROKERS: addressOf('kafka', ports),
    INKSTREAM_MONGODB_URL: mongodbUrl,
    INKSTREAM_START_WAIT_MS: String(startWaitMs),
    INKSTREAM_LOG_LEVEL: logLevel,
  };
}

async function startService(
  name: PartName,
  service: 'gateway' | 'persister' | 'changefeed',
  place: Place,
  mongodbUrl: string,
): Promise<StartedPart> {
  return startEngine({
    name: `${name} on ${addressOf(name, place.ports)}`,
    command: process.execPath,
    args: [join(root, 'services', service, 'main.ts')],
    logFile: await freshLog(place, name),
    readyLine: /^ready /mu,
    answers: () => partAnswers(name, place.ports),
    lifetime: 'free',
    environment: {
      ...settingsFor(place, mongodbUrl),
      INKSTREAM_HOST: host,
      INKSTREAM_PORT: String(portOf(name, place.ports)),
      ...(service === 'gateway' ? { INKSTREAM_AUTH_MODE: 'none' } : {}),
    },
  });
}

async function startBalancer(place: Place): Promise<StartedPart> {
  return startEngine({
    name: `HAProxy on ${addressOf('haproxy', place.ports)}`,
    command: 'haproxy',
    args: ['-db', '-f', join(root, 'deploy/haproxy.cfg')],
    logFile: await freshLog(place, 'haproxy'),
    readyLine: /^/u,
    answers: () => partAnswers('haproxy', place.ports),
    lifetime: 'free',
    environment: {
      ...place.environment,
      BALANCER_ADDRESS: addressOf('haproxy', place.ports),
      BALANCER_GATEWAY_1: addressOf('gateway-1', place.ports),
      BALANCER_GATEWAY_2: addressOf('gateway-2', place.ports),
    },
  });
}

/** What the last one said before it died is what one wants to read now. */
async function freshLog(place: Place, name: PartName): Promise<string> {
  const file = logFileOf(place, name);
  if (existsSync(file)) await rename(file, file.replace(/\.log$/u, '.previous.log'));
  return file;
}

/** Makes the topics where they are missing. Rejects with what it said where that fails. */
export async function provisionPlace(place: Place, mongodbUrl: string): Promise<void> {
  const file = logFileOf(place, 'provision');
  try {
    const { stdout, stderr } = await run(process.execPath, [join(root, 'deploy/provision.ts')], {
      env: settingsFor(place, mongodbUrl),
      timeout: provisionMsMax,
    });
    await writeFile(file, stdout + stderr);
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { readonly stdout?: string; readonly stderr?: string };
    await writeFile(file, stdout + stderr);
    throw new Error(`the topics could not be made: ${stderr.trim().split('\n').at(-1) ?? String(error)}`, { cause: error });
  }
}

const balancerVersionMin = [2, 6] as const;

/** Whether there is a HAProxy that knows what deploy/haproxy.cfg says, or why not. */
export async function balancerAtHand(): Promise<'here' | { readonly missing: string }> {
  const said = await run('haproxy', ['-v']).then(
    ({ stdout }) => stdout,
    () => undefined,
  );
  if (said === undefined) return { missing: 'no haproxy on the PATH' };
  const [, version = '', major, minor] = /version ((\d+)\.(\d+)\S*)/u.exec(said) ?? [];
  const [majorMin, minorMin] = balancerVersionMin;
  const isRecent = Number(major) > majorMin || (Number(major) === majorMin && Number(minor) >= minorMin);
  return isRecent ? 'here' : { missing: `the haproxy on the PATH is ${version}, older than ${majorMin}.${minorMin}` };
}
