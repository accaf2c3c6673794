/**
 * Taking in what somebody wrote into a mirror.
 *
 * A program has changed a document's JSON. That is to become Yjs operations that merge with what people type meanwhile, exactly once, although this process may be killed at any moment, run
 * twice or wake up late, and although the program may do anything to the mirror at any time. Comparing the new value with the document as it is now would take back what was typed since the
 * program read it. So it is compared with what its author saw; and since operations that were made twice would be in the document twice, they are decided once and for all, stored as an
 * intent, and only those very bytes are ever appended (Yjs takes the same bytes twice without harm).
 *
 *     1 state   2 mirror   ─► finish what is open, else, where the value is not ours: base, operations
 *     3 state: before, next with the intent   4 mirror: the same intent   5 journal   6 state: applied   7 mirror: applied
 *
 * The state comes before the mirror each time, so whatever was begun is found there. Each write is a compare-and-set, and misses where somebody was quicker; then all that was read is old,
 * and it begins again from what is there. Whoever is killed in between leaves something that the next one can tell from the state alone. `shared/mirror` has the parts.
 */

import type { DocumentName } from '#shared/document/name.ts';
import type { Offset } from '#shared/journal/journal.ts';
import { appliedWith, hashOfValue, isClean, ownBookkeeping, remarksOf, sealed, versionOf } from '#shared/mirror/bookkeeping.ts';
import { updatesOf, type SeenState } from '#shared/mirror/base.ts';
import { sayAfterAll } from '#shared/mirror/fence.ts';
import { bytesOf, confirmed, nextBookkeeping, nextState } from '#shared/mirror/history.ts';
import { bytesOfMirror, fitted } from '#shared/mirror/room.ts';
import type { EditAnswer } from '#shared/mirror/work.ts';
import {
  sameSnapshot,
  type Bookkeeping,
  type Guard,
  type Mirror,
  type MirrorState,
  type RefusedEdit,
  type Rev,
  type StoredValue,
} from '#shared/store/mirrors.ts';

import { findBase, readBeside, type WaitReason } from './author-base.ts';
import type { TakeContext } from './take-context.ts';

export type Taken =
  /** Nobody has edited the mirror; or there never was one. */
  | { readonly kind: 'clean' }
  /** There was a mirror, with a state that has this rev, and somebody has deleted it. */
  | { readonly kind: 'missing'; readonly rev: Rev }
  /** The edit is in the journal, at `offset`, and this is remembered. */
  | { readonly kind: 'taken'; readonly offset: Offset }
  /** The edit is kept aside, and the document is as it was. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** Something was done, or somebody else was quicker: call again. */
  | { readonly kind: 'again' }
  /** Nothing can be done now: call again in a while. */
  | { readonly kind: 'wait'; readonly why: WaitReason };

/** What was read of a document, in the order in which it has to be. `own`: the mirror's bookkeeping where it is its own. */
type Found = { readonly state: MirrorState | undefined; readonly mirror: Mirror; readonly own: Bookkeeping | undefined };

/**
 * Does one thing towards the document's having what was written into its mirror: call it until it says `clean` or `missing`. Any number of processes may.
 * Rejects with `StoreUnavailable` and `JournalUnavailable`; whatever was done until then is found by the next call.
 */
export async function takeEdit(document: DocumentName, context: TakeContext): Promise<Taken> {
  try {
    return await takeOnce(document, context);
  } catch (error) {
    context.clients.forget(document); // it may or may not have been stored
    throw error;
  }
}

async function takeOnce(document: DocumentName, context: TakeContext): Promise<Taken> {
  const { mirrors } = context;
  const state = await mirrors.readState(document);
  const mirror = await mirrors.readMirror(document);
  const own = mirror === undefined ? undefined : ownBookkeeping(document, mirror);
  if (state?.next.intent !== undefined) return finish(document, state, mirror, own, context);
  if (mirror === undefined) return state === undefined ? { kind: 'clean' } : { kind: 'missing', rev: state.rev };
  if (state !== undefined && own !== undefined && wasHalfWritten(state, own)) return complete(document, state, mirror, context);
  if (own !== undefined && isClean(document, mirror, own)) {
    if (state !== undefined && !isKnownTo(state, own)) await sayAfterAll(document, versionOf(own), context);
    return { kind: 'clean' };
  }
  return decide(document, { state, mirror, own }, context);
}

/** Whether the state was written, and the mirror is still what it was before: with the same snapshot, so only the bookkeeping is new. */
const wasHalfWritten = ({ before, next }: MirrorState, own: Bookkeeping): boolean =>
  own.rev === before.rev && own.rev !== next.rev && sameSnapshot(next.snapshot, own.snapshot);

/** Whether it is one of the two that a state is about. A copy from before that was put back as it was is none, nor is what somebody wrote too late who was killed then: nobody has said that these stand, and what replaces them is to be compared with them. */
const isKnownTo = ({ before, next }: MirrorState, { rev }: Bookkeeping): boolean => rev === before.rev || rev === next.rev;

