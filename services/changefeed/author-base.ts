/**
 * What the author of an edit saw.
 *
 * Mostly the mirror says it: the state at its snapshot, and what was taken in on top of that since. Where it says nothing (a program replaced the whole document without our field, or deleted and
 * inserted it) the author saw the mirror as it was before that, so it is what the latest write of ours left there, or what was there before that write: for a moment it is not known whether it
 * was made. Whoever writes says right afterwards which of the two stands, so that is waited for. Who was killed in between never says it. Then it is the earlier one, unless the value has what was
 * typed between the two: its author can only have that from the later one, and it would be in the document twice. Where the value has nothing of that, he may have taken it out, or may not have seen it; and what
 * was typed is not lost on a guess (`author-saw.ts`).
 *
 * A name without a state never had a mirror of ours. People may have typed under it all the same, and the author of a mirror that is inserted there saw nothing of that. The protocol as it was conceived takes their
 * document for what he replaced, and what was typed would be gone because somebody did not know of it. Nothing that was typed may be lost, so here this is taken for what it is: somebody who began with nothing, at the
 * same time. Both texts are in the document. (An entry of a map that both have, or that people deleted, stays as people left it; a root that is something else in the document is a reason to put the insertion
 * aside.) So it is, too, where a persister was about to write the first mirror and came too late: its state says that nothing was there before.
 *
 * Only where a mirror says what it was made from, and nothing of that is stored any more, the document as it is stored has to do.
 */

import type { DocumentName } from '#shared/document/name.ts';
import { readSnapshot, updatesOf, type SeenState } from '#shared/mirror/base.ts';
import type { Offset } from '#shared/journal/journal.ts';
import { appliedTo, reachOf } from '#shared/mirror/history.ts';
import type { Base } from '#shared/mirror/work.ts';
import { readDocument } from '#shared/store/load.ts';
import {
  emptySnapshot,
  sameSnapshot,
  type AppliedUpdate,
  type Bookkeeping,
  type MirrorState,
  type SnapshotName,
  type StoredValue,
} from '#shared/store/mirrors.ts';

import type { TakeContext } from './take-context.ts';

/** `doubt`: it is not known which of two states stands. `no-snapshot`: there is a document, and no snapshot of it yet: a persister will make one. */
export type WaitReason = 'doubt' | 'no-snapshot';

export type FoundBase = { readonly kind: 'base'; readonly seen: SeenState } | { readonly kind: 'wait'; readonly why: WaitReason };

type Candidate = {
  readonly snapshot: SnapshotName;
  readonly applied: readonly AppliedUpdate[];
  readonly omitted: string | undefined;
};

/** Finds it, for an edit that made `value` of the mirror. `own`: what that mirror says of itself, where it says anything. */
export async function findBase(
  document: DocumentName,
  state: MirrorState | undefined,
  own: Bookkeeping | undefined,
  value: StoredValue,
  context: TakeContext,
): Promise<FoundBase> {
  if (own !== undefined) {
    const applied = appliedTo(state, own.snapshot) ?? own.applied;
    const seen = await load(document, { ...own, applied }, context);
    if (seen !== undefined) return { kind: 'base', seen };
  }
  const reach = reachOf(state, own);
  if (state !== undefined) return baseByState(document, { state, reach }, value, context);
  return own === undefined ? { kind: 'base', seen: nothing } : baseOfDocument(document, reach, context);
}

const nothing: SeenState = { snapshot: emptySnapshot, applied: [], omitted: undefined, updates: [] };

async function load(
  document: DocumentName,
  { snapshot, applied, omitted }: Candidate,
  { store }: TakeContext,
): Promise<SeenState | undefined> {
  const updates = await readSnapshot(store, document, snapshot);
  return updates === undefined ? undefined : { snapshot, applied, omitted, updates };
}

async function baseByState(
  document: DocumentName,
  { state, reach }: { readonly state: MirrorState; readonly reach: Offset },
  value: StoredValue,
  context: TakeContext,
): Promise<FoundBase> {
  const { before, next } = state;
  const isSure = sameSnapshot(before.snapshot, next.snapshot);
  if (!isSure && !context.doubts.isOver(document, state.rev)) return { kind: 'wait', why: 'doubt' };
  const seen: SeenState[] = [];
  for (const version of isSure ? [next] : [before, next]) {
    const loaded = await load(document, { ...version, applied: appliedTo(state, version.snapshot) ?? [] }, context);
    if (loaded !== undefined) seen.push(loaded);
  }
  const [earlier, later] = seen;
  if (earlier === undefined) return baseOfDocument(document, reach, context);
  if (later === undefined) return { kind: 'base', seen: earlier };
  const roots = context.roots(document);
  const baseOf = (state: SeenState): Base => ({ updates: updatesOf(state), roots });
  return { kind: 'base', seen: (await context.work.sawLater(baseOf(earlier), baseOf(later), value)) ? later : earlier };
}

/** Where no state of a mirror is left, the document as it is stored is all that there is to go by, once it has all that was taken in. */
async function baseOfDocument(document: DocumentName, reach: Offset, context: TakeContext): Promise<FoundBase> {
  const { store } = context;
  const head = await store.readHead(document);
  if (head !== undefined) {
    if (head.upto < reach) return { kind: 'wait', why: 'no-snapshot' };
    const snapshot = { upto: head.upto, sha256: head.sha256 };
    const seen = await load(document, { snapshot, applied: [], omitted: undefined }, context);
    return seen === undefined ? { kind: 'wait', why: 'no-snapshot' } : { kind: 'base', seen };
  }
  const [segment] = await store.listSegments(document, 0);
  if (segment !== undefined) return { kind: 'wait', why: 'no-snapshot' };
  return { kind: 'base', seen: nothing };
}

/** What is stored of a document of which the author of an edit saw nothing: his mirror was made from none. Undefined where he saw it. */
export async function readBeside(
  document: DocumentName,
  { snapshot }: SeenState,
  { store }: TakeContext,
): Promise<readonly Uint8Array[] | undefined> {
  return sameSnapshot(snapshot, emptySnapshot) ? (await readDocument(store, document)).updates : undefined;
}
