import { describe, expect, test } from 'vitest';
import { readDocument, type StoredDocument } from '#shared/store/load.ts';
import { createMemoryStore, createStoreDisk, type StoreDisk } from '#shared/store/memory.ts';
import { StoreCorrupt, StoreUnavailable } from '#shared/store/store.ts';
import type { Store } from '#shared/store/store.ts';
import { nameOf, noise, putSnapshot, segmentOf, sha256Of } from '#test/contract/store.contract.ts';

const document = nameOf('plan');

// An update here is a list of the offsets that it holds, one byte each: whole means that every offset is in one of them.
const holding = (first: number, last: number): Uint8Array => Uint8Array.from({ length: last - first + 1 }, (_, i) => first + i);
const offsetsIn = ({ updates }: StoredDocument): readonly number[] =>
  [...new Set(updates.flatMap((update) => [...update]))].toSorted((a, b) => a - b);

/** Snapshot up to 10 in two parts, segments to 29. */
async function storeSome(store: Store): Promise<void> {
  await putSnapshot(store, document, 10, holding(0, 9), 5);
  await store.putSegment(segmentOf(document, 10, 19, holding(10, 19)));
  await store.putSegment(segmentOf(document, 20, 29, holding(20, 29)));
}

/** What the persister does meanwhile, effect by effect: a flush, two compactions, and the clean-up after each. */
function effectsOfOthers(store: Store): readonly (() => Promise<unknown>)[] {
  const compacted = (upto: number, partBytes: number) => {
    const update = holding(0, upto - 1);
    const head = { upto, sha256: sha256Of(update), parts: Math.ceil(upto / partBytes) };
    const parts = Array.from(
      { length: head.parts },
      (_, part) => () =>
        store.putSnapshotPart({ document, ...head }, part, update.subarray(part * partBytes, (part + 1) * partBytes)),
    );
    return [...parts, () => store.moveHead(document, head)];
  };
  /** First the segments, then the snapshots. */
  const deleteBelow = (upto: number): readonly (() => Promise<void>)[] =>
    (['segments', 'snapshots'] as const).map((kind) => async () => {
      const covered = { document, head: { upto, sha256: sha256Of(holding(0, upto - 1)) }, spared: [] };
      await store.deleteCondemned(covered, { ...(await store.condemn(covered)), kinds: [kind] });
    });
  return [
    ...compacted(20, 8),
    ...deleteBelow(20),
    () => store.putSegment(segmentOf(document, 30, 39, holding(30, 39))),
    ...compacted(40, 50),
    ...deleteBelow(40),
  ];
}

/** Reads the document on `disk`, with some of the others' effects before each of the reader's calls. */
async function readWhile(disk: StoreDisk, effectsBefore: (call: number) => number): Promise<StoredDocument> {
  const effects = [...effectsOfOthers(createMemoryStore({ disk }))];
  let call = 0;
  const reading = createMemoryStore({
    disk,
    step: async () => {
      for (const effect of effects.splice(0, effectsBefore(call++))) await effect();
    },
  });
  return readDocument(reading, document);
}

const readerCalls = 8;
const effectCount = effectsOfOthers(createMemoryStore()).length;

/** Two calls of the reader, and how many effects come before each. */
function* pairsOfRuns() {
  for (let pair = 0; pair < readerCalls ** 2; pair++) {
    const [first, second] = [Math.floor(pair / readerCalls), pair % readerCalls];
    for (let before = 0; first < second && before < effectCount; before++) {
      for (let after = 1; after <= effectCount - before; after++) yield { first, before, second, after };
    }
  }
}