async function complete(document: DocumentName, state: MirrorState, mirror: Mirror, { mirrors }: TakeContext): Promise<Taken> {
  await mirrors.writeBookkeeping(document, mirror.guard, { ...nextBookkeeping(state), ...remarksOf(mirror) });
  return { kind: 'again' };
}

/** An intent was stored, here or by somebody who did not come back. */
async function finish(
  document: DocumentName,
  state: MirrorState,
  mirror: Mirror | undefined,
  own: Bookkeeping | undefined,
  context: TakeContext,
): Promise<Taken> {
  const { before, next } = state;
  if (mirror !== undefined && own?.rev === before.rev) return complete(document, state, mirror, context);
  if (own !== undefined && own.prev === before.rev && own.rev !== next.rev) {
    // A rewrite came first, onto a value that was back at what it had been: what the intent stood for is gone, and was appended by nobody.
    await context.mirrors.writeState(document, state.rev, confirmed(state, context.makeRev(), versionOf(own)));
    return { kind: 'again' };
  }
  return append(document, state, mirror, context);
}

/** Steps 5 to 7. */
async function append(
  document: DocumentName,
  state: MirrorState,
  mirror: Mirror | undefined,
  context: TakeContext,
): Promise<Taken> {
  const { mirrors, journal, clock, origin, limits, makeRev } = context;
  const { intent, ...next } = nextBookkeeping(state);
  if (intent === undefined) throw new Error('there is no intent to finish');
  const record = { kind: 'update', document, update: intent.update, origin, author: '', time: clock.now() } as const;
  const [outcome] = await journal.append([record]);
  if (outcome?.kind !== 'appended') return abandon(document, state, mirror, context);

  // From the hash in the intent: what is in the mirror now may be another edit already.
  const applied = sealed(
    document,
    { ...next, rev: makeRev(), prev: next.rev, applied: appliedWith(next.applied, intent, outcome.offset), intent: undefined },
    intent.valueHash,
  );
  const done = nextState(state, makeRev(), state.next, applied, limits);
  if (!(await mirrors.writeState(document, state.rev, done))) {
    context.clients.forget(document);
    return { kind: 'again' };
  }
  if (mirror?.inkstream?.rev === next.rev)
    await mirrors.writeBookkeeping(document, mirror.guard, { ...applied, ...remarksOf(mirror) });
  return { kind: 'taken', offset: outcome.offset };
}

/** The journal does not take the edit, though it, or another one, said that it would: nobody has it, and nobody will. */
async function abandon(
  document: DocumentName,
  state: MirrorState,
  mirror: Mirror | undefined,
  context: TakeContext,
): Promise<Taken> {
  const own = mirror === undefined ? undefined : ownBookkeeping(document, mirror);
  if (mirror === undefined || own?.rev !== state.next.rev) {
    await context.mirrors.writeState(
      document,
      state.rev,
      confirmed(state, context.makeRev(), { ...state.next, intent: undefined }),
    );
    return { kind: 'again' };
  }
  const base = await findBase(document, state, own, mirror.value, context);
  if (base.kind === 'wait') return base;
  return refuse(document, { state, mirror, own }, base.seen, 'the journal does not take an edit that large', context);
}

/** Nobody knows of this edit yet. */
async function decide(document: DocumentName, found: Found, context: TakeContext): Promise<Taken> {
  const { state, mirror, own } = found;
  const { work, roots, clients } = context;
  const base = await findBase(document, state, own, mirror.value, context);
  if (base.kind === 'wait') return base;
  const seen = await shortened(base.seen, context);
  const reason = seen.omitted ?? tooMuch(seen, mirror.value, context);
  if (reason !== undefined) return refuse(document, found, seen, reason, context);

  const beside = await readBeside(document, seen, context);
  const from = { updates: updatesOf(seen), roots: roots(document), beside };
  const answer = await work.edit(from, mirror.value, clients.choose(document));
  if (answer.kind === 'refused') return refuse(document, found, seen, answer.reason, context);
  if (answer.kind === 'operations') clients.made(document, answer.client, answer.clockAfter);
  const bytesMax = Math.min(context.limits.updateBytesMax, context.journal.recordBytesMax);
  if (answer.kind === 'operations' && answer.update.byteLength > bytesMax) {
    return refuse(
      document,
      found,
      seen,
      `the edit has ${answer.update.byteLength} bytes, and at most ${bytesMax} are taken`,
      context,
    );
  }
  return store(document, found, seen, answer, context);
}

/**
 * The same state with one edit on top of its snapshot in the place of many. Where a program edits without a pause the mirror is never written anew, and the list of what was taken in since would
 * be written and read with each edit, longer each time. Nothing asks for one of them: all of them are the base, and whatever has the last one has all.
 */
