/** What every journal holds to, whatever it is kept in. An adapter's test file is a set-up and one call. */

import { afterEach, describe, expect, test } from 'vitest';
import { JournalUnavailable } from '#shared/journal/journal.ts';
import type { Appended, Batch, FollowEnd, Journal, JournalRecord, Offset, Partition } from '#shared/journal/journal.ts';
import type { DocumentName } from '#shared/document/name.ts';

export type JournalFixture = {
  readonly journal: Journal;
  /** What a restart does: closes the journal, and opens it again. */
  readonly reopen: () => Promise<Journal>;
  readonly dispose: () => Promise<void>;
};

/** Makes a new, empty journal with `partitionCount` partitions. */
export type MakeJournal = (options: { readonly partitionCount: number }) => Promise<JournalFixture>;

const documentNamed = (name: string): DocumentName => name as DocumentName;

export const recordOf = (document: string, update: Uint8Array | number, time = 1_700_000_000_000): JournalRecord => ({
  kind: 'update',
  document: documentNamed(document),
  update: typeof update === 'number' ? Uint8Array.of(update >> 24, update >> 16, update >> 8, update) : update,
  origin: 'gateway-a',
  author: 'ada',
  time,
});

/** Follows from `from` on and keeps what comes. */
export function collect(
  journal: Journal,
  partition: Partition,
  from: Offset,
  onBatch: (batch: Batch) => void | Promise<void> = () => {},
) {
  const batches: Batch[] = [];
  const ended = Promise.withResolvers<FollowEnd>();
  let check = (): void => {};
  const following = journal.follow(partition, from, {
    onBatch: async (batch) => {
      batches.push(batch);
      await onBatch(batch);
      check();
    },
    onEnd: (end) => ended.resolve(end),
  });
  const next = (): Offset => batches.at(-1)?.next ?? from;
  return {
    ...following,
    batches,
    ended: ended.promise,
    next,
    /** Resolves when everything below `offset` was delivered. */
    reaches: (offset: Offset): Promise<void> =>
      new Promise((resolve) => {
        check = () => {
          if (next() >= offset) resolve();
        };
        check();
      }),
    records: () => batches.flatMap(({ records }) => records),
  };
}

/** What is in a partition from `from` on. */
async function readAll(journal: Journal, partition: Partition = 0, from: Offset = 0) {
  const reader = collect(journal, partition, from);
  await reader.reaches(await journal.highWater(partition));
  await reader.stop();
  return reader;
}

const offsetOf = (outcome: Appended | undefined): Offset => {
  if (outcome?.kind !== 'appended') throw new Error(`not appended: ${JSON.stringify(outcome)}`);
  return outcome.offset;
};

async function appendEach(journal: Journal, records: readonly JournalRecord[]): Promise<Offset[]> {
  return (await journal.append(records)).map(offsetOf);
}

