/**
 * What was ever taken in on top of a snapshot.
 *
 * A mirror says itself what was applied to it. But a program that read it before an edit of somebody else's was taken in, and puts its whole copy back afterwards with our field in it, brings back what
 * the mirror said then: the operations from there would contain the other edit once more, under other ids, and the document would have it twice. So the state beside the
 * mirror, which no program puts back, remembers for each of the last few snapshots all that was ever taken in on top of it, and that is what the base is made of.
 */

import type { Offset } from '#shared/journal/journal.ts';
import {
  sameSnapshot,
  type AppliedUpdate,
  type Bookkeeping,
  type MirrorState,
  type Remembered,
  type Rev,
  type SnapshotName,
  type Version,
} from '#shared/store/mirrors.ts';
import { versionOf } from './bookkeeping.ts';

/** What was taken in on top of `snapshot`; undefined where that is not remembered. */
export const appliedTo = (state: MirrorState | undefined, snapshot: SnapshotName): readonly AppliedUpdate[] | undefined =>
  state?.history.find((remembered) => sameSnapshot(remembered.snapshot, snapshot))?.applied;

/** Bytes of edits. */
export const bytesOf = (applied: readonly AppliedUpdate[]): number =>
  applied.reduce((sum, { update }) => sum + update.byteLength, 0);

export type HistoryLimits = {
  /** Snapshots whose edits are remembered, and which are kept in the store for it. */
  readonly historySnapshotsMax: number;
  /** Bytes of edits that are remembered; those of the snapshots before and after the latest write always are. */
  readonly historyBytesMax: number;
};

function remember(
  history: readonly Remembered[],
  { before, next }: { readonly before: Version; readonly next: Bookkeeping },
  { historySnapshotsMax, historyBytesMax }: HistoryLimits,
): readonly Remembered[] {
  const others = history.filter(({ snapshot }) => !sameSnapshot(snapshot, next.snapshot));
  const all: readonly Remembered[] = [...others, { snapshot: next.snapshot, applied: next.applied }];
  let room = historySnapshotsMax;
  let bytes = historyBytesMax;
  const kept = all.toReversed().filter(({ snapshot, applied }) => {
    room--;
    bytes -= bytesOf(applied);
    const isNeeded = sameSnapshot(snapshot, before.snapshot) || sameSnapshot(snapshot, next.snapshot);
    return isNeeded || (room >= 0 && bytes >= 0);
  });
  return kept.toReversed();
}

/** The state in which `next` is about to be written in the place of `before`. */
export function nextState(
  state: MirrorState | undefined,
  rev: Rev,
  before: Version,
  next: Bookkeeping,
  limits: HistoryLimits,
): MirrorState {
  return { rev, before, next: versionOf(next), history: remember(state?.history ?? [], { before, next }, limits) };
}

/** The bookkeeping that a state is about to write, or has written. */
export const nextBookkeeping = (state: MirrorState): Bookkeeping => ({
  ...state.next,
  applied: appliedTo(state, state.next.snapshot) ?? [],
});

/** The same state once it is known that `stands` is what the mirror has. */
export const confirmed = (state: MirrorState, rev: Rev, stands: Version): MirrorState => ({
  ...state,
  rev,
  before: stands,
  next: stands,
});

/** Whether a rewrite was about to be made, and nobody has said what came of it. */
export const isInDoubt = ({ before, next }: MirrorState): boolean => !sameSnapshot(before.snapshot, next.snapshot);

/** The same state once it is known that the mirror has `stands`, whatever it had when the state was written. What was about to be written then may still come. */
export function corrected(state: MirrorState, rev: Rev, stands: Version): MirrorState {
  const doubted = { ...state, rev, before: stands };
  return isInDoubt(state) && isInDoubt(doubted) ? doubted : confirmed(state, rev, stands);
}

/** The offset from which on everything is after all that a mirror and its state say was taken in: a state has to reach it to be written. */
export function reachOf(state: MirrorState | undefined, own: Bookkeeping | undefined): Offset {
  let reach = 0;
  const all = [...(state?.history ?? []).flatMap(({ applied }) => applied), ...(own?.applied ?? [])];
  for (const { offset } of all) reach = Math.max(reach, offset + 1);
  return reach;
}
