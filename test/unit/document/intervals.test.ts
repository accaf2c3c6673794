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
  for (let start = 0; start < clockMax; start++) {
    for (let end = start + 1; end <= clockMax; end++) {
      let covered = true;
      for (let clock = start; clock < end; clock++) covered &&= expected.has(clock);
      expect(set.covers(client, start, end)).toBe(covered);
    }
  }
}

const intervalsOf = (clocks: ReadonlySet<number>): number[] => [...clocks].filter((clock) => !clocks.has(clock - 1));

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
