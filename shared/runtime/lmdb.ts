/**
 * One directory, kept by LMDB: an ordered map of bytes to bytes that survives kill -9 and power loss.
 *
 * Journal and store share it, and with it every sync (`group-commit.ts`): one commit costs about a quarter of a millisecond of
 * CPU, and on a real disk milliseconds of waiting.
 *
 * `overlappingSync` stays off. It would let a transaction be seen before it is synced, by a code path of its own; here a commit
 * is done when `mdb_txn_commit` has returned, which is after `fdatasync` of the pages and a synced write of the meta page.
 * `useWritemap` stays off too: a full disk is then an error of `pwrite` (ENOSPC), and not a SIGBUS.
 *
 * The directory has one owner at a time (`directory-lock.ts`).
 */

import { Buffer } from 'node:buffer';
import { accessSync, closeSync, constants, existsSync, fsyncSync, mkdirSync, openSync, readSync, statfsSync } from 'node:fs';
import { endianness } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { open, type RangeOptions, type RootDatabase } from 'lmdb';
import { systemClock, type Clock } from './clock.ts';
import { lockDirectory, type DirectoryLock } from './directory-lock.ts';
import { groupCommits } from './group-commit.ts';
import { reasonOf } from './reason.ts';

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
  /**
   * Keys and copies of values, as they stood at the first step: what is written meanwhile is not seen, however long it takes.
   * Don't take longer than needed, since until then nothing that is deleted makes room. Throws where the directory is closed.
   */
  readonly entries: (range: KeyRange) => Iterable<{ readonly key: Uint8Array; readonly value: Uint8Array }>;
  readonly keys: (range: KeyRange) => Iterable<Uint8Array>;
  /**
   * Calls `decide` when a transaction begins, with a view in which everything is seen that was decided before, and makes its
   * writes durable, all or none. A handler that is put on the promise itself runs before the next transaction's decisions.
   * `releases` says that it serves to make room, and is let through where the disk is nearly full.
   * @throws EnvironmentUnavailable (as a rejection) where nothing of it was written, as far as is known
   */
  readonly commit: <T>(decide: (view: View) => Decision<T>, options?: { readonly releases?: boolean }) => Promise<T>;
  /** Under load, commits are made without an interval until the returned function is called, once: for writes that wait for one another. */
  readonly hurry: () => () => void;
  /**
   * Waits for the commits under way, and gives the directory free. Everything after that throws, or rejects with,
   * `EnvironmentUnavailable`.
   */
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
  /**
   * Writes that would leave less free disk than this, in bytes, are refused, so that there is room left to delete in; 0: the disk
   * alone says no.
   */
  readonly diskReserveBytes?: number;
  /** How long a commit may take, in milliseconds; after that nothing is written any more. */
  readonly commitMsMax?: number;
  /**
   * Address space that is set aside for the data file, in bytes: it costs nothing, and to map it anew while others read would be
   * a race.
   */
  readonly mapBytesMax?: number;
  readonly clock?: Clock;
};

type Request = {
  readonly decide: (view: View) => Decision<unknown>;
  readonly releases: boolean;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
};

type Database = RootDatabase<Buffer, Uint8Array>;

const overlayKey = (key: Uint8Array): string => Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');

/** The database with what this transaction has decided so far laid over it. */
function overlaid(database: Database): { readonly view: View; readonly writes: Map<string, Write> } {
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
    throw new EnvironmentUnavailable(`the data directory ${directory} can't be used: ${reasonOf(error)}`, { cause: error });
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
  return reasonOf(last);
}

/**
 * LMDB crashes on a data file that is none. Its first page has, behind a header of 24 bytes, a number that tells it, and the
 * version of its format.
 */
function checkDataFile(directory: string): void {
  const path = join(directory, 'data.mdb');
  if (!existsSync(path)) return;
  const header = new DataView(new ArrayBuffer(32));
  const descriptor = openSync(path, constants.O_RDONLY);
  const read = readSync(descriptor, header, 0, 32, 0);
  closeSync(descriptor);
  if (read === 0) return;
  const littleEndian = endianness() === 'LE';
  if (read < 32 || header.getUint32(24, littleEndian) !== 0xbeefc0de) throw new Error(`${path} is not a database`);
  const version = header.getUint32(28, littleEndian);
  if (version !== 2) throw new Error(`${path} has format ${version} of LMDB, and this program knows 2 alone`);
}

