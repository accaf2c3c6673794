/**
 * A broker or a database that one test has for itself, to kill it: one address and one set of data over several processes.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Engine } from '#deploy/native/engine-process.ts';

/** What was asked for, or why it can't be had here: a reason for `skip`. */
export type Had<T> = ({ readonly kind: 'had' } & T) | { readonly kind: 'missing'; readonly reason: string };

export type OwnEngine = {
  /** What it is, for people: `local process (4.1.0)`. */
  readonly took: string;
  /** kill -9. Resolves when it is gone. */
  readonly kill: () => Promise<void>;
  /** SIGTERM. Resolves when it is gone. */
  readonly stop: () => Promise<void>;
  /** After `kill` or `stop`: the same address, the same data. Resolves when it serves. */
  readonly start: () => Promise<void>;
  /** It does nothing more, and its connections stay open (SIGSTOP). */
  readonly freeze: () => Promise<void>;
  readonly thaw: () => Promise<void>;
  /** Kills it if it runs, and removes its data. */
  readonly remove: () => Promise<void>;
};

/** A local process on a directory of its own under the system's temporary one. */
export async function ownLocalEngine<E extends Engine>(
  took: (engine: E) => string,
  startOn: (dataDir: string) => Promise<E>,
): Promise<OwnEngine> {
  const directory = await mkdtemp(join(tmpdir(), 'inkstream-engine-'));
  const removeDirectory = (): Promise<void> => rm(directory, { recursive: true, force: true });
  let engine = await startOn(directory).catch(async (error: unknown) => {
    await removeDirectory();
    throw error;
  });
  return {
    took: took(engine),
    kill: () => engine.kill(),
    stop: () => engine.stop(),
    start: async () => {
      engine = await startOn(directory);
    },
    freeze: async () => engine.signal('SIGSTOP'),
    thaw: async () => engine.signal('SIGCONT'),
    remove: async () => {
      await engine.kill();
      await removeDirectory();
    },
  };
}
