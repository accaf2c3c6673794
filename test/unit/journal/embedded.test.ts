import { afterEach, describe, expect, test } from 'vitest';
import { openEmbeddedJournal, type EmbeddedJournalOptions } from '#shared/journal/embedded.ts';
import { JournalUnavailable, type Batch, type Journal } from '#shared/journal/journal.ts';
import { keyOf } from '#shared/runtime/key.ts';
import { openEnvironment, type Environment, type EnvironmentOptions } from '#shared/runtime/lmdb.ts';
import { collect, journalContract, recordOf } from '#test/contract/journal.contract.ts';
import { settle } from '#test/harness/virtual-clock.ts';
import { temporaryDirectory } from '#test/harness/temporary-directory.ts';

journalContract('embedded', async ({ partitionCount }) => {
  const directory = temporaryDirectory();
  const open = async () => {
    const environment = await openEnvironment({ directory: directory.path, commitIntervalMs: 0 });
    return { environment, journal: await openEmbeddedJournal(environment, { partitionCount, recordBytesMax: 20 * 1024 * 1024 }) };
  };
  let opened = await open();
  const close = async (): Promise<void> => {
    await opened.journal.close();
    await opened.environment.close();
  };
  return {
    journal: opened.journal,
    reopen: async () => {
      await close();
      opened = await open();
      return opened.journal;
    },
    dispose: async () => {
      await close();
      directory.remove();
    },
  };
});

const cleanUps: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

async function openedEnvironment(options: Partial<EnvironmentOptions> = {}): Promise<Environment> {
  const directory = temporaryDirectory();
  const environment = await openEnvironment({ directory: directory.path, commitIntervalMs: 0, ...options });
  cleanUps.push(
    () => directory.remove(),
    () => environment.close(),
  );
  return environment;
}

async function openedJournal(environment: Environment, options: EmbeddedJournalOptions = {}): Promise<Journal> {
  const journal = await openEmbeddedJournal(environment, options);
  cleanUps.push(() => journal.close());
  return journal;
}

/** Stores bytes as the batch of the offsets `first` to `next`, as some other program might have. */
const storeBatch = (environment: Environment, first: number, next: number, value: string): Promise<void> =>
  environment.commit(() => ({
    writes: [{ key: keyOf('j', 0, first, next), value: Buffer.from(value, 'hex') }],
    result: undefined,
  }));

const record = 'f60101016100000000'; // document 'a', all else empty
const oneByte = (value: number): string => value.toString(16).padStart(2, '0');
const batchOf = (...records: readonly string[]): string =>
  ['f61001', oneByte(records.length), ...records.map((one) => oneByte(one.length / 2)), ...records].join('');

describe('JR14: what is on disk and can not be read', () => {
  test('a record of a newer version stops the partition, after what was before it', async () => {
    const environment = await openedEnvironment();
    await storeBatch(environment, 0, 3, batchOf(record, record, 'f602010161'));
    await storeBatch(environment, 3, 4, batchOf(record));
    const reader = collect(await openedJournal(environment), 0, 0);
    expect(await reader.ended).toEqual({ kind: 'newer-version', offset: 2, found: 'kind 2, version 1' });
    expect(reader.records().map(({ offset }) => offset)).toEqual([0, 1]);
    expect(reader.next()).toBe(2);
  });

  test('a batch of a newer version stops it at its beginning', async () => {
    const environment = await openedEnvironment();
    await storeBatch(environment, 0, 1, batchOf(record));
    await storeBatch(environment, 1, 9, 'f61002aabbcc');
    const reader = collect(await openedJournal(environment), 0, 0);
    expect(await reader.ended).toEqual({ kind: 'newer-version', offset: 1, found: 'journal batch, version 2' });
    expect(reader.records()).toHaveLength(1);
  });

  test('bytes that are none are delivered as such, and what follows them too', async () => {
    const environment = await openedEnvironment();
    await storeBatch(environment, 0, 3, batchOf(record, '616263', record));
    await storeBatch(environment, 3, 8, '00');
    await storeBatch(environment, 8, 9, batchOf(record));
    const journal = await openedJournal(environment);
    const reader = collect(journal, 0, 0);
    await reader.reaches(9);
    expect(await journal.highWater(0)).toBe(9);
    expect(reader.records().map((one) => [one.offset, 'unreadable' in one])).toEqual([
      [0, false],
      [1, true],
      [2, false],
      [3, true],
      [8, false],
    ]);
  });

  test('a batch that is gone is an error, and not a gap', async () => {
    const environment = await openedEnvironment();
    await storeBatch(environment, 0, 1, batchOf(record));
    await storeBatch(environment, 2, 3, batchOf(record));
    const reader = collect(await openedJournal(environment), 0, 0);
    expect(await reader.ended).toMatchObject({ kind: 'failed' });
    expect(reader.next()).toBe(1);
  });
});

