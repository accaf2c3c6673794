/**
 * MongoDB as a local process: `mongod` where it is found, a replica set of one (change streams want a replica set, even of one); else the stand-in
 * of `MongoStandIn.java`.
 *
 * The stand-in speaks enough of the protocol for the product to run and for tests to mean something, and is not MongoDB. It is no
 * replica set, knows neither `hello` nor pipeline updates, its change events carry no `updateDescription` and have the update where `documentKey` belongs, and it can lose its
 * last second on kill -9. So a stand-in is stopped with SIGTERM where a test wants its data back, and `kind` says which of the two it is.
 */

import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { MongoClient } from 'mongodb';
import { startEngine, type Engine, type EnginePlan } from '#deploy/native/engine-process.ts';
import { freePort } from '#deploy/native/free-port.ts';
import { javaLibraries } from '#deploy/native/java-libraries.ts';
import { archiveFlags, firstCompilerAlone, standInProgram, writingFlags } from '#deploy/native/java-starts.ts';

const host = '127.0.0.1';
const replicaSet = 'inkstream';
/** What every `mongod` that we start for ourselves is given, wherever it runs. */
export const mongodOptions: readonly string[] = ['--replSet', replicaSet, '--wiredTigerCacheSizeGB', '0.25'];
const answerMsMax = 2_000;
const primaryMsMax = 30_000;
const pollMs = 20;

export type DatabaseOptions = {
  /** Made where it is missing. Holds everything: data and `mongodb.log`. One that `mongod` has used is not for the stand-in, and the other way round. */
  readonly dataDir: string;
  /** The name of the database in the URL. */
  readonly database: string;
  /** Without it: the one that this directory had before, or a free one. */
  readonly port?: number;
  /** The stand-in keeps everything in memory, where a disk is not what a caller is about. A `mongod` does not care. */
  readonly isInMemory?: boolean;
  /** For a stand-in that does not live long: it compiles less. */
  readonly isBrief?: boolean;
  /** `leashed` (the default) ends with this process, however that ends; `free` stays. */
  readonly lifetime?: EnginePlan['lifetime'];
  /** The stand-in writes the classes that it has loaded into this file when it stops (java-starts.ts). */
  readonly archiveTo?: string;
};

export type Database = Engine & {
  readonly kind: 'mongod' | 'stand-in';
  /** `127.0.0.1:<port>` */
  readonly address: string;
  /** `mongodb://127.0.0.1:<port>/<database>`, with what the driver has to know behind it. */
  readonly url: string;
  readonly logFile: string;
};

/** Which of the two a start would take here, or why it can't. */
export async function databaseAtHand(): Promise<Database['kind'] | { readonly missing: string }> {
  if (onPath('mongod')) return 'mongod';
  const libraries = await javaLibraries();
  return libraries.kind === 'here' ? 'stand-in' : { missing: `no mongod on the PATH, and for the stand-in ${libraries.reason}` };
}

/**
 * Starts a database on a data directory, new or used, and resolves when it takes writes (some 2 s).
 * @throws Error where there is neither `mongod` nor Java (`databaseAtHand` says so beforehand), or it does not start.
 */
export async function startDatabase(options: DatabaseOptions): Promise<Database> {
  const kind = await databaseAtHand();
  if (typeof kind === 'object') throw new Error(`no MongoDB: ${kind.missing}`);
  await mkdir(options.dataDir, { recursive: true });
  const port = await portOf(options);
  const address = `${host}:${port}`;
  const logFile = join(options.dataDir, 'mongodb.log');
  const common = { logFile, answers: () => databaseAnswers(address), lifetime: options.lifetime ?? 'leashed' };
  switch (kind) {
    case 'mongod': {
      const engine = await startEngine({ ...common, ...(await mongod(options.dataDir, port)) });
      await becomePrimary(address, port).catch(async (error: unknown) => {
        await engine.kill();
        throw error;
      });
      return { ...engine, kind, address, logFile, url: `mongodb://${address}/${options.database}?replicaSet=${replicaSet}` };
    }
    case 'stand-in': {
      const engine = await startEngine({ ...common, ...(await standIn(options, port)) });
      return { ...engine, kind, address, logFile, url: `mongodb://${address}/${options.database}` };
    }
  }
}

