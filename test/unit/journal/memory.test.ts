import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { JournalUnavailable } from '#shared/journal/journal.ts';
import { createJournalDisk, createMemoryJournal, type JournalStep, type Moment } from '#shared/journal/memory.ts';
import { collect, journalContract, recordOf } from '#test/contract/journal.contract.ts';
import { settle } from '#test/harness/virtual-clock.ts';

journalContract('memory', async ({ partitionCount }) => {
  const disk = createJournalDisk({ id: randomUUID(), partitionCount });
  const recordBytesMax = 20 * 1024 * 1024;
  let journal = createMemoryJournal({ disk, recordBytesMax });
  return {
    journal,
    reopen: async () => {
      await journal.close();
      journal = createMemoryJournal({ disk, recordBytesMax });
      return journal;
    },
    dispose: () => journal.close(),
  };
});

class Crash extends Error {}

describe('JR11: the journal in memory does what a simulation wants', () => {
  test('every effect is announced before and after, and waited for', async () => {
    const steps: string[] = [];
    const journal = createMemoryJournal({ step: async (step, moment) => void steps.push(`${moment} ${step}`) });
    await journal.append([recordOf('a', 1)]);
    await journal.trim(0, 1);
    expect(steps).toEqual(['before append', 'after append', 'before trim', 'after trim']);
  });

  test.each<[JournalStep, Moment, number]>([
    ['append', 'before', 0],
    ['append', 'after', 1],
  ])('a crash at %s, %s: the record is %s times there', async (step, moment, count) => {
    const disk = createJournalDisk();
    const journal = createMemoryJournal({
      disk,
      step: (at, when) => {
        if (at === step && when === moment) throw new Crash();
      },
    });
    await expect(journal.append([recordOf('a', 1)])).rejects.toBeInstanceOf(Crash);
    expect(await createMemoryJournal({ disk }).highWater(0)).toBe(count);
  });

  test('several adapters share one disk, and what is crashed changes nothing and calls nobody', async () => {
    const disk = createJournalDisk();
    const gate = Promise.withResolvers<void>();
    const crashing = createMemoryJournal({ disk, step: (step) => (step === 'append' ? gate.promise : undefined) });
    const living = createMemoryJournal({ disk });
    const [dead, alive] = [collect(crashing, 0, 0), collect(living, 0, 0)];
    let settled = false;
    void crashing.append([recordOf('a', 1)]).finally(() => (settled = true));
    await settle();
    crashing.crash();
    gate.resolve();
    await living.append([recordOf('a', 2)]);
    await alive.reaches(1);
    await settle();
    expect(alive.records()).toEqual([{ offset: 0, record: recordOf('a', 2) }]);
    expect(dead.records()).toEqual([]);
    expect(settled).toBe(false);
  });
});

test('JR12: when an append fails, those that were made after it fail too, so that a repeated one is not overtaken', async () => {
  let refusals = 1;
  const journal = createMemoryJournal({
    step: () => {
      if (refusals-- > 0) throw new JournalUnavailable('away');
    },
  });
  const appends = [1, 2, 3].map((value) => journal.append([recordOf('a', value)]));
  const failures = await Promise.allSettled(appends);
  expect(failures.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  for (const append of appends) await expect(append).rejects.toBeInstanceOf(JournalUnavailable);
  await Promise.all([1, 2, 3].map((value) => journal.append([recordOf('a', value)])));
  const reader = collect(journal, 0, 0);
  await reader.reaches(3);
  expect(reader.records().map((one) => ('record' in one ? one.record : one))).toEqual(
    [1, 2, 3].map((value) => recordOf('a', value)),
  );
});
