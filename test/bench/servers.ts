/** The servers that are measured alone, and what every measured server tells about itself. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { DialectName } from './dialects.ts';
import { benchDir, checkout, findFreePort, startProcess, type ServerProcess } from './server-process.ts';

export type ServerName = 'inkstream' | 'y-websocket' | 'hocuspocus' | 'floor';

/** `keepsDocuments`: a fresh client can read back what was typed. `seeding`: how a document gets into it before a cold opening. */
export type ServerKind = {
  readonly name: ServerName;
  /** With its version. */
  readonly title: string;
  readonly dialect: DialectName;
  readonly pathPrefix: string;
  readonly pathSuffix: string;
  readonly keepsDocuments: boolean;
  readonly isDurable: boolean;
  readonly seeding: 'file' | 'client';
  readonly start: (options: StartOptions) => Promise<RunningServer>;
};

/** A server that listens: one process, or several that serve the same documents. */
export type RunningServer = {
  readonly kind: ServerKind;
  /** Where people connect; whoever has a document open is spread over all of them. */
  readonly ports: readonly number[];
  /** The processes that people connect to: what they use is the figure. */
  readonly pids: readonly number[];
  /** What those stand on, by name: measured beside them. */
  readonly beside: Readonly<Record<string, number>>;
  /** How far what is stored is behind what is acknowledged, in seconds, where that is not the same. */
  readonly lagSeconds?: () => Promise<number>;
  /** Of the first process. */
  readonly ask: ServerProcess['ask'];
  readonly stop: () => Promise<void>;
};

export type StartOptions = {
  readonly dataDir: string;
  readonly seedFile?: string;
  readonly instrumented?: boolean;
  readonly environment?: Readonly<Record<string, string>>;
};

/** A new directory for a server's data, on the disk that the checkout is on: a sync must cost what it costs. */
export function makeDataDir(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(benchDir, 'data-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Where the version of each server is written. The peers are installed by the benchmark. */
const packages: Readonly<Record<ServerName, string>> = {
  inkstream: join(checkout, 'package.json'),
  'y-websocket': join(benchDir, 'node_modules/@y/websocket-server/package.json'),
  hocuspocus: join(benchDir, 'node_modules/@hocuspocus/server/package.json'),
  floor: join(checkout, 'node_modules/uWebSockets.js/package.json'),
};

/** The installed version of a server, as its package says. */
export const versionOf = (name: ServerName): string =>
  (JSON.parse(readFileSync(packages[name], 'utf8')) as { readonly version: string }).version;

/** What the servers other than ours are told: where to listen, and what to read. */
export async function peerEnvironment(seedFile?: string): Promise<Readonly<Record<string, string>> & { readonly PORT: string }> {
  const port = String(await findFreePort());
  return { HOST: '127.0.0.1', PORT: port, PEERS_DIR: benchDir, ...(seedFile === undefined ? {} : { SEED_FILE: seedFile }) };
}

async function startAlone(kind: ServerKind, entry: string, options: StartOptions): Promise<RunningServer> {
  const { dataDir, seedFile, instrumented = false, environment = {} } = options;
  const peer = await peerEnvironment(seedFile);
  const settings = kind.name === 'inkstream' ? { INKSTREAM_PORT: '0', INKSTREAM_DATA_DIR: dataDir } : peer;
  const { port, pid, ask, stop } = await startProcess({
    name: kind.name,
    entry,
    instrumented,
    environment: { ...settings, ...environment },
  });
  return { kind, ports: [port ?? Number(peer.PORT)], pids: [pid], beside: {}, ask, stop };
}

function alone(entry: string, traits: Omit<ServerKind, 'start'>): ServerKind {
  const kind: ServerKind = { ...traits, start: (options) => startAlone(kind, entry, options) };
  return kind;
}

const peer = { pathPrefix: '/', pathSuffix: '', isDurable: false, seeding: 'file' } as const;

/** How each server is talked to, wherever it runs. */
export const traitsOf = {
  inkstream: {
    name: 'inkstream',
    dialect: 'y-websocket',
    pathPrefix: '/ws/',
    pathSuffix: '?ack=1',
    keepsDocuments: true,
    isDurable: true,
    seeding: 'client',
  },
  'y-websocket': { ...peer, name: 'y-websocket', dialect: 'y-websocket', keepsDocuments: true },
  hocuspocus: { ...peer, name: 'hocuspocus', dialect: 'hocuspocus', keepsDocuments: true },
  floor: { ...peer, name: 'floor', dialect: 'y-websocket', keepsDocuments: false },
} as const satisfies Readonly<Record<ServerName, Omit<ServerKind, 'title' | 'start'>>>;

/** Those that are measured alone. The peers must have been installed. */
export function standaloneKinds(): readonly ServerKind[] {
  const named = (name: ServerName, title: string) => ({ ...traitsOf[name], title: `${title} ${versionOf(name)}` });
  return [
    alone('services/standalone/main.ts', named('inkstream', 'Inkstream')),
    alone('test/bench/server-y-websocket.ts', named('y-websocket', '@y/websocket-server')),
    alone('test/bench/server-hocuspocus.ts', named('hocuspocus', 'Hocuspocus')),
    alone('test/bench/server-floor.ts', named('floor', 'floor')),
  ];
}
