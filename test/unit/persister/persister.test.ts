import { describe, expect, test } from 'vitest';

import type { PartitionState } from '#persister/reporting.ts';
import { mergeUpdates } from '#shared/document/merge.ts';
import { type Batch, type FollowEnd, type Journal, JournalUnavailable } from '#shared/journal/journal.ts';
import { createMemoryJournal } from '#shared/journal/memory.ts';
import { nextTurn } from '#shared/runtime/slices.ts';
import { staleEndMsMax } from '#shared/store/binding.ts';
import { NewerVersion, type Segment, type Store, StoreUnavailable } from '#shared/store/store.ts';
import { settle, virtualClock } from '#test/harness/virtual-clock.ts';
import { nameOf, recordOf, typists } from '#test/simulation/persister/typing.ts';
import {
  append,
  createWorld,
  expectNothingMissing,
  isCaughtUp,
  pass,
  run,
  type Running,
  smallLimits,
  until,
  type World,
} from '#test/simulation/persister/world.ts';

const document = nameOf('a');
const documents = ['a', 'b'].map(nameOf);

const stateOf = (running: Running, partition = 0): PartitionState | undefined =>
  running.persister.status().partitions[partition]?.state;
const checkpointOf = (world: World, partition = 0): number => world.storeDisk.checkpoints.get(partition) ?? 0;
const segmentsOf = (world: World): Segment[] =>
  [...world.storeDisk.documents.values()].flatMap(({ segments }) => [...segments.values()]);
const startOf = (world: World): number => world.journalDisk.partitions[0]?.start ?? 0;

/** A journal that delivers these batches when it is followed the first time, then `end`; and what it really has the next time. */
const firstDelivering =
  (batches: readonly Batch[], end?: FollowEnd) =>
  (journal: Journal): Journal => {
    let first = true;
    return {
      ...journal,
      follow: (partition, from, follower) => {
        if (!first) return journal.follow(partition, from, follower);
        first = false;
        const deliver = async (): Promise<void> => {
          for (const batch of batches) await follower.onBatch(batch);
          if (end !== undefined) follower.onEnd(end);
        };
        const delivered = Promise.resolve().then(deliver);
        return { stop: () => delivered };
      },
    };
  };

