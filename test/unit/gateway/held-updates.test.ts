/** Updates that wait for what they refer to. */

import { expect, test } from 'vitest';
import * as Y from 'yjs';
import { HeldUpdates } from '#gateway/held-updates.ts';
import { defaultUpdateLimits } from '#shared/document/limits.ts';
import { type Scanned, scanUpdate, weightOf } from '#shared/document/scan.ts';

function someUpdate(): Scanned {
  const doc = new Y.Doc();
  doc.getText('t').insert(0, 'x');
  const scanned = scanUpdate(Y.encodeStateAsUpdate(doc), defaultUpdateLimits);
  if ('refused' in scanned) throw new Error(scanned.refused);
  return scanned;
}

const update = someUpdate();
const heldBy = (owner: string, ticket: number) => ({ owner, update, ticket, trials: 0 });

test('GW20: a held update is looked at when the clock that it lacks has come, and not before', () => {
  const held = new HeldUpdates<string, number>(100_000);
  for (const clock of [5, 1, 3, 9, 3]) expect(held.hold(heldBy('a', clock), { client: 7, clock })).toBe(true);
  held.hold(heldBy('a', 100), { client: 8, clock: 0 });
  expect(held.take(7, 1)).toEqual([]);
  expect(held.take(7, 4).map(({ ticket }) => ticket)).toEqual([1, 3, 3]);
  expect(held.take(7, 4)).toEqual([]);
  expect(held.take(7, 100).map(({ ticket, trials }) => [ticket, trials])).toEqual([
    [5, 1],
    [9, 1],
  ]);
  expect(held.take(8, 1)).toHaveLength(1);
  expect(held.take(9, 1)).toEqual([]);
});

test('GW21: what one session has waiting is bounded in bytes, and goes with it', () => {
  const each = weightOf(update) + 256;
  const held = new HeldUpdates<string, number>(3 * each);
  const fits = (owner: string): boolean => held.hold(heldBy(owner, 0), { client: 1, clock: 10 });
  expect([fits('a'), fits('a'), fits('a'), fits('a'), fits('b')]).toEqual([true, true, true, false, true]);
  held.drop('a');
  expect(held.take(1, 11).map(({ owner }) => owner)).toEqual(['b']);
  expect([fits('a'), fits('a'), fits('a'), fits('a')]).toEqual([true, true, true, false]);
});

test('GW21: an update that lacks one thing after the other is given up', () => {
  const held = new HeldUpdates<string, number>(100_000);
  let next = heldBy('a', 0);
  let trials = 0;
  for (; held.hold(next, { client: 1, clock: 0 }); trials++) {
    const [taken] = held.take(1, 1);
    if (taken === undefined) throw new Error('nothing was taken');
    next = taken;
  }
  expect(trials).toBe(100);
});

test('GW20: updates that come in the worst order cost next to nothing', () => {
  const held = new HeldUpdates<string, number>(Infinity);
  const count = 100_000;
  for (let clock = count; clock > 0; clock--) held.hold(heldBy('a', clock), { client: 1, clock });
  let taken = 0;
  for (let end = 1; end <= count + 1; end++) taken += held.take(1, end).length;
  expect(taken).toBe(count);
});
