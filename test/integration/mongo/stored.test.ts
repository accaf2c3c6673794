/** What the store keeps in MongoDB, looked at and damaged with a client of the test's own. */

import { createHash } from 'node:crypto';
import { Binary, Long, MongoClient, type Db, type Document } from 'mongodb';
import { expect, onTestFinished, test } from 'vitest';
import { readDocument } from '#shared/store/load.ts';
import { openMongoStore } from '#shared/store/mongo.ts';
import { NewerVersion, StoreCorrupt, StoreUnavailable, type Head, type Store } from '#shared/store/store.ts';
import { deleteCovered, nameOf, noise, putSnapshot, segmentOf, sha256Of } from '#test/contract/store.contract.ts';
import { mongodbForTests, orSkip } from '#test/harness/backends.ts';
import { startTcpProxy } from '#test/harness/tcp-proxy.ts';

const document = nameOf('team-7/plan');
const other = nameOf('team-7/plan2');
const mebibyte = 1024 * 1024;

type Opened = {
  readonly isStandIn: boolean;
  readonly store: Store;
  readonly db: Db;
  readonly url: string;
  readonly open: (url?: string) => Promise<Store>;
};

/** A store in a database of its own, which is dropped when the test is over. */
async function opened(skip: (reason: string) => never): Promise<Opened> {
  const { url, isStandIn } = orSkip(skip, await mongodbForTests());
  const client = await MongoClient.connect(url);
  const db = client.db();
  onTestFinished(async () => {
    await db.dropDatabase();
    await client.close();
  });
  const open = async (at = url): Promise<Store> => {
    const store = await openMongoStore({ url: at, serverSelectionMsMax: 2_000 });
    onTestFinished(() => store.close());
    return store;
  };
  return { store: await open(), db, url, open, isStandIn };
}

const contentsOf = (db: Db, collection: string) => db.collection(collection).find().sort({ _id: 1 }).toArray();
const isSame = (one: Uint8Array | undefined, two: Uint8Array): boolean => one !== undefined && Buffer.compare(one, two) === 0;

test('ST37: what is stored in each collection is readable with any client, and stays as it is', async ({ skip }) => {
  const { store, db } = await opened(skip);
  await store.bindJournal({ id: 'j1', partitionCount: 12 });
  await store.moveCheckpoint(3, 0, 2 ** 40);
  await store.putSegment(segmentOf(document, 5, 2 ** 40, Uint8Array.of(1, 2)));
  const long = noise(8 * mebibyte + 1);
  await store.putSegment(segmentOf(document, 6, 7, long));
  const head = await putSnapshot(store, document, 5, Uint8Array.of(3));
  const { sha256 } = head;
  const hash = createHash('sha256').update(long).digest('hex');
  const common = { version: 1 };
  expect(await contentsOf(db, 'checkpoints')).toEqual([
    { _id: 3, kind: 'checkpoint', ...common, upto: 2 ** 40, course: expect.any(String) },
    { _id: 'journal', kind: 'journal binding', ...common, id: 'j1', partitionCount: 12 },
  ]);
  expect(await contentsOf(db, 'documents')).toEqual([{ _id: document, kind: 'head', ...common, upto: 5, sha256, parts: 1 }]);
  expect(await contentsOf(db, 'snapshots')).toEqual([
    { _id: { doc: document, upto: 5, sha256, part: 0 }, kind: 'snapshot part', ...common, bytes: new Binary(Uint8Array.of(3)) },
  ]);
  expect(await contentsOf(db, 'segments')).toEqual([
    {
      _id: { doc: document, first: 5, last: 2 ** 40 },
      kind: 'segment',
      ...common,
      bytes: 2,
      update: new Binary(Uint8Array.of(1, 2)),
    },
    { _id: { doc: document, first: 6, last: 7 }, kind: 'segment', ...common, bytes: 8 * mebibyte + 1, sha256: hash, parts: 2 },
  ]);
  const parts = await contentsOf(db, 'segmentParts');
  expect(parts.map(({ _id, kind, version }) => ({ _id: _id as unknown, kind, version }))).toEqual(
    [0, 1].map((part) => ({ _id: { doc: document, first: 6, last: 7, sha256: hash, part }, kind: 'segment part', version: 1 })),
  );
  const { mark } = await store.condemn({ document, head: { upto: 2 ** 41, sha256: '' }, spared: [] });
  for (const collection of ['segments', 'segmentParts', 'snapshots'])
    for (const { condemned } of await contentsOf(db, collection)) expect(condemned).toBe(mark);
  expect((await readDocument(store, document)).updates).toHaveLength(3);
  expect((await db.listCollections().toArray()).map(({ name }) => name).toSorted()).toEqual([
    'checkpoints', 'documents', 'segmentParts', 'segments', 'snapshots',
  ]); // prettier-ignore
});

