/**
 * The copy of a document that this browser keeps, so that a page opens without a network and what was typed there survives a reload.
 */

import { IndexeddbPersistence } from 'y-indexeddb';
import type * as Y from 'yjs';

/**
 * Loads what this browser has of the document into `doc`, and keeps every later change. Resolves with whether it does: false where
 * storage is switched off, broken or full. Where it stops later (a full disk, storage cleared), `onLoss` is called: from a write that failed on, what
 * is kept has a hole, and no later write mends it. Never rejects.
 */
export async function keepOffline(name: string, doc: Y.Doc, onLoss: () => void): Promise<boolean> {
  const persistence = new IndexeddbPersistence(`inkstream:${name}`, doc);
  try {
    // `whenSynced` waits for ever where the database can't be opened or read; `_db` is the opening, and failed transactions bubble up to it.
    const database = await persistence._db;
    const lost = new Promise<false>((settle) => {
      const lose = (): void => {
        onLoss();
        settle(false);
      };
      database.addEventListener('abort', lose);
      database.addEventListener('close', lose);
    });
    return await Promise.race([persistence.whenSynced.then(() => true), lost]);
  } catch {
    return false;
  }
}
