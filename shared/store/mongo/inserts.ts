/**
 * Inserts that come in one turn of the event loop, in one command.
 *
 * A flush inserts a segment for each document that somebody typed in: hundreds a second. A command for each costs the persister and the database ten times
 * what the document itself costs. The documents stay independent of one another (unordered, no transaction): each is there or not, and one that is there
 * already is a success. Where anything else went wrong, all who asked are told, and repeat it: what was inserted is there already then.
 */

import { MongoBulkWriteError, type Collection, type WriteError } from 'mongodb';
import { nextTurn } from '#shared/runtime/slices.ts';
import type { Call } from './connection.ts';
import { duplicateCode, isUnconfirmed } from './failures.ts';
import type { Stored } from './writes.ts';

/** What one command has at most: it has to be done within the time limit of an operation. A document may be longer than that by itself. */
const commandBytesMax = 8 * 1024 * 1024;
const commandDocumentsMax = 200;
/** Commands at a time; what comes meanwhile gathers. */
const commandsMax = 4;

type Waiting<Document> = {
  readonly document: Document;
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
};

/** Inserts documents of which some may be there already: those stay as they are. */
export async function insertAll<Id>(
  collection: Collection<Stored<Id>>,
  documents: readonly Stored<Id>[],
  call: Call,
): Promise<void> {
  try {
    await collection.insertMany(documents, { ...call, ordered: false });
  } catch (error) {
    if (!isOfDuplicatesAlone(error)) throw error;
  }
}

function isOfDuplicatesAlone(error: unknown): boolean {
  if (!(error instanceof MongoBulkWriteError) || isUnconfirmed(error)) return false;
  const errors: readonly WriteError[] = [error.writeErrors].flat();
  return errors.length > 0 && errors.every(({ code }) => code === duplicateCode);
}

/** Gathers inserts. `insertTogether` inserts documents, or rejects where any of them may not be there. */
export class Inserts<Document> {
  readonly #insertTogether: (documents: readonly Document[]) => Promise<void>;
  readonly #waiting: Waiting<Document>[] = [];
  #underWay = 0;
  #isScheduled = false;

  constructor(insertTogether: (documents: readonly Document[]) => Promise<void>) {
    this.#insertTogether = insertTogether;
  }

  /** Resolves when the document, of about `bytes` bytes, is there. */
  add(document: Document, bytes: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ document, bytes, resolve, reject });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#isScheduled || this.#waiting.length === 0 || this.#underWay === commandsMax) return;
    this.#isScheduled = true;
    void nextTurn().then(() => {
      this.#isScheduled = false;
      void this.#send(takeCommand(this.#waiting));
      this.#schedule();
    });
  }

  async #send(command: readonly Waiting<Document>[]): Promise<void> {
    this.#underWay++;
    try {
      await this.#insertTogether(command.map(({ document }) => document));
      for (const { resolve } of command) resolve();
    } catch (error) {
      for (const { reject } of command) reject(error);
    }
    this.#underWay--;
    this.#schedule();
  }
}

/** Takes the first ones, as many as fit into one command. */
function takeCommand<Document>(waiting: Waiting<Document>[]): readonly Waiting<Document>[] {
  let count = 0;
  let bytes = 0;
  for (const one of waiting) {
    bytes += one.bytes;
    if (count === commandDocumentsMax || (count > 0 && bytes > commandBytesMax)) break;
    count++;
  }
  return waiting.splice(0, count);
}
