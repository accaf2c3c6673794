/** Many updates in the place of which one will do. */

import * as Y from 'yjs';
import { loadQuietly } from './quiet-document.ts';

/**
 * What `updates` add to the state of `base`, as one update, without what was written and written over in between: it leads from that state, and from any later one, to where they lead. Undefined where some of it
 * waits for something that is missing.
 * @throws whatever Yjs throws: one of the updates can't be read.
 */
export function squash(base: readonly Uint8Array[], updates: readonly Uint8Array[]): Uint8Array | undefined {
  const document = loadQuietly(base, { gc: true });
  // Told of it once, after what was deleted has been forgotten. (A difference of two states has the deletions of the whole document in it.)
  let added: Uint8Array | undefined;
  document.on('update', (update: Uint8Array) => (added = update));
  document.transact(() => {
    for (const update of updates) Y.applyUpdate(document, update);
  });
  return document.store.pendingStructs === null && document.store.pendingDs === null ? added : undefined;
}
