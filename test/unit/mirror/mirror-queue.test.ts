import { describe, expect, test } from 'vitest';
import * as Y from 'yjs';

import { MirrorQueue, type MirrorQueueContext } from '#persister/mirror-queue.ts';
import type { DocumentName } from '#shared/document/name.ts';
import { pause } from '#shared/runtime/waiting.ts';
import { StoreUnavailable } from '#shared/store/store.ts';
import { nameOf } from '#test/contract/store.contract.ts';
import { settle } from '#test/harness/virtual-clock.ts';

import { createMirrorWorld, document } from './mirror-world.ts';

const queueLimits: MirrorQueueContext['queueLimits'] = {
  mirrorSettleMs: 200,
  mirrorIntervalMsMin: 1_000,
  mirrorBytesPerMs: 100,
  mirrorIntervalMsMax: 30_000,
  mirrorWritesMax: 3,
  mirrorSlowMs: 250,
  mirrorRestPercent: 100,
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
    isBehind: () => false,
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
async function pass(world: ReturnType<typeof createMirrorWorld>, ms: number, turns = 10): Promise<void> {
  for (let left = ms; left > 0; left -= 50) {
    await world.clock.advance(50);
    for (let turn = 0; turn < turns; turn++) await settle();
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

/** Stores documents, one record each. */
async function storeDocuments(
  { store }: ReturnType<typeof createMirrorWorld>,
  documents: readonly DocumentName[],
): Promise<void> {
  const doc = new Y.Doc();
  doc.getText('text').insert(0, 'stored');
  const update = Y.encodeStateAsUpdate(doc);
  for (const [first, name] of documents.entries()) await store.putSegment({ document: name, first, last: first, update });
  await store.moveCheckpoint(0, 0, documents.length);
}

const namesOf = (count: number): readonly DocumentName[] =>
  Array.from({ length: count }, (_, index) => nameOf(`document ${String(index).padStart(3, '0')}`));

/** Mirrors each of which takes so many milliseconds, and what was seen of them. */
function slowMirrors({ mirrors, clock }: ReturnType<typeof createMirrorWorld>) {
  const underWay: DocumentName[] = [];
  const seen = { ms: 100, mostAtOnce: 0, twiceAtOnce: 0, begun: [] as { readonly name: DocumentName; readonly at: number }[] };
  const readState = async (name: DocumentName) => {
    if (underWay.includes(name)) seen.twiceAtOnce++;
    underWay.push(name);
    seen.mostAtOnce = Math.max(seen.mostAtOnce, underWay.length);
    seen.begun.push({ name, at: clock.monotonic() });
    await pause(clock, seen.ms);
    underWay.splice(underWay.indexOf(name), 1);
    return mirrors.readState(name);
  };
  return { mirrors: { ...mirrors, readState }, seen };
}

const roomy = { ...queueLimits, mirrorDocumentsMax: 1_000 };

describe('many mirrors', () => {
  test('PS60: so many are written at the same time, the one that has been due longest first, and none twice at once', async () => {
    const world = createMirrorWorld();
    const { mirrors, seen } = slowMirrors(world);
    const { queue, writtenAt, stop } = createQueue(world, { mirrors, queueLimits: roomy });
    await pass(world, 50);
    const documents = namesOf(12);
    await storeDocuments(world, documents);
    for (const name of documents) queue.changed(name);
    await pass(world, 400);
    for (const name of documents) queue.changed(name); // some of them are being written
    await pass(world, 5_000);
    expect(seen.begun.slice(0, 12).map(({ name }) => name)).toEqual(documents);
    expect(seen.begun.length).toBeGreaterThan(12);
    expect(seen).toMatchObject({ mostAtOnce: 3, twiceAtOnce: 0 });
    expect(writtenAt, 'and what came to these then was nothing new').toHaveLength(12);
    expect(queue.size).toBe(0);
    await stop();
  });

  // Two at a time of 100 ms each: 180 without any rest.
  test.each([
    [100, 90],
    [300, 45],
  ])(
    'PS61: after those that were written together there is rest of %i percent, so that more mirrors are written less often',
    async (mirrorRestPercent, expected) => {
      const world = createMirrorWorld();
      const { mirrors, seen } = slowMirrors(world);
      const limits = { ...roomy, mirrorSettleMs: 0, mirrorIntervalMsMin: 500, mirrorWritesMax: 2, mirrorRestPercent };
      const { queue, stop } = createQueue(world, { mirrors, queueLimits: limits });
      await pass(world, 50);
      const documents = namesOf(20);
      await storeDocuments(world, documents);
      const begunIn = async (ms: number, busy: readonly DocumentName[]): Promise<number> => {
        const before = seen.begun.length;
        for (let left = ms; left > 0; left -= 50) {
          for (const name of busy) queue.changed(name);
          await pass(world, 50);
        }
        return seen.begun.length - before;
      };
      const begun = await begunIn(9_000, documents);
      expect(begun / expected).toBeGreaterThan(0.75);
      expect(begun / expected).toBeLessThan(1.25);
      const pauses = seen.begun.slice(1).map(({ at }, index) => at - (seen.begun[index]?.at ?? at));
      expect(Math.max(...pauses), 'and not after all of them').toBeLessThanOrEqual(100 + mirrorRestPercent + 50);
      await pass(world, 8_000);
      // One alone is written as often as it may be, since the rest is over by then.
      expect(await begunIn(3_000, documents.slice(0, 1))).toBeGreaterThanOrEqual(5);
      await pass(world, 1_000);
      await stop();
    },
  );

  test('PS61: one that takes long, or fails after long, keeps no others waiting', async () => {
    const world = createMirrorWorld();
    const [slow, ...quick] = namesOf(4);
    await storeDocuments(world, namesOf(4));
    const begun: { readonly name: DocumentName; readonly at: number }[] = [];
    const readState: typeof world.mirrors.readState = async (name) => {
      begun.push({ name, at: world.clock.monotonic() });
      await pause(world.clock, name === slow ? 13_000 : 20);
      if (name === slow) throw new Error('it is too large');
      return world.mirrors.readState(name);
    };
    const limits = { ...roomy, mirrorRestPercent: 300 };
    const { queue, stop } = createQueue(world, { mirrors: { ...world.mirrors, readState }, queueLimits: limits });
    for (let ms = 0; ms < 60_000; ms += 500) {
      for (const name of quick) queue.changed(name);
      await pass(world, 500);
    }
    const timesOf = (name: DocumentName | undefined) => begun.filter((one) => one.name === name).map(({ at }) => at);
    for (const name of quick) expect(timesOf(name).length, name).toBeGreaterThan(40);
    const [first = 0, second = 0] = timesOf(slow);
    expect(timesOf(slow)).toHaveLength(2);
    expect(second - first).toBeGreaterThan(4 * 13_000 - 500);
    await pass(world, 10_000);
    await stop();
  });

  test('PS61: while the store is behind they are written one at a time', async () => {
    const world = createMirrorWorld();
    const { mirrors, seen } = slowMirrors(world);
    let behind = true;
    const { queue, writtenAt, stop } = createQueue(world, { mirrors, queueLimits: roomy, isBehind: () => behind });
    await pass(world, 50);
    const documents = namesOf(30);
    await storeDocuments(world, documents);
    for (const name of documents) queue.changed(name);
    await pass(world, 1_500);
    expect(seen.mostAtOnce).toBe(1);
    expect(writtenAt.length).toBeGreaterThan(2);
    expect(writtenAt.length).toBeLessThan(15);
    behind = false;
    await pass(world, 8_000);
    expect(seen.mostAtOnce).toBe(3);
    expect(writtenAt).toHaveLength(30);
    await stop();
  });

  test('PS61: after a mirror that took long fewer are written at once, and more again when they are quick', async () => {
    const world = createMirrorWorld();
    const { mirrors, seen } = slowMirrors(world);
    const { queue, stop } = createQueue(world, { mirrors, queueLimits: roomy });
    await pass(world, 50);
    const documents = [...namesOf(60)];
    await storeDocuments(world, documents);
    const mostOf = async (ms: number, count: number): Promise<number> => {
      seen.ms = ms;
      for (const name of documents.splice(0, count)) queue.changed(name);
      await pass(world, 300);
      seen.mostAtOnce = 0;
      await pass(world, 4_000);
      return seen.mostAtOnce;
    };
    expect(await mostOf(100, 20)).toBe(3);
    expect(await mostOf(400, 12)).toBeLessThanOrEqual(2);
    await pass(world, 12_000);
    expect(await mostOf(400, 4)).toBe(1);
    await pass(world, 12_000);
    expect(await mostOf(100, 20)).toBe(3);
    await pass(world, 8_000);
    await stop();
  });

  test('PS62: a document that nobody writes to any more, and that never had a mirror, gets one', async () => {
    const world = createMirrorWorld();
    const documents = namesOf(250);
    await storeDocuments(world, documents);
    const { writtenAt, stop } = createQueue(world, { isMine: (name) => name !== documents[7], queueLimits: roomy });
    await pass(world, 5_000, 200);
    expect(writtenAt).toHaveLength(249);
    for (const name of documents) expect(world.mirrors.disk.mirrors.has(name), name).toBe(name !== documents[7]);
    await stop();
  });

  test('PS62: a sweep asks for a few documents at a time, and one that people type in waits for no more than those', async () => {
    const world = createMirrorWorld();
    await storeDocuments(world, namesOf(400));
    const { mirrors, seen } = slowMirrors(world);
    const { queue, stop } = createQueue(world, { mirrors, queueLimits: roomy });
    const most = { waiting: 0 };
    for (let step = 0; step < 20; step++) {
      await pass(world, 50);
      most.waiting = Math.max(most.waiting, queue.size);
    }
    expect(most.waiting).toBeGreaterThan(90);
    expect(most.waiting).toBeLessThanOrEqual(100);
    const typed = nameOf('typed');
    expect(seen.begun.length).toBeLessThan(100);
    queue.changed(typed);
    await pass(world, 12_000);
    expect(seen.begun.findIndex(({ name }) => name === typed)).toBeLessThanOrEqual(100);
    expect(seen.begun.length).toBeGreaterThan(110);
    await stop();
  });

  test('PS62: however few are remembered the sweep comes to all', async () => {
    const world = createMirrorWorld();
    const documents = namesOf(40);
    await storeDocuments(world, documents);
    const { queue, writtenAt, stop } = createQueue(world, {
      queueLimits: { ...queueLimits, mirrorRetryMsMin: 100, mirrorDocumentsMax: 5 },
    });
    for (const name of documents) queue.changed(name);
    for (let step = 0; step < 200; step++) {
      expect(queue.size).toBeLessThanOrEqual(5);
      await pass(world, 50, 20);
    }
    expect(writtenAt).toHaveLength(40);
    await stop();
  });
});