test('ST38: a segment of the greatest length is stored in parts, read whole, and deleted with them', async ({ skip }) => {
  const { store, db, isStandIn } = await opened(skip);
  // The stand-in has everything in a heap of half a gigabyte, several times.
  const longest = noise(isStandIn ? 20 * mebibyte : store.segmentBytesMax);
  const parts = Math.ceil(longest.byteLength / (8 * mebibyte));
  await store.putSegment(segmentOf(document, 1, 2, longest));
  await store.putSegment(segmentOf(other, 1, 2, longest.subarray(0, 9 * mebibyte)));
  const [segment] = await store.readSegments(document, 0);
  expect(isSame(segment?.update, longest)).toBe(true);
  expect(await store.listSegments(document, 0)).toEqual([{ document, first: 1, last: 2, bytes: longest.byteLength }]);
  await deleteCovered(store, document, 2);
  expect(await db.collection('segmentParts').countDocuments()).toBe(parts + 2);
  await deleteCovered(store, document, 3);
  expect(await db.collection('segmentParts').countDocuments()).toBe(2);
  expect(isSame((await store.readSegments(other, 0))[0]?.update, longest.subarray(0, 9 * mebibyte))).toBe(true);
});

test('ST58: of long segments that are deleted some at a time each is whole, or gone', async ({ skip }) => {
  const { store, db } = await opened(skip);
  const long = noise(8 * mebibyte + 1);
  for (const first of [0, 10, 20]) await store.putSegment(segmentOf(document, first, first + 5, long));
  await store.putSnapshotPart({ document, upto: 3, sha256: 'old' }, 0, Uint8Array.of(3));
  const covered = { document, head: { upto: 20, sha256: 'head' }, spared: [] };
  const counts: (readonly number[])[] = [];
  for (let isAll = false; !isAll;) {
    const condemned = await store.condemn(covered, 1);
    await store.deleteCondemned(covered, condemned);
    isAll = !condemned.more;
    for (const { update } of await store.readSegments(document, 0)) expect(isSame(update, long)).toBe(true);
    counts.push(await Promise.all(['segments', 'segmentParts', 'snapshots'].map((name) => db.collection(name).countDocuments())));
  }
  expect(counts).toEqual([[2, 6, 1], [1, 5, 1], [1, 4, 1], [1, 3, 1], [1, 2, 0]]);
}); // prettier-ignore

test('ST38: of two writers with other bytes for the same long segment one is read, whole', async ({ skip }) => {
  const { store, open } = await opened(skip);
  const second = await open();
  const [one, two] = [noise(9 * mebibyte, 1), noise(10 * mebibyte, 2)];
  await Promise.all([store.putSegment(segmentOf(document, 1, 2, one)), second.putSegment(segmentOf(document, 1, 2, two))]);
  const [read, ...rest] = await store.readSegments(document, 0);
  expect([isSame(read?.update, one), isSame(read?.update, two)].filter(Boolean)).toHaveLength(1);
  expect(rest).toEqual([]);
  await store.putSegment(segmentOf(document, 1, 2, one));
  await store.putSegment(segmentOf(document, 1, 2, two));
  expect(isSame((await store.readSegments(document, 0))[0]?.update, read?.update ?? one)).toBe(true);
});

test('ST38: cut off at any byte of its way, a long segment is there whole or not at all, and can be written again', async ({ skip }) => {
  const { store, db, url, open } = await opened(skip);
  const { hostname, port, pathname } = new URL(url);
  const proxy = await startTcpProxy({ target: { host: hostname, port: Number(port) } });
  onTestFinished(() => proxy.close());
  const update = noise(9 * mebibyte);
  const cuts = [1, 5_000, 4 * mebibyte, 8 * mebibyte + 500, 8.5 * mebibyte, 9 * mebibyte, 9 * mebibyte + 1_200];
  let refused = 0;
  for (const [turn, bytes] of cuts.entries()) {
    const writer = await open(`mongodb://${proxy.address}${pathname}?directConnection=true&retryWrites=false`);
    const id = [turn * 10, turn * 10 + 9] as const;
    void proxy.cutAfter('client', bytes);
    const outcome = await writer.putSegment(segmentOf(document, ...id, update)).catch((error: unknown) => error);
    await writer.close();
    proxy.cut();
    if (outcome !== undefined) {
      expect(outcome).toBeInstanceOf(StoreUnavailable);
      refused++;
    }
    const between = await store.readSegments(document, id[0]);
    for (const segment of between) expect(isSame(segment.update, update)).toBe(true);
    if (outcome === undefined) expect(between).toHaveLength(1);
    await store.putSegment(segmentOf(document, ...id, update));
    expect(await store.listSegments(document, id[0])).toHaveLength(1);
  }
  expect(refused).toBeGreaterThan(3);
  await deleteCovered(store, document, 1_000);
  expect(await db.collection('segmentParts').countDocuments()).toBe(0);
}); // prettier-ignore

