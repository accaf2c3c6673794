/**
 * Several persisters on the same partitions of one database, and one persister more than once.
 *
 * A consumer group gives a partition to one member at a time, says the manual, and a process that was frozen, or cut off from the group, does not know that it is no longer the
 * one. `simulation/persister/schedules.test.ts` goes through that with a store in memory; here the writes meet in a real database.
 */

import { expect, test } from 'vitest';

import { nameOf, randomOf, typists } from '#test/simulation/persister/typing.ts';
import { append, type Running, smallLimits, type Step, type Weather, weatheredStep } from '#test/simulation/persister/world.ts';

import { type DatabaseWorld, databaseWorlds } from './database-world.ts';

const documents = ['a', 'b/c'].map(nameOf);
/** A document is compacted whenever it was written to. */
const eager = { ...smallLimits, compactionSegmentsMin: 1 };

/** As three batches, so that a flush may end between them. */
async function appendInBatches(world: DatabaseWorld, type: ReturnType<typeof typists>): Promise<void> {
  for (const count of [5, 3, 7]) await append(world, type(count));
}

/** A persister that comes when all is over: it is written to, and cleans up. */
async function tidyUp(world: DatabaseWorld, type: ReturnType<typeof typists>): Promise<void> {
  const last = world.live();
  await append(world, type(20));
  await world.until('the last one has caught up', world.isCaughtUp);
  await world.pass(125_000);
  await last.persister.stop();
  await world.expectNothingMissing('at the end');
  await world.expectNoLeavings();
}

/** The checkpoint, and how far the heads are. */
const positionsIn = async (world: DatabaseWorld): Promise<readonly (number | undefined)[]> => {
  const heads = await Promise.all(documents.map(world.store.readHead));
  return [await world.store.readCheckpoint(0), ...heads.map((head) => head?.upto)];
};

const rangesIn = async (world: DatabaseWorld): Promise<readonly string[]> => {
  const ranges: string[] = [];
  for (const document of documents)
    for (const { first, last } of await world.store.listSegments(document, 0)) ranges.push(`${document} ${first}-${last}`);
  return ranges;
};

test('ST46: a partition that is replayed, with other borders, before and after a compaction, leaves its documents as they are', async ({ skip }) => {
  const world = await (await databaseWorlds(skip))();
  const type = typists(1, documents);
  const wrong: unknown[] = [];
  const replayed = { ...eager, restoreWindowMs: 86_400_000 };
  const never = { ...replayed, compactionSegmentsMin: 1_000_000 };
  const replay = async (limits: typeof smallLimits): Promise<Running> => {
    await world.db.collection<{ _id: number }>('checkpoints').deleteOne({ _id: 0 });
    const step: Step = async (name, moment) => {
      if (name !== 'putSegment' || moment !== 'after') return;
      await world.expectNothingMissing('amid a replay').catch((error: unknown) => wrong.push(error));
    };
    const running = world.live({ limits, step });
    await world.until('it has caught up', world.isCaughtUp);
    expect(wrong).toEqual([]);
    return running;
  };

  await appendInBatches(world, type);
  await (await replay({ ...never, flushBytes: 1 })).persister.stop();
  const once = await rangesIn(world);
  await (await replay(never)).persister.stop();
  const twice = await rangesIn(world);
  expect(twice.length).toBeGreaterThan(once.length);
  expect(twice).toEqual(expect.arrayContaining([...once]));
  await world.expectNothingMissing('replayed');

  for (let time = 0; time < 2; time++) {
    await appendInBatches(world, type);
    const compacting = await replay({ ...replayed, flushBytes: 100 });
    await world.until('compacted', () => compacting.compactions >= documents.length);
    await world.pass(65_000);
    await compacting.persister.stop();
    await world.expectNothingMissing(`replayed and compacted, ${time}`);
  }
  await tidyUp(world, type);
}); // prettier-ignore

