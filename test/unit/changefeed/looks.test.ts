import { expect, test } from 'vitest';

import { JournalUnavailable } from '#shared/journal/journal.ts';
import { StoreUnavailable } from '#shared/store/store.ts';
import { nameOf } from '#test/contract/store.contract.ts';
import { settle, virtualClock } from '#test/harness/virtual-clock.ts';

import { Looks } from '../../../services/changefeed/looks.ts';
import { heldLooks, reporting, watchLimits } from './watching.ts';

const [a, b, c] = [nameOf('a'), nameOf('b'), nameOf('c')];

function make(limits = {}) {
  const held = heldLooks();
  const clock = virtualClock();
  const reported = reporting();
  const { logger, metrics } = reported;
  const looks = new Looks({
    takeIn: held.takeIn,
    clock,
    limits: { ...watchLimits, ...limits },
    logger,
    metrics,
    random: () => 1,
  });
  /** What became of an `add`. */
  const add = (document: typeof a, occasion: 'announced' | 'swept' = 'announced') => {
    const added: { outcome: boolean | undefined } = { outcome: undefined };
    void looks.add(document, occasion).then((outcome) => (added.outcome = outcome));
    return added;
  };
  return { ...held, clock, looks, reported, add };
}

test('CF10: a document is looked at by one look at a time, others beside it', async () => {
  const { add, under, end, looks } = make({ looksMax: 2, sweepLooksMax: 1 });
  const [first, , third] = [add(a), add(b), add(c)];
  expect(under()).toEqual(['a', 'b']);
  expect(looks.pending).toBe(3);
  end('a');
  await settle();
  expect(under()).toEqual(['b', 'c']);
  expect([first.outcome, third.outcome]).toEqual([true, undefined]);
});

test('CF10: names that come while theirs waits are one look, names that come during it one more', async () => {
  const { add, begun, end, under, looks } = make({ looksMax: 1, sweepLooksMax: 1 });
  add(a);
  const waiting = [add(b), add(b), add(b)];
  const during = [add(a), add(a)];
  end('a');
  await settle();
  expect(during.map(({ outcome }) => outcome)).toEqual([undefined, undefined]);
  end('b');
  await settle();
  expect(waiting.map(({ outcome }) => outcome)).toEqual([true, true, true]);
  expect(under()).toEqual(['a']);
  end('a');
  await settle();
  expect(during.map(({ outcome }) => outcome)).toEqual([true, true]);
  expect(begun).toEqual(['a', 'b', 'a']);
  expect(looks.pending).toBe(0);
});

test('CF11: what was announced goes before what a sweep came to, which has few looks at a time', async () => {
  const { add, begun, end } = make({ looksMax: 2, sweepLooksMax: 1 });
  const names = ['s1', 's2', 's3'].map(nameOf);
  for (const name of names) add(name, 'swept');
  expect(begun).toEqual(['s1']);
  add(a);
  add(b);
  expect(begun).toEqual(['s1', 'a']);
  add(nameOf('s3'), 'announced');
  end('a');
  await settle();
  end('b');
  await settle();
  expect(begun).toEqual(['s1', 'a', 'b', 's3']);
  end('s3');
  end('s1');
  await settle();
  expect(begun).toEqual(['s1', 'a', 'b', 's3', 's2']);
});

test('CF11: of both kinds that wait, the announced one is next', async () => {
  const { add, begun, end } = make({ looksMax: 2, sweepLooksMax: 1 });
  add(a);
  add(b);
  add(nameOf('s1'), 'swept');
  add(c);
  end('a');
  await settle();
  expect(begun).toEqual(['a', 'b', 'c']);
  end('b');
  await settle();
  expect(begun).toEqual(['a', 'b', 'c', 's1']);
});

test('CF12: what is not done is looked at again, after longer and longer waits, and only then counts as looked at', async () => {
  const { add, begun, end, clock, under } = make({ lookAgainMsMin: 100, lookAgainMsMax: 300 });
  const added = add(a);
  for (const waitMs of [100, 200, 300, 300]) {
    end('a', 'again');
    await settle();
    await clock.advance(waitMs - 1);
    expect(under()).toEqual([]);
    await clock.advance(1);
    expect(under()).toEqual(['a']);
  }
  expect(added.outcome).toBeUndefined();
  end('a');
  await settle();
  expect(added.outcome).toBe(true);
  expect(begun).toHaveLength(5);
});