describe('ST16: a document that is compacted while it is read is whole', () => {
  test('with any run of effects before any one call of the reader', async () => {
    for (let at = 0; at < readerCalls; at++) {
      for (let done = 0; done <= effectCount; done++) {
        const disk = createStoreDisk();
        await storeSome(createMemoryStore({ disk }));
        const read = await readWhile(disk, (call) => (call === at ? done : 0));
        const offsets = offsetsIn(read);
        expect(offsets.slice(0, 30)).toEqual([...holding(0, 29)]);
        expect(read.upto).toBe(offsets.length);
      }
    }
  });

  test('with any run before one call, and any before another', async () => {
    for (const { first, before, second, after } of pairsOfRuns()) {
      const disk = createStoreDisk();
      await storeSome(createMemoryStore({ disk }));
      const read = await readWhile(disk, (call) => (call === first ? before : call === second ? after : 0));
      const offsets = offsetsIn(read);
      if (offsets.length < 30 || offsets.length !== read.upto)
        throw new Error(`${first}:${before} ${second}:${after} read ${offsets.join()}`);
    }
  });

  test('one effect at a time, as slowly as can be', async () => {
    for (let offset = 0; offset < 3; offset++) {
      const disk = createStoreDisk();
      await storeSome(createMemoryStore({ disk }));
      const read = await readWhile(disk, (call) => (call >= offset ? 1 : 0));
      expect(offsetsIn(read).slice(0, 30)).toEqual([...holding(0, 29)]);
    }
  });

  test('however many segments it has', async () => {
    const segments = Array.from({ length: 200_000 }, (_, i) => segmentOf(document, i, i, Uint8Array.of()));
    const store: Store = { ...createMemoryStore(), readSegments: async () => segments };
    expect(await readDocument(store, document)).toMatchObject({ updates: { length: 200_000 }, upto: 200_000 });
  });

  test('that goes on for ever, the reader gives up', async () => {
    const store = createMemoryStore();
    let upto = 0;
    const moving: Store = {
      ...store,
      readSegments: async (name, from) => {
        await putSnapshot(store, document, ++upto, Uint8Array.of(upto));
        return store.readSegments(name, from);
      },
    };
    await expect(readDocument(moving, document)).rejects.toBeInstanceOf(StoreUnavailable);
  });
});

describe('ST17: a snapshot that is not what its head says is an error', () => {
  const stored = async (): Promise<{ readonly store: Store; readonly disk: StoreDisk }> => {
    const disk = createStoreDisk();
    const store = createMemoryStore({ disk });
    await storeSome(store);
    return { store, disk };
  };

  test.each([0, 1])('part %s is missing', async (part) => {
    const { store, disk } = await stored();
    for (const snapshot of disk.documents.get(document)?.snapshots.values() ?? []) snapshot.parts.delete(part);
    await expect(readDocument(store, document)).rejects.toThrow(StoreCorrupt);
    await expect(readDocument(store, document)).rejects.toThrow(`part ${part} of 2 is missing`);
  });

  test('a part is damaged', async () => {
    const { store, disk } = await stored();
    for (const snapshot of disk.documents.get(document)?.snapshots.values() ?? [])
      snapshot.parts.set(1, Uint8Array.of(5, 6, 7, 8, 8));
    await expect(readDocument(store, document)).rejects.toThrow(StoreCorrupt);
  });

  test('a store that is away is not an empty document either', async () => {
    const { disk } = await stored();
    for (let failing = 0; failing < 5; failing++) {
      let call = 0;
      const store = createMemoryStore({
        disk,
        step: () => {
          if (call++ === failing) throw new StoreUnavailable('away');
        },
      });
      await expect(readDocument(store, document)).rejects.toBeInstanceOf(StoreUnavailable);
    }
  });

  test('others get their turn between two parts', async () => {
    const store = createMemoryStore();
    await putSnapshot(store, document, 1, noise(5000), 1000);
    let turns = 0;
    let reading = true;
    const count = (): void => {
      turns += 1;
      if (reading) setImmediate(count);
    };
    setImmediate(count);
    const read = await readDocument(store, document);
    reading = false;
    expect(read.updates).toEqual([noise(5000)]);
    expect(turns).toBeGreaterThanOrEqual(4);
  });
});
