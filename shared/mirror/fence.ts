/**
 * A rewrite that was begun, and that nobody has heard of since.
 *
 * Its state says what stands and what was about to be written. Whoever wrote that may be dead; or only slow, and then its write still comes. A second writer that began its own on top would say, when that misses, that
 * what stood all the time is what it had read. But the slow one may have been there in between, and a program that replaced *its* mirror, without our field, would be taken for one that replaced the mirror before it: what that
 * showed besides would count as the program's, and be in the document twice. So the second writer first sees to it that the slow one misses: what stands is given another rev. Where there is no mirror there is nothing to rename
 * (a program has deleted it, or it was to be the first), and the one that was there before is put there again: of an empty document, for the first. From then on it is known what stands, and the state says so.
 */

import type { DocumentName } from '#shared/document/name.ts';
import type { Bookkeeping, Mirror, MirrorState, Remarks, StoredValue } from '#shared/store/mirrors.ts';
import { readSnapshot } from './base.ts';
import { hashOfValue, ownBookkeeping, remarksOf, sealed, versionOf } from './bookkeeping.ts';
import { appliedTo, confirmed, isInDoubt } from './history.ts';
import type { RewriteContext } from './rewrite.ts';

/** Whether the write that `state` says was about to be made may still come. `own`: what the mirror says of itself, undefined where there is none. */
export const mayStillBeWritten = (state: MirrorState, own: Bookkeeping | undefined): boolean =>
  isInDoubt(state) && (own === undefined || own.rev === state.before.rev);

/**
 * `fenced`: it does not come any more, and the state says what stands. `overtaken`: somebody was quicker, and nothing is known. `lost`: what stood there is not stored any more, and can't be put there again.
 */
export type Fenced = 'fenced' | 'overtaken' | 'lost';

/** Sees to it that it does not come. `mirror`: what was read, clean. Rejects as the stores do. */
export async function fence(
  document: DocumentName,
  state: MirrorState,
  mirror: Mirror | undefined,
  context: RewriteContext,
): Promise<Fenced> {
  const { mirrors, makeRev } = context;
  const standing = await whatStands(document, state, mirror, context);
  if (standing === undefined) return 'lost';
  const { own, value, remarks } = standing;
  const fence = sealed(document, { ...own, rev: makeRev(), prev: own.rev }, hashOfValue(value));
  const contents = { value, inkstream: { ...fence, ...remarks } };
  const isPut =
    mirror === undefined
      ? await mirrors.insertMirror(document, contents)
      : await mirrors.replaceMirror(document, mirror.guard, mirror.value, contents);
  const isSaid = isPut && (await mirrors.writeState(document, state.rev, confirmed(state, makeRev(), versionOf(fence))));
  return isSaid ? 'fenced' : 'overtaken';
}

type Standing = { readonly own: Bookkeeping; readonly value: StoredValue; readonly remarks: Remarks };

/** The mirror that is there; or the one that was there before, made anew. */
async function whatStands(
  document: DocumentName,
  state: MirrorState,
  mirror: Mirror | undefined,
  { store, work, roots }: RewriteContext,
): Promise<Standing | undefined> {
  const own = mirror === undefined ? undefined : ownBookkeeping(document, mirror);
  if (mirror !== undefined && own !== undefined) return { own, value: mirror.value, remarks: remarksOf(mirror) };
  const { before } = state;
  const applied = appliedTo(state, before.snapshot) ?? [];
  const snapshot = await readSnapshot(store, document, before.snapshot);
  if (snapshot === undefined) return undefined;
  const updates = [...snapshot, ...applied.map(({ update }) => update)];
  const { value, omitted, unrepresented } = await work.show({ updates, roots: roots(document) });
  return { own: { ...before, applied, omitted }, value, remarks: { refused: [], unrepresented } };
}
