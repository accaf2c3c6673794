/**
 * Rewriting a mirror, when the document has moved on.
 *
 * The value in a mirror is old as soon as somebody types. The naive way is to write the new one over it, and it overwrites an edit that some program made a moment ago. So a mirror is
 * rewritten only where nobody has edited it, by a write that misses if somebody does meanwhile; and never to a state that lacks an edit which was taken in already, since
 * that edit would vanish from the mirror, and the next one there would take it back. (The offset tells that. A state vector does not: deletions are not in it.)
 *
 *     1 state   2 mirror   3 snapshot   4 state: from this to that   5 the head again   6 mirror   7 state: which of the two stands
 *
 * The state says what is about to be written before it is: a program that replaces the mirror without our field may have seen either, and until step 7 nobody knows which. And it names the
 * snapshot before it counts. Whoever deletes snapshots reads the head first and then what is named, and never deletes what the head names. So where the head still is what it was
 * after step 4, whoever deletes this snapshot one day began after it was named.
 *
 * Before the first mirror of a document there was none, and the state says that as well: a program may insert one in this very moment, and who saw no mirror must not be taken for somebody who replaced the document.
 *
 * And whoever said what it was about to write may have died, or be slow (`fence.ts`).
 */

import type { DocumentName } from '#shared/document/name.ts';
import type { RootKinds } from '#shared/document/json/roots.ts';
import {
  emptySnapshot,
  putInPlaceOf,
  sameSnapshot,
  type Bookkeeping,
  type Mirror,
  type MirrorState,
  type MirrorStore,
  type Remarks,
  type Rev,
  type Version,
} from '#shared/store/mirrors.ts';
import type { Head, Store } from '#shared/store/store.ts';
import { readSnapshot } from './base.ts';
import { hashOfValue, isClean, ownBookkeeping, sealed, versionOf } from './bookkeeping.ts';
import { fence, mayStillBeWritten, sayAfterAll } from './fence.ts';
import { confirmed, isInDoubt, nextState, reachOf, type HistoryLimits } from './history.ts';
import { fitted, type Fitted } from './room.ts';
import type { MirrorWork } from './work.ts';

export type RewriteContext = {
  readonly mirrors: MirrorStore;
  readonly store: Store;
  readonly work: MirrorWork;
  readonly roots: RootKinds;
  readonly limits: HistoryLimits;
  readonly makeRev: () => Rev;
  /** The head to write, at `reach` or past it if that can be had. It may make one. */
  readonly headFor: (document: DocumentName, reach: number) => Promise<Head | undefined>;
  /** The update of the snapshot that a head names, where it was just made here: by its hash, so they are the bytes that are stored. */
  readonly inHand?: (head: Head) => Uint8Array | undefined;
};

export type Rewritten =
  | { readonly kind: 'written'; readonly head: Head; readonly valueBytes: number }
  /** It shows the head already. */
  | { readonly kind: 'current' }
  /**
   * `edited`: somebody's edit is to be taken in first. `behind`: the head does not have all that was taken in. `no-head`: nothing is stored. `overtaken`: somebody else wrote meanwhile. It
   * is for later in each case, and by itself: whatever is in the way changes the document, or its head.
   */
  | { readonly kind: 'not-now'; readonly why: 'edited' | 'behind' | 'no-head' | 'overtaken' };

/** What was read of a document. `own`: what the mirror says of itself. */
export type Found = {
  readonly state: MirrorState | undefined;
  readonly mirror: Mirror | undefined;
  readonly own: Bookkeeping | undefined;
};

