import { describe, expect, test } from 'vitest';
import * as Y from 'yjs';

import { compactDocument, type CompactionContext, isDue, retireCovered } from '#persister/compaction.ts';
import { sha256Of } from '#persister/compaction-work.ts';
import { persisterLimits } from '#persister/limits.ts';
import { compact } from '#shared/document/compact.ts';
import { createMemoryJournal } from '#shared/journal/memory.ts';
import { createMemoryStore, createStoreDisk, type MemoryStore, type MemoryStoreOptions } from '#shared/store/memory.ts';
import { type Head, type Store, StoreCorrupt, StoreUnavailable } from '#shared/store/store.ts';
import { deleteCovered, putSnapshot } from '#test/contract/store.contract.ts';
import { contentOf, nameOf, randomOf, typists } from '#test/simulation/persister/typing.ts';
import {
  append,
  compactorOf,
  createWorld,
  expectNothingMissing,
  isCaughtUp,
  pass,
  run,
  smallLimits,
  until,
} from '#test/simulation/persister/world.ts';

const document = nameOf('a');
const limits = { ...persisterLimits, compactionSegmentsMin: 1 };

/** A store with one document of a few segments, and what it takes to compact it. */
async function stored(options: MemoryStoreOptions = {}, updates = typists(5, [document])(10).map(({ update }) => update)) {
  const store = createMemoryStore(options);
  for (const [offset, update] of updates.entries()) await store.putSegment({ document, first: offset, last: offset, update });
  await store.moveCheckpoint(0, 0, updates.length);
  const context: CompactionContext = {
    store,
    journal: createMemoryJournal(),
    compactor: compactorOf(compact),
    limits,
    partBytes: 100,
    draining: new AbortController().signal,
  };
  return { store, updates, context };
}

async function snapshotOf(store: MemoryStore, { upto, sha256, parts }: Head): Promise<Uint8Array> {
  const read = await Promise.all(
    Array.from({ length: parts }, (_, part) => store.readSnapshotPart({ document, upto, sha256 }, part)),
  );
  return Buffer.concat(read.map((part) => part ?? new Uint8Array()));
}

/** Two people who type and format one text (a nested one: Yjs knows the type of those), and rarely see what the other does. */
function formattedTyping(seed: number): Uint8Array[] {
  const random = randomOf(seed);
  const updates: Uint8Array[] = [];
  const docs = [1, 2].map((clientID) => {
    const doc = new Y.Doc();
    doc.clientID = clientID;
    doc.on('update', (update: Uint8Array, origin: unknown) => void (origin === 'mine' && updates.push(update)));
    return doc;
  });
  docs[0]?.transact(() => docs[0]?.getMap('map').set('text', new Y.Text()), 'mine');
  for (let edit = 0; edit < 40; edit++) {
    const doc = docs[edit % 2] ?? new Y.Doc();
    if (edit === 1 || random() < 0.2) for (const update of updates) Y.applyUpdate(doc, update, 'others');
    const text = doc.getMap<Y.Text>('map').get('text') ?? new Y.Text();
    const at = Math.floor(random() * text.length);
    const length = Math.min(text.length - at, 1 + Math.floor(random() * 8));
    doc.transact(() => {
      const kind = random();
      if (text.length < 10 || kind < 0.3) text.insert(at, 'words ');
      else if (kind < 0.5) text.delete(at, length);
      else text.format(at, length, { bold: random() < 0.5 ? true : null });
    }, 'mine');
  }
  return updates;
}

const deletionsOf = (update: Uint8Array): number =>
  [...Y.decodeUpdate(update).ds.clients.values()].flat().reduce((sum, { len }) => sum + len, 0);

