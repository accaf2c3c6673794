import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '#shared/runtime/clock.ts';
import { createThread, owned, type Thread, type ThreadLimits } from '#shared/runtime/thread.ts';
import { settle, virtualClock } from '#test/harness/virtual-clock.ts';
import type { Deed } from './naughty-thread.ts';

const limits: ThreadLimits = { answerMsMax: 60_000, heapMbMax: 64, idleMs: 30_000 };
type Question = { readonly deed: Deed; readonly bytes?: Uint8Array };

let thread: Thread<Question, number> | undefined;
afterEach(() => thread?.end());

function open(changed: Partial<ThreadLimits> = {}, clock = systemClock): Thread<Question, number> {
  thread = createThread('naughty', new URL('naughty-thread.ts', import.meta.url), clock, { ...limits, ...changed });
  return thread;
}

test('EM5: questions are answered in their order, and the bytes of whoever asked stay', async () => {
  const { ask } = open();
  const bytes = Uint8Array.of(1, 2, 3);
  const copy = owned(bytes.subarray(1));
  const answers = await Promise.all([
    ask({ deed: 'count' }),
    ask({ deed: 'bytes', bytes: copy }, [copy.buffer]),
    ask({ deed: 'throw' }),
    ask({ deed: 'count' }),
  ]);
  expect(answers).toEqual([
    { kind: 'answered', answer: 1 },
    { kind: 'answered', answer: 2 },
    { kind: 'threw', reason: 'thrown in the thread' },
    { kind: 'answered', answer: 4 },
  ]);
  expect([bytes.byteLength, copy.byteLength]).toEqual([3, 0]);
});

test('EM5: an answer that takes too long is given up, and the next question has a thread of its own', async () => {
  const clock = virtualClock();
  const { ask } = open({ answerMsMax: 300 }, clock);
  const spinning = ask({ deed: 'spin' });
  await settle();
  await clock.advance(300);
  expect(await spinning).toEqual({ kind: 'gave-up', reason: 'took longer than 300 ms' });
  expect(await ask({ deed: 'count' })).toEqual({ kind: 'answered', answer: 1 });
});

test('EM5: a thread that runs out of memory or dies takes nobody along', async () => {
  const { ask } = open({ heapMbMax: 32 });
  expect(await ask({ deed: 'grow' })).toMatchObject({ kind: 'gave-up', reason: expect.stringContaining('memory') });
  expect(await ask({ deed: 'exit' })).toMatchObject({ kind: 'gave-up' });
  expect(await ask({ deed: 'count' })).toEqual({ kind: 'answered', answer: 1 });
});

test('JD25: a question that can not be handed to a thread is given up, and stops none after it', async () => {
  const { ask } = open();
  const bytes = owned(Uint8Array.of(1, 2));
  const answers = await Promise.all([
    ask({ deed: 'bytes', bytes }, [bytes.buffer]),
    ask({ deed: 'bytes', bytes }, [bytes.buffer]),
    ask({ deed: 'count' }),
  ]);
  expect(answers).toEqual([
    { kind: 'answered', answer: 2 },
    { kind: 'gave-up', reason: expect.stringContaining('transfer') },
    { kind: 'answered', answer: 1 },
  ]);
});

test('EM5: one that is ended answers nobody any more; one that is idle is ended, and starts again', async () => {
  const clock = virtualClock();
  const { ask, end } = open({ idleMs: 1_000 }, clock);
  expect(await ask({ deed: 'count' })).toEqual({ kind: 'answered', answer: 1 });
  expect(await ask({ deed: 'count' })).toEqual({ kind: 'answered', answer: 2 });
  await clock.advance(1_000);
  expect(await ask({ deed: 'count' })).toEqual({ kind: 'answered', answer: 1 });
  const spinning = ask({ deed: 'spin' });
  await settle();
  await end();
  expect(await spinning).toEqual({ kind: 'ended' });
  expect(await ask({ deed: 'count' })).toEqual({ kind: 'ended' });
});

test('EM5: one that is kept is started before it is asked and not ended while it is idle, until it is kept no longer', async () => {
  const clock = virtualClock();
  const { ask, keep } = open({ idleMs: 1_000 }, clock);
  const kept = new AbortController();
  const started = once(process, 'worker');
  keep(kept.signal);
  await started;
  expect(await ask({ deed: 'count' })).toEqual({ kind: 'answered', answer: 1 });
  await clock.advance(5_000);
  expect(await ask({ deed: 'count' })).toEqual({ kind: 'answered', answer: 2 });
  kept.abort();
  expect(await ask({ deed: 'count' })).toEqual({ kind: 'answered', answer: 3 });
  await clock.advance(1_000);
  expect(await ask({ deed: 'count' })).toEqual({ kind: 'answered', answer: 1 });
  keep(kept.signal);
  await clock.advance(1_000);
  expect(await ask({ deed: 'count' })).toEqual({ kind: 'answered', answer: 1 });
});
