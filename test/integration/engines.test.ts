/** The engines that tests and `make up` run on, when no Docker is at hand: real, durable, and never left behind. */

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { type Filter, MongoClient, ObjectId, type ResumeToken } from 'mongodb';
import { expect, onTestFinished, test } from 'vitest';
import { archiveClasses } from '#deploy/native/archive-classes.ts';
import { startEngine } from '#deploy/native/engine-process.ts';
import { javaLibraries, type JavaPlaces } from '#deploy/native/java-libraries.ts';
import { archiveFile, archiveFlags, standInProgram, writingFlags } from '#deploy/native/java-starts.ts';
import { mongodbForTests, orSkip, withDatabase } from '#test/harness/backends.ts';
import { startTalking } from '#test/harness/lines.ts';
import { startOwnKafka } from '#test/harness/own-kafka.ts';
import { startOwnMongodb } from '#test/harness/own-mongodb.ts';
import { openRawKafka } from '#test/harness/raw-kafka.ts';
import { temporaryDirectory } from '#test/harness/temporary-directory.ts';

test('CL40: a broker keeps what it acknowledged over kill -9, and comes back under its address', async ({ skip }) => {
  const broker = orSkip(skip, await startOwnKafka());
  onTestFinished(() => broker.remove());
  const before = await openRawKafka([broker.address]);
  await before.createTopic('kept');
  const acknowledged: string[] = [];
  let isKilled = false;
  let kill: Promise<void> | undefined;
  for (let i = 0; !isKilled; i++) {
    const value = `record ${i}`;
    await before.produce('kept', [value]).then(
      () => acknowledged.push(value),
      (error: unknown) => {
        if (kill === undefined) throw error;
        isKilled = true;
      },
    );
    // It dies with a record on its way to it.
    if (i === 200) kill = broker.kill();
  }
  await kill;
  await before.close();
  await broker.start();
  const after = await openRawKafka([broker.address]);
  onTestFinished(() => after.close());
  const found = (await after.read('kept')).map(({ value }) => String(value));
  expect(found.slice(0, acknowledged.length)).toEqual(acknowledged);
  expect(acknowledged.length).toBeGreaterThan(200);
});

test('CL41: a database that was stopped keeps what it acknowledged, and comes back under its address', async ({ skip }) => {
  const database = orSkip(skip, await startOwnMongodb());
  onTestFinished(() => database.remove());
  const write = { w: 'majority' } as const;
  const before = await MongoClient.connect(database.url);
  for (let i = 0; i < 50; i++) await before.db().collection('kept').insertOne({ i }, { writeConcern: write });
  await before.close();
  await database.stop();
  await database.start();
  const after = await MongoClient.connect(database.url);
  onTestFinished(() => after.close());
  const kept = after.db().collection<{ i: number }>('kept');
  const found = await kept.find({ i: { $gte: 0 }, _id: { $gt: new ObjectId('0'.repeat(24)) } }).toArray();
  expect(found.map(({ i }) => i).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i));
  await kept.insertOne({ i: 50 }, { writeConcern: write });
});

test('CL42: an engine ends with the process that started it, though that is killed', async () => {
  const directory = temporaryDirectory();
  onTestFinished(directory.remove);
  const owner = startTalking(process.execPath, 'test/harness/engine-owner-process.ts', join(directory.path, 'log'));
  const engine = connect({ host: '127.0.0.1', port: Number(await owner.line(/^\d+$/u)) });
  await once(engine, 'connect');
  // It may end with a reset: that is an end like any other.
  const gone = new Promise((resolve) =>
    engine
      .on('error', () => {})
      .once('close', resolve)
      .resume(),
  );
  await owner.kill();
  await gone;
});

test('CL85: no port is given to two processes, wherever they begin to look', async () => {
  const sameLot = `data:text/javascript,Math.random=()=>0.5`;
  const takers = Array.from({ length: 3 }, () =>
    startTalking(process.execPath, '--import', sameLot, 'test/harness/port-taker-process.ts'),
  );
  onTestFinished(async () => void (await Promise.all(takers.map((taker) => taker.kill()))));
  const said = await Promise.all(takers.map((taker) => taker.line(/^\d/u)));
  const ports = said.flatMap((line) => line.split(' '));
  expect(ports).toHaveLength(120);
  expect(new Set(ports).size).toBe(120);
});