describe('when', () => {
  const growth = { segments: 1, bytes: 1, snapshotBytes: 0 };
  const mebibyte = 1024 * 1024;

  test('PS17: many segments make a document due, and so do many bytes', () => {
    expect(isDue({ ...growth, segments: 63 }, persisterLimits)).toBe(false);
    expect(isDue({ ...growth, segments: 64 }, persisterLimits)).toBe(true);
    expect(isDue({ ...growth, bytes: 64 * 1024 - 1 }, persisterLimits)).toBe(false);
    expect(isDue({ ...growth, bytes: 64 * 1024 }, persisterLimits)).toBe(true);
  });

  test('PS17: the larger the snapshot, the more it takes', () => {
    const large = { ...growth, snapshotBytes: 20 * mebibyte };
    expect(isDue({ ...large, segments: 383 }, persisterLimits)).toBe(false);
    expect(isDue({ ...large, segments: 384 }, persisterLimits)).toBe(true);
    expect(isDue({ ...large, bytes: 5 * mebibyte - 1 }, persisterLimits)).toBe(false);
    expect(isDue({ ...large, bytes: 5 * mebibyte }, persisterLimits)).toBe(true);
  });

  test('PS17: a document that is not due is left as it is', async () => {
    const { store, context } = await stored();
    expect(await compactDocument(document, { ...context, limits: persisterLimits })).toMatchObject({
      kind: 'not-due',
      growth: { segments: 10 },
    });
    expect(await store.readHead(document)).toBeUndefined();
  });
});

describe('what a snapshot holds', () => {
  test('PS18: a snapshot alone is everything below its upto, a segment across the checkpoint included', async () => {
    const updates = typists(6, [document])(12).map(({ update }) => update);
    const { store, context } = await stored({}, updates.slice(0, 6));
    // Written by a persister that was killed before it moved the checkpoint: it reaches from below to above.
    await deleteCovered(store, document, 6);
    await store.putSegment({ document, first: 0, last: 3, update: Y.mergeUpdates(updates.slice(0, 4)) });
    await store.putSegment({ document, first: 4, last: 8, update: Y.mergeUpdates(updates.slice(4, 9)) });
    const outcome = await compactDocument(document, context);
    if (outcome.kind !== 'compacted') throw new Error(outcome.kind);
    expect(outcome.head.upto).toBe(6);
    expect(contentOf([await snapshotOf(store, outcome.head)])).toEqual(contentOf(updates.slice(0, 9)));
    await retireCovered(document, outcome.head, store);
    expect((await store.readSegments(document, 0)).map(({ first, last }) => [first, last])).toEqual([[4, 8]]);
  });

  test('PS18: a snapshot neither claims nor holds what was stored after its checkpoint was read', async () => {
    const updates = typists(5, [document])(11).map(({ update }) => update);
    let lateFlush: (() => Promise<void>) | undefined;
    const { store, context } = await stored(
      {
        step: async (name) => {
          if (name !== 'readSegments') return;
          const flush = lateFlush;
          lateFlush = undefined;
          await flush?.();
        },
      },
      updates.slice(0, 10),
    );
    lateFlush = async () => {
      await store.putSegment({ document, first: 10, last: 10, update: updates[10] ?? new Uint8Array() });
      await store.moveCheckpoint(0, 10, 11);
    };
    const outcome = await compactDocument(document, context);
    if (outcome.kind !== 'compacted') throw new Error(outcome.kind);
    expect(outcome.head.upto).toBe(10);
    expect(contentOf([await snapshotOf(store, outcome.head)])).toEqual(contentOf(updates.slice(0, 10)));
    expect((await store.readSegments(document, 10)).map(({ first }) => first)).toEqual([10]);
  });

  test('PS19: compacting emits no operations of its own, even where Yjs would tidy formatting up', async () => {
    let tidied = 0;
    for (let seed = 1; seed <= 30; seed++) {
      const updates = formattedTyping(seed);
      const merged = Y.mergeUpdates(updates);
      const plain = new Y.Doc();
      for (const update of updates) Y.applyUpdate(plain, update);
      if (deletionsOf(Y.encodeStateAsUpdate(plain)) > deletionsOf(merged)) tidied++;

      const { store, context } = await stored({}, updates);
      const outcome = await compactDocument(document, context);
      if (outcome.kind !== 'compacted') throw new Error(outcome.kind);
      const snapshot = await snapshotOf(store, outcome.head);
      expect(Y.encodeStateVectorFromUpdate(snapshot)).toEqual(Y.encodeStateVectorFromUpdate(merged));
      expect(deletionsOf(snapshot)).toBe(deletionsOf(merged));
    }
    // The test is worth something only if a plain Y.Doc would have deleted more.
    expect(tidied).toBeGreaterThan(0);
  });

  test('PS19: deleted content goes, and what waits for something missing stays', async () => {
    const doc = new Y.Doc();
    const updates: Uint8Array[] = [];
    doc.on('update', (update: Uint8Array) => void updates.push(update));
    doc.getText('text').insert(0, 'secret '.repeat(100));
    doc.getText('text').delete(0, 700);
    doc.getText('text').insert(0, 'one');
    doc.getText('text').insert(3, 'two');
    const [secret = new Uint8Array(), deletion = new Uint8Array(), , two = new Uint8Array()] = updates;
    const { store, context } = await stored({}, [secret, deletion, two]);
    const outcome = await compactDocument(document, context);
    if (outcome.kind !== 'compacted') throw new Error(outcome.kind);
    const snapshot = await snapshotOf(store, outcome.head);
    expect(Buffer.from(snapshot).includes('secret')).toBe(false);
    expect(contentOf([snapshot, ...updates.slice(2, 3)])).toMatchObject({ text: [{ insert: 'onetwo' }], pending: false });
  });

  test('PS20: parts are slices of one update, named by its hash', async () => {
    const { store, context } = await stored();
    const outcome = await compactDocument(document, context);
    if (outcome.kind !== 'compacted') throw new Error(outcome.kind);
    const snapshot = await snapshotOf(store, outcome.head);
    expect(outcome.head).toEqual({ upto: 10, sha256: sha256Of(snapshot), parts: Math.ceil(snapshot.byteLength / 100) });
    expect(outcome.head.parts).toBeGreaterThan(1);
    expect(await compactDocument(document, context), 'again').toMatchObject({ kind: 'not-due' });
  });
});

