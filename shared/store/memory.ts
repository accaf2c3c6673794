/**
 * The store in memory: the ground that simulations and unit tests stand on.
 *
 * Its contents are a `StoreDisk`, which outlives the adapters opened on it: a "crashed" process opens another one, a zombie keeps
 * its own. Each write of one stored document is an effect of its own, so a deletion of three segments is three. Before and after
 * each, `step` is called and waited for; it may throw (`StoreUnavailable`, or a crash of the test's own), or take its time.
 *
 * A disk may be put back at any step (all but its `binding` replaced by an older copy). So what is on it is looked up anew for each effect, and what rests on something else is done by marks.
 */

import type { DocumentName } from '#shared/document/name.ts';
import type { Moment } from '#shared/journal/memory.ts';
import type { JournalIdentity, Offset, Partition } from '#shared/journal/journal.ts';
import { makeMark } from './marks.ts';
import { coveredIn, createMoves, documentOn, positionOn, type Removable, segmentKey, snapshotKey } from './memory-moves.ts';
import { StoreUnavailable } from './store.ts';
import type { Head, Segment, SnapshotId, Store } from './store.ts';

/** The methods of a store, as steps. */
export type StoreStep = Exclude<keyof Store, 'segmentBytesMax' | 'close'>;

type StoredSnapshot = { readonly snapshot: SnapshotId; readonly parts: Map<number, Uint8Array> };
/** What is stored of a document. */
export type StoredDocument = {
  head: Head | undefined;
  /** Of heads that are to come. */
  readonly headMarks: Set<string>;
  readonly segments: Map<string, Segment>;
  readonly snapshots: Map<string, StoredSnapshot>;
  /** The marks of segments and of parts of snapshots. */
  readonly marks: Map<string, string>;
};

/** The contents of a store. */
export type StoreDisk = {
  binding: JournalIdentity | undefined;
  readonly checkpoints: Map<Partition, Offset>;
  /** Of checkpoints: the course that each is on, and the marks of moves that are to come. */
  readonly courses: Map<Partition, { readonly course: string; readonly marks: ReadonlySet<string> }>;
  readonly documents: Map<DocumentName, StoredDocument>;
};

export const createStoreDisk = (): StoreDisk => ({
  binding: undefined,
  checkpoints: new Map(),
  courses: new Map(),
  documents: new Map(),
});

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

  const documentOf = (name: DocumentName): StoredDocument => documentOn(disk, name);
  const segmentsOf = (document: DocumentName, from: Offset): readonly Segment[] =>
    [...(disk.documents.get(document)?.segments.values() ?? [])].filter(({ last }) => last >= from).toSorted(inOrder);

  const { moveCheckpoint, moveHead } = createMoves({ disk, read, write });

  return {
    disk,
    segmentBytesMax,
    bindJournal: (identity) => write('bindJournal', () => (disk.binding ??= identity)),
    readCheckpoint: (partition) => read('readCheckpoint', () => disk.checkpoints.get(partition) ?? 0),
    readPosition: (partition) => read('readPosition', () => positionOn(disk, partition)),
    moveCheckpoint,
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
    putSnapshotPart: ({ document, upto, sha256 }, part, bytes) =>
      write('putSnapshotPart', () => {
        const snapshot = { document, upto, sha256 };
        const { snapshots } = documentOf(document);
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
    condemn: async (covered, limit = Infinity) => {
      const mark = makeMark();
      const all = await read('condemn', () => coveredIn(disk.documents.get(covered.document), covered));
      const found = all.slice(0, limit);
      for (const { key } of found)
        await write('condemn', () => {
          const now = coveredIn(disk.documents.get(covered.document), covered);
          if (now.some((one) => one.key === key)) documentOf(covered.document).marks.set(key, mark);
        });
      return { mark, kinds: [...new Set(found.map(({ kind }) => kind))], more: found.length < all.length };
    },
    deleteCondemned: async (covered, { mark, kinds }) => {
      const marked = (): readonly Removable[] => {
        const stored = disk.documents.get(covered.document);
        return coveredIn(stored, covered).filter(({ kind, key }) => kinds.includes(kind) && stored?.marks.get(key) === mark);
      };
      const found = await read('deleteCondemned', marked);
      for (const { key } of found)
        await write('deleteCondemned', () =>
          marked()
            .find((one) => one.key === key)
            ?.remove(),
        );
    },
    readHead: (document) => read('readHead', () => disk.documents.get(document)?.head),
    moveHead,
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
