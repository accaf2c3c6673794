import { expect, test } from 'vitest';
import { watchIntervalMs, watchStorage } from '#gateway/storage-watch.ts';
import { JournalUnavailable } from '#shared/journal/journal.ts';
import { createJournalDisk, createMemoryJournal } from '#shared/journal/memory.ts';
import { createRegistry } from '#shared/runtime/metrics.ts';
import { createMemoryStore } from '#shared/store/memory.ts';
import { StoreUnavailable } from '#shared/store/store.ts';
import { virtualClock } from '#test/harness/virtual-clock.ts';
import { nameOf, recordOf } from '#test/simulation/persister/typing.ts';
import { pass } from '#test/simulation/persister/world.ts';

test('CL6, CL65: a gateway tells whether store and journal answer, and how far the store is behind', async () => {
  const clock = virtualClock();
  const away = { store: false, journal: false };
  const disk = createJournalDisk({ partitionCount: 3 });
  const journal = createMemoryJournal({
    disk,
    step: () => {
      if (away.journal) throw new JournalUnavailable('no broker');
    },
  });
  const store = createMemoryStore({
    step: () => {
      if (away.store) throw new StoreUnavailable('no primary');
    },
  });
  await journal.append(['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => recordOf(nameOf(name), Uint8Array.of(0, 0))));
  const registry = createRegistry();
  const watch = watchStorage({ journal, store, clock, registry });
  const round = (): Promise<void> => pass(clock, 3 * watchIntervalMs);
  await round();
  expect(watch.behindRecords()).toBe(7);
  expect([watch.store(), watch.reading()]).toEqual([
    { ok: true, reason: undefined },
    { ok: true, reason: undefined },
  ]);
  for (const [partition, { highWater }] of disk.partitions.entries()) await store.moveCheckpoint(partition, 0, highWater);
  await round();
  expect(watch.behindRecords()).toBe(0);
  away.store = true;
  await round();
  expect(watch.store()).toEqual({ ok: false, reason: 'no primary' });
  expect(await registry.metrics()).toContain('inkstream_store_ok 0');
  expect(watch.reading().ok).toBe(true);
  await journal.append(['a', 'b', 'c'].map((name) => recordOf(nameOf(name), Uint8Array.of(0, 0))));
  await round();
  expect(watch.behindRecords()).toBe(3);
  away.journal = true;
  away.store = false;
  await round();
  expect(watch.store().ok).toBe(true);
  expect(watch.reading()).toEqual({ ok: false, reason: 'no broker' });
  watch.stop();
  await round();
  expect(clock.pending()).toBe(0);
});
