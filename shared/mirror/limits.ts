/** What bounds mirrors. All of it together has to fit into a document of MongoDB: 16 MB. */

const mebibyte = 1024 * 1024;

export type MirrorLimits = {
  /** The largest value that a mirror holds, or that is taken in from one, in bytes as it is stored. */
  readonly valueBytesMax: number;
  /** Snapshots whose edits are remembered, and which are kept in the store for it. */
  readonly historySnapshotsMax: number;
  /** Bytes of edits that are remembered. */
  readonly historyBytesMax: number;
  /** With each so many edits on top of one snapshot they are made one, if it is shorter. */
  readonly appliedMax: number;
  /** Bytes of edits on top of one snapshot; past it no more are taken until the mirror was rewritten, unless made one they are less. The last one may go over. */
  readonly appliedBytesMax: number;
  /** The largest edit that is taken, in bytes of its update. */
  readonly updateBytesMax: number;
  /** Edits that could not be taken in, and that a mirror keeps aside; the oldest go. */
  readonly refusedMax: number;
  /** Bytes of their values, all together; of one that does not fit only the reason is kept. */
  readonly refusedBytesMax: number;
  /** How long an edit waits to hear which of two bases its author saw, in milliseconds: whoever writes a mirror says so right after. */
  readonly doubtMs: number;
  /** How long a mirror that a program has deleted stays away, in milliseconds: who deletes one and inserts another has done so by then. */
  readonly missingMs: number;
};

export const mirrorLimits: MirrorLimits = {
  valueBytesMax: 4 * mebibyte,
  historySnapshotsMax: 8,
  historyBytesMax: 4 * mebibyte,
  appliedMax: 64,
  appliedBytesMax: 2 * mebibyte,
  updateBytesMax: 6 * mebibyte,
  refusedMax: 5,
  refusedBytesMax: 2 * mebibyte,
  doubtMs: 2_000,
  missingMs: 1_000,
};
