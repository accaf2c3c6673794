/**
 * A database that is put back while a write is made that rests on something else in it: between any two of the commands that the write consists of.
 *
 * `simulation/persister/put-back.test.ts` does that to a whole persister, with a store in memory. Here it is done to the very commands.
 */

import { type Collection, type Db, MongoClient } from 'mongodb';
import { expect, onTestFinished, test } from 'vitest';
import { readParts } from '#shared/store/load.ts';
import { condemn, deleteCondemned } from '#shared/store/mongo/condemned.ts';
import { openMongoStore } from '#shared/store/mongo.ts';
import { type LeftAt, moveCheckpoint, moveHead, readHead, readPosition } from '#shared/store/mongo/positions.ts';
import { type Covered, type Head, partBytesMax, type Store } from '#shared/store/store.ts';
import { nameOf, noise, putSnapshot, segmentOf, sha256Of } from '#test/contract/store.contract.ts';
import { mongodbForTests, orSkip } from '#test/harness/backends.ts';
import { backUp, type Backup, restore } from '#test/harness/database-backup.ts';

const document = nameOf('plan');
const call = { maxTimeMS: 10_000 };
const writes: ReadonlySet<unknown> = new Set(['updateOne', 'insertOne', 'updateMany', 'deleteMany']);

/** The same database, of which each write is announced before and after it, and what comes after it may be another answer. */
function announcing(db: Db, at: (moment: 'before' | 'after', again: () => Promise<unknown>) => Promise<unknown>): Db {
  const announced = (collection: Collection): Collection =>
    new Proxy(collection, {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key);
        if (typeof value !== 'function') return value;
        if (!writes.has(key)) return value.bind(target) as unknown;
        return async (...of: unknown[]): Promise<unknown> => {
          const write = async (): Promise<unknown> => value.apply(target, of);
          await at('before', write);
          const result = await write();
          return (await at('after', write)) ?? result;
        };
      },
    });
  return new Proxy(db, {
    get: (target, key) =>
      key === 'collection' ? (name: string) => announced(target.collection(name)) : (Reflect.get(target, key) as unknown),
  });
}

type Write = {
  /** What was stored long before. */
  readonly before: (store: Store) => Promise<unknown>;
  /** What the write rests on. */
  readonly ground: (store: Store) => Promise<unknown>;
  readonly write: (db: Db) => Promise<unknown>;
  readonly expectNoHole: (store: Store, when: string) => Promise<void>;
};

const update = Uint8Array.of(1, 2, 3);
const long = noise(partBytesMax + 1_000);
const next: Head = { upto: 9, sha256: sha256Of(update), parts: 2 };
const sizes = [{ document, first: 5, last: 8, bytes: 3 }, { document, first: 5, last: 9, bytes: long.byteLength }]; // prettier-ignore

const deletion: Omit<Write, 'write'> = {
  before: async (store) => {
    await store.putSegment(segmentOf(document, 0, 4, update));
    await store.putSegment(segmentOf(document, 0, 3, long));
    await putSnapshot(store, document, 2, noise(10));
  },
  ground: (store) => putSnapshot(store, document, next.upto, update, 2),
  expectNoHole: async (store, when) => {
    const head = await store.readHead(document);
    if (head === undefined) throw new Error('there was a head');
    expect(await readParts(store, document, head), when).toHaveProperty('parts');
    // As readers do: what the head covers may be there in part.
    expect((await store.readSegments(document, head.upto)).length, when).toBeGreaterThanOrEqual(head.upto < next.upto ? 2 : 0);
  },
};

