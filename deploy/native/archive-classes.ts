/** Makes the class archives (java-starts.ts), by a first start and stop of each engine that runs on Java. */

import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Engine } from '#deploy/native/engine-process.ts';
import type { Jars } from '#deploy/native/java-libraries.ts';
import { archiveFile, type JavaProgram, standInProgram } from '#deploy/native/java-starts.ts';
import { startBroker } from '#deploy/native/kafka.ts';
import { databaseAtHand, startDatabase } from '#deploy/native/mongodb.ts';
import { reasonOf } from '#shared/runtime/reason.ts';

const writeMsMax = 60_000;

type Start = (options: { readonly dataDir: string; readonly archiveTo: string }) => Promise<Engine>;

/** Makes what is missing, some 10 s of processor time each. Resolves with what could not be made, and why, one line each. */
export async function archiveClasses(jars: Jars): Promise<readonly string[]> {
  const brokers: Start = (options) => startBroker({ ...options, isBrief: true });
  const databases: Start = (options) => startDatabase({ ...options, isBrief: true, database: 'first' });
  const failures = await Promise.all([
    archive('kafka', jars, brokers),
    (await databaseAtHand()) === 'stand-in' ? archive('stand-in', await standInProgram(jars), databases) : undefined,
  ]);
  return failures.filter((failure) => failure !== undefined);
}

const archive = (program: JavaProgram, jars: Jars, start: Start): Promise<string | undefined> =>
  write(archiveFile(program, jars), start).then(
    () => undefined,
    (error: unknown) => `${program}: ${reasonOf(error)}`,
  );

async function write(file: string, start: Start): Promise<void> {
  if (existsSync(file)) return;
  const unfinished = `${file}.${randomUUID()}`;
  await mkdir(dirname(file), { recursive: true });
  const dataDir = await mkdtemp(join(tmpdir(), 'inkstream-first-start-'));
  try {
    const engine = await start({ dataDir, archiveTo: unfinished });
    engine.signal('SIGTERM');
    await Promise.race([engine.ended, delay(writeMsMax, undefined, { ref: false })]);
    await engine.kill();
    if ((await engine.ended) === 'SIGKILL') throw new Error('it took too long to write its classes down');
    // Java looks at how an archive begins, and crashes where it is cut short.
    await sync(unfinished);
    await rename(unfinished, file);
  } finally {
    await Promise.all([rm(unfinished, { force: true }), rm(dataDir, { recursive: true, force: true })]);
  }
}

async function sync(file: string): Promise<void> {
  const written = await open(file);
  try {
    await written.sync();
  } finally {
    await written.close();
  }
}
