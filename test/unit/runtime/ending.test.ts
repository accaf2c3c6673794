import { expect, test } from 'vitest';

import { createEnding } from '#shared/runtime/ending.ts';
import { collectGarbage } from '#test/harness/garbage.ts';

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

const reason = new Error('the connection is gone');

test('JR49: what was waited for beside an end that has not come is kept by nobody once it is there, nor why it failed', async () => {
  const ending = createEnding();
  const answerWith = async (outcome: Promise<object>): Promise<WeakRef<object>> =>
    new WeakRef(await ending.orEnd(outcome).catch((error: unknown) => error as object));
  const kept = await Promise.all([
    answerWith(Promise.resolve({ bytes: 1 })),
    answerWith(turn().then(() => ({ bytes: 2 }))),
    answerWith(turn().then(() => Promise.reject(new Error('no answer')))),
  ]);
  // A WeakRef holds what it was made with until the turn is over.
  await turn();
  await collectGarbage();
  expect(kept.map((answer) => answer.deref())).toEqual([undefined, undefined, undefined]);
  ending.end(reason);
});

test('JR49: who waits is told of the end, as is whoever comes later; what comes after it is nobody’s', async () => {
  const ending = createEnding();
  const late = Promise.withResolvers<string>();
  const failing = Promise.withResolvers<string>();
  const before = ending.orEnd(Promise.resolve('an answer'));
  const waiting = [ending.orEnd(late.promise), ending.orEnd(failing.promise)];
  await expect(before).resolves.toBe('an answer');
  ending.end(reason);
  ending.end(new Error('another one'));
  late.resolve('too late');
  failing.reject(new Error('too late'));
  for (const waited of [...waiting, ending.orEnd(Promise.resolve('later'))]) await expect(waited).rejects.toBe(reason);
});