test('CF12: a store or a journal that is away is tried for ever, anything else is left to the next sweep', async () => {
  const { add, end, clock, reported, looks } = make({ retryMsMin: 100, retryMsMax: 100, lookFailuresMax: 3 });
  const [away, broken] = [add(a), add(b)];
  for (let i = 0; i < 3; i++) {
    end('a', i % 2 === 0 ? new StoreUnavailable('away') : new JournalUnavailable('away'));
    end('b', new Error('broken'));
    await settle();
    await clock.advance(100);
  }
  expect([away.outcome, broken.outcome]).toEqual([undefined, true]);
  expect(reported.errors.filter((error) => error === 'look-given-up')).toHaveLength(1);
  expect(looks.pending).toBe(1);
  add(b);
  end('b');
  end('a');
  await settle();
  expect(away.outcome).toBe(true);
  expect(looks.pending).toBe(0);
});

test('CF12: a name that comes while its document waits to be tried again is part of that', async () => {
  const { add, end, clock, under } = make({ retryMsMin: 100, retryMsMax: 100 });
  const first = add(a);
  const during = add(a);
  end('a', new StoreUnavailable('away'));
  await settle();
  const paused = add(a);
  await clock.advance(100);
  end('a');
  await settle();
  expect([first, during, paused].map(({ outcome }) => outcome)).toEqual([true, undefined, true]);
  expect(under()).toEqual(['a']);
  end('a');
  await settle();
  expect(during.outcome).toBe(true);
});

test('CF33: a sweep goes on when a document was tried, also one that was being looked at; who announced it waits', async () => {
  const { add, end, clock, looks } = make({ lookAgainMsMin: 100, lookAgainMsMax: 100 });
  const announced = add(a);
  const during = add(a, 'swept');
  end('a', 'again');
  await settle();
  const paused = add(a, 'swept');
  expect([announced, during, paused].map(({ outcome }) => outcome)).toEqual([undefined, undefined, undefined]);
  await clock.advance(100);
  end('a', 'again');
  await settle();
  expect([announced, during, paused].map(({ outcome }) => outcome)).toEqual([undefined, true, true]);
  expect(looks.pending).toBe(1);
  await clock.advance(100);
  end('a');
  await settle();
  expect(announced.outcome).toBe(true);
  expect(looks.pending).toBe(0);
});

test('CF33: a sweep does not go on while the store is away', async () => {
  const { add, end, clock } = make({ retryMsMin: 100, retryMsMax: 100 });
  const swept = add(a, 'swept');
  end('a', new StoreUnavailable('away'));
  await settle();
  await clock.advance(100);
  expect(swept.outcome).toBeUndefined();
  end('a');
  await settle();
  expect(swept.outcome).toBe(true);
});

test('CF33: of which there is more, that has its next turn at once, behind the others', async () => {
  const { add, end, begun } = make({ looksMax: 1, sweepLooksMax: 1 });
  const added = add(a);
  add(b);
  for (const document of ['a', 'b', 'a']) {
    end(document, document === 'a' && begun.length < 3 ? 'more' : 'done');
    await settle();
  }
  expect(begun).toEqual(['a', 'b', 'a']);
  expect(added.outcome).toBe(true);
});

test('CF34: all who ask before the same look have one promise', async () => {
  const { end, looks } = make();
  const first = looks.add(a, 'announced');
  const second = looks.add(a, 'announced');
  expect(second).not.toBe(first);
  for (let i = 0; i < 10; i++) expect(looks.add(a, 'announced')).toBe(second);
  end('a');
  expect(await first).toBe(true);
});

test('CF13: who stops begins no more looks, and waits for those under way', async () => {
  const { add, begun, end, looks, clock } = make({ looksMax: 1, sweepLooksMax: 1 });
  const [first, second] = [add(a), add(b)];
  const again = add(a);
  let isOver = false;
  void looks.stop().then(() => (isOver = true));
  await settle();
  expect([first.outcome, second.outcome, isOver]).toEqual([undefined, false, false]);
  end('a');
  await settle();
  expect([first.outcome, again.outcome, isOver]).toEqual([true, false, true]);
  expect(await looks.add(c, 'announced')).toBe(false);
  await clock.advance(10_000);
  expect(begun).toEqual(['a']);
});

test('CF14: it is told how many documents are pending and how long the oldest has been', async () => {
  const { add, looks, clock, end } = make();
  add(a);
  await clock.advance(500);
  add(b);
  expect([looks.pending, looks.waitedMs]).toEqual([2, 500]);
  end('a');
  await settle();
  await clock.advance(100);
  expect([looks.pending, looks.waitedMs]).toEqual([1, 100]);
});
