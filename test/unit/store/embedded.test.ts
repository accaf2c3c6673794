import { expect, test } from 'vitest';
import { EnvironmentUnavailable, openEnvironment } from '#shared/runtime/lmdb.ts';
import { openEmbeddedStore } from '#shared/store/embedded.ts';
import { readDocument } from '#shared/store/load.ts';
import { NewerVersion, StoreCorrupt, StoreUnavailable } from '#shared/store/store.ts';
import { keyOf } from '#shared/runtime/key.ts';
import { nameOf, segmentOf, storeContract } from '#test/contract/store.contract.ts';
import { temporaryDirectory } from '#test/harness/temporary-directory.ts';

storeContract('embedded', async () => {
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
});

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
  await expect(store.deleteSegments(document, 9)).rejects.toBeInstanceOf(StoreUnavailable);
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
  await put(keyOf('s', 'a', '\0', 0, 1), 'f62002');
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
