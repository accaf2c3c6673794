import { expect, test } from 'vitest';
import { StoreUnavailable } from '#shared/store/store.ts';
import { settle } from '#test/harness/virtual-clock.ts';
import { nameOf, typists } from '#test/simulation/persister/typing.ts';
import { append, createWorld, expectNothingMissing, run, smallLimits } from '#test/simulation/persister/world.ts';

const type = typists(1, [nameOf('a')]);
/** Nothing is stored for a reason of its own. */
const patient = { ...smallLimits, flushIntervalMs: 3_600_000, flushBytes: 2 ** 30, gatherBytesMax: 2 ** 31 };

test('EM3: what somebody waits for is stored as soon as it is read, and what is stored already is not waited for', async () => {
  const world = createWorld();
  await append(world, type(5));
  const running = run(world, { limits: patient });
  await running.persister.started;
  await settle();
  expect(running.flushes).toBe(0);
  await running.persister.storeThrough(0, 5);
  expect([running.flushes, world.storeDisk.checkpoints.get(0)]).toEqual([1, 5]);
  await running.persister.storeThrough(0, 5);
  expect(running.flushes).toBe(1);
  await expectNothingMissing(world, 'at the end');
  await running.persister.stop();
});

test('EM3: what is yet to come is stored when it is there; a partition of somebody else is refused', async () => {
  const world = createWorld();
  const running = run(world, { limits: patient });
  await running.persister.started;
  await settle();
  let isStored = false;
  const stored = running.persister.storeThrough(0, 4).then(() => (isStored = true));
  await append(world, type(3));
  await settle();
  expect([isStored, running.flushes]).toEqual([false, 0]);
  await append(world, type(3));
  await stored;
  expect(world.storeDisk.checkpoints.get(0)).toBe(6);
  await expect(running.persister.storeThrough(7, 1)).rejects.toBeInstanceOf(StoreUnavailable);
  await running.persister.stop();
});

test('EM3: nothing is stored sooner for somebody who has given up', async () => {
  const world = createWorld();
  const running = run(world, { limits: patient });
  await running.persister.started;
  await settle();
  const given = new AbortController();
  void running.persister.storeThrough(0, 3, given.signal);
  given.abort();
  await append(world, type(6));
  await settle();
  expect(running.flushes).toBe(0);
  await running.persister.stop();
});

test('EM3: who waits while the store is away is served when it is back', async () => {
  const world = createWorld();
  let away = true;
  await append(world, type(3));
  const running = run(world, {
    limits: patient,
    step: (name) => {
      if (away && name === 'moveCheckpoint') throw new StoreUnavailable('away');
    },
  });
  await running.persister.started;
  await settle();
  let isStored = false;
  const stored = running.persister.storeThrough(0, 3).then(() => (isStored = true));
  await running.clock.advance(60_000);
  expect(isStored).toBe(false);
  away = false;
  await running.clock.advance(60_000);
  await stored;
  await running.persister.stop();
});
