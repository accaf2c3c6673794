import { expect, test } from 'vitest';

import { MirrorQueue, type MirrorQueueContext } from '#persister/mirror-queue.ts';
import { StoreUnavailable } from '#shared/store/store.ts';
import { settle } from '#test/harness/virtual-clock.ts';

import { createMirrorWorld, document } from './mirror-world.ts';

const queueLimits: MirrorQueueContext['queueLimits'] = {
  mirrorSettleMs: 200,
  mirrorIntervalMsMin: 1_000,
  mirrorBytesPerMs: 100,
  mirrorIntervalMsMax: 30_000,
  mirrorRetryMsMin: 1_000,
  mirrorRetryMsMax: 8_000,
  mirrorSweepMs: 600_000,
  mirrorDocumentsMax: 10,
};

function createQueue(world: ReturnType<typeof createMirrorWorld>, more: Partial<MirrorQueueContext> = {}) {
  const drain = new AbortController();
  const writtenAt: number[] = [];
  const failures: string[] = [];
  const queue = new MirrorQueue({
    ...world.rewriteContext,
    clock: world.clock,
    random: () => 1,
    logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, fatal: () => {} },
    draining: drain.signal,
    queueLimits,
    isMine: () => true,
    onWritten: () => void writtenAt.push(world.clock.monotonic()),
    onFailed: (error) => void failures.push(error),
    ...more,
  });
  const ended = queue.run();
  const stop = async (): Promise<void> => {
    drain.abort();
    await ended;
  };
  return { queue, writtenAt, failures, stop };
}

/** Lets `ms` go by in steps, each of which everybody finishes. */
async function pass(world: ReturnType<typeof createMirrorWorld>, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 50) {
    await world.clock.advance(50);
    for (let turn = 0; turn < 10; turn++) await settle();
  }
}

const typeAndStore = async (world: ReturnType<typeof createMirrorWorld>, text: string): Promise<void> => {
  await world.type((doc) => doc.getText('text').insert(0, text));
  await world.flush();
};

test('MI13: a mirror is written when typing pauses, and while it goes on, once in the interval', async () => {
  const world = createMirrorWorld();
  const { queue, writtenAt, stop } = createQueue(world);
  for (let ms = 0; ms < 3_000; ms += 100) {
    await typeAndStore(world, 'a');
    queue.changed(document);
    await pass(world, 100);
  }
  await pass(world, 2_000);
  expect(writtenAt.length).toBeGreaterThanOrEqual(3);
  expect(writtenAt.length).toBeLessThanOrEqual(5);
  for (const [index, at] of writtenAt.slice(1).entries()) expect(at - (writtenAt[index] ?? 0)).toBeGreaterThanOrEqual(1_000);
  expect(world.value()).toEqual(new Map([['text', 'a'.repeat(30)]]));
  expect(queue.size).toBe(0);
  await stop();
});

test('MI16: a mirror that can not be written now is tried again, less and less often, and written when it can', async () => {
  const world = createMirrorWorld();
  let away = false;
  let asked = 0;
  const mirrors = {
    ...world.mirrors,
    readState: async (name: typeof document) => {
      asked++;
      if (away) throw new StoreUnavailable('away');
      return world.mirrors.readState(name);
    },
  };
  const { queue, writtenAt, failures, stop } = createQueue(world, { mirrors });
  await typeAndStore(world, 'a');
  away = true;
  queue.changed(document);
  await pass(world, 20_000);
  expect(failures).toEqual(Array.from({ length: asked }, () => 'store-unavailable'));
  expect(asked).toBeGreaterThan(3);
  expect(asked).toBeLessThan(7);
  away = false;
  await pass(world, 10_000);
  expect(writtenAt).toHaveLength(1);
  world.write(7); // somebody's edit, which nobody takes in for a while
  await typeAndStore(world, 'b');
  queue.changed(document);
  await pass(world, 10_000);
  expect(world.value()).toBe(7);
  await world.takeAll();
  await pass(world, 10_000);
  expect(world.value()).toEqual(new Map([['text', 'ba']]));
  await stop();
});

test('MI16: what a persister left that was killed before it wrote a mirror is found by the next one', async () => {
  const world = createMirrorWorld();
  await typeAndStore(world, 'a');
  await world.refresh();
  await typeAndStore(world, 'b');
  const { writtenAt, stop } = createQueue(world);
  await pass(world, 5_000);
  expect(writtenAt).toHaveLength(1);
  expect(world.value()).toEqual(new Map([['text', 'ba']]));
  await stop();
});

test('MI16: mirrors of others are left to them', async () => {
  const world = createMirrorWorld();
  await typeAndStore(world, 'a');
  const { queue, stop } = createQueue(world, { isMine: () => false });
  queue.changed(document);
  await pass(world, 5_000);
  expect(world.value()).toBeUndefined();
  await stop();
});

test('CM10: when a document becomes its own its mirror is looked at at once, and so is one that was listed before that', async () => {
  const world = createMirrorWorld();
  await typeAndStore(world, 'a');
  await world.refresh();
  await typeAndStore(world, 'b');
  let isMine = false;
  const { queue, writtenAt, stop } = createQueue(world, { isMine: () => isMine });
  await pass(world, 5_000);
  expect(writtenAt).toEqual([]);
  isMine = true;
  queue.lookAtAll();
  await pass(world, 5_000);
  expect(writtenAt).toHaveLength(1);
  expect(world.value()).toEqual(new Map([['text', 'ba']]));
  await stop();
});
