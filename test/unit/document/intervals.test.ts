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
