import { describe, expect, test } from 'vitest';
import { systemClock } from '#shared/runtime/clock.ts';
import { EnvironmentUnavailable, openEnvironment } from '#shared/runtime/lmdb.ts';
import { openEmbeddedStore } from '#shared/store/embedded.ts';
import { readDocument } from '#shared/store/load.ts';
import { NewerVersion, StoreCorrupt, StoreUnavailable } from '#shared/store/store.ts';
import { keyOf } from '#shared/runtime/key.ts';
import { deleteCovered, nameOf, putSnapshot, segmentOf, storeContract } from '#test/contract/store.contract.ts';
import { temporaryDirectory } from '#test/harness/temporary-directory.ts';

storeContract(
  'embedded',
  async () => {
    const directory = temporaryDirectory();
    const open = async () => {
      const environment = await openEnvironment({ directory: directory.path, commitIntervalMs: 0 });
      return { environment, store: openEmbeddedStore(environment) };
    };
    let opened = await open();
    const close = async (): Promise<void> => {
      await opened.store.close();
      await opened.environment.close();
    };
    return {
      store: opened.store,
      another: async () => openEmbeddedStore(opened.environment),
      reopen: async () => {
        await close();
        opened = await open();
        return opened.store;
      },
      dispose: async () => {
        await close();
        directory.remove();
      },
    };
  },
  false,
);

test('ST12: where the directory was closed under it, the store is away', async () => {
  const directory = temporaryDirectory();
  const environment = await openEnvironment({ directory: directory.path });
  const store = openEmbeddedStore(environment);
  const document = nameOf('a');
  await store.putSegment(segmentOf(document, 0, 1));
  await environment.close();
  await expect(store.readCheckpoint(0)).rejects.toBeInstanceOf(StoreUnavailable);
  await expect(store.readSegments(document, 0)).rejects.toBeInstanceOf(StoreUnavailable);
  await expect(store.putSegment(segmentOf(document, 2, 3))).rejects.toBeInstanceOf(StoreUnavailable);
  await expect(deleteCovered(store, document, 9)).rejects.toBeInstanceOf(StoreUnavailable);
  expect(() => environment.get(keyOf('c', 0))).toThrow(EnvironmentUnavailable);
  directory.remove();
});

test('ST15: what a newer version wrote, and what is broken, is told apart where it is read', async () => {
  const directory = temporaryDirectory();
  const environment = await openEnvironment({ directory: directory.path, commitIntervalMs: 0 });
  const store = openEmbeddedStore(environment);
  const put = (key: Uint8Array, hex: string): Promise<void> =>
    environment.commit(() => ({ writes: [{ key, value: Buffer.from(hex, 'hex') }], result: undefined }));
  await put(keyOf('h', 'newer'), 'f62202aabbcc');
  await put(keyOf('h', 'broken'), 'f62201aabbcc');
  await put(keyOf('g', 'a', '\0', 1, 0), 'f62002');
  await put(keyOf('c', 0), '00');
  await put(keyOf('B'), 'f62402');
  await expect(readDocument(store, nameOf('newer'))).rejects.toBeInstanceOf(NewerVersion);
  await expect(readDocument(store, nameOf('broken'))).rejects.toBeInstanceOf(StoreCorrupt);
  await expect(store.moveHead(nameOf('newer'), { upto: 1, sha256: '', parts: 1 })).rejects.toBeInstanceOf(NewerVersion);
  await expect(readDocument(store, nameOf('a'))).rejects.toBeInstanceOf(NewerVersion);
  await expect(store.readCheckpoint(0)).rejects.toBeInstanceOf(StoreCorrupt);
  await expect(store.moveCheckpoint(0, 0, 1)).rejects.toBeInstanceOf(StoreCorrupt);
  await expect(store.bindJournal({ id: 'a', partitionCount: 1 })).rejects.toBeInstanceOf(NewerVersion);
  await environment.close();
  directory.remove();
});

