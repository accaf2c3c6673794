/**
 * Mirrors: documents as JSON, for other programs to read and to edit.
 *
 *     mirrors        name → { value, inkstream }               the value is anybody's, `inkstream` is ours
 *     mirrorStates   name → { rev, before, next, history }     ours alone
 *
 * Everything here may be changed by any program with a driver of the database: values replaced, our field removed or put back from an old copy, whole mirrors deleted,
 * copied and inserted anew. So nothing that is read is trusted to be what was written, and every write of ours is a compare-and-set of one document, which misses where somebody else
 * was there in between. What it means that a write missed, and in which order writes are made, is the protocol's affair (`shared/mirror`, `services/changefeed/translate.ts`).
 *
 * Values go in and out as the adapter has them stored, byte for byte (`StoredValue`): an integer that becomes a double on its way through JavaScript, or keys
 * that change places, would look like an edit by somebody who never made one. What a value says is asked for by `form.decode`.
 *
 * Adapters: memory, embedded (LMDB) and MongoDB; one contract suite holds them all.
 */

import { Buffer } from 'node:buffer';
import type { JsonMap, JsonValue } from '#shared/document/json/value.ts';
import type { DocumentName } from '#shared/document/name.ts';
import type { Offset } from '#shared/journal/journal.ts';

/** Made anew for each write of ours, and never used twice. */
export type Rev = string;

/** Names the stored snapshot that a value was made from. */
export type SnapshotName = { readonly upto: Offset; readonly sha256: string };

export const sameSnapshot = (one: SnapshotName, other: SnapshotName): boolean =>
  one.upto === other.upto && one.sha256 === other.sha256;

/** What a mirror was made from whose document did not exist: nothing is stored of it. */
export const emptySnapshot: SnapshotName = { upto: 0, sha256: '' };

/** An edit that was taken in: the update, and where in the journal it is. Or what many come to, and where the last of them is. */
export type AppliedUpdate = { readonly update: Uint8Array; readonly offset: Offset };

/** An edit that is decided and perhaps not in the journal yet. `valueHash` is that of the value that it stands for. */
export type Intent = { readonly update: Uint8Array; readonly valueHash: string };

/** One state of our bookkeeping, without what was applied. `hash` and `seal` are in `shared/mirror/bookkeeping.ts`. */
export type Version = {
  readonly rev: Rev;
  /** The one before. */
  readonly prev: Rev;
  readonly snapshot: SnapshotName;
  readonly intent: Intent | undefined;
  /** Why the mirror has no value, in words; undefined where it has one. */
  readonly omitted: string | undefined;
  readonly hash: string;
  readonly seal: string;
};

/** What a mirror says of itself. `applied`: what was taken in on top of its snapshot. */
export type Bookkeeping = Version & { readonly applied: readonly AppliedUpdate[] };

/** An edit that could not be taken in. `value` is what was written, undefined where it is too large to be kept here. */
export type RefusedEdit = { readonly reason: string; readonly time: number; readonly value: StoredValue | undefined };

/** For whoever looks at a mirror; nothing follows from it. `unrepresented` names what of the document is not in the value. */
export type Remarks = { readonly refused: readonly RefusedEdit[]; readonly unrepresented: readonly string[] };

/** The field of that name. */
export type Inkstream = Bookkeeping & Remarks;

/** A value exactly as the adapter stores it. Two of them are equal if and only if their bytes are. */
export type StoredValue = { readonly bytes: Uint8Array };

/** How an adapter stores values. Needs nothing but its input, so that a thread can have it. */
export type ValueForm = {
  /** Undefined is stored as no value at all. What is read back has the same bytes. */
  readonly encode: (value: JsonMap | undefined) => StoredValue;
  /** What a value says; undefined where there is none. Never throws on what the adapter has read. */
  readonly decode: (value: StoredValue) => JsonValue | undefined;
};

/**
 * What tells that `inkstream` is as it was read: its `rev`; that the field was not there; or the bytes of a field that can't be read as ours.
 */
export type Guard =
  | { readonly kind: 'rev'; readonly rev: Rev }
  | { readonly kind: 'missing' }
  | { readonly kind: 'unreadable'; readonly bytes: Uint8Array };

