import { expect, test } from 'vitest';
import * as Y from 'yjs';

import type { DocumentRecords } from '#persister/intake.ts';
import { type Made, makeSegments, type MergeUpdates } from '#persister/segments.ts';
import { mergeUpdates } from '#shared/document/merge.ts';
import { contentOf, nameOf, typists } from '#test/simulation/persister/typing.ts';

const document = nameOf('a');
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const concatenate: MergeUpdates = (updates) => Uint8Array.from(updates.flatMap((update) => [...update]));
const records = (...updates: Uint8Array[]): DocumentRecords => ({ offsets: updates.map((_, index) => 10 + index), updates });
const everything = { segmentBytesMax: 1000, runBytes: 1000 };

const segmentsOf = (made: Iterable<Made>): string[] =>
  [...made].map((one) => {
    if (one.kind === 'too-large') return `too large: ${one.offset} with ${one.bytes}`;
    const { segment, culprits } = one;
    const named = culprits.map(({ offset, reason, update }) => ` without ${offset} (${reason}: ${update.join()})`).join('');
    return (segment === undefined ? 'none' : `${segment.first}-${segment.last}: ${segment.update.join()}`) + named;
  });

const refusing =
  (isBad: (updates: readonly Uint8Array[]) => boolean): MergeUpdates =>
  (updates) => {
    if (isBad(updates)) throw new Error('bad');
    return concatenate(updates);
  };

test('PS3: records of a document become one segment over their offsets', () => {
  expect(segmentsOf(makeSegments(document, records(bytes(1), bytes(2), bytes(3)), concatenate, everything))).toEqual([
    '10-12: 1,2,3',
  ]);
});

test('PS3: what is longer than a segment is cut between records, without a hole', () => {
  const cut = { segmentBytesMax: 4, runBytes: 1000 };
  const made = makeSegments(document, records(bytes(1, 1), bytes(2, 2), bytes(3), bytes(4, 4, 4, 4), bytes(5)), concatenate, cut);
  expect(segmentsOf(made)).toEqual(['10-11: 1,1,2,2', '12-12: 3', '13-13: 4,4,4,4', '14-14: 5']);
});

test('PS3: what merging makes longer than a segment is cut again', () => {
  const wordy: MergeUpdates = (updates) => concatenate([...updates, ...updates.slice(1)]);
  const made = makeSegments(document, records(bytes(1), bytes(2), bytes(3), bytes(4)), wordy, {
    segmentBytesMax: 4,
    runBytes: 1000,
  });
  expect(segmentsOf(made)).toEqual(['10-11: 1,2,2', '12-13: 3,4,4']);
});

test('PS4: a record that no segment can hold is said, and not dropped', () => {
  const made = makeSegments(document, records(bytes(1), bytes(2, 2, 2, 2, 2)), concatenate, {
    segmentBytesMax: 4,
    runBytes: 1000,
  });
  expect(segmentsOf(made)).toEqual(['10-10: 1', 'too large: 11 with 5']);
});

test('PS5: records that are bad in themselves are found, and their neighbours kept', () => {
  const updates = Array.from({ length: 50 }, (_, index) => bytes(index));
  const bad = new Set([0, 17, 18, 49]);
  const merge = refusing((merged) => merged.some((update) => update.length === 1 && bad.has(update[0] ?? -1)));
  const [made, ...more] = [...makeSegments(document, records(...updates), merge, everything)];
  expect(more).toEqual([]);
  expect(made).toMatchObject({
    kind: 'made',
    segment: { first: 10, last: 59, update: concatenate(updates.filter((_, index) => !bad.has(index))) },
  });
  expect(made?.kind === 'made' && made.culprits.map(({ offset }) => offset)).toEqual([10, 27, 28, 59]);
});

test('PS5: a record that is bad only after another one is found, and the one before it kept', () => {
  const merge = refusing((updates) => {
    const all = [...concatenate(updates)];
    return all.includes(3) && all.includes(6);
  });
  const made = makeSegments(document, records(bytes(2), bytes(3), bytes(4), bytes(6), bytes(7)), merge, everything);
  expect(segmentsOf(made)).toEqual(['10-14: 2,3,4,7 without 13 (bad: 6)']);
});

test('PS5: where nothing can be merged there is no segment', () => {
  const made = makeSegments(
    document,
    records(bytes(1), bytes(2)),
    refusing(() => true),
    everything,
  );
  expect(segmentsOf(made)).toEqual(['none without 10 (bad: 1) without 11 (bad: 2)']);
});

test('PS5: memory that ran out makes no record a culprit', () => {
  const merge: MergeUpdates = () => {
    throw new RangeError('Array buffer allocation failed');
  };
  expect(() => [...makeSegments(document, records(bytes(1), bytes(2)), merge, everything)]).toThrow('allocation failed');
});

test('PS5: bytes that are no update are found among real ones, alone and in company', () => {
  const real = typists(3, [document])(20).map(({ update }) => update);
  const poison = Uint8Array.from([0, 1, 1, 1, 1, 0]); // deletes nothing at all: readers throw
  const [made] = [
    ...makeSegments(document, records(...real.slice(0, 10), poison, ...real.slice(10)), mergeUpdates, {
      segmentBytesMax: 1e6,
      runBytes: 1e6,
    }),
  ];
  if (made?.kind !== 'made' || made.segment === undefined) throw new Error('nothing was made');
  expect(made.culprits.map(({ offset, update }) => [offset, update])).toEqual([[20, poison]]);
  expect(contentOf([made.segment.update])).toEqual(contentOf(real));
  const [alone] = [...makeSegments(document, records(poison), mergeUpdates, everything)];
  expect(alone).toMatchObject({ kind: 'made', segment: undefined, culprits: [{ offset: 10 }] });
});

test('PS3: merged segments hold exactly what their records hold', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const real = typists(seed, [document])(60).map(({ update }) => update);
    const made = [...makeSegments(document, records(...real), mergeUpdates, { segmentBytesMax: 300, runBytes: 200 })];
    const segments = made.flatMap((one) => (one.kind === 'made' && one.segment !== undefined ? [one.segment] : []));
    expect(segments.length).toBeGreaterThan(3);
    expect(segments.every(({ update }) => update.byteLength <= 300)).toBe(true);
    expect(contentOf(segments.map(({ update }) => update))).toEqual(contentOf(real));
  }
});

test('PS3: an update that says nothing makes a segment that says nothing', () => {
  const [made] = [...makeSegments(document, records(Y.encodeStateAsUpdate(new Y.Doc())), mergeUpdates, everything)];
  expect(made?.kind === 'made' && made.segment?.update).toEqual(Y.encodeStateAsUpdate(new Y.Doc()));
});
