/** From flushed rooms into the journal, in order. */

import { expect, test } from 'vitest';
import * as Y from 'yjs';
import { Appender, type AppenderLimits, type Saved } from '#gateway/appender.ts';
import { defaultUpdateLimits } from '#shared/document/limits.ts';
import { type Scanned, scanUpdate } from '#shared/document/scan.ts';
import type { Appended, Journal, JournalRecord } from '#shared/journal/journal.ts';
import { JournalUnavailable } from '#shared/journal/journal.ts';
import { documentName, silentLogger } from '#test/harness/memory-gateway.ts';
import { settle, virtualClock } from '#test/harness/virtual-clock.ts';

const limits: AppenderLimits = { appendIntervalMs: 4, unsavedBytesMax: 100_000, unsavedMsMax: 15_000 };

/** A journal that answers when and how the test says. */
function slowJournal(recordBytesMax = 1_000_000) {
  const calls: {
    readonly records: readonly JournalRecord[];
    readonly answer: (outcome?: readonly Appended[]) => void;
    readonly fail: () => void;
  }[] = [];
  const journal: Pick<Journal, 'append' | 'recordBytesMax'> = {
    recordBytesMax,
    append: (records) =>
      new Promise((resolve, reject) => {
        calls.push({
          records,
          answer: (outcome = records.map((_, offset) => ({ kind: 'appended', offset }))) => resolve(outcome),
          fail: () => reject(new JournalUnavailable('away')),
        });
      }),
  };
  return { calls, journal: journal as Journal };
}

type FakeRoom = Saved & { readonly durable: () => number; readonly ended: () => string | undefined };

function fakeRoom(name: string): FakeRoom {
  let durable = 0;
  let ended: string | undefined;
  return {
    document: documentName(name),
    origin: `origin of ${name}`,
    saved: (sequence) => {
      durable = sequence;
    },
    unsavable: (reason, tooLarge) => {
      ended = `${tooLarge ? 'too large: ' : ''}${reason}`;
    },
    durable: () => durable,
    ended: () => ended,
  };
}

/** Somebody who types a letter a time. */
function writer() {
  const doc = new Y.Doc();
  let sequence = 0;
  return (room: Saved, text = 'x', author = '') => {
    let update: Scanned | undefined;
    doc.once('update', (bytes: Uint8Array) => {
      const scanned = scanUpdate(bytes, defaultUpdateLimits);
      if (!('refused' in scanned)) update = scanned;
    });
    doc.getText('t').insert(doc.getText('t').length, text);
    if (update === undefined) throw new Error('nothing was typed');
    return { room, updates: [update], merged: update.bytes, sequence: ++sequence, author };
  };
}

function start(options: { readonly recordBytesMax?: number; readonly limits?: Partial<AppenderLimits> } = {}) {
  const clock = virtualClock();
  const { calls, journal } = slowJournal(options.recordBytesMax);
  const appends: number[] = [];
  const appender = new Appender({
    journal,
    clock,
    limits: { ...limits, ...options.limits },
    logger: silentLogger,
    onAppended: (_ms, records) => void appends.push(records),
    onFailed: () => {},
    random: () => 1,
  });
  return { clock, calls, appender, appends };
}

const textOf = (records: readonly JournalRecord[]): string => {
  const doc = new Y.Doc();
  for (const { update } of records) Y.applyUpdate(doc, update);
  return doc.getText('t').toJSON();
};

test('GW30: one append is under way at a time, and what is flushed meanwhile becomes one record a room', async () => {
  const { appender, calls, clock } = start();
  const [a, b] = [fakeRoom('a'), fakeRoom('b')];
  const [typeA, typeB] = [writer(), writer()];
  appender.add(typeA(a, 'one '));
  expect(calls).toHaveLength(1);
  for (const word of ['two ', 'three ']) appender.add(typeA(a, word));
  appender.add(typeB(b));
  await clock.advance(1_000);
  expect(calls).toHaveLength(1);
  expect(a.durable()).toBe(0);
  calls[0]?.answer();
  await settle();
  expect(a.durable()).toBe(1);
  expect(calls).toHaveLength(2);
  expect(calls[1]?.records.map(({ document, origin }) => [document, origin])).toEqual([
    ['a', 'origin of a'],
    ['b', 'origin of b'],
  ]);
  calls[1]?.answer();
  await settle();
  expect([a.durable(), b.durable()]).toEqual([3, 1]);
  expect(textOf(calls.flatMap(({ records }) => records).filter(({ document }) => document === 'a'))).toBe('one two three ');
});