type Command = Pick<EnginePlan, 'name' | 'command' | 'args' | 'readyLine'>;

async function mongod(dataDir: string, port: number): Promise<Command> {
  const dbPath = join(dataDir, 'mongod');
  await mkdir(dbPath, { recursive: true });
  const args = ['--dbpath', dbPath, '--bind_ip', host, '--port', String(port)];
  return {
    name: `mongod on ${port}`,
    command: 'mongod',
    args: [...args, ...mongodOptions],
    readyLine: /Waiting for connections/u,
  };
}

/** The driver asks over a connection of its own whether the server is alive: one that shares its thread with a large insert is answered after that. */
const standInThreads = 64;

async function standIn({ dataDir, isInMemory, isBrief, archiveTo }: DatabaseOptions, port: number): Promise<Command> {
  const libraries = await javaLibraries();
  if (libraries.kind === 'missing') throw new Error(libraries.reason);
  const program = await standInProgram(libraries);
  const logging = `-Dlog4j2.configurationFile=${join(import.meta.dirname, 'log4j2.properties')}`;
  return {
    name: `the stand-in for MongoDB on ${port}`,
    command: 'java',
    args: [
      // H2 writes what has gathered as one chunk, out of one buffer: after some large documents that is hundreds of megabytes.
      '-Xmx3g',
      '-XX:+UseSerialGC',
      ...(isBrief === true ? [firstCompilerAlone] : []),
      `-Dio.netty.eventLoopThreads=${standInThreads}`,
      ...(archiveTo === undefined ? archiveFlags('stand-in', program) : writingFlags(archiveTo)),
      '-cp',
      program.classPath,
      logging,
      program.main,
      String(port),
      ...(isInMemory === true ? [] : [join(dataDir, 'stand-in.h2')]),
    ],
    readyLine: /MongoDB stand-in started/u,
  };
}

/** Makes a new `mongod`, which knows itself as `127.0.0.1:<ownPort>`, the one member of a replica set; resolves when it takes writes. */
export async function becomePrimary(address: string, ownPort: number): Promise<void> {
  const client = new MongoClient(`mongodb://${address}/?directConnection=true`, { serverSelectionTimeoutMS: answerMsMax });
  try {
    const admin = client.db('admin');
    const isNew = await admin.command({ replSetGetStatus: 1 }).then(
      () => false,
      (error: unknown) => (error as { codeName?: string }).codeName === 'NotYetInitialized',
    );
    if (isNew) await admin.command({ replSetInitiate: { _id: replicaSet, members: [{ _id: 0, host: `${host}:${ownPort}` }] } });
    const deadline = performance.now() + primaryMsMax;
    while ((await admin.command({ hello: 1 }))['isWritablePrimary'] !== true) {
      if (performance.now() > deadline) throw new Error(`mongod on ${address} is not primary after ${primaryMsMax} ms`);
      await delay(pollMs);
    }
  } finally {
    await client.close();
  }
}

/** Whether a MongoDB server answers a ping at `host:port`, within two seconds. Never rejects. */
export async function databaseAnswers(address: string): Promise<boolean> {
  const client = new MongoClient(`mongodb://${address}/?directConnection=true`, { serverSelectionTimeoutMS: answerMsMax });
  try {
    await client.db('admin').command({ ping: 1 });
    return true;
  } catch {
    return false;
  } finally {
    await client.close();
  }
}

async function portOf({ dataDir, port }: DatabaseOptions): Promise<number> {
  const file = join(dataDir, 'port.json');
  const before = existsSync(file) ? (JSON.parse(await readFile(file, 'utf8')) as { readonly port: number }) : undefined;
  const chosen = port ?? before?.port ?? (await freePort());
  await writeFile(file, JSON.stringify({ port: chosen }));
  return chosen;
}

const onPath = (command: string): boolean =>
  (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, command)));
