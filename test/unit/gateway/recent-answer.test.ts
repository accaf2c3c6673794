import { expect, test } from 'vitest';
import { recentAnswer } from '#gateway/recent-answer.ts';
import { virtualClock } from '#test/harness/virtual-clock.ts';

test('GW111: whether writers must wait is looked up at most every tenth of a second, and after a failure at once', async () => {
  const clock = virtualClock();
  let asked = 0;
  let isBroken = true;
  const ask = (): number => {
    asked++;
    if (isBroken) throw new Error('a defect');
    return asked;
  };
  const answer = recentAnswer(ask, 100, clock);
  expect(answer).toThrow('a defect');
  isBroken = false;
  expect([answer(), answer()]).toEqual([2, 2]);
  await clock.advance(99);
  expect(answer()).toBe(2);
  await clock.advance(1);
  expect([answer(), answer()]).toEqual([3, 3]);
});
