import { expect, test } from 'vitest';
import { createTakeIn } from '#changefeed/taking-in.ts';
import type { Taken } from '#changefeed/translate.ts';
import { nameOf } from '#test/contract/store.contract.ts';
import { silentLogger } from '#test/harness/memory-gateway.ts';

const document = nameOf('plan');

/** Takes what it is given, one after the other, and then `last` for ever. */
function taking(given: readonly Taken[], last: Taken = { kind: 'clean' }, has = true) {
  const left = [...given];
  const counts = { taken: 0, refused: 0, waited: 0, asked: 0 };
  const takeIn = createTakeIn(
    async () => {
      counts.asked++;
      return left.shift() ?? last;
    },
    {
      hasMirror: () => has,
      restore: async (_, rev) => (rev === 'gone' ? 'done' : 'again'),
      logger: silentLogger,
      metrics: {
        taken: () => void counts.taken++,
        refused: () => void counts.refused++,
        waited: () => void counts.waited++,
      },
    },
  );
  return { takeIn, counts };
}

test('CM11: a look takes in all that there is, and counts it', async () => {
  const { takeIn, counts } = taking([
    { kind: 'again' },
    { kind: 'taken', offset: 7 },
    { kind: 'refused', reason: 'no object' },
    { kind: 'taken', offset: 9 },
  ]);
  expect(await takeIn(document)).toBe('done');
  expect(counts).toEqual({ taken: 2, refused: 1, waited: 0, asked: 5 });
});

test('CM11: what waits for somebody else is looked at again later', async () => {
  const { takeIn, counts } = taking([{ kind: 'wait', why: 'doubt' }]);
  expect(await takeIn(document)).toBe('again');
  expect(counts).toMatchObject({ waited: 1, asked: 1 });
});

test('CM11: a program that never stops editing keeps no look from ending', async () => {
  const { takeIn, counts } = taking([], { kind: 'taken', offset: 1 });
  expect(await takeIn(document)).toBe('more');
  expect(counts.asked).toBeLessThan(100);
});

test('CM6: of a document that is left out nothing is taken', async () => {
  const { takeIn, counts } = taking([], { kind: 'taken', offset: 1 }, false);
  expect(await takeIn(document)).toBe('done');
  expect(counts.asked).toBe(0);
});

test('MI26: a mirror that is missing is written again, and looked at again until it is', async () => {
  expect(
    await taking([
      { kind: 'taken', offset: 1 },
      { kind: 'missing', rev: 'gone' },
    ]).takeIn(document),
  ).toBe('done');
  expect(await taking([{ kind: 'missing', rev: 'not yet' }]).takeIn(document)).toBe('again');
});