describe('starting', () => {
  test('PS6: a store that belongs to another journal is not touched, and both are named', async () => {
    const world = createWorld();
    world.storeDisk.binding = { id: 'the-old-one', partitionCount: 1 };
    await append(world, typists(1, documents)(5));
    const running = run(world);
    expect(await running.persister.started).toEqual({
      kind: 'refused',
      reason:
        'the store belongs to journal the-old-one with 1 partitions, and this is journal memory with 1 partitions: use the journal that the store was filled from, or an empty store',
    });
    await pass(running.clock, 60_000);
    expect(segmentsOf(world)).toEqual([]);
    expect(running.persister.status().ok).toBe(false);
    await running.persister.stop();
  });

  test('PS6: another count of partitions is refused', async () => {
    const world = createWorld(2);
    world.storeDisk.binding = { id: 'memory', partitionCount: 3 };
    expect(await run(world).persister.started).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining('3 partitions') as string,
    });
  });

  test('PS6: a checkpoint beyond the end of the journal is refused, and both are named', async () => {
    const world = createWorld();
    await append(world, typists(1, documents)(5));
    world.storeDisk.checkpoints.set(0, 6);
    const running = run(world);
    await pass(running.clock, staleEndMsMax);
    expect(await running.persister.started).toMatchObject({
      kind: 'refused',
      reason: expect.stringMatching(/up to 6,.*ends at 5/) as string,
    });
  });

  /** A journal that tells an old end of its only partition while `isStale`: 3. */
  const staleUntil =
    (isStale: () => boolean) =>
    (journal: Journal): Journal => ({
      ...journal,
      highWater: async (partition) => (isStale() ? 3 : journal.highWater(partition)),
    });

  test('PS45: an end that is older than the checkpoint is asked for again before the start is refused for it', async () => {
    const world = createWorld();
    await append(world, typists(1, documents)(5));
    world.storeDisk.checkpoints.set(0, 5);
    let isStale = true;
    const running = run(world, { journalOf: staleUntil(() => isStale) });
    await pass(running.clock, staleEndMsMax / 2);
    isStale = false;
    await pass(running.clock, staleEndMsMax);
    expect(await running.persister.started).toEqual({ kind: 'started' });
    expect(running.errors).toEqual([]);
    await running.persister.stop();
  });

  test('PS45: and before a partition stops for it, which it does when it stays so', async () => {
    const world = createWorld();
    await append(world, typists(1, documents)(5));
    world.storeDisk.checkpoints.set(0, 5);
    let isStale = false;
    let onShare: (partitions: ReadonlySet<number>) => void = () => {};
    const running = run(world, {
      journalOf: staleUntil(() => isStale),
      sharePartitions: (tell) => {
        onShare = tell;
        return { stop: async () => {} };
      },
    });
    await settle();
    isStale = true;
    onShare(new Set([0]));
    await pass(running.clock, staleEndMsMax / 2);
    expect(stateOf(running)).toEqual({ kind: 'starting' });
    isStale = false;
    await pass(running.clock, staleEndMsMax);
    expect(stateOf(running)).toEqual({ kind: 'following' });

    onShare(new Set());
    await settle();
    isStale = true;
    onShare(new Set([0]));
    await pass(running.clock, staleEndMsMax);
    expect(stateOf(running)).toMatchObject({ kind: 'stopped', reason: expect.stringContaining("the journal's end 3") as string });
    await running.persister.stop();
  });

  test('PS6: limits that contradict each other are refused', async () => {
    const running = run(createWorld(), { limits: { ...smallLimits, flushBytes: 2, gatherBytesMax: 1 } });
    expect(await running.persister.started).toEqual({
      kind: 'refused',
      reason: 'INKSTREAM_FLUSH_BYTES (2) is more than INKSTREAM_GATHER_BYTES_MAX (1)',
    });
  });

  test('PS7: while the store is away it waits, and starts when it comes back', async () => {
    const world = createWorld();
    let away = true;
    const step = (): void => {
      if (away) throw new StoreUnavailable('away');
    };
    const running = run(world, { step });
    await pass(running.clock, 60_000);
    expect(running.errors.length).toBeGreaterThan(5);
    expect(running.errors.length).toBeLessThan(20);
    expect(running.persister.lag().ageMs).toBeGreaterThanOrEqual(60_000);
    away = false;
    await pass(running.clock, 10_000);
    expect(await running.persister.started).toEqual({ kind: 'started' });
  });
});

