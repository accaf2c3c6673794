/**
 * The copy of a document that this browser keeps, so that a page opens without a network and what was typed there survives a reload.
 */

import { IndexeddbPersistence } from 'y-indexeddb';
import type * as Y from 'yjs';

/**
 * Loads what this browser has of the document into `doc`, and keeps every later change. Resolves with whether it does: false where
 * storage is switched off or broken (private windows, full disks). Never rejects.
 */
export async function keepOffline(name: string, doc: Y.Doc): Promise<boolean> {
  const persistence = new IndexeddbPersistence(`inkstream:${name}`, doc);
  try {
    // `whenSynced` alone waits for ever where the database can't be opened; `_db` is the opening itself.
    await persistence._db;
    await persistence.whenSynced;
    return true;
  } catch {
    return false;
  }
}
