import * as encoding from 'lib0/encoding';
import { expect, test } from 'vitest';
import * as Y from 'yjs';
import { IntervalSet } from '#shared/document/intervals.ts';
import { seeded } from '#test/simulation/rooms/random.ts';
import { hexOf, scan } from './updates.ts';

const clientMax = 3;
const clockMax = 40;

test('DO26: a set of intervals is the set of their clocks, in whatever order they come', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = seeded(seed);
    const set = new IntervalSet();
    const clocks = Array.from({ length: clientMax }, () => new Set<number>());
    for (let i = random.integer(25); i > 0; i--) {
      const client = random.integer(clientMax);
      const start = random.integer(clockMax - 1);
      const end = start + 1 + random.integer(Math.min(8, clockMax - start - 1));
      set.add(client, start, end);
      for (let clock = start; clock < end; clock++) clocks[client]?.add(clock);
    }
    for (const [client, expected] of clocks.entries()) expectSame(set, client, expected);
    expect(set.count).toBe(clocks.reduce((sum, expected) => sum + intervalsOf(expected).length, 0));
  }
});

function expectSame(set: IntervalSet, client: number, expected: ReadonlySet<number>): void {
  const wrong: string[] = [];
  for (let start = 0; start < clockMax; start++) {
    let covered = true;
    for (let end = start + 1; end <= clockMax; end++) {
      covered &&= expected.has(end - 1);
      if (set.covers(client, start, end) !== covered) wrong.push(`${start} to ${end}`);
    }
  }
  expect(wrong).toEqual([]);
}

const intervalsOf = (clocks: ReadonlySet<number>): number[] => [...clocks].filter((clock) => !clocks.has(clock - 1));

test('DO26: many at once, in any order, are the same as one by one, and take no longer', () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = seeded(seed);
    const [one, all] = [new IntervalSet(), new IntervalSet()];
    for (let batch = 0; batch < 3; batch++) {
      const ranges = Array.from({ length: random.integer(200) }, () => {
        const start = random.integer(2_000);
        return [random.integer(clientMax), start, start + 1 + random.integer(6)];
      });
      for (const [client = 0, start = 0, end = 0] of ranges) one.add(client, start, end);
      all.addAll(ranges.flat());
      expect(hexOf(all.encode())).toBe(hexOf(one.encode()));
      expect(all.count).toBe(one.count);
    }
  }
  const count = 300_000;
  const descending = Array.from({ length: count }, (_, index) => [1, (count - index) * 2, (count - index) * 2 + 1]).flat();
  const large = new IntervalSet();
  large.addAll(descending);
  expect(large.count).toBe(count);
  const inTurns = descending.map((number, index) => (index % 3 === 0 ? (index / 3) % 2 : number));
  const two = new IntervalSet();
  two.addAll(inTurns);
  expect(two.count).toBe(count);
});

test('DO26: thousands of intervals, joined and filled from all sides, are the set of their clocks', () => {
  const clocks = 12_000;
  for (let seed = 1; seed <= 6; seed++) {
    const random = seeded(seed);
    const set = new IntervalSet();
    const expected = new Uint8Array(clocks);
    for (let batch = 0; batch < 120; batch++) {
      // Few and many at once, single clocks and long ranges, gathered and scattered.
      const longest = random.pick([1, 1, 1, 3, random.chance(0.1) ? 4_000 : 40]);
      const from = random.pick([0, 0, random.integer(clocks)]);
      const ranges = Array.from({ length: random.pick([1, 5, 33, 60, 700]) }, () => {
        const start = from + random.integer(clocks - from);
        return [1, start, Math.min(clocks, start + 1 + random.integer(longest))];
      });
      for (const [, start, end] of ranges) expected.fill(1, start, end);
      set.addAll(ranges.flat());
      const lengths = lengthsOf(expected);
      expect(set.count).toBe(lengths.size);
      expect(hexOf(set.encode())).toBe(hexOf(deleteSetOf(lengths)));
      for (const [start, length] of lengths) {
        if (set.covers(1, start, start + length) && !set.covers(1, start, start + length + 1)) continue;
        throw new Error(`${start} to ${start + length}`);
      }
    }
  }
});

/** From the first clock of each interval to how many it has. */
function lengthsOf(clocks: Uint8Array): ReadonlyMap<number, number> {
  const lengths = new Map<number, number>();
  let start = -1;
  for (const [clock, isIn] of clocks.entries()) {
    if (isIn === 0) start = -1;
    else if (start < 0) lengths.set((start = clock), 1);
    else lengths.set(start, clock - start + 1);
  }
  return lengths;
}

const deleteSetOf = (lengths: ReadonlyMap<number, number>): Uint8Array =>
  encoding.encode((encoder) => {
    for (const number of [1, 1, lengths.size, ...[...lengths].flat()]) encoding.writeVarUint(encoder, number);
  });

// Walking over what is there for each of them, or moving it, would take minutes.
test('DO26: adding costs by what is added, also at the beginning of a million', () => {
  const set = new IntervalSet();
  const known = 1_000_000;
  set.addAll(Array.from({ length: known }, (_, index) => [1, index * 10, index * 10 + 1]).flat());
  const updates = 2_000;
  const each = 40;
  for (let update = 0; update < updates; update++) {
    set.addAll(Array.from({ length: each }, (_, index) => (update * each + index) * 10 + 5).flatMap((at) => [1, at, at + 1]));
  }
  expect(set.count).toBe(known + updates * each);
});

test('DO26: it is encoded as the delete set that Yjs writes, also after a change', () => {
  const document = new Y.Doc();
  document.clientID = 300;
  document.getText('t').insert(0, 'a text of some length');
  const set = new IntervalSet();
  for (const [at, length] of [
    [3, 2],
    [8, 1],
    [0, 1],
  ] as const) {
    document.getText('t').delete(at, length);
    const whole = Y.encodeStateAsUpdate(document);
    set.addAll(scan(whole).deletions);
    expect(hexOf(whole).endsWith(hexOf(set.encode()))).toBe(true);
  }
  expect(hexOf(new IntervalSet().encode())).toBe('00');
});
