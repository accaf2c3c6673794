/**
 * A server that is killed and comes back: one address and one data directory over several processes.
 */

import { setTimeout as delay } from 'node:timers/promises';
import { makeDataDir, startServer, type Server, type ServerOptions } from '#test/harness/server.ts';

export type CrashingServer = {
  readonly url: string;
  readonly wsUrl: string;
  readonly dataDir: string;
  /** The process that runs now, or the last one that did. */
  readonly process: () => Server;
  /** kill -9. */
  readonly kill: () => Promise<void>;
  /** SIGTERM, and after so many milliseconds kill -9, wherever its drain is. */
  readonly drainAndKill: (ms: number) => Promise<void>;
  readonly start: () => Promise<void>;
  /** Starts it, and kills it after so many milliseconds, ready or not. */
  readonly startAndKill: (ms: number) => Promise<void>;
  /** Kills it if it runs, and removes its data. */
  readonly remove: () => Promise<void>;
};

/** Starts a server that a test may kill and start again. */
export async function startCrashingServer(options: Omit<ServerOptions, 'port' | 'dataDir'> = {}): Promise<CrashingServer> {
  const directory = await makeDataDir();
  let server = await startServer({ ...options, dataDir: directory.path });
  const { port } = server;
  const start = (signal?: AbortSignal): Promise<Server> =>
    startServer({ ...options, ...(signal === undefined ? {} : { signal }), port, dataDir: directory.path });
  return {
    url: server.url,
    wsUrl: server.wsUrl,
    dataDir: directory.path,
    process: () => server,
    kill: () => server.kill(),
    drainAndKill: async (ms) => {
      process.kill(server.pid, 'SIGTERM');
      await delay(ms);
      await server.kill();
    },
    start: async () => {
      server = await start();
    },
    startAndKill: async (ms) => {
      const started = await start(AbortSignal.timeout(ms)).catch(() => undefined);
      await started?.kill();
    },
    remove: async () => {
      await server.kill();
      await directory.remove();
    },
  };
}
