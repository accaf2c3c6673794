/**
 * One directory, kept by LMDB: an ordered map of bytes to bytes that survives kill -9 and power loss.
 *
 * Journal and store share it, and with it every sync. A sync costs about a quarter of a millisecond of CPU and, on a real disk, milliseconds of
 * waiting, whether it makes one record durable or a thousand. So there is never more than one transaction under way: what is asked for
 * meanwhile waits, and is taken by the next one as a whole. The first commit after a rest starts at once; under load the next one starts no sooner than
 * `commitIntervalMs` after it.
 *
 * `overlappingSync` stays off. It would let a transaction be seen before it is synced, by a code path of its own; here a commit is done when
 * `mdb_txn_commit` has returned, which is after `fdatasync` of the pages and a synced write of the meta page. `useWritemap` stays off
 * too: a full disk is then an error of `pwrite` (ENOSPC), and not a SIGBUS.
 *
 * The directory has one owner at a time (`directory-lock.ts`).
 */

import { Buffer } from 'node:buffer';
import { closeSync, constants, fsyncSync, mkdirSync, accessSync, openSync, statfsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { lockDirectory, type DirectoryLock } from './directory-lock.ts';

/** A put, or a deletion where `value` is undefined. Neither array may be written to until the commit is done. */
export type Write = { readonly key: Uint8Array; readonly value: Uint8Array | undefined };

/** Keys `from` ≤ key < `below`, in byte order. */
export type KeyRange = {
  readonly from: Uint8Array;
  readonly below: Uint8Array;
  readonly limit?: number;
  readonly reverse?: boolean;
};

export type View = {
  /** A copy of the value, which the caller may keep. */
  readonly get: (key: Uint8Array) => Uint8Array | undefined;
  readonly has: (key: Uint8Array) => boolean;
};

/** What a transaction writes, and what its caller gets when that is durable. */
export type Decision<T> = { readonly writes: readonly Write[]; readonly result: T };

export type Environment = View & {
  readonly directory: string;
  /** Keys and copies of values. Take what you need in one go: what is written meanwhile is not seen. */
  readonly entries: (range: KeyRange) => Iterable<{ readonly key: Uint8Array; readonly value: Uint8Array }>;
  readonly keys: (range: KeyRange) => Iterable<Uint8Array>;
  /**
   * Calls `decide` when a transaction begins, with a view in which everything is seen that was decided before, and makes its writes durable, all or none.
   * `releases` says that it serves to make room, and is let through where the disk is nearly full.
   * @throws EnvironmentUnavailable (as a rejection) where nothing of it was written, as far as is known
   */
  readonly commit: <T>(decide: (view: View) => Decision<T>, options?: { readonly releases?: boolean }) => Promise<T>;
  /** Waits for the commits under way, and gives the directory free. */
  readonly close: () => Promise<void>;
};

/** The directory can't be used now, or not by us; the message says what to do. */
export class EnvironmentUnavailable extends Error {
  override readonly name = 'EnvironmentUnavailable';
}

export type EnvironmentOptions = {
  /** Created where it is missing. */
  readonly directory: string;
  /** Under load, commits start no sooner than this after one another, in milliseconds. */
  readonly commitIntervalMs?: number;
  /** Writes are refused below this much free disk, in bytes, so that there is room left to delete in. */
  readonly diskReserveBytes?: number;
  /** Address space that is set aside for the data file, in bytes: it costs nothing, and to map it anew while others read would be a race. */
  readonly mapBytesMax?: number;
};

type Waiting = {
  readonly decide: (view: View) => Decision<unknown>;
  readonly releases: boolean;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
};

const overlayKey = (key: Uint8Array): string => Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');

/** The database with what this transaction has decided so far laid over it. */
function overlaid(database: RootDatabase<Buffer, Uint8Array>): { readonly view: View; readonly writes: Map<string, Write> } {
  const writes = new Map<string, Write>();
  const view: View = {
    get: (key) => {
      const decided = writes.get(overlayKey(key));
      return decided === undefined ? database.getBinary(key) : decided.value;
    },
    has: (key) => {
      const decided = writes.get(overlayKey(key));
      return decided === undefined ? database.doesExist(key) : decided.value !== undefined;
    },
  };
  return { view, writes };
}

function makeDirectory(directory: string): void {
  try {
    const created = mkdirSync(directory, { recursive: true });
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
    if (created !== undefined) syncDirectory(dirname(created));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new EnvironmentUnavailable(`the data directory ${directory} can't be used: ${reason}`);
  }
}

/** A new file is only there after a power loss if its directory was synced too. */
function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, constants.O_RDONLY);
  fsyncSync(descriptor);
  closeSync(descriptor);
}

/** Why a commit failed, in LMDB's words; lmdb-js keeps the cause in a promise of its own. */
async function causeOf(error: unknown): Promise<string> {
  const cause = (error as { readonly commitError?: Promise<never> }).commitError;
  const last = cause === undefined ? error : await cause.catch((reason: unknown) => reason);
  return last instanceof Error ? last.message : String(last);
}

