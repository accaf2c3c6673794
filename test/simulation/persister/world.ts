/** A journal and a store that outlive the persisters that work on them, and a way to look at what a reader would find there. */

import { expect } from 'vitest';

import { compact } from '#shared/document/compact.ts';
import type { DocumentName } from '#shared/document/name.ts';
import { type Journal, type JournalRecord, JournalUnavailable, type Offset, type Partition } from '#shared/journal/journal.ts';
import type { DeadLetter } from '#shared/journal/dead-letter.ts';
import {
  createJournalDisk,
  createMemoryJournal,
  type JournalDisk,
  type JournalStep,
  type Moment,
} from '#shared/journal/memory.ts';
import { allPartitions } from '#shared/journal/sharing.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import { readDocument } from '#shared/store/load.ts';
import { type Store, StoreUnavailable } from '#shared/store/store.ts';
import { createMemoryStore, createStoreDisk, type StoreDisk, type StoreStep } from '#shared/store/memory.ts';
import { settle, type VirtualClock, virtualClock } from '#test/harness/virtual-clock.ts';
import type { Compactor } from '#persister/compaction-thread.ts';
import { type Compact, compactOrBlame } from '#persister/compaction-work.ts';
import { hasCovered } from '#persister/compaction.ts';
import { type PersisterLimits, persisterLimits } from '#persister/limits.ts';
import { type Persister, type PersisterParts, startPersister } from '#persister/persister.ts';
import type { PersisterError } from '#persister/reporting.ts';

import { contentOf } from './typing.ts';

export type World = {
  readonly journalDisk: JournalDisk;
  readonly storeDisk: StoreDisk;
  /** Every record that was appended, by document. */
  readonly appended: Map<DocumentName, Uint8Array[]>;
};

export const createWorld = (partitionCount = 1): World => ({
  journalDisk: createJournalDisk({ partitionCount }),
  storeDisk: createStoreDisk(),
  appended: new Map(),
});

export async function append(world: World, records: readonly JournalRecord[]): Promise<void> {
  await createMemoryJournal({ disk: world.journalDisk }).append(records);
  for (const { document, update } of records) world.appended.set(document, [...(world.appended.get(document) ?? []), update]);
}

/** Limits under which a handful of edits is flushed, and a few segments are compacted. */
export const smallLimits: PersisterLimits = {
  ...persisterLimits,
  compactionSegmentsMin: 2,
  compactionBytesPerSegment: 1024 * 1024,
  compactionBytesMin: 1024 * 1024,
};

/** What a persister does to journal and store, as they name it: each a place to kill it at. */
export const persisterWrites = [
  'trim',
  'bindJournal',
  'moveCheckpoint',
  'putSegment',
  'putSnapshotPart',
  'condemn',
  'deleteCondemned',
  'moveHead',
] as const;
export type PersisterWrite = (typeof persisterWrites)[number];
export const isPersisterWrite = (name: string): name is PersisterWrite => (persisterWrites as readonly string[]).includes(name);

export type Observed = {
  readonly errors: PersisterError[];
  readonly letters: DeadLetter[];
  readonly lines: { readonly level: string; readonly sentence: string; readonly fields: Readonly<Record<string, unknown>> }[];
  flushes: number;
  compactions: number;
};

export type Running = Observed & {
  readonly persister: Persister;
  readonly clock: VirtualClock;
  /** Kills it: from now on it changes nothing. */
  readonly crash: () => void;
};

export type Step = (step: JournalStep | StoreStep, moment: Moment) => void | Promise<void>;

export type RunOptions = Partial<Omit<PersisterParts, 'journal' | 'store' | 'clock'>> & {
  readonly clock?: VirtualClock;
  readonly step?: Step;
  readonly segmentBytesMax?: number;
  readonly compactWith?: Compact;
  /** A store of another kind in the place of the world's. It hears of the kill, too. */
  readonly store?: Store & { readonly crash: () => void };
  /** Puts something between the persister and its journal or its store. */
  readonly journalOf?: (journal: Journal) => Journal;
  readonly storeOf?: (store: Store) => Store;
};

/** A compactor in this thread. */
export const compactorOf = (compact: Compact): Compactor => ({
  compact: async (input) => compactOrBlame(input, compact),
  end: async () => {},
});

