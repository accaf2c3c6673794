/** What goes over the wire, and what becomes of a server's refusals: shown on a server that answers as it is told. */

import { connect, createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { inspect } from 'node:util';
import type { Document } from 'mongodb';
import { Connection } from 'mongodb/lib/cmap/connection.js';
import { describe, expect, onTestFinished, test } from 'vitest';
import { endWritesWithConnections } from '#shared/store/mongo/ended-writes.ts';
import { openMongoStore } from '#shared/store/mongo.ts';
import type { MongoStoreOptions } from '#shared/store/mongo.ts';
import { StoreUnavailable, type Store } from '#shared/store/store.ts';
import { nameOf, segmentOf, sha256Of } from '#test/contract/store.contract.ts';
import {
  atTime,
  clusterTime,
  found,
  startScriptedMongodb,
  type Script,
  type ScriptedMongodb,
} from '#test/harness/scripted-mongodb.ts';

const document = nameOf('plan');
const head = { upto: 5, sha256: sha256Of(Uint8Array.of(1)), parts: 1 };
const short = { serverSelectionMsMax: 300, operationMsMax: 300 };

/** A server with a script, and its URL; both go with the test. */
async function serverWith(script: Script): Promise<ScriptedMongodb> {
  const server = await startScriptedMongodb(script);
  onTestFinished(() => server.close());
  return server;
}

async function storeAt(options: MongoStoreOptions): Promise<Store> {
  const store = await openMongoStore(options);
  onTestFinished(() => store.close());
  return store;
}

const everyCall = (store: Store): readonly (() => Promise<unknown>)[] => [
  () => store.bindJournal({ id: 'a', partitionCount: 1 }),
  () => store.readCheckpoint(0),
  () => store.moveCheckpoint(0, 0, 1),
  () => store.putSegment(segmentOf(document, 0, 1)),
  () => store.putSegment(segmentOf(document, 2, 2, new Uint8Array(9 * 1024 * 1024))),
  () => store.readSegments(document, 0),
  () => store.listSegments(document, 0),
  () => store.readPosition(0),
  () => store.putSnapshotPart({ document, ...head }, 0, new Uint8Array(0)),
  () => store.readSnapshotPart({ document, ...head }, 0),
  () => store.listSnapshots(document),
  () => store.condemn({ document, head, spared: [] }),
  () =>
    store.deleteCondemned(
      { document, head, spared: [] },
      { mark: 'mark', kinds: ['segments', 'segmentParts', 'snapshots'], more: false },
    ),
  () => store.readHead(document),
  () => store.listDocuments(undefined, 1),
  () => store.moveHead(document, head),
];

test('ST58: what is covered is marked by one command for each collection; with a limit, the update and the deletion end where a look says', async () => {
  const ids = [4, 5].map((first) => ({ doc: document, first, last: first }));
  const server = await serverWith({
    role: 'member',
    answer: (command) => (command['find'] === 'segments' ? found(ids.map((_id) => ({ _id }))) : undefined),
  });
  const store = await storeAt({ url: `mongodb://${server.address}/db` });
  const sent = async (work: () => Promise<unknown>): Promise<readonly Document[]> => {
    const before = server.commands.length;
    await work();
    return server.commands.slice(before);
  };
  const nameOfCommand = (command: Document): string => Object.entries(command)[0]?.join(' ') ?? '';
  const covered = { document, head, spared: [] };
  const all = await sent(() => store.condemn(covered));
  expect(all.map(nameOfCommand)).toEqual(['update segments', 'update segmentParts', 'update snapshots']);
  const [find, update, ...others] = await sent(() => store.condemn(covered, 1_000));
  expect([find, ...others]).toEqual([expect.objectContaining({ find: 'segments', skip: 999, limit: 2 })]);
  expect(update?.['updates']).toMatchObject([{ q: { _id: { $lte: ids[0] } }, multi: true }]);
  const condemned = { mark: 'mark', kinds: ['segments'], more: true, last: ids[0] ?? {} } as const;
  const [deletion] = await sent(() => store.deleteCondemned(covered, condemned));
  expect(deletion?.['deletes']).toMatchObject([{ q: { _id: { $lte: ids[0] }, condemned: 'mark' } }]);
});

const failureOf = async (call: () => Promise<unknown>): Promise<Error> => {
  const outcome = await call().then(
    () => new Error('it was a success'),
    (error: unknown) => error,
  );
  return outcome instanceof Error ? outcome : new Error(String(outcome));
};

test('ST30: whatever the URL says, writes wait for a majority and its journals, and reads are majority reads from the primary', async () => {
  const server = await serverWith({ role: 'member' });
  const wishes = 'w=1&journal=false&wtimeoutMS=1&readConcernLevel=local&readPreference=secondaryPreferred';
  const store = await storeAt({ url: `mongodb://${server.address}/db?${wishes}` });
  for (const call of everyCall(store)) await call();
  const reads = server.commands.filter(({ find }) => find !== undefined);
  const writes = server.commands.filter((command) => ['insert', 'update', 'delete'].some((name) => name in command));
  expect(reads.length + writes.length).toBe(server.commands.length);
  expect(new Set(server.commands.map(({ $db }) => String($db)))).toEqual(new Set(['db']));
  expect(new Set(server.commands.map((command) => String(Object.values(command)[0])))).toEqual(
    new Set(['checkpoints', 'segments', 'segmentParts', 'snapshots', 'documents']),
  );
  for (const write of writes) expect(write['writeConcern']).toEqual({ w: 'majority', j: true, wtimeout: 10_000 });
  for (const read of reads) expect(read['readConcern']).toMatchObject({ level: 'majority' });
  for (const command of server.commands) expect(command['$readPreference'] ?? { mode: 'primary' }).toEqual({ mode: 'primary' });
});

const readConcernOf = (command: Document | undefined): Document => (command?.['readConcern'] ?? {}) as Document;
const afterTimeIn = (command: Document | undefined): unknown => readConcernOf(command)['afterClusterTime'];

test('ST31: a call reads nothing older than what any call of the adapter has seen, also where that call failed', async () => {
  let now = 100;
  let failing = false;
  const server = await serverWith({
    role: 'member',
    answer: (command) => {
      if ('find' in command) return { ...found([]), ...atTime(now) };
      if ('insert' in command && failing) return { n: 0, writeConcernError: { code: 64, errmsg: 'timed out' }, ...atTime(now) };
      return 'insert' in command ? { n: 1, ...atTime(now) } : undefined;
    },
  });
  const store = await storeAt({ url: `mongodb://${server.address}/db` });
  now = 200;
  await store.putSegment(segmentOf(document, 0, 1));
  await store.readHead(document);
  expect(afterTimeIn(server.commands.at(-1))).toEqual(clusterTime(200));
  // An old primary answers with an old time: that does not make the adapter forget.
  now = 150;
  await store.readCheckpoint(0);
  await store.readHead(document);
  expect(afterTimeIn(server.commands.at(-1))).toEqual(clusterTime(200));
  now = 300;
  failing = true;
  await expect(store.putSegment(segmentOf(document, 2, 3))).rejects.toBeInstanceOf(StoreUnavailable);
  await store.readSegments(document, 0);
  expect(afterTimeIn(server.commands.at(-2))).toEqual(clusterTime(300));
  expect(afterTimeIn(server.commands.at(-1))).toEqual(clusterTime(300));
});

test('ST31: a call that began early and ends late takes nothing back of what others have seen', async () => {
  const late = Promise.withResolvers<Document>();
  let now = 100;
  const server = await serverWith({
    role: 'member',
    answer: ({ find }) => {
      if (find === 'documents') return late.promise;
      return find === undefined ? undefined : { ...found([]), ...atTime(now) };
    },
  });
  const store = await storeAt({ url: `mongodb://${server.address}/db` });
  const early = store.readHead(document);
  await expect.poll(() => server.commands.some(({ find }) => find === 'documents')).toBe(true);
  now = 200;
  await store.readCheckpoint(0);
  late.resolve({ ...found([]), ...atTime(120) });
  await early;
  await store.readCheckpoint(0);
  expect(afterTimeIn(server.commands.at(-1))).toEqual(clusterTime(200));
});

test('ST31: calls at the same time have sessions of their own, so that none waits for another', async () => {
  const server = await serverWith({ role: 'member' });
  const store = await storeAt({ url: `mongodb://${server.address}/db` });
  server.commands.length = 0;
  await Promise.all([store.readHead(document), store.readCheckpoint(0), store.readSegments(document, 0)]);
  const sessions = server.commands.map(({ lsid }) => JSON.stringify(lsid));
  expect(sessions).toHaveLength(4);
  expect(new Set(sessions).size).toBe(3);
});

describe('ST32: a write that no majority confirmed is not a success', () => {
  const unconfirmed = {
    writeConcernError: { code: 64, codeName: 'WriteConcernFailed', errmsg: 'waiting for replication timed out' },
  };

  test('ST32: neither as the first of its kind nor as a duplicate, until one is confirmed', async () => {
    let answer: Document | undefined = { n: 1, ...unconfirmed };
    const server = await serverWith({ role: 'member', answer: (command) => ('insert' in command ? answer : undefined) });
    const store = await storeAt({ url: `mongodb://${server.address}/db` });
    const put = (): Promise<void> => store.putSegment(segmentOf(document, 0, 1));
    expect((await failureOf(put)).message).toMatch(/did not confirm a write for a majority.*timed out/u);
    const duplicate = { index: 0, code: 11_000, errmsg: 'E11000 duplicate key error' };
    answer = { n: 0, writeErrors: [duplicate], ...unconfirmed };
    await expect(put()).rejects.toBeInstanceOf(StoreUnavailable);
    answer = { n: 0, writeErrors: [duplicate] };
    await put();
  });

  test('ST50: segments that are stored at one time go in few commands, whether or not some are there already, and what fails fails for all of a command', async () => {
    const inserted: number[] = [];
    let fails = false;
    const duplicate = { index: 3, code: 11_000, errmsg: 'E11000 duplicate key error' };
    const answer = (command: Document) => {
      if (!('insert' in command)) return undefined;
      const { length } = command['documents'] as readonly Document[];
      inserted.push(length);
      return fails
        ? { ok: 0, code: 91, codeName: 'ShutdownInProgress', errmsg: 'down' }
        : { n: length - 1, writeErrors: [duplicate] };
    };
    const server = await serverWith({ role: 'member', answer });
    const store = await storeAt({ url: `mongodb://${server.address}/db?retryWrites=false` });
    const putAll = (count: number) =>
      Promise.allSettled(Array.from({ length: count }, (_, offset) => store.putSegment(segmentOf(document, offset, offset))));
    const outcomes = await putAll(1_000);
    expect(outcomes.every(({ status }) => status === 'fulfilled')).toBe(true);
    expect(inserted.reduce((sum, count) => sum + count, 0)).toBe(1_000);
    expect(inserted.length).toBeLessThanOrEqual(10);
    fails = true;
    for (const outcome of await putAll(10))
      expect(outcome).toMatchObject({ status: 'rejected', reason: expect.any(StoreUnavailable) });
  });

  test('ST32: nor is a head or a checkpoint that moved', async () => {
    const answer = (command: Document) => ('update' in command ? { n: 1, nModified: 1, ...unconfirmed } : undefined);
    const server = await serverWith({ role: 'member', answer });
    const store = await storeAt({ url: `mongodb://${server.address}/db` });
    await expect(store.moveHead(document, head)).rejects.toBeInstanceOf(StoreUnavailable);
    await expect(store.moveCheckpoint(0, 0, 5)).rejects.toBeInstanceOf(StoreUnavailable);
  });
});

describe('ST33: a store that is away is told apart from a mistake', () => {
  const whileAnswering = async (answer: Script['answer']): Promise<Store> => {
    let isOpen = false;
    const server = await serverWith({ role: 'member', answer: (command) => (isOpen ? answer?.(command) : undefined) });
    const store = await storeAt({ url: `mongodb://${server.address}/db?retryReads=false&retryWrites=false`, ...short });
    isOpen = true;
    return store;
  };
  const isWork = (command: Document): boolean => ['find', 'insert', 'update', 'delete'].some((name) => name in command);

  test.each([
    ['not primary any more', { ok: 0, code: 10_107, codeName: 'NotWritablePrimary', errmsg: 'not primary' }],
    ['shutting down', { ok: 0, code: 91, codeName: 'ShutdownInProgress', errmsg: 'going down' }],
    ['too slow', { ok: 0, code: 50, codeName: 'MaxTimeMSExpired', errmsg: 'operation exceeded time limit' }],
    ['out of space', { ok: 0, code: 14_031, codeName: 'OutOfDiskSpace', errmsg: 'no space left' }],
    ['a code that nobody has seen', { ok: 0, code: 987_654, errmsg: 'something new' }],
    ['no longer letting us in', { ok: 0, code: 13, codeName: 'Unauthorized', errmsg: 'not authorized' }],
    ['cutting the connection', 'cut'],
    ['silent', 'nothing'],
  ] as const)('ST33: where the server is %s, every call says that the store is away, and where', async (_what, answer) => {
    const store = await whileAnswering((command) => (isWork(command) ? answer : undefined));
    for (const failure of await Promise.all(everyCall(store).map(failureOf))) {
      expect(failure).toBeInstanceOf(StoreUnavailable);
      expect(failure.message).toMatch(/^MongoDB at 127\.0\.0\.1:\d+\/db /u);
      expect(failure.cause).toBeInstanceOf(Error);
    }
  });

  test.each([
    ['an option that it does not know', { ok: 0, code: 72, errmsg: 'unknown option' }],
    ['a command that it does not know', { ok: 0, code: 59, errmsg: 'no such command' }],
    ['a document that is too large', { ok: 0, code: 10_334, errmsg: 'too large' }],
  ] as const)('ST33: where the server refuses %s, it is not waited for', async (_what, answer) => {
    const store = await whileAnswering((command) => (isWork(command) ? answer : undefined));
    for (const failure of await Promise.all(everyCall(store).map(failureOf))) {
      expect(failure).not.toBeInstanceOf(StoreUnavailable);
      expect(failure).toMatchObject({ code: answer.code });
    }
  });

  test('ST33: a server that is gone is away within the limit, and the store works again when it is back', async () => {
    let isAway = false;
    const server = await serverWith({ role: 'member', answer: () => (isAway ? 'cut' : undefined) });
    const store = await storeAt({ url: `mongodb://${server.address}/db`, ...short });
    isAway = true;
    await expect(store.readCheckpoint(0)).rejects.toThrow(/has no server that takes writes|connection .* closed/u);
    isAway = false;
    await expect.poll(() => store.readCheckpoint(0).catch(() => undefined), { timeout: 20_000 }).toBe(0);
  });
});

test('ST34: what a URL leads to directly has to be the primary', async () => {
  const server = await serverWith({ role: 'follower' });
  const failure = await failureOf(async () => {
    const store = await openMongoStore({ url: `mongodb://${server.address}/db?directConnection=true`, ...short });
    onTestFinished(() => store.close());
    return store.readCheckpoint(0);
  });
  expect(failure).toBeInstanceOf(StoreUnavailable);
  expect(failure.message).toMatch(/is not the primary/u);
});

describe('ST35: a URL that can not work is refused in one line, without its password', () => {
  const secret = 's3cret/p@ss';
  const encoded = encodeURIComponent(secret);
  const openFails = async (url: string): Promise<Error> => {
    const failure = await failureOf(() => openMongoStore({ url, ...short }));
    const shown = inspect(failure, { depth: Infinity, showHidden: true });
    expect(shown).not.toContain(secret);
    expect(shown).not.toContain(encoded);
    expect(shown).not.toContain('p@ss');
    expect(failure.message).not.toContain('\n');
    return failure;
  };

  test.each([
    ['', /is malformed.*mongodb:\/\/host/u],
    ['localhost:27017/inkstream', /is malformed/u],
    [`http://user:${encoded}@db:27017/inkstream`, /is malformed/u],
    [`mongodb://user:${encoded}@db:27017`, /has no database name/u],
    [`mongodb://user:${encoded}@db:27017/?w=1`, /has no database name/u],
    [`mongodb://user:${encoded}@db:27017/admin`, /MongoDB's own/u],
    [`mongodb://user:${encoded}@db:27017/a%20b`, /does not allow/u],
    [`mongodb://user:${encoded}@db:27017/inkstream?sessions=no`, /is malformed.*sessions/u],
    [`mongodb://user:${encoded}@db:port/inkstream`, /is malformed/u],
    [`mongodb://user:${secret}@db:27017/inkstream`, /is malformed.*percent-encoded/u],
    [`mongodb://user:p@ss@db:27017/inkstream`, /is malformed/u],
    ['mongodb+srv://one.example,two.example/inkstream', /is malformed/u],
  ])('ST35: %s', async (url, message) => {
    const failure = await openFails(url);
    expect(failure).not.toBeInstanceOf(StoreUnavailable);
    expect(failure.message).toMatch(message);
  });

  test('ST35: credentials that are refused are not waited for', async () => {
    const refusal = { ok: 0, code: 18, codeName: 'AuthenticationFailed', errmsg: 'Authentication failed.' };
    const server = await serverWith({ role: 'alone', answer: (command) => ('saslStart' in command ? refusal : undefined) });
    const failure = await openFails(`mongodb://user:${encoded}@${server.address}/inkstream?authMechanism=SCRAM-SHA-256`);
    expect(failure).not.toBeInstanceOf(StoreUnavailable);
    expect(failure.message).toMatch(/MongoDB at 127\.0\.0\.1:\d+\/inkstream refused .*check the user, the password/u);
  });

  test('ST35: a server that does not answer is waited for', async () => {
    const nobody = createServer().listen(0, '127.0.0.1');
    await once(nobody, 'listening');
    const { port } = nobody.address() as AddressInfo;
    nobody.close();
    await once(nobody, 'close');
    const failure = await openFails(`mongodb://user:${encoded}@127.0.0.1:${port}/inkstream`);
    expect(failure).toBeInstanceOf(StoreUnavailable);
    expect(failure.message).toMatch(/MongoDB at 127\.0\.0\.1:\d+\/inkstream has no server .*ECONNREFUSED/u);
  });
});

describe('ST36: what a server can not do', () => {
  const noMajority = (command: Document): Document | undefined =>
    readConcernOf(command)['level'] === 'majority' ? { ok: 0, code: 148, errmsg: 'majority reads are off' } : undefined;
  const loggerTo = (said: string[]) => {
    const say = (_fields: unknown, sentence: string): void => void said.push(sentence);
    return { debug: say, info: say, warn: say, error: say, fatal: say };
  };

  test('ST36: a single server without sessions and majority reads is used without them, and that is said once', async () => {
    const server = await serverWith({ role: 'alone', hasSessions: false, answer: noMajority });
    const said: string[] = [];
    const store = await storeAt({ url: `mongodb://${server.address}/db`, logger: loggerTo(said) });
    server.commands.length = 0;
    for (const call of everyCall(store)) await call();
    for (const command of server.commands) expect(command).not.toHaveProperty('lsid');
    for (const command of server.commands) if ('find' in command) expect(command['readConcern']).toEqual({ level: 'local' });
    expect(said).toHaveLength(1);
  });

  test('ST36: a server that is one of several is refused without them', async () => {
    const [unready, forgetful] = [
      await serverWith({ role: 'member', answer: noMajority }),
      await serverWith({ role: 'member', hasSessions: false }),
    ];
    await expect(openMongoStore({ url: `mongodb://${unready.address}/db` })).rejects.toThrow(/has no majority reads/u);
    await expect(openMongoStore({ url: `mongodb://${forgetful.address}/db` })).rejects.toThrow(/knows no sessions/u);
  });

  test('ST36: a server that has everything is said nothing about', async () => {
    const said: string[] = [];
    const server = await serverWith({ role: 'member' });
    await storeAt({ url: `mongodb://${server.address}/db`, logger: loggerTo(said) });
    expect(said).toEqual([]);
  });
});

test('ST51: a command on a connection that ended in this very moment fails', async () => {
  endWritesWithConnections();
  const server = await serverWith({ role: 'alone' });
  const socket = connect(Number(server.address.split(':')[1]), '127.0.0.1');
  await once(socket, 'connect');
  const connection = new Connection(socket, { id: 1, generation: 0, hostAddress: { toString: () => server.address } });
  socket.destroy(); // as when its end was read: what it is to the connection it will tell later
  const command = connection.command({ db: 'admin', toString: () => 'admin.$cmd' }, { ping: 1 }, {});
  await expect(command).rejects.toThrow('closed');
});

test('ST51: a large write to a server that has stopped reading fails', async () => {
  const server = await serverWith({ role: 'alone', hasSessions: false });
  const store = await storeAt({ url: `mongodb://${server.address}/test`, ...short });
  await store.readHead(document);
  server.stopReading();
  const update = new Uint8Array(store.segmentBytesMax);
  await expect(store.putSegment(segmentOf(document, 0, 1, update))).rejects.toThrow(StoreUnavailable);
});
