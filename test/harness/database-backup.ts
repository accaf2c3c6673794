/** What somebody does who backs a database up, and puts it back to what it was. */

import { isDeepStrictEqual } from 'node:util';
import { type Document, MongoClient } from 'mongodb';
import type { Authors } from '#test/harness/authors.ts';
import type { Fault } from '#test/harness/faults.ts';
import type { TestCluster } from '#test/harness/test-cluster.ts';

type Collection = { readonly name: string; readonly documents: Document[] };
export type Backup = readonly Collection[];

/** Numbers as they are stored: mirrors are signed. */
const exactly = { promoteValues: false } as const;

/**
 * Everything in the database, by collection, as a backup of one moment has it. Persisters are at work: read while a head moves, there would be a head without its snapshot, or
 * neither a head nor the segments that were deleted behind it. So it is read again when one has moved.
 */
export async function backUp(url: string): Promise<Backup> {
  const client = await MongoClient.connect(url);
  const heads = (): Promise<Document[]> => client.db().collection('documents').find().sort({ _id: 1 }).toArray();
  const readAll = async (): Promise<Backup> => {
    const collections = await client.db().collections();
    // What is named after what names it.
    const last = ['segmentParts', 'segments', 'snapshots'];
    collections.sort((a, b) => last.indexOf(a.collectionName) - last.indexOf(b.collectionName));
    const dumped: Collection[] = [];
    for (const one of collections) dumped.push({ name: one.collectionName, documents: await one.find({}, exactly).toArray() });
    return dumped;
  };
  try {
    for (;;) {
      const before = await heads();
      const dumped = await readAll();
      if (isDeepStrictEqual(before, await heads())) return dumped;
    }
  } finally {
    await client.close();
  }
}

/** Puts the database back to what a backup has, and to nothing else. */
export async function restore(url: string, backup: Backup): Promise<void> {
  const client = await MongoClient.connect(url);
  try {
    for (const collection of await client.db().collections()) await collection.deleteMany({});
    for (const { name, documents } of backup) {
      if (documents.length > 0) await client.db().collection(name).insertMany(documents);
    }
  } finally {
    await client.close();
  }
}

/**
 * Backups of one moment, at which every process may be in the middle of whatever it does, and the return to the last one. What a program edits in MongoDB is as safe as MongoDB is until it is in
 * the journal: so the program is held while either happens.
 */
export function restoringFaults({ mongodb }: TestCluster, authors: Authors): { readonly backUp: Fault; readonly putBack: Fault } {
  let backup: Backup | undefined;
  const alone = async (what: () => Promise<void>): Promise<void> => {
    await mongodb.proxy.refuse();
    mongodb.proxy.cut();
    await what();
    await mongodb.proxy.accept();
  };
  const make = async (): Promise<void> => void (backup = await backUp(mongodb.url));
  const putBack = async (): Promise<void> => {
    if (backup === undefined) await make();
    await restore(mongodb.url, backup ?? []);
  };
  return {
    backUp: { name: 'the database backed up', happen: () => authors.holdProgram(() => alone(make)) },
    putBack: {
      name: 'the database put back to the last backup',
      happen: () =>
        authors.holdProgram(async () => {
          await alone(putBack);
          await authors.mirrored();
        }),
    },
  };
}
