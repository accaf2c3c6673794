/** What every store holds to, whatever it is kept in. An adapter's test file is a set-up and one call. */

import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseDocumentName, type DocumentName } from '#shared/document/name.ts';
import { readDocument } from '#shared/store/load.ts';
import { partBytesMax, StoreUnavailable } from '#shared/store/store.ts';
import type { Covered, Head, Segment, SnapshotId, Store } from '#shared/store/store.ts';

export type StoreFixture = {
  readonly store: Store;
  /** Another adapter on the same store, as another process has it. */
  readonly another: () => Promise<Store>;
  /** What a restart does: closes the store, and opens it again. */
  readonly reopen: () => Promise<Store>;
  /** Returns what puts everything back to how it is now. Left out where that can't be done while it is open. */
  readonly backUp?: () => Promise<() => Promise<void>>;
  readonly dispose: () => Promise<void>;
};

export function nameOf(text: string): DocumentName {
  const parsed = parseDocumentName(text);
  if ('refusal' in parsed) throw new Error(parsed.refusal);
  return parsed.name;
}

export const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export const segmentOf = (
  document: DocumentName,
  first: number,
  last: number,
  update: Uint8Array = Uint8Array.of(first, last),
): Segment => ({
  document,
  first,
  last,
  update,
});

/** Bytes that are no repetition of a short pattern. */
export function noise(length: number, seed = 1): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = seed;
  for (let i = 0; i < words.length; i++) words[i] = state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
  return new Uint8Array(words.buffer, 0, length);
}

/** Deletes what a head covers, as if it stood: for tests that have none. */
export async function deleteCovered(
  store: Store,
  document: DocumentName,
  upto: number,
  spared: Covered['spared'] = [],
  sha256 = '',
): Promise<void> {
  const covered = { document, head: { upto, sha256 }, spared };
  await store.deleteCondemned(covered, await store.condemn(covered));
}

/** Stores a whole snapshot and moves the head to it. */
export async function putSnapshot(
  store: Store,
  document: DocumentName,
  upto: number,
  update: Uint8Array,
  partBytes = partBytesMax,
): Promise<Head> {
  const head: Head = { upto, sha256: sha256Of(update), parts: Math.max(1, Math.ceil(update.byteLength / partBytes)) };
  for (let part = 0; part < head.parts; part++) {
    await store.putSnapshotPart({ document, ...head }, part, update.subarray(part * partBytes, (part + 1) * partBytes));
  }
  const standing = await store.moveHead(document, head);
  if (standing === undefined) throw new Error('the snapshot is not there');
  return standing;
}

const longest = (letter: string): string => letter.repeat(512 / Buffer.byteLength(letter));

/** Names that adapters get wrong: prefixes of one another, separators of keys, paths and queries, the longest. */
const oddNames = [
  'a', 'aa', 'a/b', 'a/b/c', '/', '//', 'a b', ' a', 'a ', 'ä', 'a\u0308', '🦊', '\u{10ffff}', '\ufffd', '\u2028', 'a.b', '$a', '{"$gt":""}', '../../etc',
  '%00', '%2F', '__proto__', 'constructor', 'a,b', 'a:b', "a'b", 'a"b', 'a\\b', '0', '00', '-1', longest('x'), longest('é'), longest('🦊'), `${longest('x').slice(1)}y`,
]; // prettier-ignore

