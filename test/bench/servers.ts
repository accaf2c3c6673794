/** The servers that are measured, and how each is started: a process of its own, fresh for every run. */

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { DialectName } from './dialects.ts';
import type { Instruction, InstrumentReply } from './instrument.ts';

export const checkout = join(import.meta.dirname, '..', '..');
export const benchDir = join(checkout, '.local', 'bench');

export type ServerName = 'inkstream' | 'y-websocket' | 'hocuspocus' | 'floor';

/** `keepsDocuments`: a fresh client can read back what was typed. `seeding`: how a document gets into it before a cold opening. */
export type ServerKind = {
  readonly name: ServerName;
  readonly title: string;
  readonly entry: string;
  readonly dialect: DialectName;
  readonly pathPrefix: string;
  readonly pathSuffix: string;
  readonly keepsDocuments: boolean;
  readonly isDurable: boolean;
  readonly seeding: 'file' | 'client';
};

const bare = { pathSuffix: '', isDurable: false, seeding: 'file' } as const;

export const serverKinds: readonly ServerKind[] = [
  {
    name: 'inkstream',
    title: 'Inkstream',
    entry: 'services/standalone/main.ts',
    dialect: 'y-websocket',
    pathPrefix: '/ws/',
    pathSuffix: '?ack=1',
    keepsDocuments: true,
    isDurable: true,
    seeding: 'client',
  },
  {
    ...bare,
    name: 'y-websocket',
    title: '@y/websocket-server',
    entry: 'test/bench/server-y-websocket.ts',
    dialect: 'y-websocket',
    pathPrefix: '/',
    keepsDocuments: true,
  },
  {
    ...bare,
    name: 'hocuspocus',
    title: 'Hocuspocus',
    entry: 'test/bench/server-hocuspocus.ts',
    dialect: 'hocuspocus',
    pathPrefix: '/',
    keepsDocuments: true,
  },
  {
    ...bare,
    name: 'floor',
    title: 'floor',
    entry: 'test/bench/server-floor.ts',
    dialect: 'y-websocket',
    pathPrefix: '/',
    keepsDocuments: false,
  },
];

/** The installed version of a server, as its package says. */
export function versionOf(name: ServerName): string {
  const packages = {
    inkstream: join(checkout, 'package.json'),
    'y-websocket': join(benchDir, 'node_modules/@y/websocket-server/package.json'),
    hocuspocus: join(benchDir, 'node_modules/@hocuspocus/server/package.json'),
    floor: join(checkout, 'node_modules/uWebSockets.js/package.json'),
  };
  return (JSON.parse(readFileSync(packages[name], 'utf8')) as { readonly version: string }).version;
}

export type RunningServer = {
  readonly kind: ServerKind;
  readonly pid: number;
  readonly port: number;
  /** Asks the instrument inside (only where the server was started with one). */
  readonly ask: (instruction: Instruction) => Promise<InstrumentReply>;
  /** Ends it by SIGTERM; resolves when it is gone. */
  readonly stop: () => Promise<void>;
};

export type StartOptions = {
  readonly dataDir: string;
  readonly seedFile?: string;
  readonly instrumented?: boolean;
  readonly environment?: Readonly<Record<string, string>>;
};

const startMsMax = 30_000;
const stopMsMax = 15_000;

/** A new directory for a server's data, on the disk that the checkout is on: a sync must cost what it costs. */
export function makeDataDir(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(benchDir, 'data-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        typeof address === 'object' && address !== null ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}

/** Resolves when the server's standard output says that it listens, with the port that it says, if it says one. */
function listening(child: ChildProcess, name: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    let output = '';
    let errors = '';
    const timeout = setTimeout(
      () => reject(new Error(`${name} did not listen within ${startMsMax} ms: ${output}${errors}`)),
      startMsMax,
    );
    const end = (settle: () => void): void => {
      clearTimeout(timeout);
      settle();
    };
    child.stderr?.on('data', (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-2_000)));
    child.stdout?.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-2_000);
      const ready = /^ready (\{.*\})$/m.exec(output);
      const url = ready?.[1] === undefined ? undefined : (JSON.parse(ready[1]) as { readonly url: string }).url;
      if (url !== undefined) end(() => resolve(Number(new URL(url).port)));
      else if (/^(listening|running at)/m.test(output)) end(() => resolve(undefined));
    });
    child.once('error', (error) => end(() => reject(error)));
    child.once('exit', (code, signal) =>
      end(() => reject(new Error(`${name} ended with ${code ?? signal}: ${output}${errors}`))),
    );
  });
}

function askInstrument(child: ChildProcess, instruction: Instruction): Promise<InstrumentReply> {
  return new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message as InstrumentReply));
    child.once('exit', () => reject(new Error('the server ended before its instrument answered')));
    child.send(instruction);
  });
}

/** Starts a server and waits until it listens. */
export async function startServer(kind: ServerKind, options: StartOptions): Promise<RunningServer> {
  const freePort = await findFreePort();
  const instrument = options.instrumented ? ['--expose-gc', '--import', join(checkout, 'test/bench/instrument.ts')] : [];
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('INKSTREAM_')));
  const settings =
    kind.name === 'inkstream'
      ? { INKSTREAM_PORT: '0', INKSTREAM_DATA_DIR: options.dataDir }
      : {
          HOST: '127.0.0.1',
          PORT: String(freePort),
          PEERS_DIR: benchDir,
          ...(options.seedFile ? { SEED_FILE: options.seedFile } : {}),
        };
  const child = spawn(process.execPath, [...instrument, join(checkout, kind.entry)], {
    env: { ...inherited, NODE_ENV: 'production', NODE_NO_WARNINGS: '1', ...settings, ...options.environment },
    stdio: ['ignore', 'pipe', 'pipe', ...(options.instrumented ? ['ipc' as const] : [])],
    serialization: 'advanced',
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const port = (await listening(child, kind.name)) ?? freePort;
  if (child.pid === undefined) throw new Error(`${kind.name} has no process id`);
  return {
    kind,
    pid: child.pid,
    port,
    ask: (instruction) => askInstrument(child, instruction),
    stop: async () => {
      child.kill('SIGTERM');
      const hardly = setTimeout(() => child.kill('SIGKILL'), stopMsMax);
      await exited;
      clearTimeout(hardly);
    },
  };
}
