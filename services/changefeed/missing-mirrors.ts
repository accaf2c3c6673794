/**
 * Mirrors that a program has deleted.
 *
 * To delete a mirror deletes no document, and it is expected to be there again soon. Persisters write mirrors, but when documents change, and nobody tells them of a deletion: it would be found by their next sweep, which comes to all documents once in
 * a while. The changefeed is told. To leave a note for the persister would take a place for it, and somebody who looks there every second. So the changefeed writes the mirror itself, by the rules
 * and with the code of the persister (`shared/mirror/rewrite.ts`), which allow for several who do it at once. Only the snapshot it has to take as it is, the one that the head names: what is newer than that
 * makes the document due at its persister.
 *
 * Not at once: many a program replaces something by deleting and inserting it, and would find that its name is taken.
 */

import type { DocumentName } from '#shared/document/name.ts';
import { rewriteMirror } from '#shared/mirror/rewrite.ts';
import type { Rev } from '#shared/store/mirrors.ts';

import { createDoubts } from './doubts.ts';
import type { TakeContext } from './take-context.ts';

/** Writes a mirror again whose state has this rev. `again`: not yet, or somebody else has to do something first. */
export type Restore = (document: DocumentName, rev: Rev) => Promise<'done' | 'again'>;

/** At once. Rejects as the stores do. */
export async function restoreMirror(document: DocumentName, context: TakeContext): Promise<'done' | 'again'> {
  const rewritten = await rewriteMirror(document, { ...context, headFor: () => context.store.readHead(document) });
  // Without a head there is nothing that it could be made from, and whoever makes one makes a mirror.
  return rewritten.kind === 'not-now' && rewritten.why !== 'no-head' ? 'again' : 'done';
}

/** When it has been missing for `missingMs`. */
export function createRestore(context: TakeContext): Restore {
  const missing = createDoubts(context.clock, context.limits.missingMs);
  return async (document, rev) => {
    if (!missing.isOver(document, rev)) return 'again';
    const restored = await restoreMirror(document, context);
    if (restored === 'done') missing.settle(document);
    return restored;
  };
}
