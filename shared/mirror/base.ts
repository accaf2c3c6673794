/** The states that an author may have seen. */

import { createHash } from 'node:crypto';
import type { DocumentName } from '#shared/document/name.ts';
import { concatenate } from '#shared/runtime/bytes.ts';
import { nextTurn } from '#shared/runtime/slices.ts';
import { emptySnapshot, sameSnapshot, type AppliedUpdate, type SnapshotName } from '#shared/store/mirrors.ts';
import type { Store } from '#shared/store/store.ts';

/** A state: its snapshot's update, if there is one, and what was taken in on top of it. `omitted`: why its mirror had no value. */
export type SeenState = {
  readonly snapshot: SnapshotName;
  readonly applied: readonly AppliedUpdate[];
  readonly omitted: string | undefined;
  readonly updates: readonly Uint8Array[];
};

/** All updates of a state. */
export const updatesOf = ({ updates, applied }: Pick<SeenState, 'updates' | 'applied'>): readonly Uint8Array[] => [
  ...updates,
  ...applied.map(({ update }) => update),
];

/** The updates of a snapshot: one, or none for the empty one. Undefined where it is not stored, or not all of it. Rejects as the store does. */
export async function readSnapshot(
  store: Store,
  document: DocumentName,
  snapshot: SnapshotName,
): Promise<readonly Uint8Array[] | undefined> {
  if (sameSnapshot(snapshot, emptySnapshot)) return [];
  const parts: Uint8Array[] = [];
  const hash = createHash('sha256');
  for (let part = 0; ; part++) {
    const bytes = await store.readSnapshotPart({ document, ...snapshot }, part);
    if (bytes === undefined) break;
    hash.update(bytes);
    parts.push(bytes);
    await nextTurn();
  }
  // While a snapshot is deleted its parts go one by one, so only the hash tells that these are all of them.
  return hash.digest('hex') === snapshot.sha256 ? [concatenate(parts)] : undefined;
}
