/**
 * What Yjs deletes by itself.
 *
 * Two people set one map key, someone types into an element that somebody else deleted: every reader deletes the loser as it
 * integrates, and says so in its next Step2, though nobody ever sent that deletion. To bytes it looks new. To know better takes a `Y.Doc`, which
 * costs by the size of the document: for small ones, or in a worker.
 */

import * as Y from 'yjs';
import { storedUpdateLimits } from './limits.ts';
import { loadQuietly } from './quiet-document.ts';
import { type Scanned, scanUpdate } from './scan.ts';

/**
 * The deletions of a document with this state, as an update without structs: those that it states, and those that Yjs makes by itself when it reads it
 * (the loser of two people setting one map key, what was typed into a deleted element).
 * @throws whatever Yjs throws.
 */
export function impliedDeletions(update: Uint8Array): Uint8Array {
  const document = loadQuietly([update], { gc: false });
  return Y.encodeStateAsUpdate(document, Y.encodeStateVector(document));
}

/** The same, scanned. Undefined where Yjs throws: it must not, on what was admitted, but one document must not end the process either. */
export function readImpliedDeletions(update: Uint8Array): Scanned | undefined {
  try {
    const implied = scanUpdate(impliedDeletions(update), storedUpdateLimits);
    return 'refused' in implied ? undefined : implied;
  } catch {
    return undefined;
  }
}
