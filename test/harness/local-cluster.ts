/**
 * The commands behind `make up` and `make down`, in a directory and on ports of their own, so that several tests, and a person's own cluster, get along.
 */

import { spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import type { ClusterReady } from '#deploy/cluster-record.ts';
import { freePort, freePortRow } from '#deploy/native/free-port.ts';
import { temporaryDirectory } from '#test/harness/temporary-directory.ts';
import { withSettings } from '#test/harness/program.ts';

const root = resolve(import.meta.dirname, '../..');
/** The first of Java's two compilers, and not the second: its engines do not live long here. */
const brief = { JAVA_TOOL_OPTIONS: '-XX:TieredStopAtLevel=1' };

export type CommandEnd = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

export type LocalCluster = {
  readonly directory: string;
  /** Of the load balancer; the next two are the gateways', then come the persister's and the changefeed's. */
  readonly port: number;
  /** Runs a command to its end. `settings` are by name without their prefix. */
  readonly run: (command: 'up' | 'down', settings?: Readonly<Record<string, string>>) => Promise<CommandEnd>;
  /** @throws Error with what the command said, where it does not end with 0 and one ready line */
  readonly up: () => Promise<ClusterReady>;
  /** Ends what is left, and removes the directory. */
  readonly remove: () => Promise<void>;
};

/** Nothing is started by this. */
export async function localCluster(): Promise<LocalCluster> {
  const directory = temporaryDirectory();
  const port = await freePortRow(5);
  const [kafkaPort, mongodbPort] = [await freePort(), await freePort()];
  const own = {
    CLUSTER_DIR: directory.path,
    CLUSTER_ON: 'processes',
    CLUSTER_PORT: String(port),
    CLUSTER_KAFKA_PORT: String(kafkaPort),
    CLUSTER_MONGODB_PORT: String(mongodbPort),
  };
  const run: LocalCluster['run'] = (command, settings = {}) =>
    runCommand('deploy/cluster.ts', [command], { ...own, ...settings }, brief);
  return {
    directory: directory.path,
    port,
    run,
    up: async () => {
      const { code, stdout, stderr } = await run('up');
      const [, json] = /^ready (\{.*\})\n$/u.exec(stdout) ?? [];
      if (code !== 0 || json === undefined) throw new Error(`the cluster did not come up (${code}): ${stdout}${stderr}`);
      return JSON.parse(json) as ClusterReady;
    },
    remove: async () => {
      await run('down');
      directory.remove();
    },
  };
}

/** Runs a program of this repository to its end, with these settings of Inkstream's and no others. */
export async function runCommand(
  program: string,
  words: readonly string[],
  settings: Readonly<Record<string, string>>,
  environment: Readonly<Record<string, string>> = {},
): Promise<CommandEnd> {
  const child = spawn(process.execPath, [join(root, program), ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...withSettings(process.env, settings), ...environment },
  });
  const ended = new Promise<number | null>((settle) => child.once('close', settle));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, stdout, stderr };
}