describe('flushing', () => {
  test('PS8: records are stored at the turn of their partition, not before', async () => {
    const world = createWorld();
    const running = run(world);
    await append(world, typists(1, documents)(5));
    await pass(running.clock, smallLimits.flushIntervalMs - 1);
    expect(segmentsOf(world)).toEqual([]);
    expect(running.persister.lag().records).toBe(5);
    await pass(running.clock, 1);
    expect(segmentsOf(world)).toHaveLength(2);
    expect(checkpointOf(world)).toBe(5);
    expect(running.persister.lag()).toEqual({ records: 0, bytes: 0, ageMs: 0 });
  });

  test('PS65: each partition has its own moment in the interval, however their records came', async () => {
    const world = createWorld(4);
    const names = Array.from({ length: 20 }, (_, index) => nameOf(`document-${index}`));
    const running = run(world);
    await until(
      running.clock,
      'the partitions are followed',
      () => [0, 1, 2, 3].every((at) => stateOf(running, at)?.kind === 'following'),
      0,
    );
    await append(world, names.map((name) => typists(1, [name])(1)).flat());
    const storedAt = new Map<number, number>();
    for (let ms = 1; ms <= smallLimits.flushIntervalMs; ms++) {
      await pass(running.clock, 1);
      for (const at of [0, 1, 2, 3]) if (checkpointOf(world, at) > 0 && !storedAt.has(at)) storedAt.set(at, ms);
    }
    const { flushIntervalMs } = smallLimits;
    expect([...storedAt].toSorted(([a], [b]) => a - b)).toEqual([
      [0, flushIntervalMs],
      [1, flushIntervalMs / 4],
      [2, flushIntervalMs / 2],
      [3, (flushIntervalMs / 4) * 3],
    ]);
  });

  test('PS8: many bytes are stored at once', async () => {
    const world = createWorld();
    const running = run(world, { limits: { ...smallLimits, flushBytes: 100 } });
    await append(world, typists(1, documents)(30));
    await until(running.clock, 'stored without waiting', () => isCaughtUp(world), 0);
  });

  test('PS28: what a flush writes at the same time is bounded in number and in bytes', async () => {
    const world = createWorld();
    const names = Array.from({ length: 100 }, (_, index) => nameOf(`document-${index}`));
    await append(world, names.map((name) => typists(1, [name])(1)).flat());
    const writing: number[] = [];
    const longest = { writes: 0, bytes: 0 };
    const storeOf = (store: Store): Store => ({
      ...store,
      putSegment: async (segment) => {
        writing.push(segment.update.byteLength);
        longest.writes = Math.max(longest.writes, writing.length);
        // It may go over by the last.
        longest.bytes = Math.max(
          longest.bytes,
          writing.slice(0, -1).reduce((sum, bytes) => sum + bytes, 0),
        );
        await nextTurn();
        writing.splice(writing.indexOf(segment.update.byteLength), 1);
        await store.putSegment(segment);
      },
    });
    const limits = { ...smallLimits, segmentWritesMax: 7, segmentWriteBytesMax: 1_000_000 };
    const few = run(world, { storeOf, limits });
    await until(few.clock, 'stored', () => isCaughtUp(world));
    expect(longest.writes).toBe(7);
    await few.persister.stop();

    const again = createWorld();
    await append(again, names.map((name) => typists(1, [name])(1)).flat());
    Object.assign(longest, { writes: 0, bytes: 0 });
    const small = run(again, { storeOf, limits: { ...limits, segmentWritesMax: 100, segmentWriteBytesMax: 200 } });
    await until(small.clock, 'stored', () => isCaughtUp(again));
    expect(longest.writes).toBeGreaterThan(1);
    expect(longest.bytes).toBeGreaterThan(0);
    expect(longest.bytes).toBeLessThan(200);
    await small.persister.stop();
  });

  test('PS28: a write that fails for good lets go of those that wait for room', async () => {
    const world = createWorld();
    const names = Array.from({ length: 5 }, (_, index) => nameOf(`document-${index}`));
    await append(world, names.map((name) => typists(1, [name])(1)).flat());
    const refusing = (store: Store): Store => ({ ...store, putSegment: () => Promise.reject(new NewerVersion('newer')) });
    const running = run(world, { storeOf: refusing, limits: { ...smallLimits, segmentWriteBytesMax: 1 } });
    await until(running.clock, 'stopped', () => stateOf(running)?.kind === 'stopped');
    await running.persister.stop();
  });

  test('PS27: however many documents a flush merges, the rest of the process runs in between', async () => {
    const world = createWorld();
    const names = Array.from({ length: 300 }, (_, index) => nameOf(`document-${index}`));
    await append(world, names.map((name) => typists(1, [name])(1)).flat());
    const clock = virtualClock();
    let merges = 0;
    const running = run(world, {
      // Each merge takes a millisecond.
      clock: { ...clock, monotonic: () => clock.monotonic() + merges },
      merge: (updates) => {
        merges++;
        return mergeUpdates(updates);
      },
    });
    let most = 0;
    await until(clock, 'flushing has begun', () => merges > 0);
    for (let before = merges; !isCaughtUp(world); before = merges) {
      await new Promise((resolve) => setImmediate(resolve));
      most = Math.max(most, merges - before);
    }
    expect(merges).toBe(300);
    expect(most).toBeLessThanOrEqual(2 * smallLimits.flushSliceMs);
    await running.persister.stop();
  });

  /** Two records every ten seconds, for `rounds` rounds; returns where the journal began after each. */
  async function typeEveryTenSeconds(world: World, running: Running, rounds: number): Promise<number[]> {
    const type = typists(1, documents);
    const starts: number[] = [];
    for (let round = 0; round < rounds; round++) {
      await append(
        world,
        type(2).map((record) => ({ ...record, time: running.clock.now() })),
      );
      await pass(running.clock, 10_000);
      starts.push(startOf(world));
    }
    return starts;
  }

  test('PS9: the journal is cut below the checkpoint, but for the records of the restore window', async () => {
    const whole = createWorld();
    expect(await typeEveryTenSeconds(whole, run(whole), 4)).toEqual([2, 4, 6, 8]);
    const world = createWorld();
    const running = run(world, { limits: { ...smallLimits, restoreWindowMs: 25_000 } });
    expect(await typeEveryTenSeconds(world, running, 6)).toEqual([0, 0, 0, 2, 4, 6]);
    expect(checkpointOf(world)).toBe(12);
  });

  test('PS30: a partition is cut no more often than each trimIntervalMs', async () => {
    const world = createWorld();
    let cuts = 0;
    const step = (name: string, moment: string): void => void (name === 'trim' && moment === 'before' && cuts++);
    const running = run(world, { step, limits: { ...smallLimits, trimIntervalMs: 30_000 } });
    expect(await typeEveryTenSeconds(world, running, 8)).toEqual([2, 2, 2, 8, 8, 8, 14, 14]);
    expect(cuts).toBe(3);
  });

  test('PS30: a journal that can not be cut is cut after a later flush, and nothing waits for it', async () => {
    const world = createWorld();
    let away = true;
    const step = (name: string): void => {
      if (away && name === 'trim') throw new JournalUnavailable('away');
    };
    const running = run(world, { step });
    expect(await typeEveryTenSeconds(world, running, 2)).toEqual([0, 0]);
    expect(checkpointOf(world)).toBe(4);
    expect(running.errors).toEqual(['journal-unavailable', 'journal-unavailable']);
    away = false;
    expect(await typeEveryTenSeconds(world, running, 1)).toEqual([6]);
  });

  test('PS10: an unreadable record is set aside before the checkpoint passes it, and the rest goes on', async () => {
    const world = createWorld();
    const [one, two] = typists(1, [document])(2);
    if (one === undefined || two === undefined) throw new Error('nothing was typed');
    await append(world, [one, one, two]);
    const bytes = Uint8Array.of(9, 9);
    const records = [
      { offset: 0, record: one },
      { offset: 1, unreadable: 'no record', bytes },
      { offset: 2, record: two },
    ];
    const checkpoints: number[] = [];
    const running = run(world, {
      journalOf: firstDelivering([{ partition: 0, first: 0, next: 3, records }]),
      deadLetter: () => void checkpoints.push(checkpointOf(world)),
    });
    await until(running.clock, 'stored', () => isCaughtUp(world));
    expect(checkpoints).toEqual([0]);
    expect(running.lines).toContainEqual(
      expect.objectContaining({
        level: 'error',
        fields: { partition: 0, offset: 1, document: undefined, reason: 'no record', bytes: 2 },
      }),
    );
    await expectNothingMissing(world, 'around it');
  });

  test('PS10: a dead letter that can not be sent holds the checkpoint up', async () => {
    const world = createWorld();
    await append(world, [recordOf(document, Uint8Array.of(1))]);
    let away = true;
    const running = run(world, {
      deadLetter: () => (away ? Promise.reject(new StoreUnavailable('away')) : undefined),
    });
    await pass(running.clock, 60_000);
    expect(checkpointOf(world)).toBe(0);
    expect(stateOf(running)).toEqual({ kind: 'retrying', reason: 'away' });
    away = false;
    await pass(running.clock, 20_000);
    expect(checkpointOf(world)).toBe(1);
    expect(stateOf(running)).toEqual({ kind: 'following' });
  });

  test('PS4: a record that no segment can hold stops its partition, and is still in the journal', async () => {
    const world = createWorld();
    await append(world, typists(1, [document])(40));
    const running = run(world, { segmentBytesMax: 10 });
    await pass(running.clock, 5_000);
    expect(stateOf(running)).toMatchObject({ kind: 'stopped', reason: expect.stringContaining('no segment holds it') as string });
    expect(checkpointOf(world)).toBe(0);
    expect(startOf(world)).toBe(0);
  });
});