async function shortened(seen: SeenState, { work, limits }: TakeContext): Promise<SeenState> {
  const { applied, updates } = seen;
  const bytes = bytesOf(applied);
  const isDue = applied.length > 1 && (applied.length % limits.appliedMax === 0 || bytes > limits.appliedBytesMax);
  if (!isDue) return seen;
  const each = applied.map(({ update }) => update);
  const update = await work.squash(updates, each);
  const offset = Math.max(...applied.map((edit) => edit.offset));
  return update !== undefined && update.byteLength < bytes ? { ...seen, applied: [{ update, offset }] } : seen;
}

/** Why an edit is not even looked at; undefined where it may be. */
function tooMuch(
  { applied: taken }: Pick<SeenState, 'applied'>,
  value: StoredValue,
  { limits }: TakeContext,
): string | undefined {
  const bytes = value.bytes.byteLength;
  if (bytes > limits.valueBytesMax) return `the value has ${bytes} bytes, and at most ${limits.valueBytesMax} are taken`;
  const applied = bytesOf(taken);
  if (applied <= limits.appliedBytesMax) return undefined;
  return `edits of ${applied} bytes were taken in since this mirror was written: once it is written again more can be taken in`;
}

const noRoom =
  'what others have in this mirror beside the value leaves no room for what has to be kept of the edit until it is in the document';

/** Steps 3 and 4, and on. */
async function store(
  document: DocumentName,
  found: Found,
  seen: SeenState,
  answer: Exclude<EditAnswer, { readonly kind: 'refused' }>,
  context: TakeContext,
): Promise<Taken> {
  const { mirrors, clients } = context;
  const { mirror } = found;
  const valueHash = hashOfValue(mirror.value);
  const intent = answer.kind === 'operations' ? { update: answer.update, valueHash } : undefined;
  const { state, next } = succeed(document, found, seen, { intent, valueHash }, context);
  const inkstream = { ...next, ...remarksOf(mirror) };
  if (bytesOfMirror(mirror.value, inkstream) > mirror.roomBytes) return refuse(document, found, seen, noRoom, context);
  if (!(await mirrors.writeState(document, found.state?.rev, state))) {
    clients.forget(document);
    return { kind: 'again' };
  }
  if (!(await mirrors.writeBookkeeping(document, mirror.guard, inkstream))) {
    clients.forget(document);
    return { kind: 'again' };
  }
  if (intent === undefined) return { kind: 'again' };
  const guard: Guard = { kind: 'rev', rev: next.rev };
  return append(document, state, { ...mirror, inkstream, guard }, context);
}

/** Puts an edit aside that can't be taken in, and what its author saw back in its place. */
async function refuse(
  document: DocumentName,
  found: Found,
  seen: SeenState,
  reason: string,
  context: TakeContext,
): Promise<Taken> {
  const { mirrors, work, roots, clock, limits } = context;
  const { mirror } = found;
  const { refused } = remarksOf(mirror);
  const whole = {
    shown: await work.show({ updates: updatesOf(seen), roots: roots(document) }),
    refused: withRefused(refused, { reason, time: clock.now(), value: mirror.value }, limits),
  };
  const { shown, refused: kept } = fitted(mirror.roomBytes, seen.applied, whole, mirrors.form);
  const { value, omitted, unrepresented } = shown;
  const { state, next } = succeed(
    document,
    found,
    { ...seen, omitted },
    { intent: undefined, valueHash: hashOfValue(value) },
    context,
  );
  if (!(await mirrors.writeState(document, found.state?.rev, state))) return { kind: 'again' };
  const contents = { value, inkstream: { ...next, refused: kept, unrepresented } };
  const isWritten = await mirrors.replaceMirror(document, mirror.guard, mirror.value, contents);
  return isWritten ? { kind: 'refused', reason } : { kind: 'again' };
}

/** The bookkeeping that follows on what was found, and the state that says so. */
function succeed(
  document: DocumentName,
  { state, own }: Found,
  { snapshot, applied, omitted }: SeenState,
  { intent, valueHash }: { readonly intent: Bookkeeping['intent']; readonly valueHash: string },
  { makeRev, limits }: TakeContext,
): { readonly state: MirrorState; readonly next: Bookkeeping } {
  // A rev that no mirror has, where the mirror has none that counts: then nothing can be taken for what was before.
  const prev = own?.rev ?? makeRev();
  const next = sealed(document, { rev: makeRev(), prev, snapshot, applied, intent, omitted }, valueHash);
  const before = { ...versionOf(next), rev: prev, intent: undefined };
  return { state: nextState(state, makeRev(), before, next, limits), next };
}

/** The last few, the new one behind them; of a value that there is no room for only the reason. */
function withRefused(
  refused: readonly RefusedEdit[],
  latest: RefusedEdit & { readonly value: StoredValue },
  { refusedMax, refusedBytesMax }: TakeContext['limits'],
): readonly RefusedEdit[] {
  let room = refusedBytesMax;
  const kept = [...refused, latest]
    .slice(-refusedMax)
    .toReversed()
    .map((edit) => {
      const bytes = edit.value?.bytes.byteLength ?? 0;
      room -= bytes;
      return room >= 0 ? edit : { ...edit, value: undefined };
    });
  return kept.toReversed();
}
