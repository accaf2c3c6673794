/**
 * The world of the persister's simulation with MongoDB in the place of the store in memory.
 *
 * The journal stays in memory and the clock virtual, so a flush interval costs nothing and a minute's delay neither. The database is real and takes its time: the
 * clock is turned only when nothing is on its way to it.
 */

import { MongoClient, type Db } from 'mongodb';
import { onTestFinished } from 'vitest';
import { openMongoStore } from '#shared/store/mongo.ts';
import type { Store } from '#shared/store/store.ts';
import { mongodbForTests, orSkip } from '#test/harness/backends.ts';
import { steppingStore, type SteppingStore } from '#test/harness/stepping-store.ts';
import { settle, virtualClock, type VirtualClock } from '#test/harness/virtual-clock.ts';
import {
  createWorld,
  expectNoLeavings,
  expectNothingMissing,
  run,
  type Running,
  type RunOptions,
  type Step,
  type World,
} from '#test/simulation/persister/world.ts';

/** Segments of a few bytes, so that there are several of each. Long ones are another test's. */
const segmentBytesMax = 400;

export type LifeOptions = Omit<RunOptions, 'store' | 'clock' | 'segmentBytesMax'> & {
  readonly step?: Step;
  /** The adapter that it works with; the reader's if not given. */
  readonly adapter?: Store;
};

export type DatabaseWorld = World & {
  readonly clock: VirtualClock;
  /** Without steps; what readers use. */
  readonly store: Store;
  /** The test's own way into the database. */
  readonly db: Db;
  readonly url: string;
  /** Starts a persister. */
  readonly live: (options?: LifeOptions) => Running;
  /** Resolves when nobody has anything to do until the clock is turned. */
  readonly rest: () => Promise<void>;
  /** Turns the clock, and lets what falls due be done on the way. */
  readonly pass: (ms: number) => Promise<void>;
  /** Turns the clock until `reached` says so. */
  readonly until: (what: string, reached: () => boolean | Promise<boolean>) => Promise<void>;
  readonly isCaughtUp: () => Promise<boolean>;
  readonly expectNothingMissing: (when: string) => Promise<void>;
  readonly expectNoLeavings: () => Promise<void>;
};

/** Makes databases, for the test that runs: of one after another, each is empty. */
export async function databaseWorlds(
  skip: (reason: string) => never,
): Promise<(options?: { readonly partitionCount?: number; readonly segmentBytesMax?: number }) => Promise<DatabaseWorld>> {
  const { url } = orSkip(skip, await mongodbForTests());
  const client = await MongoClient.connect(url);
  const db = client.db();
  onTestFinished(async () => {
    await db.dropDatabase();
    await client.close();
  });
  const stores = new Map<number, Store>();
  onTestFinished(async () => void (await Promise.all([...stores.values()].map((store) => store.close()))));
  return async (options = {}) => {
    const { partitionCount = 1, segmentBytesMax: bytesMax = segmentBytesMax } = options;
    await db.dropDatabase();
    const store = stores.get(bytesMax) ?? (await openMongoStore({ url, segmentBytesMax: bytesMax }));
    stores.set(bytesMax, store);
    return inhabited(createWorld(partitionCount), { store, db, url });
  };
}

/** Turns of the event loop without a word to the database, after which there will be none. */
const quietTurns = 20;
const stepMs = 500;
/** A long time goes by in so many steps. */
const stepsMax = 20;
const turnedMsMax = 600_000;

function inhabited(world: World, place: Pick<DatabaseWorld, 'store' | 'db' | 'url'>): DatabaseWorld {
  const { store } = place;
  const clock = virtualClock();
  const stores: SteppingStore[] = [];

  const rest = async (): Promise<void> => {
    for (let turn = 0; turn < quietTurns; turn++) {
      await settle();
      const wereBusy = await Promise.all(stores.map((one) => one.idle()));
      if (wereBusy.includes(true)) turn = 0;
    }
  };
  const pass = async (ms: number): Promise<void> => {
    await rest();
    const step = Math.max(stepMs, Math.ceil(ms / stepsMax));
    for (let left = ms; left > 0; left -= step) {
      await clock.advance(Math.min(step, left));
      await rest();
    }
  };
  const isCaughtUp = async (): Promise<boolean> => {
    for (const [partition, { highWater }] of world.journalDisk.partitions.entries())
      if ((await store.readCheckpoint(partition)) !== highWater) return false;
    return true;
  };
  const until: DatabaseWorld['until'] = async (what, reached) => {
    const deadline = clock.monotonic() + turnedMsMax;
    await rest();
    while (!(await reached())) {
      if (clock.monotonic() >= deadline) throw new Error(`not within ${turnedMsMax} ms: ${what}`);
      await pass(stepMs);
    }
  };
  const live = ({ adapter = store, ...options }: LifeOptions = {}): Running => {
    const own = steppingStore(adapter, options.step);
    stores.push(own);
    return run(world, { partBytes: 150, ...options, clock, store: own });
  };
  return {
    ...world,
    ...place,
    clock,
    live,
    rest,
    pass,
    until,
    isCaughtUp,
    expectNothingMissing: (when) => expectNothingMissing(world, when, store),
    expectNoLeavings: () => expectNoLeavings(world, store),
  };
}