test('ST15: a directory with segments in a former form is not opened, or they would be passed over', async () => {
  const directory = temporaryDirectory();
  const environment = await openEnvironment({ directory: directory.path, commitIntervalMs: 0 });
  await environment.commit(() => ({
    writes: [{ key: keyOf('s', 'a', '\0', 0, 9), value: Buffer.from('f62001', 'hex') }],
    result: undefined,
  }));
  expect(() => openEmbeddedStore(environment)).toThrow(/form of before 0\.1\.0/u);
  await environment.close();
  directory.remove();
});

describe('ST20: a document of very many segments', () => {
  const document = nameOf('a');

  /** A store whose slices end when `halt` was called, and that rests there until `goOn`. */
  const openHalting = async () => {
    const directory = temporaryDirectory();
    const environment = await openEnvironment({ directory: directory.path, commitIntervalMs: 0 });
    let now = 0;
    const store = openEmbeddedStore(environment, { clock: { ...systemClock, monotonic: () => now } });
    const dispose = async (): Promise<void> => {
      await environment.close();
      directory.remove();
    };
    return { environment, store, halt: () => void (now = Infinity), goOn: () => void (now = 0), dispose };
  };

  test('others have their turn while it is read, and what they write is not in it', async () => {
    const { store, halt, goOn, dispose } = await openHalting();
    const other = nameOf('other');
    const stored = [segmentOf(document, 1, 3), segmentOf(document, 4, 4)];
    for (const segment of stored) await store.putSegment(segment);
    halt();
    let reading = true;
    const read = Promise.all([store.readSegments(document, 0), store.listSegments(document, 0)]).finally(() => (reading = false));
    // As a persister does that repeats a flush with other borders; without the first of them the second would leave a hole.
    for (const [first, last] of [[0, 6], [7, 12]] as const) await store.putSegment(segmentOf(document, first, last)); // prettier-ignore
    await putSnapshot(store, other, 1, Uint8Array.of(1));
    await deleteCovered(store, document, 4);
    expect(reading).toBe(true);
    goOn();
    const [segments, listed] = await read;
    expect(segments).toEqual(stored);
    expect(listed.map(({ first, last }) => [first, last])).toEqual([[1, 3], [4, 4]]); // prettier-ignore
    expect((await store.readSegments(document, 0)).map(({ first }) => first)).toEqual([0, 4, 7]);
    await dispose();
  });

  test('what ends below an offset is not passed over by those who ask from there on', async () => {
    const { environment, dispose } = await openHalting();
    let passed = 0;
    const store = openEmbeddedStore({
      ...environment,
      *entries(range) {
        for (const entry of environment.entries(range)) {
          passed++;
          yield entry;
        }
      },
    });
    const covered = Array.from({ length: 500 }, (_, i) => segmentOf(document, i, i));
    const wanted = [segmentOf(document, 100, 700), segmentOf(document, 500, 500)];
    await Promise.all([...covered, ...wanted].map((segment) => store.putSegment(segment)));
    expect(await store.readSegments(document, 500)).toEqual(wanted);
    expect(await store.listSegments(document, 500)).toHaveLength(2);
    expect(passed).toBe(4);
    await dispose();
  });

  test('closing while it is read is an error', async () => {
    const { environment, store, halt, goOn, dispose } = await openHalting();
    for (let i = 0; i < 3; i++) await store.putSegment(segmentOf(document, i, i));
    halt();
    const read = store.readSegments(document, 0);
    const closing = environment.close().then(goOn);
    await expect(read).rejects.toBeInstanceOf(StoreUnavailable);
    await closing;
    await dispose();
  });

  test('it is deleted in many transactions, and what reaches further stays', async () => {
    const { environment, dispose } = await openHalting();
    const sizes: number[] = [];
    const store = openEmbeddedStore({
      ...environment,
      commit: (decide, options) =>
        environment.commit((view) => {
          const decision = decide(view);
          sizes.push(decision.writes.length);
          return decision;
        }, options),
    });
    const segments = Array.from({ length: 2500 }, (_, i) => segmentOf(document, i, i % 5 === 0 ? 9000 : i));
    await Promise.all(segments.map((segment) => store.putSegment(segment)));
    sizes.length = 0;
    await deleteCovered(store, document, 2400);
    expect(sizes).toEqual([1000, 920]);
    expect(await store.listSegments(document, 0)).toHaveLength(2500 - 1920);
    await dispose();
  });
});