test('CL43: an engine that does not start is an error, with the last that it said', async () => {
  const directory = temporaryDirectory();
  onTestFinished(directory.remove);
  const plan = {
    name: 'the engine',
    logFile: join(directory.path, 'log'),
    readyLine: /ready/u,
    answers: () => Promise.resolve(true),
    lifetime: 'leashed',
  } as const;
  const failing = startEngine({ ...plan, command: '/bin/sh', args: ['-c', 'echo the disk is full; exit 3'] });
  await expect(failing).rejects.toThrow(/the engine ended at its start \(3\).*\n.*the disk is full/u);
  await expect(startEngine({ ...plan, command: 'no-such-command', args: [] })).rejects.toThrow('no-such-command');
});

test('CL44: jars are there whole or not at all, also when two processes fetch them at once', async () => {
  const directory = temporaryDirectory();
  onTestFinished(directory.remove);
  const java = fakeCommand(directory.path, 'java', ["printf 'java.base@17.0.9\\njdk.compiler@17.0.9\\n'"]);
  // In the place of Maven: it fails the first time, and copies two files the second.
  const maven = fakeCommand(directory.path, 'mvn', [
    'for word; do case "$word" in -DoutputDirectory=*) out="${word#*=}";; esac; done',
    '[ -e "$out/first" ] || { touch "$out/first"; exit 1; }',
    'echo a >"$out/a.jar"; echo b >"$out/b.jar"',
  ]);
  const home = join(directory.path, 'jars');
  const both = await Promise.all([javaLibraries({ java, maven, home }), javaLibraries({ java, maven, home })]);
  expect(both.map(({ kind }) => kind)).toEqual(['here', 'here']);
  const folders = readdirSync(home);
  expect(folders).toHaveLength(1);
  expect(readdirSync(join(home, folders[0] ?? ''))).toEqual(expect.arrayContaining(['a.jar', 'b.jar']));
  // What is there is not fetched again.
  expect((await javaLibraries({ java, maven: 'no-such-maven', home })).kind).toBe('here');
});

test('CL44: what is missing is said: Java, its compiler, or Maven', async () => {
  const directory = temporaryDirectory();
  onTestFinished(directory.remove);
  const fake = (name: string, says: string): string => fakeCommand(directory.path, name, [`printf '${says}'`]);
  const home = join(directory.path, 'java');
  const missing = async (places: JavaPlaces): Promise<string> => {
    const libraries = await javaLibraries({ ...places, home });
    return libraries.kind === 'missing' ? libraries.reason : 'nothing';
  };
  expect(await missing({ java: 'no-such-java' })).toContain('no java on the PATH');
  expect(await missing({ java: fake('java-11', 'java.base@11.0.2\\njdk.compiler@11.0.2\\n') })).toContain('has version 11');
  const runtime = fake('java-17', 'java.base@17.0.9\\n');
  expect(await missing({ java: runtime })).toContain('has no compiler');
  const development = fake('jdk-17', 'java.base@17.0.9\\njdk.compiler@17.0.9\\n');
  expect(await missing({ java: development, maven: 'no-such-maven' })).toContain('no mvn on the PATH');
});

const run = promisify(execFile);

/** Jars as they are, beside which nothing was made yet. */
async function jarsAlone(skip: (reason: string) => never) {
  const libraries = await javaLibraries();
  if (libraries.kind === 'missing') return skip(libraries.reason);
  const directory = temporaryDirectory();
  onTestFinished(directory.remove);
  return { ...libraries, folder: directory.path };
}

test('CL80: the stand-in is compiled once, and is run as source where that fails', async ({ skip }) => {
  const jars = await jarsAlone(skip);
  expect((await standInProgram(jars, { javac: 'no-such-javac' })).main).toMatch(/MongoStandIn\.java$/u);
  expect((await standInProgram(jars, { jar: 'no-such-jar' })).main).toMatch(/MongoStandIn\.java$/u);
  const both = await Promise.all([standInProgram(jars), standInProgram(jars)]);
  expect(both.map(({ main }) => main)).toEqual(['MongoStandIn', 'MongoStandIn']);
  expect(both[0].classPath).toBe(both[1].classPath);
  expect((await standInProgram(jars, { javac: 'no-such-javac' })).main).toBe('MongoStandIn');
});

