import { afterEach, expect, test } from 'vitest';

import { type Compactor, createCompactionThread } from '#persister/compaction-thread.ts';
import { sha256Of } from '#persister/compaction-work.ts';
import { persisterLimits } from '#persister/limits.ts';
import { compact } from '#shared/document/compact.ts';
import { systemClock } from '#shared/runtime/clock.ts';
import { settle, virtualClock } from '#test/harness/virtual-clock.ts';
import { nameOf, typists } from '#test/simulation/persister/typing.ts';

const updates = typists(4, [nameOf('a')])(50).map(({ update }) => update);
const naughty = new URL('naughty-worker.ts', import.meta.url);
const ask = (word: string) => ({ updates: [new TextEncoder().encode(word)], sha256: undefined });

let thread: Compactor | undefined;
const open = (limits: Partial<typeof persisterLimits> = {}, entry?: URL, clock = systemClock): Compactor =>
  (thread = createCompactionThread(clock, { ...persisterLimits, ...limits }, entry));
afterEach(() => thread?.end());

test('PS25: the thread compacts as this one would, and leaves its input alone', async () => {
  const answer = await open().compact({ updates, sha256: undefined });
  const expected = compact(updates);
  expect(answer).toEqual({ kind: 'compacted', update: expected, sha256: sha256Of(expected) });
  expect(updates.every(({ buffer }) => buffer.byteLength > 0)).toBe(true);
});

test('PS25: calls wait for one another', async () => {
  const compactor = open();
  const answers = await Promise.all(
    [10, 20, 30].map((count) => compactor.compact({ updates: updates.slice(0, count), sha256: undefined })),
  );
  expect(answers.map((answer) => answer.kind === 'compacted' && answer.sha256)).toEqual(
    [10, 20, 30].map((count) => sha256Of(compact(updates.slice(0, count)))),
  );
});

test('PS23: an update that throws is found by its index', async () => {
  const poison = Uint8Array.of(1, 1, 1);
  const answer = await open().compact({ updates: [...updates.slice(0, 20), poison, ...updates.slice(20)], sha256: undefined });
  expect(answer).toMatchObject({ kind: 'threw', culprit: 20 });
});

test('PS26: a compaction that takes too long is ended, and the next one has a thread of its own', async () => {
  const clock = virtualClock();
  const compactor = open({ compactionMsMax: 300 }, naughty, clock);
  const spinning = compactor.compact(ask('spin'));
  await settle();
  await clock.advance(300);
  expect(await spinning).toEqual({ kind: 'gave-up', reason: 'took longer than 300 ms' });
  expect(await compactor.compact(ask('answer'))).toMatchObject({ kind: 'compacted' });
});

test('PS26: a thread that runs out of memory, or dies, takes nobody along', async () => {
  const compactor = open({ compactionHeapMbMax: 32 }, naughty);
  expect(await compactor.compact(ask('grow'))).toMatchObject({
    kind: 'gave-up',
    reason: expect.stringContaining('memory') as string,
  });
  expect(await compactor.compact(ask('exit'))).toMatchObject({ kind: 'gave-up' });
  expect(await compactor.compact(ask('throw'))).toMatchObject({ kind: 'gave-up', reason: 'thrown in the thread' });
  expect(await compactor.compact(ask('answer'))).toMatchObject({ kind: 'compacted' });
});

test('PS26: stopping ends a compaction that is under way', async () => {
  const compactor = open({}, naughty);
  const spinning = compactor.compact(ask('spin'));
  await settle();
  await compactor.end();
  expect(await spinning).toEqual({ kind: 'gave-up', reason: 'stopping' });
  expect(await compactor.compact(ask('answer'))).toEqual({ kind: 'gave-up', reason: 'stopping' });
});

test('PS26: an idle thread is ended, and started again when it is needed', async () => {
  const clock = virtualClock();
  const compactor = open({ compactionIdleMs: 1_000 }, naughty, clock);
  const lifeOf = async (): Promise<unknown> => {
    const answer = await compactor.compact(ask('count'));
    return answer.kind === 'compacted' && answer.update[0];
  };
  expect(await lifeOf()).toBe(1);
  expect(await lifeOf()).toBe(2);
  await clock.advance(1_000);
  expect(await lifeOf()).toBe(1);
});
