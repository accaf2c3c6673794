/** A gateway that reads what is no record. */

import * as Y from 'yjs';
import { expect, onTestFinished, test } from 'vitest';
import type { JournalDisk } from '#shared/journal/memory.ts';
import { createJournalDisk, createMemoryJournal } from '#shared/journal/memory.ts';
import { createMemoryStore } from '#shared/store/memory.ts';
import { BareClient } from '#test/harness/bare-client.ts';
import { memoryGateway } from '#test/harness/memory-gateway.ts';
import { settle, virtualClock } from '#test/harness/virtual-clock.ts';
import { nameOf, recordOf } from '#test/simulation/persister/typing.ts';

/** Puts bytes that are no record where the next record would be, and tells the readers. */
function appendUnreadable(disk: JournalDisk): void {
  const [partition] = disk.partitions;
  if (partition === undefined) throw new Error('no partition');
  const first = partition.highWater++;
  const record = { offset: first, unreadable: 'no record', bytes: Uint8Array.of(9) };
  partition.batches.push({ partition: 0, first, next: first + 1, records: [record] });
  for (const reader of disk.readers) reader.wake();
}

function updateOf(text: string): Uint8Array {
  const doc = new Y.Doc();
  doc.getText('text').insert(0, text);
  return Y.encodeStateAsUpdate(doc);
}

test('PS42: a record that can not be read holds up no room, whether it is there when a document opens or comes later', async () => {
  const disk = createJournalDisk();
  const clock = virtualClock();
  const gateway = memoryGateway({ journal: createMemoryJournal({ disk }), store: createMemoryStore(), clock });
  const elsewhere = createMemoryJournal({ disk });
  const client = new BareClient();
  onTestFinished(() => client.destroy());
  const pass = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) await settle();
    await clock.advance(50);
    for (let turn = 0; turn < 20; turn++) await settle();
  };
  const text = (): string[] => client.text.toJSON().split(' ').toSorted();

  await elsewhere.append([recordOf(nameOf('a'), updateOf('one '))]);
  appendUnreadable(disk);
  gateway.join('a', client);
  await pass();
  expect(client.synced).toBe(true);
  expect(text()).toEqual(['', 'one']);
  appendUnreadable(disk);
  await elsewhere.append([recordOf(nameOf('a'), updateOf('two '))]);
  await pass();
  expect(text()).toEqual(['', 'one', 'two']);
  client.text.insert(0, 'three ');
  await pass();
  expect(disk.partitions[0]?.highWater).toBe(5);
  expect(gateway.closings).toEqual([]);
});
