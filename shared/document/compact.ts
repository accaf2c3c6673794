/**
 * Compaction: what only a `Y.Doc` can do is forget what was deleted. It costs by the size of the document, so it runs in a worker.
 */

import * as Y from 'yjs';
import { loadQuietly } from './quiet-document.ts';

/**
 * The state of `updates` without deleted content. What in them waits for something missing stays in it, waiting.
 * @throws whatever Yjs throws: one of the updates can't be read.
 */
export function compact(updates: readonly Uint8Array[]): Uint8Array {
  return Y.encodeStateAsUpdate(loadQuietly(updates, { gc: true }));
}