describe('no gap goes unseen', () => {
  test('PS11: after a gap it stores what came before, and reads again from the checkpoint', async () => {
    const world = createWorld();
    const typed = typists(1, [document])(6);
    await append(world, typed);
    const batch = (first: number, next: number): Batch => ({
      partition: 0,
      first,
      next,
      records: typed.slice(first, next).map((record, index) => ({ offset: first + index, record })),
    });
    const running = run(world, { journalOf: firstDelivering([batch(0, 2), batch(3, 6)]) });
    await settle();
    await settle();
    expect(checkpointOf(world)).toBe(2);
    expect(running.errors).toEqual(['gap']);
    await until(running.clock, 'read again', () => isCaughtUp(world));
    await expectNothingMissing(world, 'after the gap');
    expect(segmentsOf(world).map(({ first, last }) => [first, last])).toEqual([
      [0, 1],
      [2, 5],
    ]);
  });

  test('PS12: where the journal lost what the checkpoint asks for, the partition stops, and the others go on', async () => {
    const world = createWorld(2);
    const names = ['a', 'b', 'c', 'd', 'e'].map(nameOf);
    await append(world, typists(1, names)(40));
    await createMemoryJournal({ disk: world.journalDisk }).trim(0, 40);
    const running = run(world);
    await pass(running.clock, 60_000);
    expect(stateOf(running)).toMatchObject({ kind: 'stopped', reason: expect.stringContaining('records are missing') as string });
    expect(checkpointOf(world)).toBe(0);
    expect(stateOf(running, 1)).toEqual({ kind: 'following' });
    expect(checkpointOf(world, 1)).toBe(world.journalDisk.partitions[1]?.highWater);
    expect(running.persister.status().ok).toBe(false);
    expect(running.errors).toContain('partition-stopped');
    expect(running.persister.lag().records).toBe(world.journalDisk.partitions[0]?.highWater);
  });

  test('PS13: a record of a newer version stops its partition; what came before it is stored', async () => {
    const world = createWorld();
    const typed = typists(1, [document])(3);
    await append(world, [...typed, ...typed]);
    const batch = { partition: 0, first: 0, next: 3, records: typed.map((record, offset) => ({ offset, record })) };
    const running = run(world, { journalOf: firstDelivering([batch], { kind: 'newer-version', offset: 3, found: 'update 2' }) });
    await pass(running.clock, 60_000);
    expect(stateOf(running)).toEqual({ kind: 'stopped', reason: 'record 3 was written by a newer version (update 2)' });
    expect(checkpointOf(world)).toBe(3);
  });

  test('PS13: so does something newer in the store', async () => {
    const world = createWorld();
    await append(world, typists(1, [document])(3));
    const storeOf = (store: Store): Store => ({
      ...store,
      putSegment: () => Promise.reject(new NewerVersion('segment 2')),
    });
    const running = run(world, { storeOf });
    await pass(running.clock, 60_000);
    expect(stateOf(running)).toEqual({ kind: 'stopped', reason: 'NewerVersion: segment 2' });
  });

  test('PS11: a journal that can not be read for a while is read again', async () => {
    const world = createWorld();
    const running = run(world, { journalOf: firstDelivering([], { kind: 'failed', error: new Error('a bad sector') }) });
    await append(world, typists(1, [document])(3));
    await settle();
    expect(running.errors).toEqual(['journal-failed']);
    expect(stateOf(running)).toEqual({ kind: 'retrying', reason: 'a bad sector' });
    await until(running.clock, 'read again', () => isCaughtUp(world));
  });

  test('PS14: a store that was set back in time is caught up from its own checkpoint', async () => {
    const world = createWorld();
    const running = run(world, { limits: { ...smallLimits, restoreWindowMs: 3_600_000 } });
    const type = typists(1, documents);
    await append(world, type(10));
    await until(running.clock, 'stored', () => isCaughtUp(world));
    const before = structuredClone({ checkpoints: world.storeDisk.checkpoints, documents: world.storeDisk.documents });
    await append(world, type(10));
    await until(running.clock, 'stored', () => isCaughtUp(world));
    Object.assign(world.storeDisk, before);
    await append(world, type(10));
    await until(running.clock, 'caught up', () => isCaughtUp(world));
    expect(running.errors).toContain('went-back');
    await expectNothingMissing(world, 'after it was set back');
  });
});

