/**
 * The store on one disk (LMDB), beside the journal in the same directory, so that a flush of the persister and the appends of
 * that moment share a sync.
 *
 *     'g' name 00 last first             →  segment            names have no control characters: 00 ends them
 *     'p' name 00 upto sha256 part       →  snapshot part      sha256 as its 32 bytes
 *     'h' name                           →  head
 *     'c' partition                      →  checkpoint
 *     'B'                                →  the journal that it is bound to
 *
 * The longest name makes a key of 570 bytes; LMDB takes 1,978. What depends on what is stored (insert if absent, move forward
 * only) is decided when the transaction begins, so that two callers never decide on the same state.
 *
 * Segments are wanted from an offset on, and those that a head covers stay for a minute: in a document that is changed and asked for a hundred times a second they are thousands, and to pass over them each
 * time would be most of the work. They may overlap, so in the order of where they begin one that is wanted may stand anywhere. By where they end, all that are wanted stand together.
 *
 * A document that could not be compacted for a day has a hundred thousand segments, and to read or to delete them all at once
 * would be seconds in which nobody in this process is served. So reading lets others run every few ms, within one view of the
 * database; and a deletion is many transactions from the lowest key on. One that was cut short is repeated (`retireCovered`), and
 * whoever reads meanwhile either began at the head that covers what goes, or finds that the head has moved. Nobody puts the directory
 * back while it is open here, so nothing has to be marked (`marks.ts`).
 */

import { Buffer } from 'node:buffer';
import type { DocumentName } from '#shared/document/name.ts';
import type { JournalIdentity, Offset } from '#shared/journal/journal.ts';
import { systemClock, type Clock } from '#shared/runtime/clock.ts';
import { keyNumberBytes, keyOf, numberInKey } from '#shared/runtime/key.ts';
import type { Decision, Environment, KeyRange, View } from '#shared/runtime/lmdb.ts';
import { createSlices } from '#shared/runtime/slices.ts';
import { createEmbeddedCalls } from './embedded-calls.ts';
import { firstNames } from './embedded-names.ts';
import type { Head, Segment, SegmentId, SnapshotId, Store } from './store.ts';
import {
  decodeCheckpoint,
  decodeHead,
  decodeJournalBinding,
  decodeSegment,
  decodeSnapshotPart,
  encodeCheckpoint,
  encodeHead,
  encodeJournalBinding,
  encodeSegment,
  encodeSnapshotPart,
  expectDecoded,
} from './values.ts';

export type EmbeddedStoreOptions = {
  /** The longest update of a segment, in bytes. */
  readonly segmentBytesMax?: number;
  /** How long the segments of a document are read, in milliseconds, before others get their turn. */
  readonly sliceMs?: number;
  readonly clock?: Clock;
};

const bindingKey = keyOf('B');
const segmentKey = ({ document, first, last }: SegmentId): Uint8Array => keyOf('g', document, '\0', last, first);
const snapshotPrefix = ({ document, upto, sha256 }: SnapshotId): Uint8Array =>
  keyOf('p', document, '\0', upto, Buffer.from(sha256, 'hex'));
const headKey = (document: DocumentName): Uint8Array => keyOf('h', document);
const snapshotsOf = (document: DocumentName): KeyRange => ({
  from: keyOf('p', document, '\0'),
  below: keyOf('p', document, '\x01'),
});
const segmentsFrom = (document: DocumentName, from: Offset): KeyRange => ({
  from: keyOf('g', document, '\0', from),
  below: keyOf('g', document, '\x01'),
});
const segmentsBelow = (document: DocumentName, upto: Offset): KeyRange => ({
  from: keyOf('g', document, '\0'),
  below: keyOf('g', document, '\0', upto),
});

const segmentIdIn = (document: DocumentName, key: Uint8Array): SegmentId => ({
  document,
  first: numberInKey(key, -keyNumberBytes),
  last: numberInKey(key, -2 * keyNumberBytes),
});

const sha256Bytes = 32;
const snapshotIdIn = (document: DocumentName, key: Uint8Array): SnapshotId => {
  const hashAt = key.byteLength - keyNumberBytes - sha256Bytes;
  return {
    document,
    upto: numberInKey(key, hashAt - keyNumberBytes),
    sha256: Buffer.from(key.subarray(hashAt, hashAt + sha256Bytes)).toString('hex'),
  };
};

