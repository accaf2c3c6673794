/**
 * A cluster on this machine, to try and to develop against: `node deploy/cluster.ts up` and `node deploy/cluster.ts down`, by `make up` and `make down`.
 *
 * `up` starts whatever is not there yet, prints one line to stdout when all of it serves, and is gone; it may be repeated at any time. `down` ends all of it, and
 * keeps the data. What is being done goes to stderr. Exit codes: 0 done; 1 something could not be started or ended; 2 it was called wrongly.
 */

import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { type ClusterReady, type ClusterRecord, readRecord, writeRecord } from '#deploy/cluster-record.ts';
import { type ClusterConfig, portsOf, readConfig } from '#deploy/cluster-settings.ts';
import { dockerAtHand, startContainers, stopContainers } from '#deploy/compose.ts';
import { isAnyRunning, startCluster, stopCluster } from '#deploy/native/cluster.ts';
import { variableName } from '#shared/runtime/config.ts';
import { lockDirectory } from '#shared/runtime/directory-lock.ts';
import { reasonOf } from '#shared/runtime/reason.ts';

const say = (line: string): void => void process.stderr.write(`${line}\n`);

const placeOf = (config: ClusterConfig) => ({
  directory: resolve(config.clusterDir),
  ports: portsOf(config),
  logLevel: config.logLevel,
  environment: process.env,
});

/** Where a cluster is up already, it stays on what it is on. */
async function choose({ clusterOn }: ClusterConfig, before: ClusterRecord | undefined): Promise<ClusterRecord['on']> {
  const isUp = before !== undefined && (before.on === 'docker' || isAnyRunning(before));
  if (isUp && clusterOn !== 'any' && clusterOn !== before.on)
    throw new Error(
      `the cluster is up on ${before.on}, and ${variableName('clusterOn')}=${clusterOn}: \`make down\` comes first`,
    );
  if (isUp) return before.on;
  if (clusterOn === 'processes') return 'processes';
  const docker = await dockerAtHand();
  if (docker === 'here') return 'docker';
  if (clusterOn === 'docker') throw new Error(`no cluster in Docker: ${docker.missing}`);
  say(`${docker.missing}: local processes are started instead`);
  return 'processes';
}

async function up(config: ClusterConfig): Promise<void> {
  const place = placeOf(config);
  const { directory, ports } = place;
  const before = readRecord(directory);
  const on = await choose(config, before);
  let ready: ClusterReady;
  if (on === 'processes') ready = await startCluster(place, say);
  else {
    writeRecord(directory, { kind: 'inkstream-cluster', version: 1, on, ports, mongodbUrl: '', processes: {} });
    ready = await startContainers(place);
  }
  say(on === 'docker' ? "data is in Docker's volumes" : `data and logs are in ${directory}; \`make down\` ends the cluster`);
  process.stdout.write(`ready ${JSON.stringify(ready)}\n`);
}

async function down(config: ClusterConfig): Promise<void> {
  const place = placeOf(config);
  const { directory } = place;
  const record = readRecord(directory);
  if (record === undefined || (record.on === 'processes' && Object.keys(record.processes).length === 0)) {
    say(`no cluster is up in ${directory}`);
    return;
  }
  if (record.on === 'docker') {
    await stopContainers(place);
    writeRecord(directory, { ...record, on: 'processes' });
    say("the cluster is down; its data is in Docker's volumes, and there for the next `make up`");
  } else {
    await stopCluster(directory, say);
    say(`the cluster is down; its data is in ${directory}, and there for the next \`make up\``);
  }
}

async function main(words: readonly string[]): Promise<number> {
  const [command] = words;
  if (words.length !== 1 || (command !== 'up' && command !== 'down')) {
    say('usage: node deploy/cluster.ts up|down');
    return 2;
  }
  const read = readConfig(process.env);
  if ('faults' in read) {
    for (const fault of read.faults) say(fault);
    return 2;
  }
  const { config } = read;
  const directory = resolve(config.clusterDir);
  try {
    mkdirSync(directory, { recursive: true });
    const lock = await lockDirectory(directory);
    try {
      await (command === 'up' ? up(config) : down(config));
    } finally {
      await lock.release();
    }
    return 0;
  } catch (error) {
    say(reasonOf(error));
    return 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