test('GW30: under load appends begin no closer than the interval', async () => {
  const { appender, calls, clock } = start();
  const room = fakeRoom('a');
  const type = writer();
  appender.add(type(room));
  calls[0]?.answer();
  await settle();
  appender.add(type(room));
  expect(calls).toHaveLength(1);
  await clock.advance(3);
  expect(calls).toHaveLength(1);
  await clock.advance(1);
  expect(calls).toHaveLength(2);
});

test('GW31: an append that failed is repeated with the same bytes, and nothing overtakes it', async () => {
  const { appender, calls, clock } = start();
  const [a, b] = [fakeRoom('a'), fakeRoom('b')];
  const type = writer();
  appender.add(type(a, 'first '));
  for (let i = 0; i < 4; i++) {
    calls.at(-1)?.fail();
    await settle();
    appender.add(type(a, `later ${i} `));
    appender.add(writer()(b));
    await clock.advance(2_000);
  }
  expect(calls).toHaveLength(5);
  for (const { records } of calls) expect(records).toBe(calls[0]?.records);
  calls.at(-1)?.answer();
  await settle();
  expect([a.durable(), b.durable()]).toEqual([1, 0]);
  expect(calls).toHaveLength(6);
  expect(calls[5]?.records.map(({ document }) => document)).toEqual(['a', 'b']);
});

test('GW32: past the time or the bytes, the rooms with something unsaved are given up, all of them and no others', async () => {
  for (const cause of ['time', 'bytes'] as const) {
    const { appender, calls, clock } = start(cause === 'bytes' ? { limits: { unsavedBytesMax: 2_000 } } : {});
    const [a, b, c] = [fakeRoom('a'), fakeRoom('b'), fakeRoom('c')];
    appender.add(writer()(c));
    calls[0]?.answer();
    await settle();
    await clock.advance(10);
    const type = writer();
    appender.add(type(a));
    appender.add(type(b));
    if (cause === 'bytes') appender.add(type(b, 'x'.repeat(2_000)));
    else {
      await clock.advance(14_000);
      expect(appender.unsavedMs).toBe(14_000);
      expect([a.ended(), b.ended()]).toEqual([undefined, undefined]);
      await clock.advance(2_000);
    }
    expect(a.ended()).toMatch(cause === 'time' ? /nothing for 15000 ms/u : /more edits/u);
    expect(b.ended()).toBe(a.ended());
    expect(c.ended()).toBeUndefined();
    expect([appender.unsavedBytes, appender.unsavedRooms.size, appender.unsavedMs]).toEqual([0, 0, 0]);
    // The answer that comes after all is nobody's any more.
    calls[1]?.answer();
    await settle();
    expect([a.durable(), b.durable()]).toEqual([0, 0]);
    const d = fakeRoom('d');
    appender.add(writer()(d));
    await clock.advance(10);
    calls.at(-1)?.answer();
    await settle();
    expect(d.durable()).toBe(1);
  }
});

test('GW32: what gathered during a long append has its own time', async () => {
  const { appender, calls, clock } = start();
  const room = fakeRoom('a');
  const type = writer();
  appender.add(type(room));
  await clock.advance(1);
  appender.add(type(room));
  await clock.advance(14_900);
  calls[0]?.answer();
  await settle();
  await clock.advance(5_000);
  expect(room.ended()).toBeUndefined();
  calls[1]?.answer();
  await settle();
  expect(room.durable()).toBe(2);
});

test('GW82: what was given up since somebody asked is remembered', async () => {
  const { appender, clock, calls } = start({ recordBytesMax: 1_000 });
  const [a, b, c] = [fakeRoom('a'), fakeRoom('b'), fakeRoom('c')];
  appender.add(writer()(a));
  await clock.advance(16_000);
  const lost = appender.rememberLosses();
  expect(lost.size).toBe(0);
  appender.add(writer()(b));
  await clock.advance(10);
  calls.at(-1)?.answer([{ kind: 'too-large', bytesMax: 5 }]);
  await settle();
  await clock.advance(10);
  appender.add(writer()(c));
  await clock.advance(16_000);
  expect([...lost]).toEqual(['b', 'c']);
  expect(appender.unsavedRooms.size).toBe(0);
});

