/** A `Y.Doc` that only reads. */

import * as Y from 'yjs';

/**
 * The document of `updates`, emitting nothing of its own: after reading formatted text Yjs tidies it up by deleting formats, which would be an edit by a client
 * that does not exist, another one with each run.
 * @throws whatever Yjs throws: one of the updates can't be read.
 */
export function loadQuietly(updates: readonly Uint8Array[], options: { readonly gc: boolean }): Y.Doc {
  // Nobody asks for its name, and making one up takes longer than reading a keystroke.
  const document = new Y.Doc({ gc: options.gc, guid: '' });
  document.on('afterTransaction', (transaction: Y.Transaction) => {
    transaction._needFormattingCleanup = false;
  });
  document.transact(() => {
    for (const update of updates) Y.applyUpdate(document, update);
  });
  return document;
}
