/**
 * A real server as a child process (standalone, or one service of a cluster): what a test starts, kills at bad moments, and starts again on the same data.
 *
 * The process is run as a person would run it (settings in the environment, the ready line on stdout), so a test that passes
 * here has seen the product and not a part of it; only what each of them would do again at its start may have been done before (brief-processes.ts), unless it is to start as it is installed.
 * Nothing waits by time: starting ends with the ready line or with the exit of the process, stopping ends with its exit; the
 * deadlines only turn a hang into an error that says what the server had to say.
 */

import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { asInstalled } from '#test/harness/brief-processes.ts';
import { freePort } from '#deploy/native/free-port.ts';
import { withSettings } from '#test/harness/program.ts';

const root = resolve(import.meta.dirname, '../..');
const startDeadlineMs = 90_000;
const stopDeadlineMs = 15_000;
const stderrCharactersMax = 1_000_000;

export type ServerOptions = {
  /** Which one; standalone if not given. The others keep no data of their own. */
  readonly service?: 'standalone' | 'gateway' | 'persister' | 'changefeed';
  /** Where its data lives. Without it: a new temporary directory, which goes when the process has ended. */
  readonly dataDir?: string;
  /** Without it: a free one. Give the port of a killed server to come back at the same address. */
  readonly port?: number;
  /** Further settings by name without their prefix: `{ FRAME_BYTES_MAX: 4096 }`. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** Kills it with SIGKILL, wherever it is: while it starts, starting rejects. */
  readonly signal?: AbortSignal;
  /** A command to run it under, like strace with its options: it must put the server in its own place, so that signals reach it. */
  readonly under?: readonly string[];
  /** Does everything by itself at its start, as the one that nobody tests. */
  readonly asInstalled?: boolean;
  /** Its garbage can be collected from here, for `memoryInUse`. */
  readonly canCollect?: boolean;
};

export type Server = {
  /** `http://127.0.0.1:<port>`, without a slash at its end. */
  readonly url: string;
  /** `ws://127.0.0.1:<port>/ws`, as a `WebsocketProvider` takes it. */
  readonly wsUrl: string;
  readonly port: number;
  /** For signals that do not end it (SIGSTOP, SIGCONT): `process.kill(server.pid, …)`. */
  readonly pid: number;
  readonly stdout: () => string;
  /** The diagnostics so far; of a long run the last million characters. */
  readonly stderr: () => string;
  /** Bytes in the heap and the buffers of its main thread, when what nobody refers to has been collected. Of a server that `canCollect`. */
  readonly memoryInUse: () => Promise<number>;
  /** Sends a signal that ends the process, SIGKILL if none is named, and resolves when it is gone. Harmless on one that has ended. */
  readonly kill: (signal?: NodeJS.Signals) => Promise<void>;
  /** Ends it as an orchestrator does, with SIGTERM. Resolves with the exit code; rejects if it had to be killed or a signal ended it. */
  readonly stop: () => Promise<number>;
};

/** How a process ended by itself, and what it said. */
export type ServerEnd = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/** A new, empty directory for a server's data, for tests that start several servers on it. */
export async function makeDataDir(): Promise<{ readonly path: string; readonly remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'inkstream-test-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/**
 * Starts the standalone server and resolves when it is ready.
 * @throws Error with the server's diagnostics where it ends, or says nothing for a minute and a half, instead.
 */
export async function startServer(options: ServerOptions = {}): Promise<Server> {
  const { service = 'standalone' } = options;
  const temporary = options.dataDir === undefined && service === 'standalone' ? await makeDataDir() : undefined;
  const child = spawnServer({
    ...options,
    port: options.port ?? (await freePort()),
    dataDir: options.dataDir ?? temporary?.path ?? '',
  });
  let diagnostics = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (diagnostics = (diagnostics + text).slice(-stderrCharactersMax)));

  const endWithUs = (): boolean => child.kill('SIGKILL');
  process.once('exit', endWithUs);
  const gone = new Promise<string | number>((settle) => {
    // One that was aborted has an error, and ends after it.
    child.on('error', (error) => child.pid === undefined && settle(error.message));
    child.once('close', (code, signal) => settle(signal ?? code ?? 'unknown'));
  }).then(async (end) => {
    process.off('exit', endWithUs);
    await temporary?.remove();
    return end;
  });
  const kill = async (signal: NodeJS.Signals = 'SIGKILL'): Promise<void> => {
    child.kill(signal);
    await gone;
  };

  let said = '';
  const lines = createInterface({ input: child.stdout });
  const ready = new Promise<string>((settle) => {
    lines.on('line', (line) => {
      said += `${line}\n`;
      if (line.startsWith('ready ')) settle(line.slice('ready '.length));
    });
  });
  const line = await within(startDeadlineMs, Promise.race([ready, gone.then(() => undefined)]));
  if (line === undefined) {
    await kill();
    throw new Error(`the server did not become ready (${await gone}):\n${diagnostics}`);
  }
  const { url } = JSON.parse(line) as { url: string };
  return {
    url,
    wsUrl: `${url.replace(/^http/u, 'ws')}/ws`,
    port: Number(new URL(url).port),
    pid: child.pid ?? 0,
    stdout: () => said,
    stderr: () => diagnostics,
    memoryInUse: async () => {
      const line = once(lines, 'line');
      child.kill('SIGUSR2');
      const [, bytes] = /^in use (\d+)$/u.exec(String(await line)) ?? [];
      if (bytes === undefined) throw new Error(`not what is in use: ${String(await line)}`);
      return Number(bytes);
    },
    kill,
    stop: async () => {
      child.kill('SIGTERM');
      const end = await within(stopDeadlineMs, gone);
      if (typeof end === 'number') return end;
      await kill();
      throw new Error(
        `the server did not end by itself on SIGTERM (${end ?? `still there after ${stopDeadlineMs} ms`}):\n${diagnostics}`,
      );
    },
  };
}

const spawnServer = (options: ServerOptions): ChildProcessByStdio<null, Readable, Readable> => {
  const { service = 'standalone', dataDir = '' } = options;
  const node = join(root, 'node_modules/.bin/node');
  const collecting = options.canCollect === true ? ['--expose-gc', '--import', './test/harness/collects-on-signal.js'] : [];
  const words = [...(options.under ?? []), node, ...collecting, `services/${service}/main.ts`];
  const place = service === 'standalone' ? { DATA_DIR: dataDir } : {};
  return spawn(words[0] ?? '', words.slice(1), {
    cwd: root,
    env: withSettings(options.asInstalled === true ? asInstalled(process.env) : process.env, {
      PORT: options.port ?? 0,
      ...place,
      ...options.settings,
    }),
    stdio: ['ignore', 'pipe', 'pipe'],
    killSignal: 'SIGKILL',
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
};

/** Runs a server that is expected to end by itself, because of how it was started. Kills it after a minute and a half: then there is no exit code. */
export async function endOfServer(options: ServerOptions & { readonly dataDir: string }): Promise<ServerEnd> {
  const child = spawnServer({ ...options, signal: AbortSignal.timeout(startDeadlineMs) });
  child.on('error', () => {});
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: code as number | null, stdout, stderr };
}

/** What `promise` resolves with, or undefined if it takes longer than `ms`. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  const controller = new AbortController();
  const late = delay(ms, undefined, { signal: controller.signal }).catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    controller.abort();
  }
}
