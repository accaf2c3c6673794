/**
 * A rewrite that was begun, and that nobody has heard of since.
 *
 * Its state says what stands and what was about to be written. Whoever wrote that may be dead; or only slow, and then its write still comes. A second writer that began its own on top would say, when that misses, that
 * what stood all the time is what it had read. But the slow one may have been there in between, and a program that replaced *its* mirror, without our field, would be taken for one that replaced the mirror before it: what that
 * showed besides would count as the program's, and be in the document twice. So the second writer first sees to it that the slow one misses: what stands is given another rev. Where the first mirror of a document
 * was about to be inserted there is nothing to rename, and one of an empty document is put in its place. From then on it is known what stands, and the state says so.
 */

import type { DocumentName } from '#shared/document/name.ts';
import type { Bookkeeping, Mirror, MirrorState, StoredValue } from '#shared/store/mirrors.ts';
import { hashOfValue, ownBookkeeping, remarksOf, sealed, versionOf } from './bookkeeping.ts';
import { confirmed, isFirst, isInDoubt } from './history.ts';
import type { RewriteContext } from './rewrite.ts';

/** Whether the write that `state` says was about to be made may still come. `own`: what the mirror says of itself, undefined where there is none. */
export const mayStillBeWritten = (state: MirrorState, own: Bookkeeping | undefined): boolean =>
  own === undefined ? isFirst(state) : isInDoubt(state) && own.rev === state.before.rev;

/** Sees to it that it does not, and says what stands. `mirror`: what was read, clean. False where somebody was quicker: then nothing is known. */
export async function fence(
  document: DocumentName,
  state: MirrorState,
  mirror: Mirror | undefined,
  context: RewriteContext,
): Promise<boolean> {
  const { mirrors, work, roots, makeRev } = context;
  const withNewRev = (own: Bookkeeping, value: StoredValue): Bookkeeping =>
    sealed(document, { ...own, rev: makeRev(), prev: own.rev }, hashOfValue(value));

  const own = mirror === undefined ? undefined : ownBookkeeping(document, mirror);
  if (mirror === undefined || own === undefined) {
    const { value, omitted, unrepresented } = await work.show({ updates: [], roots: roots(document) });
    const standing = withNewRev({ ...state.before, applied: [], omitted }, value);
    const contents = { value, inkstream: { ...standing, refused: [], unrepresented } };
    return (await mirrors.insertMirror(document, contents)) && say(document, state, standing, context);
  }
  const standing = withNewRev(own, mirror.value);
  const contents = { value: mirror.value, inkstream: { ...standing, ...remarksOf(mirror) } };
  return (await mirrors.replaceMirror(document, mirror.guard, mirror.value, contents)) && say(document, state, standing, context);
}

const say = (document: DocumentName, state: MirrorState, standing: Bookkeeping, context: RewriteContext): Promise<boolean> =>
  context.mirrors.writeState(document, state.rev, confirmed(state, context.makeRev(), versionOf(standing)));
