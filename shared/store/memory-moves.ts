/**
 * What rests on something else, in a store in memory: moves of heads and checkpoints, and what a head covers.
 *
 * A disk may be put back at any step, so everything is looked up on it anew for each effect, and marks are kept on it (`marks.ts`).
 */

import type { DocumentName } from '#shared/document/name.ts';
import type { Offset, Partition } from '#shared/journal/journal.ts';
import { makeMark, moveByMark } from './marks.ts';
import type { StoreDisk, StoredDocument, StoreStep } from './memory.ts';
import type { CondemnedKind, Covered, Head, Position, Store } from './store.ts';

export const segmentKey = ({ first, last }: { readonly first: Offset; readonly last: Offset }): string => `${first}-${last}`;
export const snapshotKey = ({ upto, sha256 }: Pick<Head, 'upto' | 'sha256'>): string => `${upto}-${sha256}`;

/** As it is stored; made where nothing is stored of it. */
export function documentOn(disk: StoreDisk, name: DocumentName): StoredDocument {
  const stored = disk.documents.get(name) ?? {
    head: undefined,
    headMarks: new Set(),
    segments: new Map(),
    snapshots: new Map(),
    marks: new Map(),
  };
  disk.documents.set(name, stored);
  return stored;
}

export const positionOn = (disk: StoreDisk, partition: Partition): Position => ({
  upto: disk.checkpoints.get(partition) ?? 0,
  course: disk.courses.get(partition)?.course ?? '',
});

/** A segment or a part of a snapshot, as it can be marked and deleted. */
export type Removable = { readonly kind: CondemnedKind; readonly key: string; readonly remove: () => void };

/** What is stored of what is covered, in the order in which it is to go. */
export function coveredIn(stored: StoredDocument | undefined, { head, spared }: Covered): readonly Removable[] {
  const found: Removable[] = [];
  if (stored === undefined) return found;
  const { segments, snapshots, marks } = stored;
  for (const [key, { last }] of segments) {
    const remove = (): void => {
      marks.delete(key);
      segments.delete(key);
    };
    if (last < head.upto) found.push({ kind: 'segments', key, remove });
  }
  for (const [name, { snapshot, parts }] of snapshots) {
    if (snapshot.upto > head.upto || [head, ...spared].some((one) => snapshotKey(one) === name)) continue;
    for (const part of parts.keys()) {
      const key = `${name}-${part}`;
      const remove = (): void => {
        marks.delete(key);
        parts.delete(part);
        if (parts.size === 0) snapshots.delete(name);
      };
      found.push({ kind: 'snapshots', key, remove });
    }
  }
  return found;
}

type Steps = {
  readonly disk: StoreDisk;
  readonly read: <T>(name: StoreStep, look: () => T) => Promise<T>;
  readonly write: <T>(name: StoreStep, effect: () => T) => Promise<T>;
};

/** The moves of one adapter. */
export function createMoves({ disk, read, write }: Steps): Pick<Store, 'moveCheckpoint' | 'moveHead'> {
  /** Where this adapter left the checkpoints: only from there it goes on with their course. */
  const left = new Map<Partition, Position>();

  const moveCheckpoint: Store['moveCheckpoint'] = async (partition, from, to, segments = []) => {
    let before = left.get(partition);
    left.delete(partition);
    const moved = await moveByMark({
      what: `the checkpoint of partition ${partition}`,
      mark: (mark) =>
        write('moveCheckpoint', () => {
          const { upto, course } = positionOn(disk, partition);
          if (upto < from || upto >= to) return { stands: upto };
          const goesOn = before?.upto === upto && before.course === course;
          before = undefined; // a move that missed may have been made, and taken back by a store that was put back to here
          const marks = new Set([...(disk.courses.get(partition)?.marks ?? []), mark]);
          disk.courses.set(partition, { course: goesOn ? course : makeMark(), marks });
          return 'marked';
        }),
      look: () =>
        read('moveCheckpoint', () => segments.every((id) => disk.documents.get(id.document)?.segments.has(segmentKey(id)))),
      write: (mark) =>
        write('moveCheckpoint', () => {
          const { course, marks } = disk.courses.get(partition) ?? {};
          if (course === undefined || marks?.has(mark) !== true) return false;
          disk.checkpoints.set(partition, to);
          disk.courses.set(partition, { course, marks: new Set() });
          left.set(partition, { upto: to, course });
          return true;
        }),
      read: () => read('moveCheckpoint', () => positionOn(disk, partition).upto),
    });
    return moved === 'moved' ? to : moved.stands;
  };

  const moveHead: Store['moveHead'] = async (document, head) => {
    const moved = await moveByMark<Head | undefined>({
      what: `the head of document ${JSON.stringify(document)}`,
      mark: (mark) =>
        write('moveHead', () => {
          const stored = documentOn(disk, document);
          if (stored.head !== undefined && stored.head.upto >= head.upto) return { stands: stored.head };
          stored.headMarks.add(mark);
          return 'marked';
        }),
      look: () =>
        read('moveHead', () => {
          const parts = disk.documents.get(document)?.snapshots.get(snapshotKey(head))?.parts;
          return Array.from({ length: head.parts }, (_, part) => part).every((part) => parts?.has(part) === true);
        }),
      write: (mark) =>
        write('moveHead', () => {
          const stored = disk.documents.get(document);
          if (stored?.headMarks.has(mark) !== true) return false;
          stored.head = head;
          stored.headMarks.clear();
          return true;
        }),
      read: () => read('moveHead', () => disk.documents.get(document)?.head),
    });
    return moved === 'moved' ? head : moved.stands;
  };

  return { moveCheckpoint, moveHead };
}
