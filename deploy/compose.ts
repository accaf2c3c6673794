/** A local cluster in Docker, by compose.yaml: the same parts, the same ports, the same ready line. */

import { execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type ClusterReady, type PartName, partNames } from '#deploy/cluster-record.ts';
import type { ClusterPorts } from '#deploy/cluster-settings.ts';

const run = promisify(execFile);
const host = '127.0.0.1';
const composeFile = join(import.meta.dirname, 'compose.yaml');
const askMsMax = 10_000;
/** Images are fetched and built the first time. */
const upSecondsMax = 600;
const stopSecondsMax = 20;

export type ComposePlace = { readonly ports: ClusterPorts; readonly logLevel: string; readonly environment: NodeJS.ProcessEnv };

/** Whether a Docker daemon answers, and Docker has compose; or what is missing. */
export async function dockerAtHand(): Promise<'here' | { readonly missing: string }> {
  const asks = async (...words: readonly string[]): Promise<boolean> =>
    run('docker', [...words], { timeout: askMsMax }).then(
      () => true,
      () => false,
    );
  if (!(await asks('version', '--format', '{{.Server.Version}}'))) return { missing: 'no Docker daemon answers' };
  return (await asks('compose', 'version')) ? 'here' : { missing: 'Docker is there, but not its compose plugin' };
}

/** What compose.yaml takes from outside. */
const variablesOf = ({ ports, logLevel, environment }: ComposePlace): NodeJS.ProcessEnv => ({
  ...environment,
  CLUSTER_PORT: String(ports.balancer),
  CLUSTER_GATEWAY_1_PORT: String(ports.gateways[0]),
  CLUSTER_GATEWAY_2_PORT: String(ports.gateways[1]),
  CLUSTER_PERSISTER_PORT: String(ports.persister),
  CLUSTER_CHANGEFEED_PORT: String(ports.changefeed),
  CLUSTER_KAFKA_PORT: String(ports.kafka),
  CLUSTER_MONGODB_PORT: String(ports.mongodb),
  CLUSTER_LOG_LEVEL: logLevel,
});

/** What compose has to say goes to stderr. Rejects where it fails. */
function compose(place: ComposePlace, words: readonly string[]): Promise<void> {
  const child = spawn('docker', ['compose', '--file', composeFile, ...words], {
    stdio: ['ignore', 2, 2],
    env: variablesOf(place),
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      code === 0 ? resolve() : reject(new Error(`docker compose ${words[0]} ended with ${signal ?? code}: see above`)),
    );
  });
}

async function pidOf(place: ComposePlace, service: PartName): Promise<number> {
  const options = { env: variablesOf(place), timeout: askMsMax };
  const { stdout: container } = await run('docker', ['compose', '--file', composeFile, 'ps', '--quiet', service], options);
  const { stdout: pid } = await run('docker', ['inspect', '--format', '{{.State.Pid}}', container.trim()], options);
  return Number(pid);
}

/** Builds the image, starts what is not there, and resolves when all of it is healthy. */
export async function startContainers(place: ComposePlace): Promise<ClusterReady> {
  await compose(place, ['up', '--detach', '--build', '--wait', '--wait-timeout', String(upSecondsMax)]);
  const { ports } = place;
  const pids: { [Name in PartName]?: number } = {};
  for (const name of partNames) pids[name] = await pidOf(place, name);
  return {
    service: 'cluster',
    urls: ports.gateways.map((port) => `http://${host}:${port}`),
    loadBalancer: `http://${host}:${ports.balancer}`,
    kafka: `${host}:${ports.kafka}`,
    // The one member of the replica set knows itself by a name that means nothing outside.
    mongodb: `mongodb://${host}:${ports.mongodb}/inkstream?directConnection=true`,
    pids,
  };
}

/** Ends and removes the containers. The data stays, in Docker's volumes. */
export const stopContainers = (place: ComposePlace): Promise<void> =>
  compose(place, ['down', '--timeout', String(stopSecondsMax)]);
