/**
 * A rewrite that was begun, and that nobody has heard of since.
 *
 * Its state says what stands and what was about to be written. Whoever wrote that may be dead; or only slow, and then its write still comes. A second writer that began its own on top would say, when that misses, that
 * what stood all the time is what it had read. But the slow one may have been there in between, and a program that replaced *its* mirror, without our field, would be taken for one that replaced the mirror before it: what that
 * showed besides would count as the program's, and be in the document twice. So the second writer first sees to it that the slow one misses: what stands is given another rev. Where there is no mirror there is nothing to rename
 * (a program has deleted it, or it was to be the first), and the one that was there before is put there again: of an empty document, for the first. From then on it is known what stands, and the state says so.
 *
 * What the slow one wrote may have been there, and be what was deleted. Then its word is still to come that this stands; so the state is given another rev first of all.
 */

import type { DocumentName } from '#shared/document/name.ts';
import { putInPlaceOf, type Bookkeeping, type MirrorState, type Remarks, type StoredValue } from '#shared/store/mirrors.ts';
import { readSnapshot, updatesOf } from './base.ts';
import { hashOfValue, remarksOf, sealed, versionOf } from './bookkeeping.ts';
import { appliedTo, confirmed, isInDoubt } from './history.ts';
import type { Found, RewriteContext } from './rewrite.ts';

/** Whether the write that `state` says was about to be made may still come. `own`: what the mirror says of itself, undefined where there is none. */
export const mayStillBeWritten = (state: MirrorState, own: Bookkeeping | undefined): boolean =>
  isInDoubt(state) && (own === undefined || own.rev === state.before.rev);

/**
 * `fenced`: it does not come any more, and the state says what stands. `overtaken`: somebody was quicker, and nothing is known. `lost`: what stood there is not stored any more, and can't be put there again.
 */
export type Fenced = 'fenced' | 'overtaken' | 'lost';

/** Sees to it that it does not come. `mirror` and `own`: what was read, clean. Rejects as the stores do. */
export async function fence(
  document: DocumentName,
  state: MirrorState,
  { mirror, own: found }: Pick<Found, 'mirror' | 'own'>,
  context: RewriteContext,
): Promise<Fenced> {
  const { mirrors, makeRev } = context;
  const standing =
    mirror === undefined || found === undefined
      ? await whatStood(document, state, context)
      : { own: found, value: mirror.value, remarks: remarksOf(mirror) };
  if (standing === undefined) return 'lost';
  const { own, value, remarks } = standing;
  const fence = sealed(document, { ...own, rev: makeRev(), prev: own.rev }, hashOfValue(value));
  const contents = { value, inkstream: { ...fence, ...remarks } };
  const doubted = { ...state, rev: makeRev() };
  const isSaid =
    (await mirrors.writeState(document, state.rev, doubted)) &&
    (await putInPlaceOf(mirror, document, contents, mirrors)) &&
    (await mirrors.writeState(document, doubted.rev, confirmed(state, makeRev(), versionOf(fence))));
  return isSaid ? 'fenced' : 'overtaken';
}

type Standing = { readonly own: Bookkeeping; readonly value: StoredValue; readonly remarks: Remarks };

/** The mirror that was there, made anew. */
async function whatStood(
  document: DocumentName,
  state: MirrorState,
  { store, work, roots }: RewriteContext,
): Promise<Standing | undefined> {
  const { before } = state;
  const applied = appliedTo(state, before.snapshot) ?? [];
  const updates = await readSnapshot(store, document, before.snapshot);
  if (updates === undefined) return undefined;
  const { value, omitted, unrepresented } = await work.show({
    updates: updatesOf({ updates, applied }),
    roots: roots(document),
  });
  return { own: { ...before, applied, omitted }, value, remarks: { refused: [], unrepresented } };
}
