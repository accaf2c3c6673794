import { describe, expect, test } from 'vitest';
import { groupCommits } from '#shared/runtime/group-commit.ts';
import { settle, virtualClock } from '#test/harness/virtual-clock.ts';

function commitsOf(intervalMs: number) {
  const clock = virtualClock();
  const groups: { readonly at: number; readonly group: readonly number[]; readonly finish: () => void }[] = [];
  const commits = groupCommits<number>(
    (group) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      groups.push({ at: clock.monotonic(), group, finish: resolve });
      return promise;
    },
    intervalMs,
    clock,
  );
  return { clock, groups, commits, taken: () => groups.map(({ at, group }) => [at, group]) };
}

describe('JR15: one sync for many', () => {
  test('what one tick asks for is one commit, at once', async () => {
    const { commits, taken } = commitsOf(10);
    for (const request of [1, 2, 3]) commits.add(request);
    expect(taken()).toEqual([]);
    await settle();
    expect(taken()).toEqual([[0, [1, 2, 3]]]);
  });

  test('what comes while one is under way waits, and is one commit then', async () => {
    const { commits, groups, taken } = commitsOf(0);
    commits.add(1);
    await settle();
    for (const request of [2, 3, 4]) {
      commits.add(request);
      await settle();
    }
    expect(taken()).toEqual([[0, [1]]]);
    groups[0]?.finish();
    await settle();
    expect(taken()).toEqual([
      [0, [1]],
      [0, [2, 3, 4]],
    ]);
  });

  test('under load commits start an interval apart; after a rest one starts at once', async () => {
    const { clock, commits, groups, taken } = commitsOf(10);
    commits.add(1);
    await settle();
    groups[0]?.finish();
    await clock.advance(3);
    commits.add(2);
    await clock.advance(6);
    expect(taken()).toEqual([[0, [1]]]);
    commits.add(3);
    await clock.advance(1);
    expect(taken()).toEqual([
      [0, [1]],
      [10, [2, 3]],
    ]);
    groups[1]?.finish();
    await clock.advance(100);
    commits.add(4);
    await settle();
    expect(taken().at(-1)).toEqual([110, [4]]);
  });

  test('a commit that takes longer than the interval is followed by the next without a pause', async () => {
    const { clock, commits, groups, taken } = commitsOf(10);
    commits.add(1);
    await settle();
    commits.add(2);
    await clock.advance(25);
    groups[0]?.finish();
    await settle();
    expect(taken()).toEqual([
      [0, [1]],
      [25, [2]],
    ]);
  });

  test('draining waits for what is under way and does not pause', async () => {
    const { commits, groups, taken } = commitsOf(1000);
    commits.add(1);
    await settle();
    commits.add(2);
    let drained = false;
    const draining = commits.drain().then(() => (drained = true));
    await settle();
    expect(taken()).toEqual([[0, [1]]]);
    groups[0]?.finish();
    await settle();
    expect(taken()).toEqual([
      [0, [1]],
      [0, [2]],
    ]);
    expect(drained).toBe(false);
    groups[1]?.finish();
    await draining;
  });
});

test('EM4: while anybody is in a hurry the next commit starts as soon as the last is done', async () => {
  const { clock, commits, groups, taken } = commitsOf(1000);
  const [rest, restToo] = [commits.hurry(), commits.hurry()];
  commits.add(1);
  await settle();
  commits.add(2);
  groups[0]?.finish();
  await settle();
  expect(taken()).toEqual([[0, [1]], [0, [2]]]); // prettier-ignore
  rest();
  commits.add(3);
  groups[1]?.finish();
  await settle();
  expect(taken().at(-1)).toEqual([0, [3]]);
  restToo();
  commits.add(4);
  groups[2]?.finish();
  await clock.advance(999);
  expect(groups).toHaveLength(3);
  commits.hurry();
  await settle();
  expect(taken().at(-1)).toEqual([999, [4]]);
  groups[3]?.finish();
  await clock.advance(5000);
  expect(groups).toHaveLength(4);
});