/** In the order of their bytes. */
function* namesOfHeads(environment: Environment, after: DocumentName | undefined): Generator<string> {
  const from = after === undefined ? keyOf('h') : keyOf('h', after, '\0');
  for (const key of environment.keys({ from, below: keyOf('i') })) yield Buffer.from(key.subarray(1)).toString('utf8');
}

/** In the order of their bytes. Goes from document to document, and not over all that there is of one. */
function* namesOfSegments(environment: Environment, after: DocumentName | undefined): Generator<string> {
  for (let from = after === undefined ? keyOf('g') : keyOf('g', after, '\x01'); ;) {
    const [first] = environment.keys({ from, below: keyOf('h') });
    if (first === undefined) return;
    const name = Buffer.from(first.subarray(1, -2 * keyNumberBytes - 1)).toString('utf8');
    yield name;
    from = keyOf('g', name, '\x01');
  }
}

const nameOf = ({ upto, sha256 }: Pick<Head, 'upto' | 'sha256'>): string => `${upto} ${sha256}`;

/** Nobody puts a directory back that a process has open. */
const onlyCourse = '';

const segmentsAtOnce = 1000; // deleted in one transaction: its list of changed pages is held in memory
const partsAtOnce = 4; // each frees up to 8 MB of pages

/** Segments stood in the order of where they begin before anything was released. They would be passed over now, and what is in them be gone without a word. */
function refuseFormerSegments(environment: Environment): void {
  const [former] = environment.keys({ from: keyOf('s'), below: keyOf('t') });
  if (former !== undefined)
    throw new Error(
      'the data directory is in a form of before 0.1.0: start with an empty one, or with the version that wrote it',
    );
}

/**
 * Opens the store that is kept in `environment`. Closing it leaves the environment open.
 * @throws Error where it has what this version would not see
 */
