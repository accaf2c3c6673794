/** Changes of mirrors and leases, on MongoDB or what stands in for it. Each test has a database of its own. */

import { randomUUID } from 'node:crypto';
import { MongoClient, type Document } from 'mongodb';
import { test } from 'vitest';

import { openDatabase, type Database } from '#shared/store/mongo.ts';
import { changesContract } from '#test/contract/changes.contract.ts';
import { leasesContract } from '#test/contract/leases.contract.ts';
import { mongodbForTests, withDatabase } from '#test/harness/backends.ts';

const had = await mongodbForTests();
if (had.kind === 'missing') {
  test('CF2: the contract of changes, on MongoDB', ({ skip }) => skip(had.reason));
} else {
  const prepare = async () => {
    const url = withDatabase(had.url, `inkstream-test-${randomUUID().slice(0, 8)}`);
    const client = await MongoClient.connect(url);
    const opened: Database[] = [];
    const open = async (): Promise<Database> => {
      const database = await openDatabase({ url });
      opened.push(database);
      return database;
    };
    const dispose = async (): Promise<void> => {
      for (const database of opened) await database.close();
      await client.db().dropDatabase();
      await client.close();
    };
    return { open, dispose, mirrors: client.db().collection<{ _id: string } & Document>('mirrors') };
  };

  changesContract('MongoDB', async () => {
    const { open, dispose, mirrors } = await prepare();
    const { changes } = await open();
    let count = 0;
    return {
      changes,
      another: async () => (await open()).changes,
      write: async (document, how) => {
        const value = { count: ++count };
        if (how === 'insert') await mirrors.insertOne({ _id: document, value });
        else if (how === 'set') await mirrors.updateOne({ _id: document }, { $set: { value } });
        else if (how === 'replace') await mirrors.replaceOne({ _id: document }, { value });
        else await mirrors.deleteOne({ _id: document });
      },
      drop: async () => void (await mirrors.drop()),
      strangeToken: '{"_data":"nobody knows"}',
      dispose,
    };
  });

  leasesContract('MongoDB', async () => {
    const { open, dispose } = await prepare();
    const { leases } = await open();
    return { leases, another: async () => (await open()).leases, dispose };
  });
}