test.for([
  'before putSegment',
  'before moveCheckpoint',
  'after moveCheckpoint',
  'before putSnapshotPart',
  'before moveHead',
  'after moveHead',
  'before condemn',
  'after condemn',
  'before deleteCondemned',
])('ST47: a persister that was frozen %s, and goes on when another one has compacted and deleted, changes nothing', async (where, { skip }) => {
  const world = await (await databaseWorlds(skip))();
  const type = typists(2, documents);
  const thawed = Promise.withResolvers<void>();
  let isFrozen = false;
  const step: Step = async (name, moment) => {
    if (`${moment} ${name}` === where) isFrozen = true;
    // As a whole: whatever else it was about to do waits, too.
    if (isFrozen) await thawed.promise;
  };
  const first = world.live({ limits: eager, step });
  for (let chapter = 0; chapter < 3 && !isFrozen; chapter++) {
    await appendInBatches(world, type);
    await world.until('it is frozen, or done', async () => isFrozen || (await world.isCaughtUp()));
    await world.pass(isFrozen ? 0 : 65_000);
  }
  expect(isFrozen).toBe(true);
  await world.expectNothingMissing('frozen');

  const second = world.live({ limits: eager });
  for (let chapter = 0; chapter < 2; chapter++) {
    const before = second.compactions;
    await appendInBatches(world, type);
    await world.until('the second one has compacted', async () => (await world.isCaughtUp()) && second.compactions >= before + documents.length);
    await world.pass(65_000);
    await world.expectNothingMissing('while one is frozen');
  }
  const stored = await positionsIn(world);
  thawed.resolve();
  await world.pass(65_000);
  await world.expectNothingMissing('thawed');
  expect(await positionsIn(world)).toEqual(stored);

  await appendInBatches(world, type);
  await world.until('both go on', world.isCaughtUp);
  await world.expectNothingMissing('both at work');
  first.crash();
  second.crash();
  await tidyUp(world, type);
}); // prettier-ignore

test('ST47: a persister that was frozen before any call of a flush and a compaction, reads as well, takes in what another one stored meanwhile', async ({ skip }) => {
  const create = await databaseWorlds(skip);
  let call = 0;
  for (let isOver = false; !isOver; call++) {
    const world = await create();
    const type = typists(3, documents.slice(0, 1));
    const thawed = Promise.withResolvers<void>();
    let calls = 0;
    let isFrozen = false;
    const step: Step = async (_name, moment) => {
      if (moment === 'before' && calls++ === call) isFrozen = true;
      if (isFrozen) await thawed.promise;
    };
    const options = { limits: eager, partBytes: 1_000 };
    const first = world.live({ ...options, step });
    await append(world, type(6));
    await world.until('it is frozen, or done', () => isFrozen || first.compactions > 0);
    isOver = !isFrozen;
    const second = world.live({ ...options, limits: { ...eager, compactionSegmentsMin: 1_000_000 } });
    await append(world, type(6));
    await world.until('the second one has stored', world.isCaughtUp);
    await world.expectNothingMissing(`frozen before call ${call}`);
    thawed.resolve();
    await world.pass(5_000);
    await world.expectNothingMissing(`thawed before call ${call}`);
    first.crash();
    second.crash();
  }
  expect(call).toBeGreaterThan(10);
}); // prettier-ignore

test('ST47: several at once, slow, late, failing and killed, lose nothing at any moment', async ({ skip }) => {
  const create = await databaseWorlds(skip);
  const total = { compactions: 0, errors: 0 };
  for (const seed of [1, 2]) {
    const world = await create({ partitionCount: 2 });
    const random = randomOf(seed);
    const type = typists(seed, documents);
    const weather: Weather = { failing: false };
    const running: Running[] = [];
    const start = (): void =>
      void running.push(world.live({ limits: { ...smallLimits, flushBytes: 300 }, step: weatheredStep(random, world.clock, weather) }));
    start();
    for (let round = 0; round < 6; round++) {
      weather.failing = random() < 0.5;
      if (running.length < 3) start();
      else if (random() < 0.3) running[Math.floor(random() * running.length)]?.crash();
      await append(world, type(3 + Math.floor(random() * 12)));
      await world.pass(random() * 20_000);
      await world.expectNothingMissing(`seed ${seed}, round ${round}`);
    }
    weather.failing = false;
    await world.pass(180_000);
    await world.expectNothingMissing(`seed ${seed}, after the late ones`);
    for (const one of running) {
      one.crash();
      total.compactions += one.compactions;
      total.errors += one.errors.length;
    }
    await tidyUp(world, type);
  }
  expect(total.compactions).toBeGreaterThan(2);
  expect(total.errors).toBeGreaterThan(4);
}); // prettier-ignore