export type Mirror = {
  readonly value: StoredValue;
  /** Undefined where it is missing, or is nothing that we wrote. It may still be forged, or another mirror's. */
  readonly inkstream: Inkstream | undefined;
  readonly guard: Guard;
  /** How many bytes value and `inkstream` may have together, where a store bounds them and others have something beside them. */
  readonly roomBytes: number;
};

/** Whether a mirror is still as `guard` says: for adapters that look by themselves. */
export function holds(guard: Guard, { guard: found }: Pick<Mirror, 'guard'>): boolean {
  switch (guard.kind) {
    case 'rev':
      return found.kind === 'rev' && found.rev === guard.rev;
    case 'missing':
      return found.kind === 'missing';
    case 'unreadable':
      return found.kind === 'unreadable' && Buffer.compare(found.bytes, guard.bytes) === 0;
  }
}

export const sameValue = (one: StoredValue, other: StoredValue): boolean => Buffer.compare(one.bytes, other.bytes) === 0;

export type MirrorContents = { readonly value: StoredValue; readonly inkstream: Inkstream };

/** Everything that was ever taken in on top of one snapshot. */
export type Remembered = { readonly snapshot: SnapshotName; readonly applied: readonly AppliedUpdate[] };

/** The bookkeeping before and after the latest write of ours. `history` has an entry for the snapshots of both, and ends with that of `next`'s latest write. */
export type MirrorState = {
  readonly rev: Rev;
  readonly before: Version;
  readonly next: Version;
  readonly history: readonly Remembered[];
};

/** The snapshots that a mirror and its state name. */
export function snapshotsNamedBy(inkstream: Inkstream | undefined, state: MirrorState | undefined): readonly SnapshotName[] {
  const inState = state === undefined ? [] : [state.before, state.next, ...state.history];
  const all = inkstream === undefined ? inState : [inkstream, ...inState];
  return all.map(({ snapshot }) => snapshot);
}

/**
 * Reads see every write that has resolved, in this process or another. Writes resolve when durable, with whether they were made; where one rejects it may have been made or not.
 * Every method rejects with `StoreUnavailable` where the store is away, and with `NewerVersion` where what it read was written by a later program.
 */
export type MirrorStore = {
  readonly form: ValueForm;

  readonly readState: (document: DocumentName) => Promise<MirrorState | undefined>;

  /** Writes the state where the stored one has the rev `expected`; undefined: where there is none. */
  readonly writeState: (document: DocumentName, expected: Rev | undefined, state: MirrorState) => Promise<boolean>;

  readonly readMirror: (document: DocumentName) => Promise<Mirror | undefined>;

  /** Writes `inkstream` alone, whatever the value is meanwhile, where the mirror is there and `guard` holds. */
  readonly writeBookkeeping: (document: DocumentName, guard: Guard, inkstream: Inkstream) => Promise<boolean>;

  /** Writes the whole mirror where it is there, `guard` holds and its value is exactly `replaced`. */
  readonly replaceMirror: (
    document: DocumentName,
    guard: Guard,
    replaced: StoredValue,
    contents: MirrorContents,
  ) => Promise<boolean>;

  /** Writes the whole mirror where there is none. */
  readonly insertMirror: (document: DocumentName, contents: MirrorContents) => Promise<boolean>;

  /**
   * What another program does, for a door of ours that lets people edit a mirror: writes the value alone, where the mirror is as it was `seen`, or inserts one without `inkstream`, where none
   * was.
   */
  readonly editValue: (document: DocumentName, seen: Mirror | undefined, value: StoredValue) => Promise<boolean>;

  /** The snapshots that a mirror and its state name. Reads the mirror first: what it names was in the state before. Values and edits are not read for it where that can be helped. */
  readonly listNamedSnapshots: (document: DocumentName) => Promise<readonly SnapshotName[]>;

  /**
   * The names after `after` that have a mirror or a state, in some order that stays the same, at most `limit`; fewer only at the end. Mirrors whose id is no document's name are left out.
   */
  readonly listDocuments: (after: DocumentName | undefined, limit: number) => Promise<readonly DocumentName[]>;

  readonly close: () => Promise<void>;
};

/** Writes a mirror where what was read still stands, or nothing, where there was none. */
export const putInPlaceOf = (
  read: Mirror | undefined,
  document: DocumentName,
  contents: MirrorContents,
  mirrors: MirrorStore,
): Promise<boolean> =>
  read === undefined
    ? mirrors.insertMirror(document, contents)
    : mirrors.replaceMirror(document, read.guard, read.value, contents);