test('ST40: a long segment without all of its parts is corrupt, and never a shorter one', async ({ skip }) => {
  const { store, db } = await opened(skip);
  await store.putSegment(segmentOf(document, 1, 2, noise(17 * mebibyte)));
  const parts = db.collection<{ _id: { part: number } }>('segmentParts');
  const [, second, third] = await parts.find().sort({ _id: 1 }).toArray();
  if (second === undefined || third === undefined) throw new Error('three parts');
  await parts.deleteOne({ _id: third._id });
  await expect(store.readSegments(document, 0)).rejects.toThrow(
    /part 2 of 3 of segment 1 to 2 of document "team-7\/plan" is missing/u,
  );
  await expect(store.readSegments(document, 0)).rejects.toBeInstanceOf(StoreCorrupt);
  await parts.insertOne({ ...second, _id: third._id });
  await expect(store.readSegments(document, 0)).rejects.toThrow(/its hash is .* and should be/u);
  expect(await store.readSegments(document, 3)).toEqual([]);
});

const segmentId = { doc: document, first: 1, last: 2 };
const snapshotId = { doc: document, upto: 5, sha256: sha256Of(Uint8Array.of(1)), part: 0 };
const head: Head = { upto: 9, sha256: sha256Of(Uint8Array.of(1)), parts: 1 };
const snapshot = { document, upto: 5, sha256: snapshotId.sha256 };
const bytes = new Binary(Uint8Array.of(1));
const good = {
  segments: { _id: segmentId, kind: 'segment', version: 1, bytes: 1, update: bytes },
  snapshots: { _id: snapshotId, kind: 'snapshot part', version: 1, bytes },
  documents: { _id: document, kind: 'head', version: 1, upto: 5, sha256: snapshotId.sha256, parts: 1 },
  checkpoints: { _id: 0, kind: 'checkpoint', version: 1, upto: 5 },
  binding: { _id: 'journal', kind: 'journal binding', version: 1, id: 'j', partitionCount: 1 },
};
const calls: Record<keyof typeof good, readonly ((store: Store) => Promise<unknown>)[]> = {
  segments: [(store) => store.readSegments(document, 0), (store) => store.listSegments(document, 0)],
  snapshots: [(store) => store.readSnapshotPart(snapshot, 0), (store) => store.listSnapshots(document)],
  documents: [(store) => store.readHead(document), (store) => store.moveHead(document, head), (store) => readDocument(store, document)],
  checkpoints: [(store) => store.readCheckpoint(0), (store) => store.moveCheckpoint(0, 0, 9)],
  binding: [(store) => store.bindJournal({ id: 'j', partitionCount: 1 })],
}; // prettier-ignore