describe('JR15: appends and syncs', () => {
  test('appends of one tick are one batch, and those that come while a sync runs are the next', async () => {
    const journal = await openedJournal(await openedEnvironment());
    const reader = collect(journal, 0, 0);
    const first = [1, 2, 3].map((value) => journal.append([recordOf('a', value)]));
    await Promise.resolve();
    const second = [4, 5].map((value) => journal.append([recordOf('a', value)]));
    await settle();
    second.push(journal.append([recordOf('a', 6)]));
    await Promise.all([...first, ...second]);
    await reader.reaches(6);
    expect(reader.batches.map(({ first: from, next }) => [from, next])).toEqual([
      [0, 3],
      [3, 6],
    ]);
  });

  test('a batch has at most its bytes, or one record', async () => {
    const environment = await openedEnvironment();
    const journal = await openEmbeddedJournal(environment, { batchBytesMax: 1000 });
    const sizes = [400, 400, 400, 5000, 10, 10];
    await journal.append(sizes.map((size) => recordOf('a', new Uint8Array(size))));
    await journal.close();
    const reader = collect(await openedJournal(environment), 0, 0);
    await reader.reaches(6);
    expect(reader.batches.map(({ first, next }) => [first, next])).toEqual([
      [0, 2],
      [2, 3],
      [3, 4],
      [4, 6],
    ]);
  });
});

describe('JR21: from memory, or in slices from disk', () => {
  test('at the live end a follower is handed the very records that were appended', async () => {
    const journal = await openedJournal(await openedEnvironment());
    const reader = collect(journal, 0, 0);
    const appended = recordOf('a', 1);
    await journal.append([appended]);
    await reader.reaches(1);
    const [delivered] = reader.records();
    expect(delivered !== undefined && 'record' in delivered && delivered.record).toBe(appended);
  });

  test('what has left memory is read from disk, in slices, with turns of others in between, and then goes on from memory', async () => {
    const environment = await openedEnvironment();
    const journal = await openedJournal(environment, { tailBytesMax: 1500, batchBytesMax: 500, sliceBytesMax: 2000 });
    const records = Array.from({ length: 60 }, (_, i) => recordOf('a', new Uint8Array(400).fill(i)));
    await journal.append(records);
    let turns = 0;
    let counting = true;
    const count = (): void => {
      turns += 1;
      if (counting) setImmediate(count);
    };
    setImmediate(count);
    const turnOf: number[] = [];
    const reader = collect(journal, 0, 0, () => void turnOf.push(turns));
    await reader.reaches(60);
    counting = false;
    expect(reader.records()).toEqual(records.map((one, offset) => ({ offset, record: one })));
    expect(new Set(turnOf).size).toBeGreaterThan(8);
    const live = recordOf('a', 99);
    await journal.append([live]);
    await reader.reaches(61);
    const last = reader.records().at(-1);
    expect(last !== undefined && 'record' in last && last.record).toBe(live);
  });

  test('JR5: while a follower is slow, no batches are held for it but the latest', async () => {
    const journal = await openedJournal(await openedEnvironment(), {
      tailBytesMax: 3000,
      batchBytesMax: 500,
      sliceBytesMax: 1000,
    });
    const gate = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const delivered: WeakRef<Batch>[] = [];
    const following = journal.follow(0, 0, {
      onBatch: async (batch) => {
        delivered.push(new WeakRef(batch));
        begun.resolve();
        await gate.promise;
      },
      onEnd: () => {},
    });
    await journal.append([recordOf('a', 0)]);
    await begun.promise;
    const held = Array.from({ length: 50 }, (_, i) => recordOf('a', new Uint8Array(400).fill(i)));
    await journal.append(held);
    const seen = collect(journal, 0, 45);
    await seen.reaches(51);
    const fromMemory = seen.records().filter((one) => 'record' in one && held.includes(one.record));
    expect(fromMemory.length).toBeGreaterThan(0);
    const older = collect(journal, 0, 1);
    await older.reaches(51);
    expect(older.records().filter((one) => 'record' in one && held.includes(one.record)).length).toBeLessThanOrEqual(6);
    gate.resolve();
    await following.stop();
  });
});

test('JR12: when the disk refuses, every append that had been made is refused, and none is there', async () => {
  const environment = await openedEnvironment({ diskReserveBytes: Number.MAX_SAFE_INTEGER });
  await environment.commit(
    () => ({ writes: [{ key: keyOf('J'), value: Buffer.from('f61101036a2d3101', 'hex') }], result: undefined }),
    { releases: true },
  );
  const journal = await openedJournal(environment);
  const early = [1, 2].map((value) => journal.append([recordOf('a', value)]));
  const outcomes = await Promise.allSettled(early);
  for (const outcome of outcomes) expect(outcome.status === 'rejected' && outcome.reason).toBeInstanceOf(JournalUnavailable);
  expect(await journal.highWater(0)).toBe(0);
});

test('JR3: a journal keeps its number of partitions, and is open once at a time', async () => {
  const environment = await openedEnvironment();
  const journal = await openEmbeddedJournal(environment, { partitionCount: 3 });
  await expect(openEmbeddedJournal(environment)).rejects.toThrow('open already');
  await journal.close();
  await expect(openEmbeddedJournal(environment, { partitionCount: 2 })).rejects.toThrow(
    "made with 3 partitions, which can't become 2",
  );
  expect((await openedJournal(environment)).identity).toEqual(journal.identity);
});