/** Starts a persister of its own on the world. */
export function run(world: World, options: RunOptions = {}): Running {
  const { clock = virtualClock(), step, segmentBytesMax, compactWith = compact, ...rest } = options;
  const { journalOf = (one) => one, storeOf = (one) => one, store: given, ...parts } = rest;
  const journal = createMemoryJournal({ disk: world.journalDisk, ...(step === undefined ? {} : { step }) });
  const inMemory = createMemoryStore({
    disk: world.storeDisk,
    ...(step === undefined ? {} : { step }),
    ...(segmentBytesMax === undefined ? {} : { segmentBytesMax }),
  });
  const store = given ?? inMemory;
  const observed: Observed = { errors: [], letters: [], lines: [], flushes: 0, compactions: 0 };
  const say =
    (level: string): Logger['info'] =>
    (fields, sentence) =>
      void observed.lines.push({ level, sentence, fields });
  const logger: Logger = { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error'), fatal: say('fatal') };
  const persister = startPersister({
    journal: journalOf(journal),
    store: storeOf(store),
    sharePartitions: allPartitions(journal.identity.partitionCount),
    clock,
    limits: smallLimits,
    logger,
    metrics: {
      flushed: () => void observed.flushes++,
      compacted: () => void observed.compactions++,
      deadLettered: () => {},
      failed: (error) => void observed.errors.push(error),
    },
    deadLetter: (letter) => void observed.letters.push(letter),
    compactor: compactorOf(compactWith),
    random: () => 0.5,
    ...parts,
  });
  const crash = (): void => {
    journal.crash();
    store.crash();
  };
  return Object.assign(observed, { persister, clock, crash });
}

/** Whether steps fail now. */
export type Weather = { failing: boolean };

/** Steps that take their time, sometimes very long, and fail in bad weather. */
export function weatheredStep(random: () => number, clock: VirtualClock, weather: Weather): Step {
  return async (name, moment) => {
    const chance = random();
    const ms = chance < 0.02 ? 90_000 * random() : chance < 0.4 ? 300 * random() : 0;
    if (ms > 0) await new Promise<void>((resolve) => void clock.after(ms, resolve));
    if (!weather.failing || random() > 0.3) return;
    const journal = name === 'append' || name === 'trim' || name === 'high-water' || name === 'read';
    throw journal ? new JournalUnavailable(`${moment} ${name}`) : new StoreUnavailable(`${moment} ${name}`);
  };
}

/** Turns the clock until `reached` says so. */
export async function until(clock: VirtualClock, what: string, reached: () => boolean, msMax = 600_000): Promise<void> {
  const deadline = clock.monotonic() + msMax;
  for (;;) {
    for (let turn = 0; turn < 20; turn++) {
      if (reached()) return;
      await settle();
    }
    if (clock.monotonic() >= deadline) throw new Error(`not within ${msMax} ms: ${what}`);
    await clock.advance(100);
  }
}

/** Lets `ms` milliseconds go by, in small steps, so that what is begun on the way falls due on the way. */
export async function pass(clock: VirtualClock, ms: number): Promise<void> {
  await settle();
  for (let left = ms; left > 0; left -= 50) await clock.advance(Math.min(50, left));
  await settle();
}

/** Whether everything that was appended is below the checkpoints. */
export const isCaughtUp = (world: World): boolean =>
  world.journalDisk.partitions.every(
    ({ highWater }, partition) => (world.storeDisk.checkpoints.get(partition) ?? 0) === highWater,
  );

/** What is looked at when a world is: its store, without any steps, and its checkpoints, which memory tells at once. */
type Looking = { readonly store: Store; readonly checkpointOf: (partition: Partition) => Offset | Promise<Offset> };

const looking = (world: World, store?: Store): Looking =>
  store === undefined
    ? {
        store: createMemoryStore({ disk: world.storeDisk }),
        checkpointOf: (partition) => world.storeDisk.checkpoints.get(partition) ?? 0,
      }
    : { store, checkpointOf: store.readCheckpoint };

/** What a reader finds who opens the document now: what is stored, and the journal from the checkpoint on. */
async function readBack(world: World, document: DocumentName, { store, checkpointOf }: Looking): Promise<Uint8Array[]> {
  const journal = createMemoryJournal({ disk: world.journalDisk });
  const partition = journal.partitionOf(document);
  // In one go, before the store is read: a persister may be at work, and cut the journal behind a checkpoint that it moves meanwhile.
  const asked = checkpointOf(partition);
  const { start, batches } = world.journalDisk.partitions[partition] ?? { start: Infinity, batches: [] };
  const checkpoint = await asked;
  expect(start, 'the journal has what is above the checkpoint').toBeLessThanOrEqual(checkpoint);
  const tail = batches
    .flatMap(({ records }) => records)
    .flatMap((read) =>
      'record' in read && read.offset >= checkpoint && read.record.document === document ? [read.record.update] : [],
    );
  const { updates } = await readDocument(store, document);
  return [...updates, ...tail];
}

/** Asserts that nothing that was appended is missing, in any document; in `stored` where that is not the world's own store. */
export async function expectNothingMissing(world: World, when: string, stored?: Store): Promise<void> {
  for (const [document, updates] of world.appended) {
    const found = await readBack(world, document, looking(world, stored));
    expect(contentOf(found), `${document} ${when}`).toEqual(contentOf(updates));
  }
}

/** Asserts that nothing is stored that a head covers. */
export async function expectNoLeavings(world: World, stored?: Store): Promise<void> {
  const { store } = looking(world, stored);
  for (const document of world.appended.keys()) {
    const head = await store.readHead(document);
    if (head !== undefined) expect(await hasCovered(document, head, store), `${document}: leavings`).toBe(false);
  }
}