function expectContiguous(batches: readonly Batch[], from: Offset): void {
  let expected = from;
  for (const { first, next, records } of batches) {
    expect(first).toBe(expected);
    expect(next).toBeGreaterThan(first);
    for (const { offset } of records) {
      expect(offset).toBeGreaterThanOrEqual(expected);
      expect(offset).toBeLessThan(next);
      expected = offset + 1;
    }
    expected = next;
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export function journalContract(adapter: string, makeJournal: MakeJournal): void {
  describe(`journal: ${adapter}`, () => {
    const fixtures: JournalFixture[] = [];
    const make = async (partitionCount = 1): Promise<JournalFixture> => {
      const fixture = await makeJournal({ partitionCount });
      fixtures.push(fixture);
      return fixture;
    };
    afterEach(async () => {
      await Promise.all(fixtures.splice(0).map((fixture) => fixture.dispose()));
    });

    test('JR1: records come back in order, with the offsets that append gave, as they were', async () => {
      const { journal } = await make();
      const odd: JournalRecord = { ...recordOf('team 7/ä/🦊', new Uint8Array(0), 0), origin: 'ü-☃', author: '' };
      const records = [
        recordOf('a', 1),
        odd,
        recordOf('b', 2),
        recordOf(
          'a',
          Uint8Array.from({ length: 300 }, (_, i) => i),
        ),
      ];
      const offsets = [...(await appendEach(journal, records.slice(0, 2))), ...(await appendEach(journal, records.slice(2)))];
      const reader = await readAll(journal);
      expect(reader.records()).toEqual(records.map((record, index) => ({ offset: offsets[index], record })));
      expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
      expect(new Set(offsets).size).toBe(4);
    });

    test('JR1: appends that are made while others are under way keep their order', async () => {
      const { journal } = await make();
      const appends: Promise<Offset[]>[] = [];
      for (let i = 0; i < 200; i++) {
        appends.push(appendEach(journal, [recordOf(`d${i % 7}`, i)]));
        if (i % 17 === 0) await turn();
      }
      const offsets = (await Promise.all(appends)).flat();
      expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
      const updates = (await readAll(journal)).records().map((one) => ('record' in one ? one.record.update : one));
      expect(updates).toEqual(Array.from({ length: 200 }, (_, i) => recordOf('', i).update));
    });

    test('JR1: an append of nothing resolves, and the high-water mark is the next offset', async () => {
      const { journal } = await make();
      expect(await journal.append([])).toEqual([]);
      const before = await journal.highWater(0);
      const [offset] = await appendEach(journal, [recordOf('a', 1)]);
      expect(offset).toBeGreaterThanOrEqual(before);
      expect(await journal.highWater(0)).toBeGreaterThan(offset ?? Infinity);
    });

    test('JR2: batches are contiguous, from every offset on', async () => {
      const { journal } = await make();
      for (const size of [1, 3, 2, 5, 1]) await journal.append(Array.from({ length: size }, (_, i) => recordOf('a', i)));
      const all = await readAll(journal);
      expectContiguous(all.batches, 0);
      for (let from = 0; from <= all.next(); from++) {
        const reader = await readAll(journal, 0, from);
        expect(reader.batches[0]?.first).toBe(from < all.next() ? from : undefined);
        expectContiguous(reader.batches, from);
        expect(reader.records()).toEqual(all.records().filter(({ offset }) => offset >= from));
      }
    });

    test('JR2: each partition has offsets and records of its own', async () => {
      const { journal } = await make(3);
      expect(journal.identity.partitionCount).toBe(3);
      const names = Array.from({ length: 60 }, (_, i) => `document ${i}`);
      const offsets = await appendEach(
        journal,
        names.map((name, i) => recordOf(name, i)),
      );
      const partitions = names.map((name) => journal.partitionOf(documentNamed(name)));
      expect(new Set(partitions)).toEqual(new Set([0, 1, 2]));
      for (const partition of [0, 1, 2]) {
        const reader = await readAll(journal, partition);
        expectContiguous(reader.batches, 0);
        const wanted = names.flatMap((name, i) =>
          partitions[i] === partition ? [{ offset: offsets[i], record: recordOf(name, i) }] : [],
        );
        expect(reader.records()).toEqual(wanted);
        expect(reader.batches.every((batch) => batch.partition === partition)).toBe(true);
      }
    });

    test('JR3: what was appended, and who the journal is, is there after a restart', async () => {
      const { journal, reopen } = await make(2);
      const names = ['a', 'b', 'c', 'd', 'e'];
      const partitions = names.map((name) => journal.partitionOf(documentNamed(name)));
      await appendEach(
        journal,
        names.map((name, i) => recordOf(name, i)),
      );
      const before = [await readAll(journal, 0), await readAll(journal, 1)].map((reader) => reader.records());
      const again = await reopen();
      expect([await readAll(again, 0), await readAll(again, 1)].map((reader) => reader.records())).toEqual(before);
      expect(again.identity).toEqual(journal.identity);
      expect(names.map((name) => again.partitionOf(documentNamed(name)))).toEqual(partitions);
      const [offset] = await appendEach(again, [recordOf('a', 9)]);
      expect(offset).toBe((await again.highWater(again.partitionOf(documentNamed('a')))) - 1);
    });

    test('JR3: two journals are not the same one', async () => {
      const [one, other] = [await make(), await make()];
      expect(one.journal.identity.id).not.toBe(other.journal.identity.id);
    });

    test('JR4: followers that begin anywhere, at any time, all get everything once while it is appended', async () => {
      const { journal } = await make();
      const readers: { readonly from: Offset; readonly reader: ReturnType<typeof collect> }[] = [];
      const appends: Promise<unknown>[] = [];
      for (let i = 0; i < 150; i++) {
        appends.push(journal.append(Array.from({ length: 1 + (i % 4) }, (_, j) => recordOf('a', i * 10 + j))));
        if (i % 10 === 0) await appends.at(-1);
        if (i % 15 === 0) {
          const from = Math.floor((await journal.highWater(0)) * ((i % 60) / 60));
          readers.push({ from, reader: collect(journal, 0, from) });
        }
      }
      await Promise.all(appends);
      const all = (await readAll(journal)).records();
      const end = await journal.highWater(0);
      for (const { from, reader } of readers) {
        await reader.reaches(end);
        expectContiguous(reader.batches, from);
        expect(reader.records()).toEqual(all.filter(({ offset }) => offset >= from));
        await reader.stop();
      }
    });

    test('JR5: a slow follower gets one batch at a time, everything in the end, and holds nobody up', async () => {
      const { journal } = await make();
      const gate = Promise.withResolvers<void>();
      let under = 0;
      const slow = collect(journal, 0, 0, async () => {
        under += 1;
        expect(under).toBe(1);
        await gate.promise;
        await turn();
        under -= 1;
      });
      const quick = collect(journal, 0, 0);
      for (let i = 0; i < 20; i++) await journal.append([recordOf('a', i)]);
      const end = await journal.highWater(0);
      await quick.reaches(end);
      expect(slow.batches.length).toBeLessThanOrEqual(1);
      gate.resolve();
      await slow.reaches(end);
      expect(slow.records()).toEqual(quick.records());
      expectContiguous(slow.batches, 0);
      await Promise.all([slow.stop(), quick.stop()]);
    });

    test('JR6: after stop no batch begins, stop waits for the one under way, and nobody is told of an end', async () => {
      const { journal } = await make();
      const begun = Promise.withResolvers<void>();
      const gate = Promise.withResolvers<void>();
      const reader = collect(journal, 0, 0, async () => {
        begun.resolve();
        await gate.promise;
      });
      const other = collect(journal, 0, 0);
      let ended = false;
      void reader.ended.then(() => (ended = true));
      await journal.append([recordOf('a', 1)]);
      await begun.promise;
      let stopped = false;
      const stopping = reader.stop().then(() => (stopped = true));
      await journal.append([recordOf('a', 2)]);
      await other.reaches(await journal.highWater(0));
      expect(stopped).toBe(false);
      gate.resolve();
      await stopping;
      await journal.append([recordOf('a', 3)]);
      await other.reaches(await journal.highWater(0));
      await turn();
      expect(reader.batches).toHaveLength(1);
      expect(ended).toBe(false);
      await reader.stop();
      await other.stop();
    });

    test('JR6: what is there already is not delivered after stop either', async () => {
      const { journal } = await make();
      for (let i = 0; i < 5; i++) await journal.append([recordOf('a', i)]);
      const begun = Promise.withResolvers<void>();
      const gate = Promise.withResolvers<void>();
      const reader = collect(journal, 0, 0, () => {
        begun.resolve();
        return gate.promise;
      });
      await begun.promise;
      const stopping = reader.stop();
      gate.resolve();
      await stopping;
      const other = await readAll(journal);
      expect(reader.batches).toHaveLength(1);
      expect(other.records()).toHaveLength(5);
    });

    test('JR6: nothing is delivered before follow has returned, and a following that is stopped at once gets nothing', async () => {
      const { journal } = await make();
      await journal.append([recordOf('a', 1)]);
      const reader = collect(journal, 0, 0);
      expect(reader.batches).toEqual([]);
      await reader.stop();
      await readAll(journal);
      expect(reader.batches).toEqual([]);
    });

    test('JR7: trimming deletes what is below, no more than that, as often as it is done, also for good', async () => {
      const { journal, reopen } = await make();
      for (let i = 0; i < 10; i++) await journal.append([recordOf('a', i)]);
      const all = (await readAll(journal)).records();
      const below = all[6]?.offset ?? 0;
      await journal.trim(0, below);
      await journal.trim(0, below);
      await journal.trim(0, 0);
      expect((await readAll(journal, 0, below)).records()).toEqual(all.filter(({ offset }) => offset >= below));
      expect(await collect(journal, 0, 0).ended).toMatchObject({ kind: 'trimmed', wanted: 0 });
      const again = await reopen();
      expect((await readAll(again, 0, below)).records()).toEqual(all.filter(({ offset }) => offset >= below));
      expect(await collect(again, 0, 0).ended).toMatchObject({ kind: 'trimmed', wanted: 0 });
    });

    test('JR7: trimming in the middle of one append keeps what is not below', async () => {
      const { journal, reopen } = await make();
      const offsets = await appendEach(
        journal,
        Array.from({ length: 6 }, (_, i) => recordOf('a', i)),
      );
      const below = offsets[3] ?? 0;
      await journal.trim(0, below);
      const kept = offsets.slice(3).map((offset, i) => ({ offset, record: recordOf('a', i + 3) }));
      expect((await readAll(journal, 0, below)).records()).toEqual(kept);
      expect((await readAll(await reopen(), 0, below)).records()).toEqual(kept);
    });

    test('JR7: offsets go on where they were after everything was trimmed, and after a restart', async () => {
      const { journal, reopen } = await make();
      await journal.append(Array.from({ length: 5 }, (_, i) => recordOf('a', i)));
      const end = await journal.highWater(0);
      await journal.trim(0, end + 1000);
      expect(await journal.highWater(0)).toBe(end);
      expect(await collect(journal, 0, end - 1).ended).toEqual({ kind: 'trimmed', wanted: end - 1, start: end });
      const again = await reopen();
      expect(await again.highWater(0)).toBe(end);
      const [offset] = await appendEach(again, [recordOf('a', 6)]);
      expect(offset).toBeGreaterThanOrEqual(end);
      const reader = await readAll(again, 0, end);
      expect(reader.records()).toEqual([{ offset, record: recordOf('a', 6) }]);
      await again.trim(0, 0);
      expect((await readAll(again, 0, end)).records()).toHaveLength(1);
    });

    test('JR7: trimming and appending at once lose nothing', async () => {
      const { journal, reopen } = await make();
      const work: Promise<unknown>[] = [];
      for (let i = 0; i < 60; i++) {
        work.push(journal.append([recordOf('a', i)]));
        if (i % 3 === 0) work.push(journal.trim(0, i - 10));
        if (i % 5 === 0) await turn();
      }
      await Promise.all(work);
      const wanted = Array.from({ length: 10 }, (_, i) => recordOf('a', i + 50));
      const lastTen = async (opened: Journal) => {
        const end = await opened.highWater(0);
        return (await readAll(opened, 0, end - 10)).records().map((one) => ('record' in one ? one.record : one));
      };
      expect(await lastTen(journal)).toEqual(wanted);
      expect(await lastTen(await reopen())).toEqual(wanted);
    });

    test('JR23: asked for a time, it tells the first record of that time or later that is left', async () => {
      const { journal } = await make();
      const offsets: Offset[] = [];
      for (const time of [1_000, 2_000, 3_000]) offsets.push(...(await appendEach(journal, [recordOf('a', 1, time)])));
      expect(await journal.offsetSince(0, 0)).toBe(offsets[0]);
      expect(await journal.offsetSince(0, 2_000)).toBe(offsets[1]);
      expect(await journal.offsetSince(0, 2_001)).toBe(offsets[2]);
      expect(await journal.offsetSince(0, 3_001)).toBe(await journal.highWater(0));
      await journal.trim(0, offsets[2] ?? Infinity);
      expect(await journal.offsetSince(0, 0)).toBe(offsets[2]);
    });

    test('JR8: following ends by itself where records are gone, or where there never were any', async () => {
      const { journal } = await make();
      await journal.append(Array.from({ length: 4 }, (_, i) => recordOf('a', i)));
      const end = await journal.highWater(0);
      expect(await collect(journal, 0, end + 1).ended).toEqual({ kind: 'beyond-end', wanted: end + 1, highWater: end });
      const atEnd = collect(journal, 0, end);
      await journal.trim(0, end);
      await journal.append([recordOf('a', 9)]);
      await atEnd.reaches(await journal.highWater(0));
      expectContiguous(atEnd.batches, end);
      await atEnd.stop();
    });

    test('JR8: a slow follower that is overtaken by trimming is told, and given no hole', async () => {
      const { journal } = await make();
      const gate = Promise.withResolvers<void>();
      await journal.append([recordOf('a', 0)]);
      const begun = Promise.withResolvers<void>();
      const slow = collect(journal, 0, 0, async () => {
        begun.resolve();
        await gate.promise;
      });
      await begun.promise;
      for (let i = 1; i < 5; i++) await journal.append([recordOf('a', i)]);
      const end = await journal.highWater(0);
      await journal.trim(0, end);
      gate.resolve();
      expect(await slow.ended).toEqual({ kind: 'trimmed', wanted: slow.next(), start: end });
      expect(slow.next()).toBeLessThan(end);
    });

    test('JR9: a record that is too large is refused for good, and its neighbours are not', async () => {
      const { journal } = await make();
      const large = recordOf('a', new Uint8Array(journal.recordBytesMax + 1));
      const outcomes = await journal.append([recordOf('a', 1), large, recordOf('a', 2)]);
      expect(outcomes.map(({ kind }) => kind)).toEqual(['appended', 'too-large', 'appended']);
      expect(outcomes[1]).toEqual({ kind: 'too-large', bytesMax: journal.recordBytesMax });
      expect((await journal.append([large]))[0]?.kind).toBe('too-large');
      const updates = (await readAll(journal)).records().map((one) => ('record' in one ? one.record.update : one));
      expect(updates).toEqual([recordOf('a', 1).update, recordOf('a', 2).update]);
    });

    test('JR9: the longest record that is allowed is taken, and comes back', async () => {
      const { journal, reopen } = await make();
      const update = new Uint8Array(journal.recordBytesMax).map((_, i) => i % 251);
      await appendEach(journal, [recordOf('a', 1), recordOf('a', update), recordOf('a', 2)]);
      const [, found] = (await readAll(await reopen())).records();
      if (found === undefined || !('record' in found)) throw new Error('no record');
      expect(Buffer.compare(found.record.update, update)).toBe(0);
    });

    test('JR10: closing waits for appends, stops followings without a word, and what comes later is refused', async () => {
      const { journal, reopen } = await make();
      const reader = collect(journal, 0, 0);
      let ended = false;
      void reader.ended.then(() => (ended = true));
      let acknowledged = 0;
      for (let i = 0; i < 20; i++) void journal.append([recordOf('a', i)]).then(() => (acknowledged += 1));
      await journal.close();
      expect(acknowledged).toBe(20);
      expect(ended).toBe(false);
      await expect(journal.append([recordOf('a', 1)])).rejects.toBeInstanceOf(JournalUnavailable);
      await expect(journal.highWater(0)).rejects.toBeInstanceOf(JournalUnavailable);
      await expect(journal.trim(0, 1)).rejects.toBeInstanceOf(JournalUnavailable);
      const end = await collect(journal, 0, 0).ended;
      expect(end.kind === 'failed' && end.error).toBeInstanceOf(JournalUnavailable);
      await journal.close();
      expect((await readAll(await reopen())).records()).toHaveLength(20);
    });
  });
}
