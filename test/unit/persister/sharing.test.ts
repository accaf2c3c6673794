/** Partitions that are given, taken away and given back, and persisters that share them. */

import { describe, expect, test } from 'vitest';

import type { Partition } from '#shared/journal/journal.ts';
import type { SharePartitions } from '#shared/journal/sharing.ts';
import { type Store, StoreUnavailable } from '#shared/store/store.ts';
import { settle, type VirtualClock, virtualClock } from '#test/harness/virtual-clock.ts';
import { nameOf, randomOf, typists } from '#test/simulation/persister/typing.ts';
import {
  append,
  createWorld,
  expectNothingMissing,
  isCaughtUp,
  pass,
  run,
  type Running,
  type RunOptions,
  smallLimits,
  until,
  type World,
} from '#test/simulation/persister/world.ts';

const documents = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map(nameOf);

type Dealer = { readonly sharePartitions: SharePartitions; readonly deal: (...partitions: Partition[]) => void };

/** A sharing by hand. What was dealt before the persister listens is told when it does. */
function dealer(onStop: () => void): Dealer {
  let dealt: ReadonlySet<Partition> | undefined;
  let tell: Parameters<SharePartitions>[0] = () => {};
  return {
    sharePartitions: (onShare) => {
      tell = onShare;
      if (dealt !== undefined) tell(dealt);
      return { stop: async () => onStop() };
    },
    deal: (...partitions) => tell((dealt = new Set(partitions))),
  };
}

type Sharing = Running & Pick<Dealer, 'deal'>;

function share(world: World, options: RunOptions = {}, onStop = (): void => {}): Sharing {
  const { sharePartitions, deal } = dealer(onStop);
  return Object.assign(run(world, { sharePartitions, ...options }), { deal });
}

async function startSharing(world: World, options: RunOptions = {}, onStop?: () => void): Promise<Sharing> {
  const sharing = share(world, options, onStop);
  await sharing.persister.started;
  await settle();
  return sharing;
}

const checkpointsOf = (world: World): number[] =>
  world.journalDisk.partitions.map((_, partition) => world.storeDisk.checkpoints.get(partition) ?? 0);
const endsOf = (world: World): number[] => world.journalDisk.partitions.map(({ highWater }) => highWater);
const partitionsOf = ({ persister }: Running): Partition[] => persister.status().partitions.map(({ partition }) => partition);