test('PS44: a store that was put back is caught up also where nobody writes, and the lag tells what it lacks', async () => {
  const world = createWorld(2);
  let isHeld = false;
  const step = (name: string): void => {
    if (isHeld && name === 'putSegment') throw new StoreUnavailable('read only');
  };
  const running = run(world, { step, limits: { ...smallLimits, restoreWindowMs: 3_600_000 } });
  const type = typists(1, ['a', 'b', 'c', 'd', 'e'].map(nameOf));
  await append(world, type(20));
  await until(running.clock, 'stored', () => isCaughtUp(world));
  const before = structuredClone({ checkpoints: world.storeDisk.checkpoints, documents: world.storeDisk.documents });
  await append(world, type(20));
  await until(running.clock, 'stored', () => isCaughtUp(world));
  isHeld = true;
  Object.assign(world.storeDisk, before);
  await pass(running.clock, 2 * smallLimits.lagIntervalMs);
  expect(running.persister.lag().records).toBe(20);
  isHeld = false;
  await until(running.clock, 'caught up', () => isCaughtUp(world));
  expect(running.errors.filter((error) => error === 'went-back')).toHaveLength(2);
  expect(running.persister.lag().records).toBe(0);
  await expectNothingMissing(world, 'after it was put back');
  await running.persister.stop();
  expect(running.clock.pending()).toBe(0);
});