function openDatabase(directory: string, mapBytesMax: number): Database {
  checkDataFile(directory);
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

/**
 * One transaction. Outside a `batch`, lmdb-js may start with the first writes of a loop while the others are still being added.
 */
async function writeTogether(database: Database, writes: readonly Write[]): Promise<void> {
  try {
    await database.batch(() => {
      for (const { key, value } of writes) void (value === undefined ? database.remove(key) : database.put(key, value as Buffer));
    });
  } catch (error) {
    throw new Error(await causeOf(error), { cause: error });
  }
}

const rangeOptions = ({ from, below, limit, reverse }: KeyRange): RangeOptions => ({
  ...(reverse === true
    ? { reverse, start: below, exclusiveStart: true, end: from, inclusiveEnd: true }
    : { start: from, end: below }),
  ...(limit === undefined ? {} : { limit }),
});

/** Iterations under way, to be ended before the database is closed, which frees what they hold. */
type OpenIterators = Set<Iterator<unknown>>;

/** What an iterable yields, each step by way of `read`. */
function* readEach<T>(read: <R>(look: () => R) => R, underWay: OpenIterators, open: () => Iterable<T>): Generator<T> {
  const iterator = read(() => open()[Symbol.iterator]());
  underWay.add(iterator);
  try {
    for (let step = read(() => iterator.next()); step.done !== true; step = read(() => iterator.next())) yield step.value;
  } finally {
    if (underWay.delete(iterator)) iterator.return?.();
  }
}

/** Free bytes of the disk, as far as the file system knows. */
function freeBytesOf(directory: string): number {
  const { blocks, bavail, bsize } = statfsSync(directory);
  return blocks === 0 ? Infinity : bavail * bsize;
}

const newFilesBytes = 1024 * 1024;

/** LMDB writes its lock file through a map, and where there is no room for that the process gets a SIGBUS. */
function refuseIfNoRoom(directory: string): void {
  const isNew = ['data.mdb', 'lock.mdb'].some((file) => !existsSync(`${directory}/${file}`));
  if (isNew && freeBytesOf(directory) < newFilesBytes) throw new Error(`the disk of ${directory} is full: make room`);
}

/** Runs the decisions of a group and writes them in one transaction. What became of each is told to it alone. */
function transact(
  database: Database,
  directory: string,
  limits: { readonly diskReserveBytes: number; readonly commitMsMax: number; readonly clock: Clock },
) {
  const { diskReserveBytes, commitMsMax, clock } = limits;
  let broken: EnvironmentUnavailable | undefined;

  const fullDisk = (bytes: number): EnvironmentUnavailable => {
    const without = bytes === 0 ? '' : ` without the ${bytes} bytes that were to be written`;
    return new EnvironmentUnavailable(
      `the disk of ${directory} is full: less than ${diskReserveBytes} bytes are free${without}. ` +
        'Make room; writing then goes on by itself',
    );
  };

  const decideAll = (group: readonly Request[], freeBytes: number) => {
    const { view, writes } = overlaid(database);
    const decided: { readonly request: Request; readonly result: unknown }[] = [];
    let room = freeBytes - diskReserveBytes;
    for (const request of group) {
      if (room < 0 && !request.releases) {
        request.reject(fullDisk(0));
        continue;
      }
      try {
        const { writes: more, result } = request.decide(view);
        const bytes = more.reduce((sum, { value }) => sum + (value?.byteLength ?? 0), 0);
        // To try would take what is left, for nothing: LMDB never makes its file smaller, and then nothing else would fit either.
        if (diskReserveBytes > 0 && bytes > room && !request.releases) {
          request.reject(fullDisk(bytes));
          continue;
        }
        room -= bytes;
        for (const write of more) writes.set(overlayKey(write.key), write);
        decided.push({ request, result });
      } catch (error) {
        request.reject(error);
      }
    }
    return { decided, writes: [...writes.values()] };
  };

  /** LMDB is silent for ever after some errors of a disk, and nobody may wait for ever. */
  const writeInTime = async (writes: readonly Write[]): Promise<void> => {
    const late = Promise.withResolvers<never>();
    const timer = clock.after(commitMsMax, () => {
      broken = new EnvironmentUnavailable(
        `${directory} has not answered for ${commitMsMax} ms: look at its disk, and start again`,
      );
      late.reject(broken);
    });
    try {
      await Promise.race([writeTogether(database, writes), late.promise]);
    } finally {
      timer.cancel();
    }
  };

  const rejectAll = (requests: readonly Request[], reason: string, cause: unknown): void => {
    for (const { reject } of requests)
      reject(broken ?? new EnvironmentUnavailable(`${directory} can't be written: ${reason}`, { cause }));
  };

  const commit = async (group: readonly Request[]): Promise<void> => {
    let freeBytes: number;
    try {
      freeBytes = freeBytesOf(directory); // fails where the directory was removed, and LMDB would write on, for nobody
    } catch (error) {
      return rejectAll(group, reasonOf(error), error);
    }
    if (broken !== undefined) return rejectAll(group, '', undefined);
    const { decided, writes } = decideAll(group, freeBytes);
    try {
      if (writes.length > 0) await writeInTime(writes);
    } catch (error) {
      const requests = decided.map(({ request }) => request);
      return rejectAll(requests, `${reasonOf(error)}, with ${freeBytes} bytes of disk free before`, error);
    }
    for (const { request, result } of decided) request.resolve(result);
  };

  return { commit, isBroken: () => broken !== undefined };
}

/**
 * Opens the directory, creating what is missing, and owns it until `close`.
 * @throws EnvironmentUnavailable where it can't be written, or is in use by another process
 */
export async function openEnvironment(options: EnvironmentOptions): Promise<Environment> {
  const {
    commitIntervalMs = 10,
    diskReserveBytes = 16 * 1024 * 1024,
    commitMsMax = 60_000,
    mapBytesMax = 2 ** 40,
    clock = systemClock,
  } = options;
  const directory = resolve(options.directory);
  makeDirectory(directory);
  let lock: DirectoryLock;
  let database: Database;
  try {
    lock = await lockDirectory(directory);
  } catch (error) {
    throw new EnvironmentUnavailable(reasonOf(error), { cause: error });
  }
  try {
    refuseIfNoRoom(directory);
    database = openDatabase(directory, mapBytesMax);
  } catch (error) {
    await lock.release();
    throw new EnvironmentUnavailable(`the database in ${directory} can't be opened: ${reasonOf(error)}`, { cause: error });
  }
  const transactions = transact(database, directory, { diskReserveBytes, commitMsMax, clock });
  const commits = groupCommits(transactions.commit, commitIntervalMs, clock);
  const underWay: OpenIterators = new Set();
  let closing = false;
  let closed = false;

  /** LMDB crashes on a database that was closed; whatever else it throws while reading means that the disk can't be read. */
  const read = <T>(look: () => T): T => {
    if (closed) throw new EnvironmentUnavailable(`${directory} was closed`);
    try {
      return look();
    } catch (error) {
      throw new EnvironmentUnavailable(`${directory} can't be read: ${reasonOf(error)}`, { cause: error });
    }
  };

  return {
    directory,
    get: (key) => read(() => database.getBinary(key)),
    has: (key) => read(() => database.doesExist(key)),
    entries: (range) => readEach(read, underWay, () => database.getRange(rangeOptions(range))),
    keys: (range) => readEach(read, underWay, () => database.getKeys(rangeOptions(range))),
    commit: <T>(decide: (view: View) => Decision<T>, { releases = false } = {}) => {
      if (closing) return Promise.reject(new EnvironmentUnavailable(`${directory} was closed`));
      const { promise, resolve: settle, reject } = Promise.withResolvers<T>();
      commits.add({ decide, releases, resolve: (result) => settle(result as T), reject });
      return promise;
    },
    hurry: commits.hurry,
    close: async () => {
      if (closing) return;
      closing = true;
      await commits.drain();
      closed = true;
      for (const iterator of underWay) iterator.return?.();
      underWay.clear();
      if (transactions.isBroken()) return; // what is still under way may yet be written: nobody else may have the directory before we end
      await database.close();
      await lock.release();
    },
  };
}
