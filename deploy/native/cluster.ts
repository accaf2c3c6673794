/**
 * A local cluster as processes: what there is none of is started, what is there is left alone, and all of it is ended again.
 *
 * Nobody supervises. `make up` starts what is missing, writes down which processes those are, and is gone; the same command finds out later which
 * of them are still there. So there is no daemon that could die, and what is written down is believed only as far as the kernel confirms it.
 * Each process is written down as soon as it serves; until then it is on a leash and ends with the command that was interrupted.
 */

import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { variableName } from '#shared/runtime/config.ts';
import {
  type ClusterReady,
  type ClusterRecord,
  type PartName,
  partNames,
  readRecord,
  writeRecord,
} from '#deploy/cluster-record.ts';
import type { ClusterPorts } from '#deploy/cluster-settings.ts';
import { addressOf, balancerAtHand, partAnswers, type Place, portOf, provisionPlace, startPart } from '#deploy/native/parts.ts';
import { goneWithin, identify, isAlive, sendSignal } from '#deploy/native/process-identity.ts';

/** A gateway takes up to 10 s to send its people away, and a broker as long to put its files in order. */
const stopMsMax = 20_000;
const killMsMax = 5_000;
const balancedMsMax = 15_000;
const pollMs = 50;

/** People first, then what serves them, then those that write, and last what holds the data. */
const stopOrder: readonly (readonly PartName[])[] = [
  ['haproxy'],
  ['gateway-1', 'gateway-2'],
  ['changefeed'],
  ['persister'],
  ['mongodb', 'kafka'],
];

const engines: ReadonlySet<PartName> = new Set<PartName>(['kafka', 'mongodb']);

export type Say = (line: string) => void;

const isRunning = (name: PartName, { processes }: ClusterRecord): boolean => {
  const known = processes[name];
  return known !== undefined && isAlive(known);
};

/** Whether any process of a cluster on processes is there. */
export const isAnyRunning = (record: ClusterRecord): boolean => partNames.some((name) => isRunning(name, record));

const describePorts = (ports: ClusterPorts): string => partNames.map((name) => `${name} ${portOf(name, ports)}`).join(', ');

function checkPlace({ directory, ports }: Place, before: ClusterRecord | undefined): void {
  if (before === undefined) return;
  if (isAnyRunning(before) && describePorts(before.ports) !== describePorts(ports))
    throw new Error(
      `the cluster in ${directory} is up on other ports (${describePorts(before.ports)}): \`make down\` comes first`,
    );
  if (before.mongodbUrl.includes('replicaSet') && before.ports.mongodb !== ports.mongodb)
    throw new Error(
      `the replica set in ${directory} knows itself by port ${before.ports.mongodb}: set ${variableName('clusterMongodbPort')} to it, or ${variableName('clusterDir')} to another directory`,
    );
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((settle) => {
    const probe = createServer();
    probe.once('error', () => settle(false)).listen(port, '127.0.0.1', () => void probe.close(() => settle(true)));
  });

const portSetting: Readonly<Record<PartName, string>> = {
  kafka: variableName('clusterKafkaPort'),
  mongodb: variableName('clusterMongodbPort'),
  persister: variableName('clusterPort'),
  changefeed: variableName('clusterPort'),
  'gateway-1': variableName('clusterPort'),
  'gateway-2': variableName('clusterPort'),
  haproxy: variableName('clusterPort'),
};

/** All that is wrong is said before anything is started. */
async function checkPorts(names: readonly PartName[], ports: ClusterPorts): Promise<void> {
  const taken: string[] = [];
  for (const name of names) {
    const port = portOf(name, ports);
    if (!(await isFree(port)))
      taken.push(`port ${port}, which ${name} needs, is taken by another program: end that, or set ${portSetting[name]}`);
  }
  if (taken.length > 0) throw new Error(taken.join('\n'));
}

async function checkAnswers(names: readonly PartName[], { processes, ports }: ClusterRecord): Promise<void> {
  for (const name of names) {
    if (!(await partAnswers(name, ports)))
      throw new Error(`${name} (process ${processes[name]?.pid}) is there and does not answer: \`make down\` ends it`);
  }
}

/** Starts parts and writes down which processes they are. */
function startingIn(place: Place, before: ClusterRecord | undefined, say: Say) {
  const { directory, ports } = place;
  const processes = Object.fromEntries(Object.entries(before?.processes ?? {}).filter(([, known]) => isAlive(known)));
  let record: ClusterRecord = {
    kind: 'inkstream-cluster',
    version: 1,
    on: 'processes',
    ports,
    mongodbUrl: before?.mongodbUrl ?? '',
    processes,
  };
  const started: PartName[] = [];
  const start = async (name: PartName): Promise<void> => {
    say(`starting ${name}`);
    const { pid, mongodbUrl = record.mongodbUrl, note } = await startPart(name, place, record.mongodbUrl);
    const identity = identify(pid);
    if (identity === undefined) throw new Error(`${name} was ready, and is gone: see ${directory}`);
    started.push(name);
    record = { ...record, mongodbUrl, processes: { ...record.processes, [name]: identity } };
    writeRecord(directory, record);
    say(`${name} is up on ${addressOf(name, ports)}, process ${pid}${note === undefined ? '' : ` (${note})`}`);
  };
  return {
    started,
    record: () => record,
    /** All are started or have failed when this resolves or rejects. */
    startAll: async (names: readonly PartName[]): Promise<void> => {
      const outcomes = await Promise.allSettled(names.map(start));
      const failures = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as Error] : []));
      if (failures.length > 0) throw new Error(failures.map(({ message }) => message).join('\n'));
    },
  };
}