test('CL80: Java starts from the archive that is there, and without one that is broken or of another class path', async ({
  skip,
}) => {
  const libraries = await javaLibraries();
  if (libraries.kind === 'missing') return skip(libraries.reason);
  const directory = temporaryDirectory();
  onTestFinished(directory.remove);
  const program = { ...(await standInProgram(libraries)), folder: directory.path };
  // It ends at once, since it is not told its port.
  const start = async (flags: readonly string[], classPath = program.classPath): Promise<string> => {
    const { stdout, stderr } = await run('java', [...flags, '-Xlog:class+load', '-cp', classPath, program.main]).catch(
      (error: unknown) => error as { readonly stdout: string; readonly stderr: string },
    );
    expect(stderr).toContain('MongoStandIn.main');
    return stdout;
  };
  const archived = 'MongoStandIn source: shared objects file (top)';
  expect(archiveFlags('stand-in', program)).toEqual([]);
  const file = archiveFile('stand-in', program);
  mkdirSync(dirname(file));
  await start(writingFlags(file));
  expect(await start(archiveFlags('stand-in', program))).toContain(archived);
  const other = join(program.folder, 'other.jar');
  copyFileSync(program.classPath.split(delimiter).at(-1) ?? '', other);
  const otherPath = [other, program.classPath].join(delimiter);
  expect(await start(archiveFlags('stand-in', program), otherPath)).not.toContain(archived);
  rmSync(file);
  writeFileSync(file, 'no archive');
  expect(await start(archiveFlags('stand-in', program))).not.toContain(archived);
  expect(archiveFile('stand-in', { ...program, java: 'another' })).not.toBe(file);
});

test('CL80: what can’t be archived is said, and is no error', async ({ skip }) => {
  const jars = await jarsAlone(skip);
  const failures = await archiveClasses({ ...jars, folder: '/dev/null' });
  expect(failures.find((failure) => failure.startsWith('kafka: '))).toContain('ENOTDIR');
});

test('CL81: the stand-in answers on every other connection while it takes a large insert on one', async ({ skip }) => {
  const { url, isStandIn } = orSkip(skip, await mongodbForTests());
  skip(!isStandIn, 'there is a real MongoDB');
  const [inserting, asking] = await Promise.all([MongoClient.connect(url), MongoClient.connect(url, { minPoolSize: 16 })]);
  onTestFinished(async () => void (await Promise.all([inserting.close(), asking.close()])));
  const askAll = () => Promise.all(Array.from({ length: 16 }, () => asking.db().command({ ping: 1 })));
  await askAll();
  const documents = Array.from({ length: 30_000 }, (_, number) => ({ _id: String(number) as never }));
  let isInserted = false;
  const inserted = inserting
    .db()
    .collection('large')
    .insertMany(documents)
    .then(() => (isInserted = true));
  let answered = 0;
  for (; !isInserted; answered++) await askAll();
  await inserted;
  expect(answered).toBeGreaterThan(3);
});

test('CL82: the stand-in’s oplog has the latest changes of mirrors, and a stream that is to go on from before those is told so', async ({
  skip,
}) => {
  const { url, isStandIn } = orSkip(skip, await mongodbForTests());
  skip(!isStandIn, 'there is a real MongoDB');
  const client = await MongoClient.connect(withDatabase(url, `inkstream-oplog-${process.pid}`));
  onTestFinished(() => client.close());
  const mirrors = client.db().collection<{ _id: string; value?: unknown }>('mirrors');
  const inOplog = () => client.db('local').collection('oplog.rs').countDocuments();
  await mirrors.insertOne({ _id: 'a' });
  const stream = mirrors.watch();
  const seen: ResumeToken[] = [];
  const seesOne = stream.next().then(({ _id }) => void seen.push(_id));
  // It may begin to watch at any time.
  for (let i = 0; seen.length === 0; i++) await mirrors.updateOne({ _id: 'a' }, { $set: { value: i } });
  await seesOne;
  const [begun] = seen;
  await stream.close();
  await mirrors.updateOne({ _id: 'a' }, { $set: { value: 'later' } });
  const resumed = mirrors.watch([], { resumeAfter: begun });
  expect(await resumed.tryNext(), 'while it has it').not.toBeNull();
  await resumed.close();

  for (let i = 0; i < 2_200; i++) await mirrors.updateOne({ _id: 'a' }, { $set: { value: i } });
  expect(await inOplog()).toBeLessThan(2_100);
  expect(await inOplog()).toBeGreaterThan(1_900);
  const tooLate = mirrors.watch([], { resumeAfter: begun });
  await expect(tooLate.tryNext()).rejects.toMatchObject({ code: 286, codeName: 'ChangeStreamHistoryLost' });
  await tooLate.close();
  // It is cut at every 64th operation: the second time, at the latest, there are 64 MB to cut at.
  for (let i = 0; i < 128; i++) await mirrors.replaceOne({ _id: 'a' }, { value: Buffer.alloc(1 << 20, i) });
  expect(await inOplog(), 'and by bytes').toBeLessThan(130);
  const others = await inOplog();
  await client.db().collection<{ _id: string }>('segments').insertOne({ _id: 'nobody watches it' });
  expect(await inOplog()).toBe(others);
});

