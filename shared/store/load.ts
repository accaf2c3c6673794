/**
 * A document out of the store.
 *
 * While someone reads head, parts and segments one after the other, a compaction may put a new snapshot in their place and delete
 * what the old head named. A reader that believed what it then found would open a document without its snapshot: an empty one,
 * which the next edit makes true. So the head is read again at the end, and when it has moved everything is read again. What is
 * missing although the head did not move is corruption, and an error.
 */

import { createHash } from 'node:crypto';
import type { DocumentName } from '#shared/document/name.ts';
import type { Offset, Partition } from '#shared/journal/journal.ts';
import { concatenate } from '#shared/runtime/bytes.ts';
import { nextTurn } from '#shared/runtime/slices.ts';
import { StoreCorrupt, StoreUnavailable, type Head, type Position, type Store } from './store.ts';

export type StoredDocument = {
  /** Updates (v1) that together are the document: the snapshot first, if there is one, then the segments. They may overlap. */
  readonly updates: readonly Uint8Array[];
  /**
   * Behind the last record that is in `updates`: max of the head's `upto` and each segment's `last` + 1; 0 where nothing is
   * stored.
   */
  readonly upto: Offset;
  readonly head?: Head;
};

/**
 * How often a document is read again because its head moved meanwhile. A compaction takes seconds, so more than a few is no
 * coincidence.
 */
const attemptsMax = 10;

export const sameHead = (a: Head | undefined, b: Head | undefined): boolean => a?.upto === b?.upto && a?.sha256 === b?.sha256;

/** What the head names is not there, or not what it says: to be thrown, unless the head has moved since it was read. */
type Wrong = { readonly wrong: StoreCorrupt };

const wrongSnapshot = (document: DocumentName, { upto }: Head, what: string): Wrong => ({
  wrong: new StoreCorrupt(`the snapshot at ${upto} of document ${JSON.stringify(document)}: ${what}`),
});

/** All parts, one after the other, of the snapshot that `head` names; their hash is not looked at. */
export async function readParts(
  store: Store,
  document: DocumentName,
  head: Head,
): Promise<{ readonly parts: readonly Uint8Array[] } | Wrong> {
  const { upto, sha256 } = head;
  const parts: Uint8Array[] = [];
  for (let part = 0; part < head.parts; part++) {
    const bytes = await store.readSnapshotPart({ document, upto, sha256 }, part);
    if (bytes === undefined) return wrongSnapshot(document, head, `part ${part} of ${head.parts} is missing`);
    parts.push(bytes);
    await nextTurn();
  }
  return { parts };
}

/** The snapshot that `head` names. Hashes part by part, so that others get their turn in between. */
async function readSnapshot(store: Store, document: DocumentName, head: Head): Promise<{ readonly update: Uint8Array } | Wrong> {
  const read = await readParts(store, document, head);
  if ('wrong' in read) return read;
  const { parts } = read;
  const hash = createHash('sha256');
  for (const part of parts) {
    hash.update(part);
    await nextTurn();
  }
  const found = hash.digest('hex');
  if (found !== head.sha256) return wrongSnapshot(document, head, `its hash is ${found} and should be ${head.sha256}`);
  const [only] = parts;
  return { update: only !== undefined && parts.length === 1 ? only : concatenate(parts) };
}

/**
 * The document as it is stored, whatever compaction does meanwhile. One that was never stored has no updates and `upto` 0.
 * @throws StoreUnavailable, NewerVersion, or StoreCorrupt where a snapshot is not there, or not what its head says: never an
 * empty document instead
 */
export async function readDocument(store: Store, document: DocumentName): Promise<StoredDocument> {
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const head = await store.readHead(document);
    const snapshot = head === undefined ? undefined : await readSnapshot(store, document, head);
    const segments = await store.readSegments(document, head?.upto ?? 0);
    if (!sameHead(head, await store.readHead(document))) continue;
    if (snapshot !== undefined && 'wrong' in snapshot) throw snapshot.wrong;
    const updates = [...(snapshot === undefined ? [] : [snapshot.update]), ...segments.map(({ update }) => update)];
    let upto = head?.upto ?? 0;
    for (const { last } of segments) upto = Math.max(upto, last + 1); // they may be more than a call takes arguments
    return { updates, upto, ...(head === undefined ? {} : { head }) };
  }
  throw new StoreUnavailable(`document ${JSON.stringify(document)} was compacted ${attemptsMax} times while it was read`);
}

/**
 * Reads a document that has at least all that `since`, which was read before, says is stored. A store that is put back in the middle, and has caught up by the end, would give a document with a hole, which the journal
 * read from there on does not fill; its course tells that, and then it is read again.
 * @throws StoreUnavailable where the store was put back behind `since`
 */
export async function readDocumentSince(
  store: Store,
  document: DocumentName,
  partition: Partition,
  since: Position,
): Promise<StoredDocument> {
  let before = since;
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const stored = await readDocument(store, document);
    const standing = await store.readPosition(partition);
    if (standing.upto < since.upto)
      throw new StoreUnavailable(`the store was put back while it was read: from ${since.upto} to ${standing.upto}`);
    if (standing.course === before.course) return stored;
    before = standing;
  }
  throw new StoreUnavailable(
    `whoever moves partition ${partition} on has changed ${attemptsMax} times while a document was read`,
  );
}
