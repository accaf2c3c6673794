/**
 * The store in memory: the ground that simulations and unit tests stand on.
 *
 * Its contents are a `StoreDisk`, which outlives the adapters opened on it: a "crashed" process opens another one, a zombie keeps
 * its own. Each write of one stored document is an effect of its own, so a deletion of three segments is three. Before and after
 * each, `step` is called and waited for; it may throw (`StoreUnavailable`, or a crash of the test's own), or take its time.
 */

import type { DocumentName } from '#shared/document/name.ts';
import type { Moment } from '#shared/journal/memory.ts';
import type { JournalIdentity, Offset, Partition } from '#shared/journal/journal.ts';
import { StoreUnavailable } from './store.ts';
import type { Head, Segment, SnapshotId, Store } from './store.ts';

/** The methods of a store, as steps. */
export type StoreStep = Exclude<keyof Store, 'segmentBytesMax' | 'close'>;

type StoredSnapshot = { readonly snapshot: SnapshotId; readonly parts: Map<number, Uint8Array> };
type StoredDocument = {
  head: Head | undefined;
  readonly segments: Map<string, Segment>;
  readonly snapshots: Map<string, StoredSnapshot>;
};

/** The contents of a store. */
export type StoreDisk = {
  binding: JournalIdentity | undefined;
  readonly checkpoints: Map<Partition, Offset>;
  readonly documents: Map<DocumentName, StoredDocument>;
};

export const createStoreDisk = (): StoreDisk => ({ binding: undefined, checkpoints: new Map(), documents: new Map() });

export type MemoryStoreOptions = {
  /** Opens a store on these contents instead of new ones. */
  readonly disk?: StoreDisk;
  readonly segmentBytesMax?: number;
  /**
   * Called, and waited for, before and after each write of one document, and before each read. What it throws is what the call
   * rejects with.
   */
  readonly step?: (step: StoreStep, moment: Moment) => void | Promise<void>;
};

export type MemoryStore = Store & {
  readonly disk: StoreDisk;
  /** What kill -9 does: from now on this adapter changes nothing and settles no promise. */
  readonly crash: () => void;
};

const never = new Promise<never>(() => {});
const segmentKey = ({ first, last }: { readonly first: Offset; readonly last: Offset }): string => `${first}-${last}`;
const snapshotKey = ({ upto, sha256 }: SnapshotId): string => `${upto}-${sha256}`;
const inOrder = (a: Segment, b: Segment): number => a.first - b.first || a.last - b.last;

export function createMemoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  const { disk = createStoreDisk(), segmentBytesMax = 64 * 1024 * 1024 } = options;
  let closed = false;
  let crashed = false;

  const pass = async (name: StoreStep, moment: Moment): Promise<void> => {
    if (crashed) await never;
    if (closed) throw new StoreUnavailable('the store was closed');
    await options.step?.(name, moment);
    if (crashed) await never;
  };
  const read = async <T>(name: StoreStep, look: () => T): Promise<T> => {
    await pass(name, 'before');
    return look();
  };
  const write = async <T>(name: StoreStep, effect: () => T): Promise<T> => {
    await pass(name, 'before');
    const result = effect();
    await pass(name, 'after');
    return result;
  };

  const documentOf = (name: DocumentName): StoredDocument => {
    const stored = disk.documents.get(name) ?? { head: undefined, segments: new Map(), snapshots: new Map() };
    disk.documents.set(name, stored);
    return stored;
  };
  const segmentsOf = (document: DocumentName, from: Offset): readonly Segment[] =>
    [...(disk.documents.get(document)?.segments.values() ?? [])].filter(({ last }) => last >= from).toSorted(inOrder);

  return {
    disk,
    segmentBytesMax,
    bindJournal: (identity) => write('bindJournal', () => (disk.binding ??= identity)),
    readCheckpoint: (partition) => read('readCheckpoint', () => disk.checkpoints.get(partition) ?? 0),
    moveCheckpoint: (partition, from, to) =>
      write('moveCheckpoint', () => {
        const stored = disk.checkpoints.get(partition) ?? 0;
        if (stored < from || stored >= to) return stored;
        disk.checkpoints.set(partition, to);
        return to;
      }),
    putSegment: async (segment) => {
      if (segment.update.byteLength > segmentBytesMax) throw new RangeError(`a segment has at most ${segmentBytesMax} bytes`);
      await write('putSegment', () => {
        const { segments } = documentOf(segment.document);
        if (!segments.has(segmentKey(segment))) segments.set(segmentKey(segment), segment);
      });
    },
    readSegments: (document, from) => read('readSegments', () => segmentsOf(document, from)),
    listSegments: (document, from) =>
      read('listSegments', () => segmentsOf(document, from).map(({ update, ...id }) => ({ ...id, bytes: update.byteLength }))),
    deleteSegments: async (document, below) => {
      const doomed = await read('deleteSegments', () => segmentsOf(document, 0).filter(({ last }) => last < below));
      for (const segment of doomed)
        await write('deleteSegments', () => documentOf(document).segments.delete(segmentKey(segment)));
    },
    putSnapshotPart: (snapshot, part, bytes) =>
      write('putSnapshotPart', () => {
        const { snapshots } = documentOf(snapshot.document);
        const stored = snapshots.get(snapshotKey(snapshot)) ?? { snapshot, parts: new Map<number, Uint8Array>() };
        snapshots.set(snapshotKey(snapshot), stored);
        if (!stored.parts.has(part)) stored.parts.set(part, bytes);
      }),
    readSnapshotPart: (snapshot, part) =>
      read('readSnapshotPart', () =>
        disk.documents.get(snapshot.document)?.snapshots.get(snapshotKey(snapshot))?.parts.get(part),
      ),
    listSnapshots: (document) =>
      read('listSnapshots', () =>
        [...(disk.documents.get(document)?.snapshots.values() ?? [])]
          .map(({ snapshot }) => snapshot)
          .toSorted((a, b) => a.upto - b.upto || (a.sha256 < b.sha256 ? -1 : 1)),
      ),
    deleteSnapshot: async (snapshot) => {
      const stored = await read('deleteSnapshot', () =>
        disk.documents.get(snapshot.document)?.snapshots.get(snapshotKey(snapshot)),
      );
      for (const part of [...(stored?.parts.keys() ?? [])]) {
        await write('deleteSnapshot', () => {
          stored?.parts.delete(part);
          if (stored?.parts.size === 0) disk.documents.get(snapshot.document)?.snapshots.delete(snapshotKey(snapshot));
        });
      }
    },
    readHead: (document) => read('readHead', () => disk.documents.get(document)?.head),
    moveHead: (document, head) =>
      write('moveHead', () => {
        const stored = documentOf(document);
        if (stored.head === undefined || stored.head.upto < head.upto) stored.head = head;
        return stored.head;
      }),
    listDocuments: (after, limit) =>
      read('listDocuments', () =>
        [...disk.documents]
          .filter(
            ([name, { head, segments }]) => (head !== undefined || segments.size > 0) && (after === undefined || name > after),
          )
          .map(([name]) => name)
          .toSorted()
          .slice(0, limit),
      ),
    close: async () => {
      closed = true;
    },
    crash: () => {
      crashed = true;
    },
  };
}