describe('beside others', () => {
  test('PS21: when the head moves while it reads, it concludes nothing', async () => {
    let other: (() => Promise<void>) | undefined;
    const { store, context } = await stored({
      step: async (name) => {
        if (name !== 'readSegments') return;
        const compactAndClean = other;
        other = undefined;
        await compactAndClean?.();
      },
    });
    other = async () => {
      const outcome = await compactDocument(document, context);
      if (outcome.kind !== 'compacted') throw new Error(outcome.kind);
      await retireCovered(document, outcome.head, store);
    };
    expect(await compactDocument(document, context)).toMatchObject({ kind: 'overtaken', head: { upto: 10 } });
    expect(await store.listSnapshots(document)).toHaveLength(1);
  });

  test.each(['', ', and has caught up'])(
    'PS47: when the store is put back while it reads%s, it concludes nothing',
    async (caughtUp) => {
      const disk = createStoreDisk();
      const updates = typists(5, [document])(10).map(({ update }) => update);
      const onRead = new Map<string, () => Promise<unknown>>();
      const step = async (name: string): Promise<void> => {
        const happen = onRead.get(name);
        onRead.delete(name);
        await happen?.();
      };
      const store = createMemoryStore({ disk });
      const { context } = await stored({ disk, step }, updates.slice(0, 5));
      const { checkpoints, courses, documents } = structuredClone(disk);
      const storeMore = async (): Promise<unknown> => {
        await store.putSegment({ document, first: 5, last: 9, update: Y.mergeUpdates(updates.slice(5)) });
        return store.moveCheckpoint(0, 5, 10);
      };
      await storeMore();
      onRead.set('readSegments', async () => {
        Object.assign(disk, { checkpoints, courses, documents });
        if (caughtUp !== '') onRead.set('readPosition', storeMore);
      });
      expect(await compactDocument(document, context)).toEqual({ kind: 'overtaken', head: undefined });
      expect(onRead.size).toBe(0);
      expect(await compactDocument(document, context)).toMatchObject({
        kind: 'compacted',
        head: { upto: caughtUp === '' ? 5 : 10 },
      });
    },
  );

  test('PS21: a part that is missing under a head that stands is corruption, and nothing is replaced', async () => {
    const { store, context, updates } = await stored();
    await putSnapshot(store, document, 5, updates[0] ?? new Uint8Array());
    store.disk.documents.get(document)?.snapshots.clear();
    await expect(compactDocument(document, context)).rejects.toThrow(StoreCorrupt);
    expect(await store.readHead(document)).toMatchObject({ upto: 5 });
  });

  test('PS21: so is a snapshot that does not match its hash', async () => {
    const { store, context, updates } = await stored();
    await store.putSnapshotPart({ document, upto: 5, sha256: 'other' }, 0, updates[0] ?? new Uint8Array());
    await store.moveHead(document, { upto: 5, sha256: 'other', parts: 1 });
    expect(await compactDocument(document, context)).toEqual({
      kind: 'threw',
      reason: 'the stored snapshot does not match its hash',
      culprit: { document, upto: 5, sha256: 'other' },
    });
    expect(await store.readHead(document)).toMatchObject({ upto: 5 });
  });

  test('PS22: what a head covers may go: older snapshots, others at its upto, segments below; a snapshot above it stays', async () => {
    const { store } = await stored();
    const put = (upto: number, sha256: string): Promise<void> =>
      store.putSnapshotPart({ document, upto, sha256 }, 0, Uint8Array.of(upto));
    await put(3, 'old');
    await put(6, 'other');
    await put(6, 'head');
    await put(8, 'being-written');
    const head: Head = { upto: 6, sha256: 'head', parts: 1 };
    expect(await store.moveHead(document, head)).toEqual(head);
    await retireCovered(document, head, store);
    expect((await store.listSnapshots(document)).map(({ sha256 }) => sha256)).toEqual(['head', 'being-written']);
    expect((await store.readSegments(document, 0)).map(({ first }) => first)).toEqual([6, 7, 8, 9]);
  });

  test('PS22: a store that was set back to an older head keeps what that head needs', async () => {
    const { store } = await stored();
    await store.putSnapshotPart({ document, upto: 3, sha256: 'old' }, 0, Uint8Array.of(3));
    await store.moveHead(document, { upto: 3, sha256: 'old', parts: 1 });
    await retireCovered(document, { upto: 6, sha256: 'forgotten', parts: 1 }, store);
    expect(await store.listSnapshots(document)).toHaveLength(1);
    expect(await store.readSegments(document, 0)).toHaveLength(10);
  });

  test('PS22: so does one that was set back and compacted anew, to the same offset with other bytes', async () => {
    const { store } = await stored();
    for (const sha256 of ['forgotten', 'standing'])
      await store.putSnapshotPart({ document, upto: 6, sha256 }, 0, Uint8Array.of(6));
    const standing: Head = { upto: 6, sha256: 'standing', parts: 1 };
    expect(await store.moveHead(document, standing)).toEqual(standing);
    await retireCovered(document, { ...standing, sha256: 'forgotten' }, store);
    expect(await store.listSnapshots(document)).toContainEqual({ document, upto: 6, sha256: 'standing' });
    await retireCovered(document, standing, store);
    expect(await store.listSnapshots(document)).toEqual([{ document, upto: 6, sha256: 'standing' }]);
  });

  test('PS22: a store that was set back while a deletion waited, and once more within it, keeps what its head needs', async () => {
    const disk = createStoreDisk();
    const elsewhere = createMemoryStore({ disk });
    await putSnapshot(elsewhere, document, 5, Uint8Array.of(5));
    const older = structuredClone(disk);
    const head = await putSnapshot(elsewhere, document, 9, Uint8Array.of(9));
    Object.assign(disk, older);
    let marked: typeof disk | undefined;
    const store = createMemoryStore({
      disk,
      step: async (name, moment) => {
        if (name === 'condemn' && moment === 'after') {
          marked = structuredClone(disk);
          await putSnapshot(elsewhere, document, 12, Uint8Array.of(12));
        }
        if (name === 'deleteCondemned' && moment === 'before' && marked !== undefined) {
          Object.assign(disk, marked);
          marked = undefined;
        }
      },
    });
    await retireCovered(document, head, store);
    const standing = await elsewhere.readHead(document);
    expect(standing).toMatchObject({ upto: 5 });
    expect(await elsewhere.listSnapshots(document)).toEqual([{ document, upto: 5, sha256: standing?.sha256 }]);
  });

  test('PS22: so does one that is set back within a deletion, before anything is marked', async () => {
    const disk = createStoreDisk();
    const elsewhere = createMemoryStore({ disk });
    const older = await putSnapshot(elsewhere, document, 5, Uint8Array.of(5));
    let before: typeof disk | undefined = structuredClone(disk);
    const store = createMemoryStore({
      disk,
      step: (name) => {
        if (name !== 'condemn' || before === undefined) return;
        Object.assign(disk, before);
        before = undefined;
      },
    });
    await retireCovered(document, await putSnapshot(elsewhere, document, 9, Uint8Array.of(9)), store);
    expect(before).toBeUndefined();
    expect(await elsewhere.readHead(document)).toEqual(older);
    expect(await elsewhere.listSnapshots(document)).toEqual([{ document, upto: 5, sha256: older.sha256 }]);
  });

  test('PS22: each time that some of it is deleted rests on a head of its own', async () => {
    const { store } = await stored();
    const head = await putSnapshot(store, document, 8, Uint8Array.of(8));
    const left = async (): Promise<number> => (await store.listSegments(document, 0)).length;
    expect(await retireCovered(document, head, store, undefined, 3)).toBe(false);
    expect(await left()).toBe(7);
    store.disk.documents.get(document)?.snapshots.clear();
    Object.assign(store.disk.documents.get(document) ?? {}, { head: undefined });
    expect(await retireCovered(document, head, store, undefined, 3)).toBe(true);
    expect(await left()).toBe(7);
    await putSnapshot(store, document, 8, Uint8Array.of(8));
    for (const isAll of [false, true]) expect(await retireCovered(document, head, store, undefined, 3)).toBe(isAll);
    expect(await left()).toBe(2);
  });
});