/** Starts what is not there, and resolves when all of it serves. What one call has started it ends again where the rest can't be started. */
export async function startCluster(place: Place, say: Say): Promise<ClusterReady> {
  const { directory, ports } = place;
  mkdirSync(join(directory, 'logs'), { recursive: true });
  const before = readRecord(directory);
  checkPlace(place, before);
  const balancer = await balancerAtHand();
  if (balancer !== 'here') say(`no load balancer: ${balancer.missing}`);
  const wanted = partNames.filter((name) => name !== 'haproxy' || balancer === 'here');
  const there = before === undefined ? [] : wanted.filter((name) => isRunning(name, before));
  const missing = wanted.filter((name) => !there.includes(name));
  await checkPorts(missing, ports);
  const starting = startingIn(place, before, say);
  await checkAnswers(
    there.filter((name) => name !== 'haproxy' || missing.length === 0),
    starting.record(),
  );
  if (missing.length === 0) say(`the cluster in ${directory} is up already`);
  else if (there.length > 0) say(`up already: ${there.join(', ')}; starting ${missing.join(', ')}`);
  try {
    await starting.startAll(missing.filter((name) => engines.has(name)));
    if (missing.length > 0) await provisionPlace(place, starting.record().mongodbUrl);
    await starting.startAll(missing.filter((name) => !engines.has(name) && name !== 'haproxy'));
    await starting.startAll(missing.filter((name) => name === 'haproxy'));
    if (wanted.includes('haproxy')) await untilBalanced(ports);
  } catch (error) {
    await stopParts(directory, starting.started, say);
    throw error;
  }
  return describeCluster(starting.record(), wanted);
}

/** A balancer that was there before has to notice that gateways are back. */
async function untilBalanced(ports: ClusterPorts): Promise<void> {
  const deadline = performance.now() + balancedMsMax;
  while (!(await partAnswers('haproxy', ports))) {
    if (performance.now() > deadline) throw new Error(`haproxy has found no gateway after ${balancedMsMax} ms`);
    await delay(pollMs);
  }
}

function describeCluster({ ports, processes, mongodbUrl }: ClusterRecord, wanted: readonly PartName[]): ClusterReady {
  const listed = (['gateway-1', 'gateway-2', 'persister', 'changefeed', 'kafka', 'mongodb', 'haproxy'] as const).filter((name) =>
    wanted.includes(name),
  );
  return {
    service: 'cluster',
    urls: [`http://${addressOf('gateway-1', ports)}`, `http://${addressOf('gateway-2', ports)}`],
    loadBalancer: wanted.includes('haproxy') ? `http://${addressOf('haproxy', ports)}` : null,
    kafka: addressOf('kafka', ports),
    mongodb: mongodbUrl,
    pids: Object.fromEntries(listed.flatMap((name) => [[name, processes[name]?.pid ?? 0]])),
  };
}

/** Ends what is there. The data stays. */
export async function stopCluster(directory: string, say: Say): Promise<void> {
  await stopParts(directory, partNames, say);
}

async function stopParts(directory: string, names: readonly PartName[], say: Say): Promise<void> {
  for (const group of stopOrder) {
    await Promise.all(group.filter((name) => names.includes(name)).map((name) => stopPart(directory, name, say)));
  }
}

async function stopPart(directory: string, name: PartName, say: Say): Promise<void> {
  const known = readRecord(directory)?.processes[name];
  if (known === undefined) return;
  if (isAlive(known)) {
    sendSignal(known, 'SIGTERM');
    if (await goneWithin(stopMsMax, known)) say(`${name} has ended`);
    else {
      sendSignal(known, 'SIGKILL');
      say(`${name} (process ${known.pid}) did not end within ${stopMsMax} ms: it was killed`);
      if (!(await goneWithin(killMsMax, known))) throw new Error(`${name} (process ${known.pid}) can't be killed`);
    }
  } else say(`${name} was gone already`);
  const record = readRecord(directory);
  if (record === undefined) return;
  const processes = Object.fromEntries(Object.entries(record.processes).filter(([other]) => other !== name));
  writeRecord(directory, { ...record, processes });
}