test('CL83: the stand-in finds by ranges of ids what is in them, in any order of writing', async ({ skip }) => {
  const { url, isStandIn } = orSkip(skip, await mongodbForTests());
  skip(!isStandIn, 'there is a real MongoDB');
  type Id = { readonly doc: string; readonly last: number };
  const ids = ['a', 'b', 'c'].flatMap((doc) => [30, 5, 100, 7, 62].map((last): Id => ({ doc, last })));
  const client = await MongoClient.connect(withDatabase(url, `inkstream-ranges-${process.pid}`));
  onTestFinished(() => client.close());
  const collection = client.db().collection<{ _id: Id; even?: boolean }>('ranges');
  await collection.insertMany(ids.map((_id) => ({ _id, even: _id.last % 2 === 0 })));
  await collection.deleteMany({ _id: { $gte: { doc: 'b', last: 0 }, $lt: { doc: 'b', last: 31 } } });
  const left = ids.filter(({ doc, last }) => doc !== 'b' || last >= 31);
  const within = { $gt: { doc: 'a', last: 7 }, $lte: { doc: 'c', last: 30 } };
  const isWithin = ({ doc, last }: Id): boolean => doc === 'b' || (doc === 'a' ? last > 7 : last <= 30);
  const sort = { _id: 1 } as const;
  const inOrder = left.toSorted((a, b) => a.doc.localeCompare(b.doc) || a.last - b.last);
  const idsOf = async (filter: Filter<{ _id: Id; even?: boolean }>): Promise<Id[]> =>
    (await collection.find(filter, { sort }).toArray()).map(({ _id }) => _id);
  expect(await idsOf({ _id: within })).toEqual(inOrder.filter(isWithin));
  expect(await idsOf({ _id: within, even: true })).toEqual(inOrder.filter((id) => isWithin(id) && id.last % 2 === 0));
  expect(await idsOf({ _id: { $gte: { doc: 'b', last: 62 }, $lte: { doc: 'b', last: 62 } } })).toEqual([{ doc: 'b', last: 62 }]);
  expect(await idsOf({ _id: { $gt: { doc: 'b', last: 62 }, $lte: { doc: 'b', last: 62 } } })).toEqual([]);
  expect(await idsOf({ _id: { $gt: { doc: 'c', last: 0 }, $lt: { doc: 'a', last: 9 } } })).toEqual([]);
  expect(await idsOf({ _id: { $gt: { doc: 'd', last: 0 } } })).toEqual([]);
  expect(await idsOf({ _id: { doc: 'c', last: 5 }, even: true })).toEqual([]);
  const some = [5, 6].map((last) => ({ doc: 'c', last }));
  expect(await idsOf({ _id: { $in: some } })).toEqual(some.slice(0, 1));
  await expect(collection.insertOne({ _id: { doc: 'a', last: 5 } })).rejects.toMatchObject({ code: 11_000 });
});

function fakeCommand(folder: string, name: string, lines: readonly string[]): string {
  const path = join(folder, name);
  writeFileSync(path, ['#!/bin/sh', ...lines, ''].join('\n'), { mode: 0o755 });
  return path;
}