const writesOf: Readonly<Record<string, Write>> = {
  'a head that moves': {
    before: (store) => putSnapshot(store, document, 5, noise(10)),
    ground: (store) => Promise.all([0, 1].map((part) => store.putSnapshotPart({ document, ...next }, part, update.subarray(part, part + 2)))),
    write: (db) => moveHead(db, document, next, call),
    expectNoHole: async (store, when) => {
      const head = await store.readHead(document);
      expect(head === undefined ? { parts: [] } : await readParts(store, document, head), when).toHaveProperty('parts');
    },
  },
  'the first head': {
    before: async () => {},
    ground: (store) => Promise.all([0, 1].map((part) => store.putSnapshotPart({ document, ...next }, part, update.subarray(part, part + 2)))),
    write: (db) => moveHead(db, document, next, call),
    expectNoHole: async (store, when) => {
      const head = await store.readHead(document);
      expect(head === undefined ? { parts: [] } : await readParts(store, document, head), when).toHaveProperty('parts');
    },
  },
  'a checkpoint': {
    before: (store) => store.moveCheckpoint(0, 0, 5),
    ground: async (store) => {
      await store.putSegment(segmentOf(document, 5, 8, update));
      await store.putSegment(segmentOf(document, 5, 9, long));
    },
    write: (db) => moveCheckpoint(db, { partition: 0, from: 5, to: 10, segments: sizes }, new Map(), call),
    expectNoHole: async (store, when) => {
      const covered = (await store.readCheckpoint(0)) === 10 ? 2 : 0;
      expect((await store.readSegments(document, 0)).length, when).toBeGreaterThanOrEqual(covered);
    },
  },
  'a deletion': { ...deletion, write: (db) => retire(db, { document, head: next, spared: [] }, undefined) },
  'a deletion of some at a time': { ...deletion, write: (db) => retire(db, { document, head: next, spared: [] }, 1) },
}; // prettier-ignore

/** Deletes what a head covers as `retireCovered` does, so much of each kind at a time. */
async function retire(db: Db, covered: Covered, limit: number | undefined): Promise<void> {
  const stands = async (): Promise<boolean> => (await readHead(db, covered.document, call))?.upto === covered.head.upto;
  for (let isAll = false; !isAll && (await stands());) {
    const condemned = await condemn(db, covered, call, limit);
    if (await stands()) await deleteCondemned(db, covered, condemned, call);
    isAll = !condemned.more;
  }
}

/** One of so many pairs of moments is told, others for each moment: each tells eight megabytes anew. */
const pairsEach = 5;

test.for(Object.keys(writesOf))('ST57: a database that is put back between any two commands of %s, to a moment before, has no hole', { timeout: 120_000 }, async (name, { skip }) => {
  const { url } = orSkip(skip, await mongodbForTests());
  const { before, ground, write, expectNoHole } = writesOf[name] ?? {};
  if (before === undefined || ground === undefined || write === undefined || expectNoHole === undefined) throw new Error(name);
  const client = await MongoClient.connect(url);
  const db = client.db();
  const store = await openMongoStore({ url });
  onTestFinished(async () => {
    await store.close();
    await db.dropDatabase();
    await client.close();
  });
  /** Puts it back at a moment to the database as it was at one before; moments are counted from the beginning. */
  const tell = async (at: number, to: number): Promise<number> => {
    let moments = 0;
    let backup: Backup = [];
    const moment = async (): Promise<void> => {
      if (moments === to) backup = await backUp(url);
      if (moments === at) await restore(url, backup);
      moments++;
    };
    await restore(url, []);
    await before(store);
    await moment();
    await ground(store);
    await moment();
    await write(announcing(db, moment));
    await moment();
    return moments;
  };
  const moments = await tell(Infinity, Infinity);
  expect(moments).toBeGreaterThan(6);
  for (let at = 1; at < moments; at++) {
    for (let to = at % pairsEach; to < at; to += pairsEach) {
      await tell(at, to);
      await expectNoHole(store, `put back at ${at} to ${to}`);
    }
  }
}); // prettier-ignore

test('ST56: a checkpoint that was moved, and put back before its answer came, goes on under another course', async ({ skip }) => {
  const { url } = orSkip(skip, await mongodbForTests());
  const client = await MongoClient.connect(url);
  onTestFinished(async () => {
    await client.db().dropDatabase();
    await client.close();
  });
  const leftAt: LeftAt = new Map();
  await moveCheckpoint(client.db(), { partition: 0, from: 0, to: 5, segments: [] }, leftAt, call);
  const before = await backUp(url);
  const courses = [(await readPosition(client.db(), 0, call)).course];
  let writesLeft = 2; // the mark, and the move
  const db = announcing(client.db(), async (moment, again) => {
    if (moment === 'before' || --writesLeft !== 0) return undefined;
    courses.push((await readPosition(client.db(), 0, call)).course);
    await restore(url, before);
    return again(); // as the driver does
  });
  expect(await moveCheckpoint(db, { partition: 0, from: 5, to: 9, segments: [] }, leftAt, call)).toBe(9);
  courses.push((await readPosition(client.db(), 0, call)).course);
  expect(courses.map((course) => courses.indexOf(course))).toEqual([0, 0, 2]);
});