describe('a share', () => {
  test('PS31: only partitions of the share are persisted, and status and lag speak of no others', async () => {
    const world = createWorld(3);
    await append(world, typists(1, documents)(60));
    const one = await startSharing(world);
    expect(one.persister.status()).toMatchObject({ ok: false, partitions: [] });
    await pass(one.clock, 5_000);
    expect(checkpointsOf(world)).toEqual([0, 0, 0]);
    expect(one.persister.lag().ageMs).toBeGreaterThanOrEqual(5_000);

    one.deal(2, 0);
    await pass(one.clock, 5_000);
    const [first, , third] = endsOf(world);
    expect(checkpointsOf(world)).toEqual([first, 0, third]);
    expect(partitionsOf(one)).toEqual([0, 2]);
    expect(one.persister.status().ok).toBe(true);
    expect(one.persister.lag()).toEqual({ records: 0, bytes: 0, ageMs: 0 });

    one.deal();
    await pass(one.clock, 5_000);
    expect(one.persister.status()).toMatchObject({ ok: true, partitions: [] });
    await one.persister.stop();
  });

  test('PS32: a partition that leaves stores what was gathered, at once, and no more', async () => {
    const world = createWorld(2);
    const type = typists(1, documents);
    const one = await startSharing(world);
    one.deal(0, 1);
    await pass(one.clock, 2_000);
    await append(world, type(40));
    await settle();
    expect(checkpointsOf(world)).toEqual([0, 0]);
    const [, gathered] = endsOf(world);
    one.deal(0);
    await settle();
    await settle();
    expect(checkpointsOf(world)).toEqual([0, gathered]);
    await append(world, type(40));
    await pass(one.clock, 10_000);
    expect(checkpointsOf(world)).toEqual([endsOf(world)[0], gathered]);
    expect(partitionsOf(one)).toEqual([0]);
    expect(one.persister.lag().records).toBe(0);
    await one.persister.stop();
  });

  test('PS33: a partition that comes back is persisted from the checkpoint that it has by then', async () => {
    const world = createWorld(2);
    const type = typists(1, documents);
    const one = await startSharing(world);
    one.deal(0, 1);
    await append(world, type(20));
    await pass(one.clock, 2_000);
    one.deal(0);
    await append(world, type(20));
    const other = await startSharing(world, { clock: one.clock });
    other.deal(1);
    await pass(one.clock, 2_000);
    expect(isCaughtUp(world)).toBe(true);
    await append(world, type(20));
    other.deal();
    one.deal(1, 0);
    await until(one.clock, 'persisted again', () => isCaughtUp(world));
    expect([...one.errors, ...other.errors]).toEqual([]);
    await expectNothingMissing(world, 'afterwards');
    await one.persister.stop();
    await other.persister.stop();
  });

  test('PS33: one that comes back while it still drains begins when it has drained', async () => {
    const world = createWorld(1);
    const held = Promise.withResolvers<void>();
    let holding = true;
    let writing = 0;
    let most = 0;
    const storeOf = (store: Store): Store => ({
      ...store,
      moveCheckpoint: async (...move) => {
        most = Math.max(most, ++writing);
        if (holding) await held.promise;
        return store.moveCheckpoint(...move).finally(() => writing--);
      },
    });
    const one = await startSharing(world, { storeOf });
    one.deal(0);
    await append(world, typists(1, documents)(20));
    await pass(one.clock, 2_000);
    expect(writing).toBe(1);
    one.deal();
    one.deal(0);
    await pass(one.clock, 10_000);
    expect(most).toBe(1);
    holding = false;
    held.resolve();
    await append(world, typists(2, documents)(20));
    await until(one.clock, 'persisted', () => isCaughtUp(world));
    expect(most).toBe(1);
    expect(one.persister.status().ok).toBe(true);
    await one.persister.stop();
  });

  test('PS33: one that had to stop says so until it leaves, and is tried again when it comes back', async () => {
    const world = createWorld(1);
    await append(world, typists(1, documents)(20));
    const [disk] = world.journalDisk.partitions;
    if (disk === undefined) throw new Error('no partition');
    disk.start = 20;
    const one = await startSharing(world);
    one.deal(0);
    await pass(one.clock, 10_000);
    expect(one.persister.status()).toMatchObject({ ok: false, partitions: [{ state: { kind: 'stopped' } }] });
    one.deal(0);
    await pass(one.clock, 1_000);
    expect(one.errors.filter((error) => error === 'partition-stopped')).toHaveLength(1);
    disk.start = 0;
    one.deal();
    await settle();
    one.deal(0);
    await until(one.clock, 'persisted', () => isCaughtUp(world));
    expect(one.persister.status().ok).toBe(true);
    await one.persister.stop();
  });

  test('PS34: documents of a partition that has left are not compacted here any more', async () => {
    const world = createWorld(1);
    let compactions = 0;
    let away = true;
    const step = (name: string): void => {
      if (name === 'readHead' && away) throw new StoreUnavailable('away');
      if (name === 'moveHead') compactions++;
    };
    const one = await startSharing(world, { step, limits: { ...smallLimits, compactionSegmentsMin: 1 } });
    one.deal(0);
    await append(world, typists(1, documents)(60));
    await pass(one.clock, 2_000);
    expect(one.persister.status().compaction.queued).toBeGreaterThan(0);
    one.deal();
    await pass(one.clock, 2_000);
    away = false;
    await pass(one.clock, 60_000);
    // The one that was being tried when the partition left is finished.
    expect(compactions).toBeLessThanOrEqual(2);
    expect(one.persister.status().compaction.queued).toBe(0);
    await one.persister.stop();
  });

  test('PS35: a persister that stops stores what was gathered first, and then gives its partitions back', async () => {
    const world = createWorld(2);
    let atStop: boolean | undefined;
    const one = await startSharing(world, {}, () => {
      atStop = isCaughtUp(world);
    });
    one.deal(0, 1);
    await append(world, typists(1, documents)(20));
    await settle();
    await one.persister.stop();
    expect(atStop).toBe(true);
    expect(one.clock.pending()).toBe(0);
    one.deal(0, 1);
    await append(world, typists(2, documents)(20));
    await pass(one.clock, 10_000);
    expect(isCaughtUp(world)).toBe(false);
  });
});

/** Deals partitions to persisters at random, some to two at once for a while, some to nobody; kills and starts persisters. */
async function live(seed: number): Promise<number> {
  const random = randomOf(seed);
  const clock: VirtualClock = virtualClock();
  const world = createWorld(4);
  const type = typists(seed, documents);
  const slow = async (): Promise<void> => {
    if (random() < 0.3) await new Promise<void>((resolve) => void clock.after(random() * 3_000, resolve));
  };
  const alive: Sharing[] = [];
  let handovers = 0;
  const start = (): void => void alive.push(share(world, { clock, step: slow }));
  start();
  start();
  for (let round = 0; round < 15; round++) {
    const chance = random();
    if (chance < 0.15 || alive.length < 2) start();
    else if (chance < 0.3) alive.splice(Math.floor(random() * alive.length), 1)[0]?.crash();
    for (const one of alive) {
      if (random() < 0.3) continue; // has not heard of it: a zombie of its old share
      one.deal(...[0, 1, 2, 3].filter(() => random() < 0.5));
      handovers++;
    }
    await append(world, type(1 + Math.floor(random() * 20)));
    await clock.advance(random() * 5_000);
    await expectNothingMissing(world, `seed ${seed}, round ${round}`);
  }
  for (const [index, one] of alive.entries()) one.deal(...[0, 1, 2, 3].filter((partition) => partition % alive.length === index));
  await until(clock, `seed ${seed}: everything is stored`, () => isCaughtUp(world), 3_600_000);
  await expectNothingMissing(world, `seed ${seed}, at the end`);
  for (const one of alive) one.crash();
  return handovers;
}

test('PS36: partitions that change hands, are held by two at once or by nobody for a while lose nothing', async () => {
  let handovers = 0;
  for (let seed = 1; seed <= 40; seed++) handovers += await live(seed);
  expect(handovers).toBeGreaterThan(500);
});