function openDatabase(directory: string, mapBytesMax: number): RootDatabase<Buffer, Uint8Array> {
  const database = open<Buffer, Uint8Array>(`${directory}/`, {
    encoding: 'binary',
    keyEncoding: 'binary',
    overlappingSync: false,
    eventTurnBatching: false,
    noSubdir: false,
    mapSize: mapBytesMax,
  });
  syncDirectory(directory);
  return database;
}

/** One transaction. Outside a `batch`, lmdb-js may start with the first writes of a loop while the others are still being added. */
const writeTogether = (database: RootDatabase<Buffer, Uint8Array>, writes: readonly Write[]): Promise<boolean> =>
  database.batch(() => {
    for (const { key, value } of writes) void (value === undefined ? database.remove(key) : database.put(key, value as Buffer));
  });

/**
 * Opens the directory, creating what is missing, and owns it until `close`.
 * @throws EnvironmentUnavailable where it can't be written, or is in use by another process
 */
export async function openEnvironment(options: EnvironmentOptions): Promise<Environment> {
  const directory = resolve(options.directory);
  const commitIntervalMs = options.commitIntervalMs ?? 10;
  const diskReserveBytes = options.diskReserveBytes ?? 16 * 1024 * 1024;
  makeDirectory(directory);
  let lock: DirectoryLock;
  let database: RootDatabase<Buffer, Uint8Array>;
  try {
    lock = await lockDirectory(directory);
  } catch (error) {
    throw new EnvironmentUnavailable(error instanceof Error ? error.message : String(error));
  }
  try {
    database = openDatabase(directory, options.mapBytesMax ?? 2 ** 40);
  } catch (error) {
    await lock.release();
    throw new EnvironmentUnavailable(`the database in ${directory} can't be opened: ${await causeOf(error)}`);
  }

  let waiting: Waiting[] = [];
  let committing: Promise<void> | undefined;
  let scheduled = false;
  let lastStart = -Infinity;
  let closed = false;

  const freeBytes = (): number => {
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize;
  };

  const refusal = (): EnvironmentUnavailable =>
    new EnvironmentUnavailable(
      `the disk of ${directory} has less than ${diskReserveBytes} bytes left: make room, and writing goes on by itself`,
    );

  /** Runs every decision that may run now; the writes of all, and who waits for them. */
  const decideAll = (group: readonly Waiting[]): { writes: readonly Write[]; done: (readonly [Waiting, unknown])[] } => {
    const { view, writes } = overlaid(database);
    const done: (readonly [Waiting, unknown])[] = [];
    const full = freeBytes() < diskReserveBytes;
    for (const one of group) {
      if (full && !one.releases) {
        one.reject(refusal());
        continue;
      }
      try {
        const decision = one.decide(view);
        for (const write of decision.writes) writes.set(overlayKey(write.key), write);
        done.push([one, decision.result]);
      } catch (error) {
        one.reject(error);
      }
    }
    return { writes: [...writes.values()], done };
  };

  const commitGroup = async (): Promise<void> => {
    const group = waiting;
    waiting = [];
    lastStart = performance.now();
    const { writes, done } = decideAll(group);
    try {
      if (writes.length > 0) await writeTogether(database, writes);
    } catch (error) {
      const unavailable = new EnvironmentUnavailable(`writing to ${directory} failed: ${await causeOf(error)}`);
      for (const [one] of done) one.reject(unavailable);
      return;
    }
    for (const [one, result] of done) one.resolve(result);
  };

  const startCommit = (): void => {
    scheduled = false;
    if (committing !== undefined || waiting.length === 0) return;
    committing = commitGroup().finally(() => {
      committing = undefined;
      schedule();
    });
  };

  const schedule = (): void => {
    if (scheduled || committing !== undefined || waiting.length === 0) return;
    scheduled = true;
    const due = lastStart + commitIntervalMs - performance.now();
    if (due <= 0 || closed) queueMicrotask(startCommit);
    else setTimeout(startCommit, due);
  };

  const drain = async (): Promise<void> => {
    while (committing !== undefined || waiting.length > 0) {
      if (committing === undefined) startCommit();
      await committing;
    }
  };

  return {
    directory,
    get: (key) => database.getBinary(key),
    has: (key) => database.doesExist(key),
    entries: ({ from, below, limit, reverse }) =>
      database.getRange({
        start: reverse === true ? below : from,
        end: reverse === true ? from : below,
        ...(reverse === true ? { reverse, exclusiveStart: true, inclusiveEnd: true } : {}),
        ...(limit === undefined ? {} : { limit }),
      }),
    keys: ({ from, below, limit, reverse }) =>
      database.getKeys({
        start: reverse === true ? below : from,
        end: reverse === true ? from : below,
        ...(reverse === true ? { reverse, exclusiveStart: true, inclusiveEnd: true } : {}),
        ...(limit === undefined ? {} : { limit }),
      }),
    commit: <T>(decide: (view: View) => Decision<T>, { releases = false } = {}) => {
      if (closed) return Promise.reject(new EnvironmentUnavailable(`${directory} was closed`));
      const { promise, resolve: settle, reject } = Promise.withResolvers<T>();
      waiting.push({ decide, releases, resolve: settle as (result: unknown) => void, reject });
      schedule();
      return promise;
    },
    close: async () => {
      if (closed) return;
      closed = true;
      await drain();
      await database.close();
      await lock.release();
    },
  };
}
