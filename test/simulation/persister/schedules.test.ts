/**
 * Persisters that get in each other's way: several at once on the same partitions, slow ones, frozen ones that resume late, killed ones,
 * and a store and a journal that fail now and then, before an effect or after it. All by the seed, on one virtual clock.
 */

import { expect, test } from 'vitest';

import { JournalUnavailable } from '#shared/journal/journal.ts';
import { StoreUnavailable } from '#shared/store/store.ts';
import { type VirtualClock, virtualClock } from '#test/harness/virtual-clock.ts';

import { nameOf, randomOf, typists } from './typing.ts';
import {
  append,
  createWorld,
  expectNoLeavings,
  expectNothingMissing,
  isCaughtUp,
  run,
  type Running,
  smallLimits,
  type Step,
  until,
} from './world.ts';

const documents = ['a', 'b', 'c/d'].map(nameOf);

type Weather = { failing: boolean };

/** Steps that take their time, sometimes very long, and fail in bad weather. */
function weatheredStep(random: () => number, clock: VirtualClock, weather: Weather): Step {
  return async (name, moment) => {
    const chance = random();
    const ms = chance < 0.02 ? 90_000 * random() : chance < 0.4 ? 300 * random() : 0;
    if (ms > 0) await new Promise<void>((resolve) => void clock.after(ms, resolve));
    if (!weather.failing || random() > 0.3) return;
    const journal = name === 'append' || name === 'trim' || name === 'high-water' || name === 'read';
    throw journal ? new JournalUnavailable(`${moment} ${name}`) : new StoreUnavailable(`${moment} ${name}`);
  };
}

async function live(seed: number): Promise<{ readonly compactions: number; readonly errors: number }> {
  const random = randomOf(seed);
  const clock = virtualClock();
  const world = createWorld(2);
  const weather: Weather = { failing: false };
  const type = typists(seed, documents);
  const limits = {
    ...smallLimits,
    flushBytes: 50 + Math.floor(random() * 1_000),
    gatherBytesMax: 1_050 + Math.floor(random() * 10_000),
    segmentWritesMax: 1 + Math.floor(random() * 3),
    restoreWindowRecords: Math.floor(random() * 20),
    compactionSegmentsMin: 1 + Math.floor(random() * 4),
  };
  const running: Running[] = [];
  const startOne = (step?: Step): void => {
    running.push(run(world, { ...(step === undefined ? {} : { step }), clock, limits, partBytes: 200, segmentBytesMax: 600 }));
  };
  const killed = new Set<Running>();
  const isDead = (one: Running): boolean => killed.has(one);
  const killOne = (): void => {
    const one = running[Math.floor(random() * running.length)];
    if (one === undefined) return;
    one.crash();
    killed.add(one);
  };
  const inWeather = weatheredStep(random, clock, weather);
  startOne(inWeather);
  for (let round = 0; round < 12; round++) {
    weather.failing = round === 3 || random() < 0.4;
    const chance = random();
    if (chance < 0.3) startOne(inWeather);
    else if (chance < 0.5) killOne();
    await append(world, type(1 + Math.floor(random() * 15)));
    await clock.advance(random() * 20_000);
    await expectNothingMissing(world, `seed ${seed}, round ${round}`);
  }
  weather.failing = false;
  await until(clock, `seed ${seed}: the slow ones have caught up`, () => isCaughtUp(world) || running.every(isDead), 3_600_000);
  for (const persister of running) persister.crash();
  startOne();
  await append(world, type(20));
  await until(clock, `seed ${seed}: caught up`, () => isCaughtUp(world));
  await clock.advance(300_000);
  await expectNothingMissing(world, `seed ${seed}, at the end`);
  await expectNoLeavings(world);
  return {
    compactions: running.reduce((sum, { compactions }) => sum + compactions, 0),
    errors: running.reduce((sum, { errors }) => sum + errors.length, 0),
  };
}

test('PS2: several persisters, slow, late, failing and killed, lose nothing', async () => {
  const total = { compactions: 0, errors: 0 };
  for (let seed = 1; seed <= 60; seed++) {
    const { compactions, errors } = await live(seed);
    total.compactions += compactions;
    total.errors += errors;
  }
  expect(total.compactions).toBeGreaterThan(300);
  expect(total.errors).toBeGreaterThan(300);
});