/** Writes what the document is into its mirror, if the mirror may be written now. Rejects as the stores do; whatever was done until then can be done again. */
export async function rewriteMirror(document: DocumentName, context: RewriteContext): Promise<Rewritten> {
  const { mirrors, store, work, roots, makeRev, headFor, inHand } = context;
  const state = await mirrors.readState(document);
  const mirror = await mirrors.readMirror(document);
  const own = mirror === undefined ? undefined : ownBookkeeping(document, mirror);
  if (state?.next.intent !== undefined) return { kind: 'not-now', why: 'edited' };
  const reach = reachOf(state, own);
  if (mirror !== undefined && (own === undefined || !isClean(document, mirror, own))) {
    if (!(await isBaseStored(document, { state, own }, store))) await headFor(document, reach);
    return { kind: 'not-now', why: 'edited' };
  }

  if (state !== undefined && mayStillBeWritten(state, own)) {
    const fenced = await fence(document, state, { mirror, own }, context);
    if (fenced === 'overtaken') return { kind: 'not-now', why: 'overtaken' };
    if (fenced === 'fenced') return rewriteMirror(document, context);
  }

  const head = await headFor(document, reach);
  if (head === undefined) return { kind: 'not-now', why: 'no-head' };
  const isLatest = own !== undefined && state?.next.rev === own.rev;
  if (isLatest && head.upto <= own.snapshot.upto) {
    // Whoever wrote it may have been killed before it could say so, and then whatever replaces it one day would be in doubt.
    if (isInDoubt(state)) await mirrors.writeState(document, state.rev, confirmed(state, makeRev(), state.next));
    return { kind: 'current' };
  }
  if (head.upto < reach) return { kind: 'not-now', why: 'behind' };

  const snapshot = { upto: head.upto, sha256: head.sha256 };
  const made = inHand?.(head);
  const updates = made === undefined ? await readSnapshot(store, document, snapshot) : [made];
  if (updates === undefined) return { kind: 'not-now', why: 'overtaken' };
  const shown = await work.show({ updates, roots: roots(document) });
  const whole = { shown, refused: mirror?.inkstream?.refused ?? [] };
  const contents = mirror === undefined ? whole : fitted(mirror.roomBytes, [], whole, mirrors.form);
  return write(document, { state, mirror, own }, head, contents, context);
}

async function write(
  document: DocumentName,
  { state, mirror, own }: Found,
  head: Head,
  { shown: { value, omitted, unrepresented }, refused }: Fitted,
  context: RewriteContext,
): Promise<Rewritten> {
  const { mirrors, store, limits, makeRev } = context;
  const before = versionBefore(document, { state, own }, makeRev);
  const next = sealed(
    document,
    {
      rev: makeRev(),
      prev: before.rev,
      snapshot: { upto: head.upto, sha256: head.sha256 },
      applied: [],
      intent: undefined,
      omitted,
    },
    hashOfValue(value),
  );
  const writing = nextState(state, makeRev(), before, next, limits);
  if (!(await mirrors.writeState(document, state?.rev, writing))) return { kind: 'not-now', why: 'overtaken' };

  const standing = await store.readHead(document); // after the state has named its snapshot, and before anybody can see a mirror of it
  const isHead = standing !== undefined && sameSnapshot(standing, head);
  const remarks: Remarks = { refused, unrepresented };
  const contents = { value, inkstream: { ...next, ...remarks } };
  const isWritten = isHead && (await putInPlaceOf(mirror, document, contents, mirrors));
  const stands = isWritten ? versionOf(next) : before;
  const isSaid = await mirrors.writeState(document, writing.rev, confirmed(writing, makeRev(), stands));
  if (isWritten && isSaid) return { kind: 'written', head, valueBytes: value.bytes.byteLength };
  // Where the state is not what was written here somebody has fenced this off; or the store was put back, perhaps without the snapshot that the mirror names now, and it has to be written again.
  if (isWritten) await sayAfterAll(document, stands, context);
  return { kind: 'not-now', why: 'overtaken' };
}

/** What stands there until it is written. */
function versionBefore(
  document: DocumentName,
  { state, own }: Pick<Found, 'state' | 'own'>,
  makeRev: RewriteContext['makeRev'],
): Version {
  if (own !== undefined) return versionOf(own);
  if (state !== undefined) return state.next;
  const nothing = { rev: makeRev(), prev: '', snapshot: emptySnapshot, applied: [], intent: undefined, omitted: undefined };
  return versionOf(sealed(document, nothing, ''));
}

/** Whether a snapshot is stored that an edit can be compared with; else one of the whole document has to be made for it. */
async function isBaseStored(
  document: DocumentName,
  { state, own }: Pick<Found, 'state' | 'own'>,
  store: Store,
): Promise<boolean> {
  const named = [own, state?.before, state?.next].flatMap((version) => (version === undefined ? [] : [version.snapshot]));
  if (named.length === 0 || named.some((snapshot) => sameSnapshot(snapshot, emptySnapshot))) return true;
  const stored = await store.listSnapshots(document);
  return named.some((snapshot) => stored.some((other) => sameSnapshot(snapshot, other)));
}