describe('in the persister', () => {
  test('PS22: what a head covers is deleted when the delay is over, not before', async () => {
    const world = createWorld();
    const running = run(world);
    const type = typists(1, [document]);
    for (let round = 0; round < 2; round++) {
      await append(world, type(5));
      await pass(running.clock, 1_100);
    }
    await until(running.clock, 'compacted', () => running.compactions === 1);
    const storedDocument = world.storeDisk.documents.get(document);
    await pass(running.clock, smallLimits.retireAfterMs - 1_000);
    expect(storedDocument?.segments.size).toBe(2);
    await pass(running.clock, 1_000);
    expect(storedDocument?.segments.size).toBe(0);
    await expectNothingMissing(world, 'afterwards');
  });

  test('PS22: what several heads cover is deleted together, when the last of those has stood that long that came while the first was waited for', async () => {
    const world = createWorld();
    const condemned: number[] = [];
    const storeOf = (store: Store): Store => ({
      ...store,
      condemn: (covered) => {
        condemned.push(covered.head.upto);
        return store.condemn(covered);
      },
    });
    const running = run(world, { storeOf, limits: { ...smallLimits, compactionSegmentsMin: 1 } });
    const type = typists(1, [document]);
    for (let round = 0; round < 20; round++) {
      await append(world, type(2));
      await pass(running.clock, 2_000);
    }
    expect(running.compactions).toBe(20);
    await pass(running.clock, 2 * smallLimits.retireAfterMs);
    expect(condemned).toEqual([2, 40]);
    const stored = world.storeDisk.documents.get(document);
    expect([stored?.segments.size, stored?.snapshots.size]).toEqual([0, 1]);
    await expectNothingMissing(world, 'afterwards');
  });

  test('PS48: what is too much for one call goes some at a time', async () => {
    const world = createWorld();
    const [large, other] = [nameOf('large'), nameOf('other')];
    const limits = { ...smallLimits, compactionSegmentsMin: 8 };
    const asked: (number | undefined)[] = [];
    const inTime = 5; // what a call can mark
    const storeOf = (store: Store): Store => ({
      ...store,
      condemn: async (covered, limit) => {
        if (covered.document !== large) return store.condemn(covered, limit);
        const segments = (await store.listSegments(large, 0)).filter(({ last }) => last < covered.head.upto);
        asked.push(limit);
        // As if there were a thousand times as many.
        if (Math.min(segments.length, (limit ?? Infinity) / 100) > inTime) throw new StoreUnavailable('it takes too long');
        return store.condemn(covered, limit === undefined ? undefined : limit / 100);
      },
    });
    const running = run(world, { storeOf, limits });
    const segmentsOf = (name: typeof large): number => world.storeDisk.documents.get(name)?.segments.size ?? 0;
    const write = async (name: typeof large, times: number): Promise<void> => {
      const type = typists(1, [name]);
      for (let time = 0; time < times; time++) {
        await append(world, type(1));
        await pass(running.clock, 1_100);
      }
    };
    await write(large, 8);
    expect([running.compactions, segmentsOf(large)]).toEqual([1, 8]);
    await pass(running.clock, smallLimits.retireAfterMs + 2_000);
    expect(asked).toEqual([undefined, 1_000, ...Array.from({ length: 8 }, () => 100)]);
    expect(segmentsOf(large)).toBe(0);
    expect(running.persister.status().compaction).toMatchObject({ queued: 0 });
    await write(other, 8);
    expect(running.compactions).toBe(2);
    await expectNothingMissing(world, 'afterwards');
  });

  test('PS48: what can not be deleted holds up no compaction', async () => {
    const world = createWorld();
    const [stuck, other] = [nameOf('stuck'), nameOf('other')];
    const asked: (number | undefined)[] = [];
    const storeOf = (store: Store): Store => ({
      ...store,
      condemn: async (covered, limit) => {
        if (covered.document !== stuck) return store.condemn(covered, limit);
        asked.push(limit);
        throw new StoreUnavailable('it takes too long');
      },
    });
    const running = run(world, { storeOf, limits: { ...smallLimits, compactionSegmentsMin: 4 } });
    for (const name of [stuck, other, other, other]) {
      const before = running.compactions;
      const type = typists(1, [name]);
      for (let time = 0; time < 4; time++) {
        await append(world, type(1));
        await pass(running.clock, 1_100);
      }
      await pass(running.clock, smallLimits.retireAfterMs + 3 * limits.retryMsMax);
      expect(running.compactions).toBe(before + 1);
    }
    expect(asked.slice(0, 5)).toEqual([undefined, 1_000, 100, 10, 10]);
    expect(world.storeDisk.documents.get(other)?.segments.size).toBe(0);
    expect(running.persister.status().compaction).toMatchObject({ queued: 1 });
    await expectNothingMissing(world, 'afterwards');
  });

  test('PS48: what is known to be much goes some at a time from the first', async () => {
    const { store, context } = await stored(
      {},
      typists(5, [document])(30).map(({ update }) => update),
    );
    expect(await compactDocument(document, context)).toMatchObject({ kind: 'compacted', segments: 30 });
    expect(await store.listSegments(document, 0)).toHaveLength(30);
    const world = createWorld();
    const limitsOf: (number | undefined)[] = [];
    const storeOf = (store: Store): Store => ({
      ...store,
      condemn: (covered, limit) => {
        limitsOf.push(limit);
        return store.condemn(covered, limit);
      },
    });
    const running = run(world, { storeOf, limits: { ...smallLimits, flushBytes: 1, compactionSegmentsMin: 1_001 } });
    const type = typists(1, [document]);
    for (let time = 0; time < 1_001; time++) await append(world, type(1));
    await until(running.clock, 'compacted', () => running.compactions === 1);
    await pass(running.clock, smallLimits.retireAfterMs + 1_000);
    expect(limitsOf).toEqual([1_000, 1_000]);
    expect(world.storeDisk.documents.get(document)?.segments.size).toBe(0);
  });

  test('PS23: a document that can not be compacted keeps its segments, is named with the culprit, and is left alone longer and longer', async () => {
    const world = createWorld();
    const good = nameOf('good');
    const type = typists(1, [document, good]);
    let attempts = 0;
    const running = run(world, {
      compactWith: (updates) => {
        if (updates.some((update) => marked.has(sha256Of(update)))) {
          attempts++;
          throw new Error('it bites');
        }
        return compact(updates);
      },
      limits: { ...smallLimits, compactionSegmentsMin: 4, compactionRetryMsMin: 10_000, compactionRetryMsMax: 40_000 },
    });
    const marked = new Set<string>();
    const rounds = async (count: number): Promise<void> => {
      for (let round = 0; round < count; round++) {
        await append(world, type(6));
        await pass(running.clock, 1_100);
        const culprit = [...(world.storeDisk.documents.get(document)?.segments.values() ?? [])][2];
        if (culprit !== undefined) marked.add(sha256Of(culprit.update));
      }
    };
    await rounds(8);
    const said = running.lines.filter(({ level }) => level === 'error');
    expect(said).toHaveLength(1);
    const third = [...(world.storeDisk.documents.get(document)?.segments.values() ?? [])][2];
    expect(said[0]?.fields).toMatchObject({
      document,
      reason: 'it bites',
      culprit: `the segment ${third?.first} to ${third?.last}`,
    });
    expect(running.persister.status().compaction).toMatchObject({
      failing: 1,
      failures: [{ document, failures: 1, reason: 'it bites' }],
    });
    await rounds(60);
    expect(running.errors.filter((error) => error === 'compaction-threw').length).toBeGreaterThanOrEqual(3);
    expect(running.errors.filter((error) => error === 'compaction-threw').length).toBeLessThanOrEqual(5);
    expect(attempts).toBeLessThan(60);
    expect(world.storeDisk.documents.get(document)?.head).toBeUndefined();
    expect(world.storeDisk.documents.get(good)?.head).toBeDefined();
    await expectNothingMissing(world, 'around a document that bites');
  });

  test('PS23: it is tried again when nobody writes to it any more, too', async () => {
    const world = createWorld();
    let bites = true;
    const running = run(world, {
      compactWith: (updates) => {
        if (bites) throw new Error('it bites');
        return compact(updates);
      },
      limits: { ...smallLimits, compactionRetryMsMin: 10_000, compactionRetryMsMax: 40_000 },
      random: () => 1,
    });
    const type = typists(1, [document]);
    for (let round = 0; round < 2; round++) {
      await append(world, type(5));
      await pass(running.clock, 1_100);
    }
    const failures = (): number => running.errors.filter((error) => error === 'compaction-threw').length;
    await until(running.clock, 'failed once', () => failures() === 1);
    for (const [waitMs, wanted] of [
      [9_000, 1],
      [2_000, 2],
      [17_000, 2],
      [4_000, 3],
    ] as const) {
      await pass(running.clock, waitMs);
      expect(failures()).toBe(wanted);
    }
    bites = false;
    await pass(running.clock, 41_000);
    expect(running.compactions).toBe(1);
    expect(running.persister.status().compaction).toMatchObject({ failing: 0, failures: [] });
    await expectNothingMissing(world, 'afterwards');
  });

  test('PS24: after a restart a document is looked at when it is written next, and its leavings are found', async () => {
    const world = createWorld();
    const type = typists(1, [document]);
    const first = run(world, { limits: { ...smallLimits, compactionSegmentsMin: 5 } });
    for (let round = 0; round < 5; round++) {
      await append(world, type(3));
      await pass(first.clock, 1_100);
    }
    await until(first.clock, 'compacted', () => first.compactions === 1);
    for (let round = 0; round < 4; round++) {
      await append(world, type(3));
      await pass(first.clock, 1_100);
    }
    first.crash();
    expect(world.storeDisk.documents.get(document)?.segments.size).toBe(9);
    const second = run(world, { limits: { ...smallLimits, compactionSegmentsMin: 100 } });
    await append(world, type(1));
    await until(second.clock, 'stored', () => isCaughtUp(world));
    await pass(second.clock, smallLimits.retireAfterMs + 1_000);
    expect(world.storeDisk.documents.get(document)?.segments.size).toBe(5);
    await second.persister.stop();
    const third = run(world, { limits: { ...smallLimits, compactionSegmentsMin: 6 } });
    await append(world, type(1));
    await until(third.clock, 'compacted at once', () => third.compactions === 1);
    await expectNothingMissing(world, 'at the end');
  });

  test('PS24: what is remembered is bounded, and forgetting does no harm', async () => {
    const world = createWorld();
    const names = Array.from({ length: 12 }, (_, index) => nameOf(`document-${index}`));
    const running = run(world, { limits: { ...smallLimits, compactionDocumentsMax: 3 } });
    const type = typists(1, names);
    for (let round = 0; round < 10; round++) {
      await append(world, type(40));
      await pass(running.clock, 1_100);
      expect(running.persister.status().compaction.queued).toBeLessThanOrEqual(3);
    }
    expect(running.compactions).toBeGreaterThan(3);
    await expectNothingMissing(world, 'at the end');
  });
});
