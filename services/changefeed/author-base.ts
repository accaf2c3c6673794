/**
 * What the author of an edit saw.
 *
 * Mostly the mirror says it: the state at its snapshot, and what was taken in on top of that since. Where it says nothing (a program replaced the whole document without our field, or deleted and
 * inserted it) the author saw the mirror as it was before that, so it is what the latest write of ours left there, or what was there before that write: for a moment it is not known whether it
 * was made. Whoever writes says right afterwards which of the two stands, so that is waited for. Who was killed in between never says it. Then it is the one that the value is nearer to,
 * where a letter too many (text that is there twice) weighs more than a letter too few.
 *
 * A name without a state never had a mirror of ours. If there is a document all the same, it is that which was replaced. Only where there is none, something begins.
 */

import type { DocumentName } from '#shared/document/name.ts';
import { readSnapshot, updatesOf, type SeenState } from '#shared/mirror/base.ts';
import { sameSnapshot } from '#shared/mirror/bookkeeping.ts';
import type { Offset } from '#shared/journal/journal.ts';
import { appliedTo, reachOf } from '#shared/mirror/history.ts';
import {
  emptySnapshot,
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
  return state === undefined ? baseOfDocument(document, 0, context) : baseByState(document, state, value, context);
}

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
  state: MirrorState,
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
  const [first] = seen;
  if (first === undefined) return baseOfDocument(document, reachOf(state, undefined), context);
  if (seen.length === 1) return { kind: 'base', seen: first };
  const roots = context.roots(document);
  const bases = seen.map((state) => ({ updates: updatesOf(state), roots }));
  const nearest = seen[await context.work.nearest(bases, value)] ?? first;
  return { kind: 'base', seen: nearest };
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
  return { kind: 'base', seen: { snapshot: emptySnapshot, applied: [], omitted: undefined, updates: [] } };
}
