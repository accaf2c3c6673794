/** Turns for those who have much to write. */

import { expect, test } from 'vitest';
import { takeTurns } from '#gateway/turns.ts';
import { settle } from '#test/harness/virtual-clock.ts';

test('GW74: of many who write much, two have their turn in each turn of the event loop, whoever waits longest first', async () => {
  let ticks: (() => void)[] = [];
  const turn = takeTurns((run) => ticks.push(run));
  const order: string[] = [];
  const write = async (name: string, times: number): Promise<void> => {
    for (let i = 0; i < times; i++) {
      await turn();
      order.push(name);
    }
  };
  void write('a', 2);
  void write('b', 2);
  void write('c', 1);
  const seen: string[] = [];
  for (let tick = 0; tick < 5; tick++) {
    const due = ticks;
    ticks = [];
    expect(due.length).toBeLessThanOrEqual(1);
    for (const run of due) run();
    await settle();
    seen.push(order.splice(0).join(''));
  }
  expect(seen).toEqual(['ab', 'ca', 'b', '', '']);
  void write('d', 1);
  expect(ticks).toHaveLength(1);
});