test('GW33: too large is final for its room alone', async () => {
  const { appender, calls, clock } = start();
  const [a, b] = [fakeRoom('a'), fakeRoom('b')];
  const [typeA, typeB] = [writer(), writer()];
  appender.add(typeA(a));
  calls[0]?.answer();
  await settle();
  appender.add(typeA(a));
  appender.add(typeB(b));
  await clock.advance(10);
  appender.add(typeA(a));
  calls[1]?.answer([
    { kind: 'too-large', bytesMax: 5 },
    { kind: 'appended', offset: 1 },
  ]);
  await settle();
  expect(a.ended()).toBe('too large: the journal takes records of at most 5 bytes');
  expect([b.durable(), b.ended()]).toEqual([1, undefined]);
  expect(appender.unsavedBytes).toBe(0);
});

test('GW33: of a document with a record that is too large nothing is appended, since what fits may refer to what does not', async () => {
  const { appender, calls, clock } = start({ recordBytesMax: 300 });
  const [a, b] = [fakeRoom('a'), fakeRoom('b')];
  const [typeA, typeB] = [writer(), writer()];
  appender.add(typeB(b));
  appender.add(typeA(a, 'x'.repeat(200)));
  appender.add(typeA(a, 'x'.repeat(400)));
  appender.add(typeA(a, 'x'.repeat(200)));
  appender.add(typeB(b));
  calls[0]?.answer();
  await clock.advance(10);
  expect(calls[1]?.records.map(({ document }) => document)).toEqual(['b']);
  expect([a.ended(), a.durable()]).toEqual(['too large: the journal takes records of at most 300 bytes', 0]);
  calls[1]?.answer();
  await clock.advance(10);
  expect([b.durable(), appender.unsavedBytes]).toEqual([2, 0]);
  appender.add(typeA(a, 'x'.repeat(400)));
  await appender.drained();
  expect(calls).toHaveLength(2);
});

test('GW34: what gathered is split where one record would be larger than the journal takes', async () => {
  const { appender, calls, clock } = start({ recordBytesMax: 300 });
  const room = fakeRoom('a');
  const type = writer();
  for (let i = 0; i < 11; i++) appender.add(type(room, 'y'.repeat(100)));
  calls[0]?.answer();
  await settle();
  await clock.advance(10);
  const records = calls.flatMap((call) => call.records);
  expect(records.length).toBeGreaterThan(4);
  for (const { update } of records) expect(update.length).toBeLessThanOrEqual(300);
  calls[1]?.answer();
  await settle();
  expect(room.durable()).toBe(11);
  expect(textOf(records)).toBe('y'.repeat(1_100));
});

test('GW35: drained means that all that was there is durable or given up', async () => {
  const { appender, calls, clock } = start();
  const room = fakeRoom('a');
  const type = writer();
  await appender.drained();
  appender.add(type(room));
  appender.add(type(room));
  let isDrained = false;
  void appender.drained().then(() => {
    isDrained = true;
  });
  calls[0]?.answer();
  await settle();
  expect(isDrained).toBe(false);
  await clock.advance(10);
  calls[1]?.answer();
  await settle();
  expect(isDrained).toBe(true);
});

test('GW35: what is added later is not waited for', async () => {
  const { appender, calls, clock } = start();
  const room = fakeRoom('a');
  const type = writer();
  appender.add(type(room));
  appender.add(type(room));
  let isDrained = false;
  void appender.drained().then(() => {
    isDrained = true;
  });
  for (const expected of [false, true]) {
    calls.at(-1)?.answer();
    await clock.advance(10);
    appender.add(type(room));
    expect(isDrained).toBe(expected);
  }
  const givenUp = appender.drained();
  await clock.advance(16_000);
  await givenUp;
});

test('GW30: a record has the author of its edits where there is only one', async () => {
  const { appender, calls, clock } = start();
  const room = fakeRoom('a');
  const type = writer();
  for (const author of ['ann', 'bob', 'bob', 'ann', 'bob']) appender.add(type(room, 'x', author));
  calls[0]?.answer();
  await settle();
  await clock.advance(10);
  expect(calls.map(({ records }) => records[0]?.author)).toEqual(['ann', '']);
});