export function openEmbeddedStore(environment: Environment, options: EmbeddedStoreOptions = {}): Store {
  refuseFormerSegments(environment);
  const { segmentBytesMax = 64 * 1024 * 1024, sliceMs = 5, clock = systemClock } = options;
  const slices = createSlices(clock, sliceMs);
  const { attempt, close } = createEmbeddedCalls('the store was closed');
  const commit = <T>(decide: (view: View) => Decision<T>, releases = false): Promise<T> =>
    attempt(() => environment.commit(decide, { releases }));
  const insert = (key: Uint8Array, encode: () => Uint8Array): Promise<void> =>
    commit((view) => ({ writes: view.has(key) ? [] : [{ key, value: encode() }], result: undefined }));
  /** Deletes the keys of a range that are `doomed`, all if it does not say, at most `atOnce` in one transaction. */
  const remove = async (range: KeyRange, atOnce: number, doomed: (key: Uint8Array) => boolean = () => true): Promise<void> => {
    for (let { from } = range; ;) {
      const keys: Uint8Array[] = [];
      for (const key of environment.keys({ ...range, from })) {
        if (doomed(key)) keys.push(key);
        if (keys.length === atOnce) break;
      }
      const last = keys.at(-1);
      if (last === undefined) return;
      await commit(() => ({ writes: keys.map((key) => ({ key, value: undefined })), result: undefined }), true);
      from = keyOf(last, '\0'); // the least key above it
    }
  };

  /** What `take` makes of each segment, in order. Only that is kept. */
  const readSegments = async <T extends SegmentId>(
    document: DocumentName,
    from: Offset,
    take: (segment: Segment) => T,
  ): Promise<readonly T[]> => {
    const found: T[] = [];
    for (const { key, value } of environment.entries(segmentsFrom(document, from))) {
      for (let turn = slices(); turn !== undefined; turn = slices()) await turn;
      const id = segmentIdIn(document, key);
      const update = expectDecoded(
        decodeSegment(value),
        `segment ${id.first} to ${id.last} of document ${JSON.stringify(document)}`,
      );
      found.push(take({ ...id, update }));
    }
    return found.toSorted((one, other) => one.first - other.first || one.last - other.last);
  };
  const bindingIn = (bytes: Uint8Array): JournalIdentity =>
    expectDecoded(decodeJournalBinding(bytes), 'the binding to a journal');
  const checkpointIn = (bytes: Uint8Array | undefined, partition: number): Offset =>
    bytes === undefined ? 0 : expectDecoded(decodeCheckpoint(bytes), `the checkpoint of partition ${partition}`);
  const headIn = (bytes: Uint8Array | undefined, document: DocumentName) =>
    bytes === undefined ? undefined : expectDecoded(decodeHead(bytes), `the head of document ${JSON.stringify(document)}`);

  return {
    segmentBytesMax,
    bindJournal: (identity) =>
      attempt(() => {
        const stored = environment.get(bindingKey); // also where the disk is full, and nothing can be committed
        if (stored !== undefined) return bindingIn(stored);
        return commit((view) => {
          const already = view.get(bindingKey);
          if (already !== undefined) return { writes: [], result: bindingIn(already) };
          return { writes: [{ key: bindingKey, value: encodeJournalBinding(identity) }], result: identity };
        });
      }),
    readCheckpoint: (partition) => attempt(() => checkpointIn(environment.get(keyOf('c', partition)), partition)),
    readPosition: (partition) =>
      attempt(() => ({ upto: checkpointIn(environment.get(keyOf('c', partition)), partition), course: onlyCourse })),
    moveCheckpoint: (partition, from, to, segments = []) =>
      commit((view) => {
        const key = keyOf('c', partition);
        const stored = checkpointIn(view.get(key), partition);
        const moves = from <= stored && stored < to && segments.every((id) => view.has(segmentKey(id)));
        return moves ? { writes: [{ key, value: encodeCheckpoint(to) }], result: to } : { writes: [], result: stored };
      }),
    putSegment: async (segment) => {
      if (segment.update.byteLength > segmentBytesMax) throw new RangeError(`a segment has at most ${segmentBytesMax} bytes`);
      await insert(segmentKey(segment), () => encodeSegment(segment.update));
    },
    readSegments: (document, from) => attempt(() => readSegments(document, from, (segment) => segment)),
    listSegments: (document, from) =>
      attempt(() => readSegments(document, from, ({ update, ...id }) => ({ ...id, bytes: update.byteLength }))),
    putSnapshotPart: (snapshot, part, bytes) => insert(keyOf(snapshotPrefix(snapshot), part), () => encodeSnapshotPart(bytes)),
    readSnapshotPart: (snapshot, part) =>
      attempt(() => {
        const bytes = environment.get(keyOf(snapshotPrefix(snapshot), part));
        const what = `part ${part} of the snapshot at ${snapshot.upto} of document ${JSON.stringify(snapshot.document)}`;
        return bytes === undefined ? undefined : expectDecoded(decodeSnapshotPart(bytes), what);
      }),
    listSnapshots: (document) =>
      attempt(() => {
        const found = new Map<string, SnapshotId>();
        for (const key of environment.keys(snapshotsOf(document))) {
          const id = snapshotIdIn(document, key);
          found.set(nameOf(id), id);
        }
        return [...found.values()];
      }),
    condemn: () => attempt(() => ({ mark: '', kinds: ['segments', 'snapshots'] as const, more: false })),
    deleteCondemned: ({ document, head, spared }) =>
      attempt(async () => {
        const stays = new Set([head, ...spared].map(nameOf));
        await remove(segmentsBelow(document, head.upto), segmentsAtOnce);
        await remove(snapshotsOf(document), partsAtOnce, (key) => {
          const id = snapshotIdIn(document, key);
          return id.upto <= head.upto && !stays.has(nameOf(id));
        });
      }),
    readHead: (document) => attempt(() => headIn(environment.get(headKey(document)), document)),
    listDocuments: (after, limit) =>
      attempt(() => firstNames(namesOfHeads(environment, after), namesOfSegments(environment, after), limit)),
    moveHead: (document, head) =>
      commit((view) => {
        const stored = headIn(view.get(headKey(document)), document);
        if (stored !== undefined && stored.upto >= head.upto) return { writes: [], result: stored };
        const prefix = snapshotPrefix({ document, ...head });
        const isThere = Array.from({ length: head.parts }, (_, part) => view.has(keyOf(prefix, part))).every(Boolean);
        return isThere
          ? { writes: [{ key: headKey(document), value: encodeHead(head) }], result: head }
          : { writes: [], result: stored };
      }),
    close,
  };
}
