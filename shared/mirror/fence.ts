/**
 * A rewrite that was begun, and that nobody has heard of since.
 *
 * Its state says what stands and what was about to be written. Whoever wrote that may be dead; or only slow, and then its write still comes. A second writer that began its own on top would say, when that misses, that
 * what stood all the time is what it had read. But the slow one may have been there in between, and a program that replaced *its* mirror, without our field, would be taken for one that replaced the mirror before it: what that
 * showed besides would count as the program's, and be in the document twice. So the second writer first sees to it that the slow one misses: what stands is given another rev. Where there is no mirror there is nothing to rename
 * (a program has deleted it, or it was to be the first), and the one that was there before is put there again: of an empty document, for the first. From then on it is known what stands, and the state says so.
 *
 * What the slow one wrote may have been there, and be what was deleted. Then its word is still to come that this stands; so the state is given another rev first of all. Two who do all this at once may be in each other's way: what one
 * has put there makes the other miss, whose rev for the state makes the word of the first miss. It says it once more (`sayAfterAll`); where it is killed, the state is in doubt as it was, and the next one begins again.
 *
 * What was put there again may be deleted too, at any later time; and the slow one, if it was to write where nothing is, does so after all, while the state is sure of something else. Nothing prevents that: a write of one document can't depend on what
 * another one says. So whoever has written a mirror, and finds that its word does not count any more, looks whether its mirror stands there, and then says so all the same (`sayAfterAll`). Where it is killed before that, a changefeed that comes
 * upon a mirror of which the state knows nothing says so. What stays open is the moment until then; or the time until the next rewrite, where the state does not remember the snapshot any more. A program that replaces such a mirror
 * then, without our field, is taken for one that replaced what the state says, and what people typed between the two is in the document twice, or taken out. And an
 * edit of such a mirror takes back what was taken in by then on top of its snapshot, as that of an old copy that is put back.
 */

import type { DocumentName } from '#shared/document/name.ts';
import {
  putInPlaceOf,
  type Bookkeeping,
  type MirrorState,
  type Remarks,
  type StoredValue,
  type Version,
} from '#shared/store/mirrors.ts';
import { readSnapshot, updatesOf } from './base.ts';
import { hashOfValue, remarksOf, sealed, versionOf } from './bookkeeping.ts';
import { appliedTo, confirmed, corrected, isInDoubt } from './history.ts';
import type { Found, RewriteContext } from './rewrite.ts';

/** Whether the write that `state` says was about to be made may still come. `own`: what the mirror says of itself, undefined where there is none. */
export const mayStillBeWritten = (state: MirrorState, own: Bookkeeping | undefined): boolean =>
  isInDoubt(state) && (own === undefined || own.rev === state.before.rev);

/**
 * `fenced`: it does not come any more while something stands there, and the state says what. `overtaken`: somebody was quicker, and nothing is known. `lost`: what stood there is not stored any more, and can't be put there again.
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
  const isWritten =
    (await mirrors.writeState(document, state.rev, doubted)) && (await putInPlaceOf(mirror, document, contents, mirrors));
  if (!isWritten) return 'overtaken';
  const stands = versionOf(fence);
  if (await mirrors.writeState(document, doubted.rev, confirmed(state, makeRev(), stands))) return 'fenced';
  await sayAfterAll(document, stands, context);
  return 'overtaken';
}

/**
 * Says that the mirror has `written`, if it has, where the state has gone on without whoever wrote that. Not while an edit is being taken in, nor where the state does not remember the snapshot any more: it may be deleted, and
 * the next rewrite sees to it. Rejects as the stores do.
 */
export async function sayAfterAll(
  document: DocumentName,
  written: Version,
  { mirrors, makeRev }: Pick<RewriteContext, 'mirrors' | 'makeRev'>,
): Promise<void> {
  for (;;) {
    const state = await mirrors.readState(document);
    const mirror = await mirrors.readMirror(document);
    if (state === undefined || mirror?.inkstream?.rev !== written.rev) return;
    const isSaid = state.before.rev === written.rev;
    if (isSaid || state.next.intent !== undefined || appliedTo(state, written.snapshot) === undefined) return;
    if (await mirrors.writeState(document, state.rev, corrected(state, makeRev(), written))) return;
  }
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
