/**
 * Writes of one document that may be done again, late, and by several at once.
 *
 * Something that moves forward only is read, compared and set in one step by the filter of an update. Where there is no document yet an upsert does not help: with such a filter it tries
 * to insert a second one whenever the first does not match. So the update, the look at what is there instead, and the insert are three operations, of which each may find that somebody else was there before: then it is decided again.
 *
 * Whatever was found instead (a duplicate, a value that is further on) is confirmed by a majority when the call returns, as a write would be: MongoDB waits for the write concern of writes that change nothing too.
 */

import type { Collection, Document, Filter, UpdateFilter } from 'mongodb';
import { StoreUnavailable } from '../store.ts';
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

/** How often somebody else may come first. What moves forward only is not moved that often in a moment. */
const attemptsMax = 20;

export type Move<Id, Value> = {
  /** For people. */
  readonly what: string;
  /** The document as it is after the move, with kind and version. */
  readonly moved: { readonly _id: Id; readonly [field: string]: unknown };
  /** What has to be true of the stored document for it to move, in MongoDB's words and in ours. */
  readonly where: Document;
  readonly mayMove: (stored: Value) => boolean;
  /** Whether it moves where there is none. */
  readonly mayBegin: boolean;
  /** @throws NewerVersion, StoreCorrupt */
  readonly decode: (fields: Document) => Value;
};

/** Moves what a document holds, where it may. Returns `moved`, or what is stored instead: undefined where there is nothing. */
export async function move<Id, Value>(
  collection: Collection<Stored<Id>>,
  { what, moved, where, mayMove, mayBegin, decode }: Move<Id, Value>,
  call: Call,
): Promise<'moved' | Value | undefined> {
  const { _id: id, ...fields } = moved;
  const only = { _id: id } as Filter<Stored<Id>>;
  const update = { $set: fields } as UpdateFilter<Stored<Id>>;
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const { matchedCount } = await collection.updateOne({ ...only, ...where }, update, call);
    if (matchedCount > 0) return 'moved';
    const stored = await collection.findOne(only, call);
    if (stored !== null) {
      const value = decode(stored);
      if (!mayMove(value)) return value;
    } else if (!mayBegin) {
      return undefined;
    } else if (await insert(collection, moved, call)) {
      return 'moved';
    }
  }
  throw new StoreUnavailable(`${what} was changed by others ${attemptsMax} times while it was to be changed`);
}