test('ST41: what a newer version wrote, and what is broken, is told apart and left as it is', async ({ skip }) => {
  const { store, db } = await opened(skip);
  for (const what of Object.keys(good) as (keyof typeof good)[]) {
    const collection = db.collection(what === 'binding' ? 'checkpoints' : what);
    const fields: Document = good[what];
    const only = { _id: fields['_id'] as unknown };
    const refusals: readonly (readonly [Document, typeof NewerVersion | typeof StoreCorrupt, RegExp])[] = [
      [{ ...fields, version: 2 }, NewerVersion, /written by a newer version \(.*, version 2\)/u],
      [{ ...fields, kind: 'tombstone' }, NewerVersion, /written by a newer version \(kind "tombstone"/u],
      [{ ...fields, version: 0 }, StoreCorrupt, /has no version 0/u],
      [{ ...fields, kind: 'update record' }, StoreCorrupt, /it is a update record, and not a/u],
      [only, StoreCorrupt, /has no kind and version/u],
    ];
    for (const [stored, Failure, message] of refusals) {
      await collection.insertOne({ ...stored });
      for (const call of calls[what]) {
        await expect(call(store)).rejects.toBeInstanceOf(Failure);
        await expect(call(store)).rejects.toThrow(message);
      }
      expect(await collection.findOne(only as Document)).toEqual(stored);
      await collection.deleteOne(only as Document);
    }
  }
});

test('ST41: fields that are missing, or are not what they should be, are corruption', async ({ skip }) => {
  const { store, db } = await opened(skip);
  const broken: readonly (readonly [string, Document, (one: Store) => Promise<unknown>])[] = [
    ['segments', { ...good.segments, bytes: 7 }, (one) => one.readSegments(document, 0)],
    ['segments', { ...good.segments, update: 'text' }, (one) => one.readSegments(document, 0)],
    ['segments', { ...good.segments, update: undefined }, (one) => one.readSegments(document, 0)],
    ['snapshots', { ...good.snapshots, bytes: 7 }, (one) => one.readSnapshotPart(snapshot, 0)],
    ['documents', { ...good.documents, upto: -1 }, (one) => one.readHead(document)],
    ['documents', { ...good.documents, parts: 1.5 }, (one) => one.readHead(document)],
    ['documents', { ...good.documents, sha256: 7 }, (one) => one.readHead(document)],
    ['checkpoints', { ...good.checkpoints, upto: Long.MAX_VALUE }, (one) => one.readCheckpoint(0)],
    ['checkpoints', { ...good.binding, id: 7 }, (one) => one.bindJournal({ id: 'j', partitionCount: 1 })],
  ];
  for (const [name, stored, call] of broken) {
    const collection = db.collection(name);
    await collection.insertOne({ ...stored }, { ignoreUndefined: true });
    await expect(call(store)).rejects.toBeInstanceOf(StoreCorrupt);
    await collection.deleteOne({ _id: stored['_id'] as unknown } as Document);
  }
});

test('ST42: of many adapters at once one is first, positions only ever go forward, and late ones change nothing', async ({ skip }) => {
  const { store, open } = await opened(skip);
  const stores = [store, ...(await Promise.all(Array.from({ length: 7 }, () => open())))];
  const bound = await Promise.all(stores.map((one, i) => one.bindJournal({ id: `journal ${i}`, partitionCount: 1 })));
  expect(new Set(bound.map(({ id }) => id)).size).toBe(1);
  for (let round = 0; round < 5; round++) {
    const base = round * 100;
    const targets = stores.map((_, i) => base + 10 + i);
    const moved = await Promise.all(stores.map((one, i) => one.moveCheckpoint(7, 0, targets[i] ?? 0)));
    for (const [i, offset] of moved.entries()) expect(offset).toBeGreaterThanOrEqual(targets[i] ?? 0);
    expect(await store.readCheckpoint(7)).toBe(base + 17);
    const standing = await Promise.all(stores.map((one, i) => putSnapshot(one, document, base + 1 + (i % 2), Uint8Array.of(i))));
    const final = await store.readHead(document);
    expect(final?.upto).toBe(base + 2);
    for (const one of standing.filter(({ upto }) => upto === base + 2)) expect(one).toEqual(final);
  }
  const last = await store.readHead(document);
  expect(await stores[3]?.moveCheckpoint(7, 0, 300)).toBe(417);
  expect(await stores[3]?.moveCheckpoint(7, 500, 600)).toBe(417);
  expect(await stores[3]?.moveHead(document, { ...head, upto: 300 })).toEqual(last);
}); // prettier-ignore

test('ST43: while connections are cut, calls fail or hold, and the adapter goes on without being opened again', async ({ skip }) => {
  const { store, url, open } = await opened(skip);
  const { hostname, port, pathname } = new URL(url);
  const proxy = await startTcpProxy({ target: { host: hostname, port: Number(port) } });
  onTestFinished(() => proxy.close());
  const writer = await open(`mongodb://${proxy.address}${pathname}?directConnection=true`);
  const kept = new Set<number>();
  let failed = 0;
  let next = 0;
  const write = async (): Promise<void> => {
    for (let i = next++; i < 400; i = next++) {
      try {
        await writer.putSegment(segmentOf(document, i, i, Uint8Array.of(i, i >> 8)));
        kept.add(i);
      } catch (error) {
        expect(error).toBeInstanceOf(StoreUnavailable);
        failed++;
      }
      if (i % 50 === 49) proxy.cut();
    }
  };
  await Promise.all(Array.from({ length: 8 }, write));
  const there = new Set((await store.readSegments(document, 0)).map(({ first }) => first));
  expect([...kept].filter((i) => !there.has(i))).toEqual([]);
  expect(kept.size + failed).toBe(400);
  expect(kept.size).toBeGreaterThan(0);
  await writer.putSegment(segmentOf(document, 1_000, 1_000));
  expect(await writer.readSegments(document, 1_000)).toHaveLength(1);
}); // prettier-ignore
