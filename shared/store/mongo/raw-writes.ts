/**
 * Writes whose documents are BSON already.
 *
 * The driver serialises whatever it sends, so it would first have to be told in JavaScript what a program stored (`bson.ts`), and some of what MongoDB stores can't be said: text that is no UTF-8, two keys
 * of one name, `undefined`. A filter that lacks such a thing never matches, and the mirror stands still for ever. It costs, too: a mirror of 4 MB has a hundred thousand values. MongoDB's protocol takes the
 * documents of a command as bytes in a section of their own, which the driver does itself for bulk writes, so that is what is used here. It is not public: the version of the driver is
 * pinned, and a test fails where a new one has it no more.
 *
 * The driver does not repeat these writes: whoever calls begins again from what is there then.
 */

import { MongoServerError, WriteConcern, type Db, type Document } from 'mongodb';
import { DocumentSequence } from 'mongodb/lib/cmap/commands.js';
import { fieldsOf, writeDocument, type BsonFields } from './bson-writer.ts';
import type { Call } from './connection.ts';
import { isDuplicate } from './failures.ts';

/** In bytes: what MongoDB stores as one document, and what it takes as one statement of a command (a filter and an update), which may be a little more. */
export const documentBytesMax = 16 * 1024 * 1024;
export const statementBytesMax = documentBytesMax + 15 * 1024;

type Answer = {
  readonly n?: number;
  readonly writeErrors?: readonly { readonly code: number; readonly errmsg: string }[];
};

/** Sends one document of a write command. @throws MongoServerError where it was refused; errors of the driver */
async function write(
  db: Db,
  command: Document,
  part: 'documents' | 'updates',
  document: Uint8Array,
  { maxTimeMS, session }: Call,
): Promise<number> {
  const sequence = new DocumentSequence(part);
  sequence.push({}, document);
  const whole: Document = { ...command, [part]: sequence, ordered: true, maxTimeMS };
  if (db.writeConcern !== undefined) WriteConcern.apply(whole, db.writeConcern);
  const answer: Answer = await db.command(whole, session === undefined ? {} : { session });
  const [failure] = answer.writeErrors ?? [];
  if (failure !== undefined) throw new MongoServerError({ code: failure.code, message: failure.errmsg });
  return answer.n ?? 0;
}

/** A filter and an update with operators. */
export type Statement = { readonly where: BsonFields; readonly update: BsonFields };

export const writeStatement = ({ where, update }: Statement): Uint8Array =>
  writeDocument(fieldsOf({ q: where, u: update, multi: false, upsert: false }));

/** Updates the document that matches; false where none does. `statement` is by `writeStatement`. */
export async function updateOne(db: Db, collection: string, statement: Uint8Array, call: Call): Promise<boolean> {
  return (await write(db, { update: collection }, 'updates', statement, call)) > 0;
}

/** Inserts a document; false where one with its id is there. */
export async function insertOne(db: Db, collection: string, document: Uint8Array, call: Call): Promise<boolean> {
  try {
    await write(db, { insert: collection }, 'documents', document, call);
    return true;
  } catch (error) {
    if (isDuplicate(error)) return false;
    throw error;
  }
}