/** `isPutBack`: whether the store can be put back while it is open. */
export function storeContract(adapter: string, makeStore: () => Promise<StoreFixture>, isPutBack = true): void {
  describe(`store: ${adapter}`, () => {
    let fixture: StoreFixture;
    let store: Store;
    const document = nameOf('team-7/plan');
    const other = nameOf('team-7/plan2');
    beforeEach(async () => {
      fixture = await makeStore();
      store = fixture.store;
    });
    afterEach(() => fixture.dispose());

    const ids = (segments: readonly { readonly first: number; readonly last: number }[]) =>
      segments.map(({ first, last }) => [first, last]);

    test('PS64: names of which a segment or a head is stored are listed, each once, some at a time', async () => {
      const names = Array.from({ length: 25 }, (_, index) => nameOf(`document ${index} ä🦊${'x'.repeat(index % 3)}`));
      for (const [index, name] of names.entries()) {
        if (index % 3 !== 0) for (const first of [0, 5, 9]) await store.putSegment(segmentOf(name, first, first + 3));
        if (index % 3 !== 1) await putSnapshot(store, name, 3, Uint8Array.of(1));
      }
      await store.putSnapshotPart({ document, upto: 3, sha256: sha256Of(Uint8Array.of(1)) }, 0, Uint8Array.of(1)); // what nothing names is no document
      const found: DocumentName[] = [];
      for (;;) {
        const some = await store.listDocuments(found.at(-1), 4);
        found.push(...some);
        if (some.length < 4) break;
      }
      expect(found.toSorted()).toEqual(names.toSorted());
      expect(await store.listDocuments(undefined, 100)).toHaveLength(25);
    });

    test('ST1: segments come in order of first and last, from an offset on, overlapping or not', async () => {
      for (const [first, last] of [
        [300, 300],
        [5, 9],
        [0, 4],
        [5, 7],
        [5, 300],
        [10, 20],
        [70_000, 2 ** 40],
      ] as const) {
        await store.putSegment(segmentOf(document, first, last));
      }
      const all = [
        [0, 4],
        [5, 7],
        [5, 9],
        [5, 300],
        [10, 20],
        [300, 300],
        [70_000, 2 ** 40],
      ];
      expect(ids(await store.readSegments(document, 0))).toEqual(all);
      for (const from of [0, 4, 5, 8, 9, 21, 300, 301, 2 ** 40, 2 ** 40 + 1]) {
        const wanted = all.filter(([, last = 0]) => last >= from);
        expect(ids(await store.readSegments(document, from))).toEqual(wanted);
        expect(ids(await store.listSegments(document, from))).toEqual(wanted);
      }
    });

    test('ST1: a segment that is there already is a success, and stays as it is', async () => {
      await store.putSegment(segmentOf(document, 1, 2, Uint8Array.of(1)));
      await store.putSegment(segmentOf(document, 1, 2, Uint8Array.of(2, 2)));
      expect(await store.readSegments(document, 0)).toEqual([segmentOf(document, 1, 2, Uint8Array.of(1))]);
      expect(await store.listSegments(document, 0)).toEqual([{ document, first: 1, last: 2, bytes: 1 }]);
    });

    test('ST2: segments that end below a head are deleted, of this document alone, as often as it is done', async () => {
      for (const name of [document, other])
        for (const [first, last] of [
          [0, 4],
          [2, 9],
          [5, 9],
          [10, 12],
        ] as const)
          await store.putSegment(segmentOf(name, first, last));
      await deleteCovered(store, document, 0);
      expect(await store.listSegments(document, 0)).toHaveLength(4);
      for (let i = 0; i < 2; i++) {
        await deleteCovered(store, document, 9);
        expect(ids(await store.listSegments(document, 0))).toEqual([
          [2, 9],
          [5, 9],
          [10, 12],
        ]);
      }
      await deleteCovered(store, document, 1000);
      expect(await store.readSegments(document, 0)).toEqual([]);
      expect(await store.readSegments(other, 0)).toHaveLength(4);
    });

    test('ST3: parts of snapshots are kept under what they are parts of; one that is there already stays', async () => {
      const one: SnapshotId = { document, upto: 10, sha256: sha256Of(Uint8Array.of(1)) };
      const sameOffset: SnapshotId = { ...one, sha256: sha256Of(Uint8Array.of(2)) };
      await store.putSnapshotPart(one, 0, Uint8Array.of(1));
      await store.putSnapshotPart(one, 0, Uint8Array.of(9));
      await store.putSnapshotPart(one, 1, Uint8Array.of(2));
      await store.putSnapshotPart(sameOffset, 0, Uint8Array.of(3));
      expect(await store.readSnapshotPart(one, 0)).toEqual(Uint8Array.of(1));
      expect(await store.readSnapshotPart(one, 1)).toEqual(Uint8Array.of(2));
      expect(await store.readSnapshotPart(one, 2)).toBeUndefined();
      expect(await store.readSnapshotPart(sameOffset, 0)).toEqual(Uint8Array.of(3));
      expect(await store.readSnapshotPart({ ...one, document: other }, 0)).toBeUndefined();
      expect(await store.readSnapshotPart({ ...one, upto: 11 }, 0)).toBeUndefined();
    });

    test('ST3: snapshots are listed whether or not a head names them, and deleted with all their parts', async () => {
      expect(await store.listSnapshots(document)).toEqual([]);
      const snapshots = [1, 2, 300].map((upto): SnapshotId => ({ document, upto, sha256: sha256Of(Uint8Array.of(upto)) }));
      for (const snapshot of snapshots)
        for (let part = 0; part < 6; part++) await store.putSnapshotPart(snapshot, part, Uint8Array.of(part));
      const [first, second, third] = snapshots;
      if (first === undefined || second === undefined || third === undefined) throw new Error('three snapshots');
      const listed = async () => (await store.listSnapshots(document)).toSorted((a, b) => a.upto - b.upto);
      expect(await listed()).toEqual(snapshots);
      for (let i = 0; i < 2; i++) {
        await deleteCovered(store, document, 299, [first]);
        expect(await listed()).toEqual([first, third]);
      }
      expect(await store.readSnapshotPart(second, 0)).toBeUndefined();
      expect(await store.readSnapshotPart(second, 5)).toBeUndefined();
      expect(await store.readSnapshotPart(third, 5)).toEqual(Uint8Array.of(5));
    });

    test('ST3: of the snapshots at the offset of a head only its own stays, and one above it; spared is what is named whole', async () => {
      const names: readonly (readonly [number, string])[] = [[3, 'x'], [3, 'y'], [6, 'x'], [6, 'y'], [7, 'x']]; // prettier-ignore
      const snapshots = names.map(([upto, text]): SnapshotId => ({ document, upto, sha256: sha256Of(Buffer.from(text)) }));
      for (const snapshot of [...snapshots, ...snapshots.map((one) => ({ ...one, document: other }))])
        await store.putSnapshotPart(snapshot, 0, Uint8Array.of(1));
      await deleteCovered(store, document, 6, [{ upto: 3, sha256: sha256Of(Buffer.from('y')) }], sha256Of(Buffer.from('x')));
      expect(new Set(await store.listSnapshots(document))).toEqual(new Set([snapshots[1], snapshots[2], snapshots[4]]));
      expect(await store.listSnapshots(other)).toHaveLength(5);
    });

    test('ST4: a head moves forward only, and the one that stands is returned', async () => {
      const heads = [10, 20, 20].map((upto, i): Head => ({ upto, sha256: sha256Of(Uint8Array.of(i)), parts: i + 1 }));
      const [ten, twenty, otherTwenty] = heads as [Head, Head, Head];
      for (const head of heads)
        for (let part = 0; part < head.parts; part++)
          await store.putSnapshotPart({ document, ...head }, part, Uint8Array.of(part));
      expect(await store.readHead(document)).toBeUndefined();
      expect(await store.moveHead(document, ten)).toEqual(ten);
      expect(await store.moveHead(document, twenty)).toEqual(twenty);
      expect(await store.moveHead(document, otherTwenty)).toEqual(twenty);
      expect(await store.moveHead(document, ten)).toEqual(twenty);
      expect(await store.readHead(document)).toEqual(twenty);
      expect(await store.readHead(other)).toBeUndefined();
    });

    test('ST52: a head moves only to a snapshot of which all parts are there', async () => {
      const head = (upto: number, parts: number): Head => ({ upto, sha256: sha256Of(Uint8Array.of(upto)), parts });
      expect(await store.moveHead(document, head(10, 1))).toBeUndefined();
      expect(await store.readHead(document)).toBeUndefined();
      expect(await readDocument(store, document)).toEqual({ updates: [], upto: 0 });
      await store.putSnapshotPart({ document, ...head(10, 1) }, 0, Uint8Array.of(1));
      expect(await store.moveHead(document, head(10, 1))).toEqual(head(10, 1));
      for (const part of [0, 2]) await store.putSnapshotPart({ document, ...head(20, 3) }, part, Uint8Array.of(part));
      await store.putSnapshotPart({ ...head(20, 3), document: other }, 1, Uint8Array.of(1));
      expect(await store.moveHead(document, head(20, 3))).toEqual(head(10, 1));
      expect(await store.readHead(document)).toEqual(head(10, 1));
      await store.putSnapshotPart({ document, ...head(20, 3) }, 1, Uint8Array.of(1));
      expect(await store.moveHead(document, head(20, 3))).toEqual(head(20, 3));
    });

    test('ST53: a checkpoint moves only where the segments that it is to cover are there', async () => {
      const one = { document, first: 0, last: 4, bytes: 2 };
      const two = { document: other, first: 3, last: 4, bytes: 2 };
      await store.putSegment(segmentOf(document, 0, 4));
      for (const missing of [two, { ...one, last: 5 }, { ...one, first: 1 }, { ...one, document: other }])
        expect(await store.moveCheckpoint(0, 0, 5, [one, missing])).toBe(0);
      expect(await store.readCheckpoint(0)).toBe(0);
      await store.putSegment(segmentOf(other, 3, 4));
      expect(await store.moveCheckpoint(0, 0, 5, [one, two])).toBe(5);
      expect(await store.moveCheckpoint(0, 5, 9, [{ ...one, first: 5 }])).toBe(5);
      expect(await store.moveCheckpoint(0, 5, 9, [])).toBe(9);
      // It covered them, and what is covered may be gone: they are not asked for again.
      expect(await store.moveCheckpoint(0, 0, 9, [{ ...one, first: 5 }])).toBe(9);
    });

    test('ST53: so it does with thousands of segments, and with long ones', async () => {
      const many = Array.from({ length: 2_500 }, (_, i) => segmentOf(document, i, i));
      const long = segmentOf(other, 0, 2_499, noise(Math.min(store.segmentBytesMax, partBytesMax + 10)));
      await Promise.all([...many, long].map((segment) => store.putSegment(segment)));
      const sized = [...many, long].map(({ update, ...id }) => ({ ...id, bytes: update.byteLength }));
      expect(await store.moveCheckpoint(0, 0, 2_500, [...sized, { document, first: 2_500, last: 2_500, bytes: 2 }])).toBe(0);
      expect(await store.moveCheckpoint(0, 0, 2_500, sized)).toBe(2_500);
    });

    test('ST5: a checkpoint moves forward only, and only from where it had been reached', async () => {
      expect(await store.readCheckpoint(0)).toBe(0);
      expect(await store.moveCheckpoint(0, 5, 10)).toBe(0);
      expect(await store.moveCheckpoint(0, 0, 10)).toBe(10);
      expect(await store.moveCheckpoint(0, 0, 10)).toBe(10);
      expect(await store.moveCheckpoint(0, 11, 20)).toBe(10);
      expect(await store.moveCheckpoint(0, 4, 2 ** 40)).toBe(2 ** 40);
      expect(await store.moveCheckpoint(0, 10, 20)).toBe(2 ** 40);
      expect(await store.readCheckpoint(0)).toBe(2 ** 40);
      expect(await store.readCheckpoint(1)).toBe(0);
    });

    test('ST6: a store is bound to one journal for good', async () => {
      const [one, two] = [
        { id: 'one', partitionCount: 3 },
        { id: 'two', partitionCount: 1 },
      ];
      expect(await store.bindJournal(one)).toEqual(one);
      expect(await store.bindJournal(two)).toEqual(one);
      const again = await fixture.reopen();
      expect(await again.bindJournal(two)).toEqual(one);
    });

    test('ST7: names touch nothing but their own, however odd they are', async () => {
      expect(new Set(oddNames).size).toBe(oddNames.length);
      const names = oddNames.map(nameOf);
      const mark = (index: number): Uint8Array => Uint8Array.of(index, index + 1);
      for (const [index, name] of names.entries()) {
        await Promise.all([
          store.putSegment(segmentOf(name, index, index + 1000, mark(index))),
          putSnapshot(store, name, index, mark(index)),
        ]);
      }
      const expectOwn = async (name: DocumentName, index: number): Promise<void> => {
        expect(await store.readSegments(name, 0)).toEqual([segmentOf(name, index, index + 1000, mark(index))]);
        expect(await store.listSnapshots(name)).toEqual([{ document: name, upto: index, sha256: sha256Of(mark(index)) }]);
        expect(await readDocument(store, name)).toMatchObject({ updates: [mark(index), mark(index)], upto: index + 1001 });
      };
      for (const [index, name] of names.entries()) await expectOwn(name, index);
      for (const [index, name] of names.entries()) {
        if (index % 2 === 0) continue;
        await deleteCovered(store, name, 5000);
        expect(await store.readSegments(name, 0)).toEqual([]);
      }
      for (const [index, name] of names.entries()) if (index % 2 === 0) await expectOwn(name, index);
    });

    test('ST8: what resolved is there after a restart', async () => {
      await store.putSegment(segmentOf(document, 30, 31));
      const head = await putSnapshot(store, document, 30, noise(1000), 300);
      await store.moveCheckpoint(2, 0, 32);
      const again = await fixture.reopen();
      expect(await again.readCheckpoint(2)).toBe(32);
      expect(await readDocument(again, document)).toEqual({ updates: [noise(1000), Uint8Array.of(30, 31)], upto: 32, head });
    });

    test('ST9: nothing is too short, and 20 MB are not too long', async () => {
      const large = noise(20 * 1024 * 1024);
      const segment = large.subarray(0, Math.min(large.byteLength, store.segmentBytesMax));
      await store.putSegment(segmentOf(document, 0, 0, new Uint8Array(0)));
      await store.putSegment(segmentOf(document, 100, 100, segment));
      await putSnapshot(store, document, 50, large);
      await putSnapshot(store, other, 1, new Uint8Array(0));
      const again = await fixture.reopen();
      const read = await readDocument(again, document);
      expect(read.updates.map((update, i) => Buffer.compare(update, [large, segment][i] ?? new Uint8Array(0)))).toEqual([0, 0]);
      expect(await again.listSegments(document, 0)).toEqual([
        { document, first: 0, last: 0, bytes: 0 },
        { document, first: 100, last: 100, bytes: segment.byteLength },
      ]);
      expect((await again.readSegments(document, 0))[0]?.update).toEqual(new Uint8Array(0));
      expect((await readDocument(again, other)).updates).toEqual([new Uint8Array(0)]);
    });

    test('ST9: a segment over the limit is a mistake of the caller', async () => {
      await expect(store.putSegment(segmentOf(document, 0, 0, new Uint8Array(store.segmentBytesMax + 1)))).rejects.toBeInstanceOf(
        RangeError,
      );
    });

    test('ST10: ten thousand documents, all at once', async () => {
      const names = Array.from({ length: 10_000 }, (_, i) => nameOf(`document ${i}`));
      await Promise.all(names.map((name, i) => store.putSegment(segmentOf(name, i, i + 1, Uint8Array.of(i, i >> 8)))));
      const again = await fixture.reopen();
      for (const i of [0, 1, 1000, 4321, 9_999]) {
        const name = nameOf(`document ${i}`);
        expect(await again.readSegments(name, 0)).toEqual([segmentOf(name, i, i + 1, Uint8Array.of(i, i >> 8))]);
      }
      expect(await again.listSegments(nameOf('document'), 0)).toEqual([]);
    });

    test('ST11: of several callers at once one is first, and the others see it', async () => {
      const second = await fixture.another();
      const stores = [store, second, store, second];
      const bound = await Promise.all(stores.map((one, i) => one.bindJournal({ id: `journal ${i}`, partitionCount: 1 })));
      expect(new Set(bound.map(({ id }) => id)).size).toBe(1);
      await Promise.all(stores.map((one, i) => one.putSegment(segmentOf(document, 1, 1, Uint8Array.of(i)))));
      const [segment] = await store.readSegments(document, 0);
      expect(await second.readSegments(document, 0)).toEqual([segment]);
      const moved = await Promise.all(stores.map((one, i) => one.moveCheckpoint(0, 0, 10 + i)));
      expect(Math.max(...moved)).toBe(13);
      expect(await second.readCheckpoint(0)).toBe(13);
      const heads = await Promise.all(stores.map((one, i) => putSnapshot(one, document, 7, Uint8Array.of(i))));
      expect(new Set(heads.map(({ sha256 }) => sha256)).size).toBe(1);
      expect(await store.readHead(document)).toEqual(heads[0]);
    });

    test('ST12: a closed store says so', async () => {
      await store.putSegment(segmentOf(document, 0, 1));
      await store.close();
      const head: Head = { upto: 1, sha256: sha256Of(new Uint8Array(0)), parts: 1 };
      const calls = [
        () => store.bindJournal({ id: 'a', partitionCount: 1 }),
        () => store.readCheckpoint(0),
        () => store.moveCheckpoint(0, 0, 1),
        () => store.putSegment(segmentOf(document, 0, 1)),
        () => store.readSegments(document, 0),
        () => store.listSegments(document, 0),
        () => store.readPosition(0),
        () => store.putSnapshotPart({ document, ...head }, 0, new Uint8Array(0)),
        () => store.readSnapshotPart({ document, ...head }, 0),
        () => store.listSnapshots(document),
        () => store.condemn({ document, head, spared: [] }),
        () =>
          store.deleteCondemned({ document, head, spared: [] }, { mark: 'mark', kinds: ['segments', 'snapshots'], more: false }),
        () => store.readHead(document),
        () => store.moveHead(document, head),
      ];
      for (const call of calls) await expect(call()).rejects.toBeInstanceOf(StoreUnavailable);
      expect(await (await fixture.reopen()).readSegments(document, 0)).toHaveLength(1);
    });

    test('ST13: a flush and a compaction that are done again, or late by a zombie, change nothing', async () => {
      const flush = async (to: Store): Promise<number> => {
        await to.putSegment(segmentOf(document, 0, 4, Uint8Array.of(1)));
        await to.putSegment(segmentOf(document, 5, 9, Uint8Array.of(2)));
        return to.moveCheckpoint(0, 0, 10);
      };
      const compact = (to: Store): Promise<Head> => putSnapshot(to, document, 10, Uint8Array.of(1, 2));
      await flush(store);
      const head = await compact(store);
      await store.putSegment(segmentOf(document, 10, 12, Uint8Array.of(3)));
      await store.moveCheckpoint(0, 10, 13);
      const wanted = { updates: [Uint8Array.of(1, 2), Uint8Array.of(3)], upto: 13, head };
      const zombie = await fixture.another();
      expect(await flush(zombie)).toBe(13);
      expect(await readDocument(store, document)).toEqual(wanted);
      expect(await compact(zombie)).toEqual(head);
      for (const one of [zombie, store]) await deleteCovered(one, document, 10, [], head.sha256);
      expect(await readDocument(store, document)).toEqual(wanted);
      expect(await store.readCheckpoint(0)).toBe(13);
    });

    test('ST54: what is condemned is deleted where its head still covers it, and nothing else', async () => {
      for (const [first, last] of [[0, 4], [5, 9], [10, 12]] as const) await store.putSegment(segmentOf(document, first, last)); // prettier-ignore
      const snapshots = [3, 6, 9].map((upto): SnapshotId => ({ document, upto, sha256: sha256Of(Uint8Array.of(upto)) }));
      for (const snapshot of snapshots)
        for (const part of [0, 1]) await store.putSnapshotPart(snapshot, part, Uint8Array.of(part));
      const [, , own] = snapshots;
      if (own === undefined) throw new Error('three snapshots');
      const covered: Covered = { document, head: own, spared: [] };
      if (isPutBack) expect((await store.condemn({ ...covered, document: other })).kinds).toEqual([]);
      const condemned = await store.condemn(covered);
      expect(new Set(condemned.kinds)).toEqual(new Set(['segments', 'snapshots']));
      expect(await store.listSegments(document, 0)).toHaveLength(3);
      expect(await readDocument(store, document)).toMatchObject({ upto: 13 });
      const less: Covered = { document, head: { upto: 5, sha256: '' }, spared: snapshots.slice(0, 1) };
      await store.deleteCondemned(less, condemned);
      expect(ids(await store.listSegments(document, 0))).toEqual([[5, 9], [10, 12]]); // prettier-ignore
      expect(await store.listSnapshots(document)).toHaveLength(3);
      await store.deleteCondemned(covered, condemned);
      expect(ids(await store.listSegments(document, 0))).toEqual([[5, 9], [10, 12]]); // prettier-ignore
      expect(await store.listSnapshots(document)).toEqual([own]);
    });

    test('ST58: what is condemned at a time is no more than the limit, and goes in order, until nothing is left', async () => {
      for (let first = 0; first < 21; first += 3) await store.putSegment(segmentOf(document, first, first + 2));
      await store.putSegment(segmentOf(document, 4, 30)); // reaches past the head
      const snapshots = [3, 6, 9, 20].map((upto): SnapshotId => ({ document, upto, sha256: sha256Of(Uint8Array.of(upto)) }));
      for (const snapshot of snapshots)
        for (const part of [0, 1]) await store.putSnapshotPart(snapshot, part, Uint8Array.of(part));
      const own = snapshots.at(-1) ?? { upto: 0, sha256: '' };
      const covered: Covered = { document, head: own, spared: snapshots.slice(1, 2) };
      const left = async (): Promise<readonly [number, number]> => {
        const segments = await store.listSegments(document, 0);
        return [segments.filter(({ last }) => last < own.upto).length, (await store.listSnapshots(document)).length];
      };
      expect(await left()).toEqual([6, 4]);
      let times = 0;
      for (let isAll = false; !isAll; times++) {
        const [segments, stored] = await left();
        const condemned = await store.condemn(covered, 2);
        await store.deleteCondemned(covered, condemned);
        isAll = !condemned.more;
        const [segmentsLeft, storedLeft] = await left();
        if (!isPutBack) continue;
        expect(segments - segmentsLeft).toBe(Math.min(2, segments));
        expect(stored - storedLeft).toBeLessThanOrEqual(2);
        if (segments > 2) expect(storedLeft).toBe(4);
      }
      if (isPutBack) expect(times).toBeGreaterThan(3);
      expect(ids(await store.listSegments(document, 0))).toEqual([[4, 30], [18, 20]]); // prettier-ignore
      expect(await store.listSnapshots(document)).toEqual([snapshots[1], snapshots[3]]);
      expect(await store.condemn({ ...covered, document: other }, 2)).toMatchObject({ more: false });
    });

    if (!isPutBack) return;
    describe('put back while it is open', () => {
      /** Stores what a head covers. */
      const storeCovered = async (): Promise<Covered> => {
        await store.putSegment(segmentOf(document, 0, 4));
        await putSnapshot(store, document, 3, Uint8Array.of(3));
        await store.putSegment(segmentOf(document, 5, 7));
        return { document, head: { upto: 9, sha256: 'later' }, spared: [] };
      };
      const backUp = async (): Promise<() => Promise<void>> => {
        if (fixture.backUp === undefined) throw new Error('this store can not be put back');
        return fixture.backUp();
      };

      test('ST55: what comes back without a mark is not deleted, also where it is put there anew; what comes back with one is', async () => {
        const covered = await storeCovered();
        const putBack = await backUp();
        const condemned = await store.condemn(covered);
        const putBackMarked = await backUp();
        await putBack();
        await store.deleteCondemned(covered, condemned);
        expect(ids(await store.listSegments(document, 0))).toEqual([[0, 4], [5, 7]]); // prettier-ignore
        expect(await store.listSnapshots(document)).toHaveLength(1);
        await putBackMarked();
        await store.putSegment(segmentOf(document, 1, 2)); // not there when it was condemned
        await store.putSegment(segmentOf(document, 5, 7)); // stays as it is, mark included
        await store.deleteCondemned(covered, { ...condemned, mark: 'of somebody else' });
        expect(await store.listSegments(document, 0)).toHaveLength(3);
        await store.deleteCondemned(covered, condemned);
        expect(ids(await store.listSegments(document, 0))).toEqual([[1, 2]]);
        expect(await store.listSnapshots(document)).toEqual([]);
      }); // prettier-ignore

      test('ST55: of two who condemn the same the later one deletes it', async () => {
        const covered = await storeCovered();
        const another = await fixture.another();
        const first = await store.condemn(covered);
        const second = await another.condemn(covered);
        await store.deleteCondemned(covered, first);
        expect(await store.listSegments(document, 0)).toHaveLength(2);
        await another.deleteCondemned(covered, second);
        expect(await store.listSegments(document, 0)).toHaveLength(0);
      }); // prettier-ignore

      test('ST56: a checkpoint that was put back goes on under another course, and otherwise under the same one', async () => {
        const courses: string[] = [];
        const moveTo = async (to: number, from = 0): Promise<void> => {
          expect(await store.moveCheckpoint(0, from, to)).toBe(to);
          const { upto, course } = await store.readPosition(0);
          expect(upto).toBe(to);
          courses.push(course);
        };
        await moveTo(5);
        await moveTo(6);
        const putBack = await backUp();
        await moveTo(9, 6);
        await putBack();
        expect((await store.readPosition(0)).course).toBe(courses[2]); // nothing tells until it moves on
        await moveTo(9);
        await moveTo(10);
        expect(courses.map((course) => courses.indexOf(course))).toEqual([0, 0, 0, 3, 3]);
        // Nobody but who left it there knows that it has not been put back.
        expect(await (await fixture.another()).moveCheckpoint(0, 0, 11)).toBe(11);
        expect(courses).not.toContain((await store.readPosition(0)).course);
        await moveTo(12);
        expect(courses.indexOf(courses.at(-1) ?? '')).toBe(5);
      }); // prettier-ignore
    });

    test('ST14: a document that was never stored is empty, and reading it leaves nothing behind', async () => {
      expect(await readDocument(store, document)).toEqual({ updates: [], upto: 0 });
      expect(await store.listSegments(document, 0)).toEqual([]);
      expect(await store.listSnapshots(document)).toEqual([]);
      expect(await store.readHead(document)).toBeUndefined();
    });
  });
}
