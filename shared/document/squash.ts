/** Many updates in the place of which one will do. */

import * as Y from 'yjs';
import { loadQuietly } from './quiet-document.ts';

/**
 * What `updates` add to the state of `base`, as one update, without what was written and written over in between. It leads from that state, and any later one, to where they lead; and has the deletions of the whole
 * document in it, so it may be longer than they are.
 * @throws whatever Yjs throws: one of the updates can't be read.
 */
export function squash(base: readonly Uint8Array[], updates: readonly Uint8Array[]): Uint8Array {
  const vector = Y.encodeStateVector(loadQuietly(base, { gc: true }));
  return Y.encodeStateAsUpdate(loadQuietly([...base, ...updates], { gc: true }), vector);
}
