/**
 * Persisters that get in each other's way: several at once on the same partitions, slow ones, frozen ones that resume late, killed ones,
 * and a store and a journal that fail now and then, before an effect or after it; and readers who open documents slowly meanwhile. All by the
 * seed, on one virtual clock.
 */

import { expect, test } from 'vitest';

import type { PersisterLimits } from '#persister/limits.ts';
import type { DocumentName } from '#shared/document/name.ts';
import type { Batch, FollowEnd, JournalRecord } from '#shared/journal/journal.ts';
import { createMemoryJournal } from '#shared/journal/memory.ts';
import { readDocument } from '#shared/store/load.ts';
import { createMemoryStore } from '#shared/store/memory.ts';
import { settle, type VirtualClock, virtualClock } from '#test/harness/virtual-clock.ts';

import { contentOf, nameOf, randomOf, typists } from './typing.ts';
import {
  append,
  createWorld,
  expectNoLeavings,
  expectNothingMissing,
  isCaughtUp,
  run,
  type Running,
  type RunOptions,
  smallLimits,
  type Step,
  until,
  type Weather,
  weatheredStep,
  type World,
} from './world.ts';

const documents = ['a', 'b', 'c/d'].map(nameOf);

/**
 * Opens a document as a gateway does, slowly: reads the checkpoint, follows the journal from there, and reads the store meanwhile.
 * Whatever is flushed, compacted, deleted and trimmed on the way, it has everything that was appended.
 */
async function openSlowly(world: World, document: DocumentName, step: Step): Promise<void> {
  const journal = createMemoryJournal({ disk: world.journalDisk });
  const store = createMemoryStore({ disk: world.storeDisk, step });
  const partition = journal.partitionOf(document);
  for (;;) {
    const tail: Uint8Array[] = [];
    const ends: FollowEnd[] = [];
    const onBatch = ({ records }: Batch): void => {
      for (const read of records) if ('record' in read && read.record.document === document) tail.push(read.record.update);
    };
    const from = await store.readCheckpoint(partition);
    const following = journal.follow(partition, from, { onBatch, onEnd: (end) => void ends.push(end) });
    const stored = await readDocument(store, document);
    await settle();
    const found = contentOf([...stored.updates, ...tail]);
    const appended = contentOf(world.appended.get(document) ?? []);
    await following.stop();
    if (ends.length > 0) continue; // trimmed under it: from the beginning
    expect(found, `${document}, opened slowly`).toEqual(appended);
    return;
  }
}

/** Small ones, other ones for each seed. */
const limitsOf = (random: () => number): PersisterLimits => ({
  ...smallLimits,
  flushBytes: 50 + Math.floor(random() * 1_000),
  gatherBytesMax: 1_050 + Math.floor(random() * 10_000),
  segmentWritesMax: 1 + Math.floor(random() * 3),
  restoreWindowMs: Math.floor(random() * 200_000),
  trimIntervalMs: Math.floor(random() * 10_000),
  compactionSegmentsMin: 1 + Math.floor(random() * 4),
});

type Lived = { readonly compactions: number; readonly errors: number };

async function live(seed: number): Promise<Lived> {
  const random = randomOf(seed);
  const clock = virtualClock();
  const world = createWorld(2);
  const type = typists(seed, documents);
  const weather: Weather = { failing: false };
  const options = { clock, limits: limitsOf(random), partBytes: 200, segmentBytesMax: 600 };
  const running: Running[] = [];
  const killed = new Set<Running>();
  const wrong: unknown[] = [];
  let opening = 0;
  const one = <T>(of: readonly T[]): T | undefined => of[Math.floor(random() * of.length)];
  const start = (): void => void running.push(run(world, { ...options, step: weatheredStep(random, clock, weather) }));
  const kill = (victim: Running | undefined): void => {
    if (victim === undefined) return;
    victim.crash();
    killed.add(victim);
  };
  const open = async (document: DocumentName): Promise<void> => {
    opening++;
    await openSlowly(world, document, weatheredStep(random, clock, { failing: false })).catch((error: unknown) =>
      wrong.push(error),
    );
    opening--;
  };

  start();
  for (let round = 0; round < 12; round++) {
    weather.failing = round === 3 || random() < 0.4;
    const chance = random();
    if (chance < 0.3) start();
    else if (chance < 0.5) kill(one(running));
    void open(one(documents) ?? nameOf('a'));
    await append(world, type(1 + Math.floor(random() * 15)));
    await clock.advance(random() * 20_000);
    await expectNothingMissing(world, `seed ${seed}, round ${round}`);
  }
  weather.failing = false;
  await until(clock, `seed ${seed}: the slow ones`, () => isCaughtUp(world) || killed.size === running.length, 3_600_000);
  await until(clock, `seed ${seed}: the readers`, () => opening === 0, 3_600_000);
  expect(wrong, `seed ${seed}`).toEqual([]);
  for (const victim of running) kill(victim);
  // Leavings are found when a document is written, so each of them is.
  const last = type(20);
  while (!documents.every((document) => last.some((record) => record.document === document))) last.push(...type(5));
  await tidyUp(world, options, last);
  return {
    compactions: running.reduce((sum, { compactions }) => sum + compactions, 0),
    errors: running.reduce((sum, { errors }) => sum + errors.length, 0),
  };
}

/** One more persister, in fair weather, after which everything is there and nothing else. */
async function tidyUp(
  world: World,
  options: RunOptions & { readonly clock: VirtualClock },
  records: readonly JournalRecord[],
): Promise<void> {
  run(world, options);
  await append(world, records);
  await until(options.clock, 'the last one has caught up', () => isCaughtUp(world));
  await options.clock.advance(300_000);
  await expectNothingMissing(world, 'at the end');
  await expectNoLeavings(world);
}

test('PS2: several persisters, slow, late, failing and killed, lose nothing', async () => {
  const total = { compactions: 0, errors: 0 };
  for (let seed = 1; seed <= 60; seed++) {
    const { compactions, errors } = await live(seed);
    total.compactions += compactions;
    total.errors += errors;
  }
  expect(total.compactions).toBeGreaterThan(250);
  expect(total.errors).toBeGreaterThan(300);
});