test('PS13: a checkpoint that a newer version wrote meanwhile stops its partition', async () => {
  const world = createWorld();
  let isNewer = false;
  const storeOf = (store: Store): Store => ({
    ...store,
    readCheckpoint: (partition) => (isNewer ? Promise.reject(new NewerVersion('checkpoint 2')) : store.readCheckpoint(partition)),
  });
  const running = run(world, { storeOf });
  await append(world, typists(1, documents)(5));
  await until(running.clock, 'stored', () => isCaughtUp(world));
  isNewer = true;
  await pass(running.clock, smallLimits.lagIntervalMs);
  expect(stateOf(running)).toEqual({ kind: 'stopped', reason: 'NewerVersion: checkpoint 2' });
  await running.persister.stop();
});

describe('a store that is away', () => {
  const awayFor = (away: { now: boolean }) => (name: string) => {
    if (away.now && name === 'putSegment') throw new StoreUnavailable('the disk is full');
  };

  test('PS7: holds what the limit allows, leaves the rest in the journal, says so, and catches up', async () => {
    const world = createWorld();
    const away = { now: true };
    const running = run(world, { step: awayFor(away), limits: { ...smallLimits, flushBytes: 500, gatherBytesMax: 5_000 } });
    const type = typists(1, documents);
    for (let round = 0; round < 60; round++) {
      await append(world, type(10));
      await pass(running.clock, 1_000);
      expect(running.persister.lag().bytes).toBeLessThan(5_000);
    }
    expect(running.persister.lag().records).toBe(600);
    expect(running.persister.lag().ageMs).toBeGreaterThanOrEqual(50_000);
    expect(stateOf(running)).toEqual({ kind: 'retrying', reason: 'the disk is full' });
    expect(running.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
    await expectNothingMissing(world, 'while the store is away');
    away.now = false;
    await until(running.clock, 'caught up', () => isCaughtUp(world));
    await pass(running.clock, 1_000);
    expect(running.persister.status().ok).toBe(true);
    expect(running.persister.lag()).toEqual({ records: 0, bytes: 0, ageMs: 0 });
    await expectNothingMissing(world, 'afterwards');
  });

  test('PS7: waits grow, up to the longest', async () => {
    const world = createWorld();
    const running = run(world, { step: awayFor({ now: true }), limits: { ...smallLimits, retryMsMin: 100, retryMsMax: 1_600 } });
    await append(world, typists(1, [document])(1));
    const times: number[] = [];
    let seen = 0;
    for (let ms = 0; ms < 12_000; ms += 25) {
      await running.clock.advance(25);
      if (running.errors.length > seen) times.push(ms);
      seen = running.errors.length;
    }
    const waits = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    expect(waits.slice(0, 8)).toEqual([75, 150, 300, 600, 1_200, 1_200, 1_200, 1_200]);
  });
});

describe('stopping', () => {
  test('PS15: what was gathered is stored before it stops, and nothing is written afterwards', async () => {
    const world = createWorld();
    const running = run(world);
    await append(world, typists(1, documents)(8));
    await settle();
    await running.persister.stop();
    expect(isCaughtUp(world)).toBe(true);
    await append(world, typists(2, documents)(8));
    await pass(running.clock, 60_000);
    expect(checkpointOf(world)).toBe(8);
    expect(running.clock.pending()).toBe(0);
    await running.persister.stop();
  });

  test('PS15: a store that refuses is asked once more, and then left', async () => {
    const world = createWorld();
    const running = run(world, {
      step: (name) => {
        if (name === 'putSegment') throw new StoreUnavailable('away');
      },
    });
    await append(world, typists(1, documents)(8));
    await pass(running.clock, 20_000);
    await running.persister.stop();
    expect(checkpointOf(world)).toBe(0);
    await expectNothingMissing(world, 'after it stopped');
  });

  test('PS15: a store that does not answer is waited for until the limit, not longer', async () => {
    const world = createWorld();
    const running = run(world, {
      step: async (name) => {
        if (name === 'moveCheckpoint') await new Promise(() => {});
      },
    });
    await append(world, typists(1, documents)(8));
    await settle();
    let stopped = false;
    const stopping = running.persister.stop().then(() => (stopped = true));
    await pass(running.clock, smallLimits.stopMsMax - 1);
    expect(stopped).toBe(false);
    await pass(running.clock, 1);
    await stopping;
  });

  test('PS15, PS26: a compaction that is under way is given up', async () => {
    const world = createWorld();
    const ended = Promise.withResolvers<void>();
    let asked = false;
    const running = run(world, {
      limits: { ...smallLimits, compactionSegmentsMin: 1 },
      compactor: {
        compact: async () => {
          asked = true;
          await ended.promise;
          return { kind: 'gave-up', reason: 'stopping' };
        },
        end: async () => ended.resolve(),
      },
    });
    await append(world, typists(1, documents)(8));
    await until(running.clock, 'a compaction is under way', () => asked);
    await running.persister.stop();
    expect(running.errors).toEqual([]);
    expect(running.clock.pending()).toBe(0);
  });

  test('PS15: stopping while it waits to start', async () => {
    const running = run(createWorld(), {
      step: () => {
        throw new StoreUnavailable('away');
      },
    });
    await pass(running.clock, 1_000);
    await running.persister.stop();
    expect(await running.persister.started).toEqual({ kind: 'stopped' });
  });
});

test('PS43: while the journal does not tell its ends, the status says why; nothing else waits for it', async () => {
  const world = createWorld();
  let away = false;
  const step = (name: string): void => {
    if (away && name === 'high-water') throw new JournalUnavailable('no broker');
  };
  const running = run(world, { step });
  await pass(running.clock, 2_000);
  expect(running.persister.status()).toMatchObject({ ok: true, journal: { ok: true } });
  away = true;
  await append(world, typists(1, documents)(5));
  await pass(running.clock, 2_000);
  expect(running.persister.status()).toMatchObject({ ok: false, journal: { ok: false, reason: 'no broker' } });
  expect(checkpointOf(world)).toBe(5);
  away = false;
  await pass(running.clock, 1_000);
  expect(running.persister.status()).toMatchObject({ ok: true, journal: { ok: true } });
  await running.persister.stop();
});

test('PS16: the age of what is not stored is that of its oldest record', async () => {
  const world = createWorld();
  const running = run(world);
  await append(world, [
    recordOf(document, typists(1, [document])(1)[0]?.update ?? new Uint8Array(), running.clock.now() - 5_000),
  ]);
  await pass(running.clock, 500);
  expect(running.persister.lag().ageMs).toBe(5_500);
});
