/** Dead letters: written by a persister, listed, and put back. */

import * as Y from 'yjs';
import { describe, expect, test } from 'vitest';
import { readLetters, replayLetters, type Selection } from '#persister/replay.ts';
import type { DeadLetter } from '#shared/journal/dead-letter.ts';
import { createMemoryJournal } from '#shared/journal/memory.ts';
import { encodeRecord } from '#shared/journal/record.ts';
import { mergeUpdates } from '#shared/document/merge.ts';
import { memoryDeadLetters, type MemoryDeadLetters } from '#test/harness/memory-dead-letters.ts';
import { nameOf, recordOf, typists } from '#test/simulation/persister/typing.ts';
import { append, createWorld, isCaughtUp, pass, run, until, type World } from '#test/simulation/persister/world.ts';

const document = nameOf('team-7/minutes');

function updateOf(text: string): Uint8Array {
  const doc = new Y.Doc();
  doc.getText('text').insert(0, text);
  return Y.encodeStateAsUpdate(doc);
}

const letterOf = (letter: Partial<DeadLetter>): DeadLetter => ({
  partition: 0,
  offset: 0,
  time: 1_700_000_000_000,
  document: undefined,
  reason: 'no record',
  content: 'record',
  bytes: Uint8Array.of(1),
  ...letter,
});

async function topicWith(...letters: readonly DeadLetter[]): Promise<MemoryDeadLetters> {
  const topic = memoryDeadLetters();
  for (const letter of letters) await topic.append(letter);
  return topic;
}

/** Puts bytes that are no record where the next record would be. */
function appendUnreadable(world: World, bytes: Uint8Array): void {
  const [disk] = world.journalDisk.partitions;
  if (disk === undefined) throw new Error('no partition');
  const first = disk.highWater++;
  disk.batches.push({ partition: 0, first, next: first + 1, records: [{ offset: first, unreadable: 'no record', bytes }] });
}

async function placesOf(topic: MemoryDeadLetters, selection: Selection): Promise<string[]> {
  const found: string[] = [];
  await readLetters(topic, selection, (read) =>
    found.push(read.kind === 'decoded' ? `${read.value.partition}:${read.value.offset}` : read.kind),
  );
  return found;
}

describe('what a persister sets aside', () => {
  test('PS38: is in the topic, with all that is known, before the checkpoint passes it', async () => {
    const world = createWorld();
    await append(world, typists(1, [document])(3));
    appendUnreadable(world, Uint8Array.of(9, 9));
    await createMemoryJournal({ disk: world.journalDisk }).append([recordOf(document, Uint8Array.of(255))]);
    const topic = memoryDeadLetters();
    topic.isAway = true;
    const running = run(world, { deadLetter: topic.append });
    await pass(running.clock, 30_000);
    expect(world.storeDisk.checkpoints.get(0)).toBeUndefined();
    expect(running.errors.length).toBeGreaterThan(3);
    topic.isAway = false;
    await until(running.clock, 'stored', () => isCaughtUp(world));
    const found: unknown[] = [];
    await topic.read((read) => found.push(read.kind === 'decoded' ? read.value : read));
    const time = expect.any(Number) as number;
    expect(found).toEqual([
      { partition: 0, offset: 3, time, document: undefined, reason: 'no record', content: 'record', bytes: Uint8Array.of(9, 9) },
      {
        partition: 0,
        offset: 4,
        time,
        document,
        reason: expect.any(String) as string,
        content: 'update',
        bytes: Uint8Array.of(255),
      },
    ]);
    await running.persister.stop();
  });
});

describe('listing', () => {
  const letters = [
    letterOf({ partition: 0, offset: 1 }),
    letterOf({ partition: 1, offset: 1, document }),
    letterOf({ partition: 1, offset: 2 }),
    letterOf({ partition: 1, offset: 2 }),
  ];

  test.each([
    [{}, ['0:1', '1:1', '1:2', 'unreadable']],
    [{ partition: 1 }, ['1:1', '1:2']],
    [{ offset: 1 }, ['0:1', '1:1']],
    [{ partition: 1, offset: 2 }, ['1:2']],
    [{ document }, ['1:1']],
    [{ document: 'another' }, []],
  ])('PS39: %j lists each letter that it applies to once', async (selection, expected) => {
    const topic = await topicWith(...letters);
    topic.stored.push(Uint8Array.of(0));
    expect(await placesOf(topic, selection)).toEqual(expected);
  });
});

describe('putting back', () => {
  test('PS40: a record that can be read by now is appended as it was, and others are left', async () => {
    const record = { ...recordOf(document, updateOf('late')), author: 'ada' };
    const topic = await topicWith(
      letterOf({ offset: 7, bytes: encodeRecord(record) }),
      letterOf({ offset: 8, bytes: encodeRecord(recordOf(document, updateOf('another'))) }),
    );
    const world = createWorld();
    const journal = createMemoryJournal({ disk: world.journalDisk });
    const replayed = await replayLetters({ topic, journal, now: () => 5 }, { offset: 7 });
    expect(replayed).toMatchObject([{ letter: { offset: 7 }, outcome: { kind: 'appended', partition: 0, offset: 0 } }]);
    expect(world.journalDisk.partitions[0]?.batches[0]?.records).toEqual([{ offset: 0, record }]);
  });

  test('PS40: so is an update, under the name of its document, and its text is in the document', async () => {
    const topic = await topicWith(letterOf({ document, content: 'update', bytes: updateOf('late') }));
    const world = createWorld();
    const running = run(world);
    const journal = createMemoryJournal({ disk: world.journalDisk });
    await replayLetters({ topic, journal, now: () => running.clock.now() }, { offset: 0 });
    await replayLetters({ topic, journal, now: () => running.clock.now() }, { offset: 0 });
    await until(running.clock, 'stored', () => isCaughtUp(world));
    const segments = [...(world.storeDisk.documents.get(document)?.segments.values() ?? [])];
    const doc = new Y.Doc();
    Y.applyUpdate(doc, mergeUpdates(segments.map(({ update }) => update)));
    expect(doc.getText('text').toJSON()).toBe('late');
    await running.persister.stop();
  });

  test.each([
    ['bytes that are still no record', letterOf({}), "can't be read"],
    ['a record of a newer version', letterOf({ bytes: Uint8Array.of(0xf6, 1, 2) }), 'newer version'],
    ['a record with an update that is none', letterOf({ bytes: encodeRecord(recordOf(document, Uint8Array.of(255))) }), ''],
    ['an update that is none', letterOf({ document, content: 'update', bytes: Uint8Array.of(255) }), ''],
    ['an update of nobody knows what', letterOf({ content: 'update', bytes: updateOf('a') }), 'which document'],
  ])('PS41: %s is not put back, with the reason', async (_, letter, reason) => {
    const world = createWorld();
    const journal = createMemoryJournal({ disk: world.journalDisk });
    const [replayed] = await replayLetters({ topic: await topicWith(letter), journal, now: () => 5 }, {});
    expect(replayed?.outcome).toEqual({ kind: 'refused', reason: expect.stringContaining(reason) as string });
    expect(world.journalDisk.partitions[0]?.highWater).toBe(0);
  });

  test('PS41: nor is one that the journal does not take', async () => {
    const journal = createMemoryJournal({ recordBytesMax: 10 });
    const letter = letterOf({ document, content: 'update', bytes: updateOf('long enough') });
    const [replayed] = await replayLetters({ topic: await topicWith(letter), journal, now: () => 5 }, {});
    expect(replayed?.outcome).toMatchObject({ kind: 'refused', reason: expect.stringContaining('of that size') as string });
  });
});
