/** The store's contract, on MongoDB or what stands in for it. Each test has a database of its own. */

import { randomUUID } from 'node:crypto';
import { MongoClient } from 'mongodb';
import { test } from 'vitest';
import { openMongoStore } from '#shared/store/mongo.ts';
import type { Store } from '#shared/store/store.ts';
import { storeContract } from '#test/contract/store.contract.ts';
import { mongodbForTests, withDatabase } from '#test/harness/backends.ts';
import { backUp, restore } from '#test/harness/database-backup.ts';

// The contract says nothing about time, and a stand-in that serves other tests beside takes some, also to answer whether it is alive.
const patience = { operationMsMax: 50_000, serverSelectionMsMax: 50_000 };

const had = await mongodbForTests();
if (had.kind === 'missing') {
  test('ST1: the contract of the store, on MongoDB', ({ skip }) => skip(had.reason));
} else {
  storeContract('MongoDB', async () => {
    const url = withDatabase(had.url, `inkstream-test-${randomUUID().slice(0, 8)}`);
    const opened: Store[] = [];
    const open = async (): Promise<Store> => {
      const store = await openMongoStore({ url, ...patience });
      opened.push(store);
      return store;
    };
    const store = await open();
    return {
      store,
      backUp: async () => {
        const backup = await backUp(url);
        return () => restore(url, backup);
      },
      another: open,
      reopen: async () => {
        await store.close();
        return open();
      },
      dispose: async () => {
        for (const one of opened) await one.close();
        const client = await MongoClient.connect(url);
        await client.db().dropDatabase();
        await client.close();
      },
    };
  });
}
