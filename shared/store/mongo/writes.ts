/**
 * Inserts that may be done again, late, and by several at once, and whether they are there still.
 *
 * A duplicate that is found instead is confirmed by a majority when the call returns, as a write would be: MongoDB waits for the write concern of writes that change nothing too.
 */

import type { Collection, Document, Filter } from 'mongodb';
import type { Call } from './connection.ts';
import { isDuplicate } from './failures.ts';

/** A document of the store's; what it has beside its id is looked at when it is read. */
export type Stored<Id> = Document & { readonly _id: Id };

/** Inserts a document under an id that says what it holds. False where one with that id is there already: it stays as it is. */
export async function insert<Id>(
  collection: Collection<Stored<Id>>,
  document: { readonly _id: Id },
  call: Call,
): Promise<boolean> {
  try {
    await collection.insertOne(document, call);
    return true;
  } catch (error) {
    if (isDuplicate(error)) return false;
    throw error;
  }
}

/** How many ids there are of those that are asked for, which may be at most `max`: in one command, out of the index alone. */
export async function countIds<Id>(
  collection: Collection<Stored<Id>>,
  ids: { readonly $in: readonly Id[] } | { readonly $gte: Id; readonly $lt: Id },
  max: number,
  call: Call,
): Promise<number> {
  const options = { ...call, projection: { _id: 1 }, batchSize: max + 1 } as const;
  return (await collection.find({ _id: ids } as Filter<Stored<Id>>, options).toArray()).length;
}
