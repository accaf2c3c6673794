/** A session of the y-websocket door in its room: what is taken in, what is told, and when it is acknowledged. */

import { expect, onTestFinished, test } from 'vitest';
import * as Y from 'yjs';
import { createJournalDisk, createMemoryJournal } from '#shared/journal/memory.ts';
import { createMemoryStore } from '#shared/store/memory.ts';
import { encodeStep1, encodeStep2, encodeUpdate } from '#shared/wire/y-websocket.ts';
import { awarenessFrame, BareClient } from '#test/harness/bare-client.ts';
import { fakeConnection } from '#test/harness/fake-connection.ts';
import { documentName, memoryGateway, type MemoryGatewayOptions } from '#test/harness/memory-gateway.ts';
import { parseServerFrame, type ServerFrame } from '#test/harness/server-frames.ts';
import { settle, type VirtualClock, virtualClock } from '#test/harness/virtual-clock.ts';

async function pass(clock: VirtualClock, ms = 50): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await settle();
  await clock.advance(ms);
  for (let turn = 0; turn < 10; turn++) await settle();
}

/** A gateway whose appends wait until `journalAway` is false. */
function world(options: Partial<MemoryGatewayOptions> = {}) {
  const clock = virtualClock();
  const disk = createJournalDisk();
  let waiting: (() => void)[] = [];
  let isAway = false;
  const journal = createMemoryJournal({
    disk,
    step: (step, moment) => {
      if (step !== 'append' || moment !== 'before' || !isAway) return undefined;
      return new Promise((resolve) => waiting.push(resolve));
    },
  });
  const gateway = memoryGateway({ journal, store: createMemoryStore(), clock, ...options });
  const people: BareClient[] = [];
  onTestFinished(() => {
    for (const person of people) person.destroy();
  });
  const newcomer = (document?: Y.Doc): BareClient => {
    const client = new BareClient(document);
    people.push(client);
    return client;
  };
  /** A session that is spoken to byte by byte. */
  const raw = (document = 'a') => {
    const connection = fakeConnection();
    const session = gateway.connect(documentName(document), connection);
    const frames = (): readonly ServerFrame[] => connection.messages.map(parseServerFrame);
    const acknowledged = (): number => frames().reduce((most, frame) => (frame.kind === 'ack' ? frame.frames : most), 0);
    return { connection, session, frames, acknowledged };
  };
  return {
    clock,
    gateway,
    raw,
    newcomer,
    records: () => disk.partitions[0]?.highWater ?? 0,
    join: (client: BareClient, document = 'a') => gateway.join(document, client),
    journalAway: (away: boolean) => {
      isAway = away;
      if (away) return;
      const resume = waiting;
      waiting = [];
      for (const go of resume) go();
    },
  };
}

/** The updates that `edit` makes, one by one. */
function updatesOf(document: Y.Doc, edit: () => void): readonly Uint8Array[] {
  const updates: Uint8Array[] = [];
  const collect = (update: Uint8Array): void => void updates.push(update);
  document.on('update', collect);
  edit();
  document.off('update', collect);
  return updates;
}

function typed(document: Y.Doc, ...words: readonly string[]): readonly Uint8Array[] {
  const text = document.getText('text');
  return updatesOf(document, () => {
    for (const word of words) text.insert(text.length, word);
  });
}

test('GW50: a frame is acknowledged when it is durable, and not before', async () => {
  const { clock, journalAway, join, newcomer, records } = world();
  const a = newcomer();
  join(a);
  await pass(clock);
  expect(a.saved).toBe(true);
  journalAway(true);
  a.text.insert(0, 'x');
  await pass(clock);
  expect([a.sent, a.acknowledged, records()]).toEqual([2, 1, 0]);
  journalAway(false);
  await pass(clock);
  expect([a.sent, a.acknowledged, records()]).toEqual([2, 2, 1]);
});

test('GW51: people on one gateway go on working together while the journal is away', async () => {
  const { clock, journalAway, join, newcomer } = world();
  const [a, b] = [newcomer(), newcomer()];
  join(a);
  join(b);
  await pass(clock);
  journalAway(true);
  a.text.insert(0, 'one ');
  await pass(clock);
  b.text.insert(4, 'two');
  await pass(clock);
  expect([a.text.toJSON(), b.text.toJSON()]).toEqual(['one two', 'one two']);
  expect([a.saved, b.saved]).toEqual([false, false]);
});

test('GW52: what brings nothing new makes no record, and is settled when all that was under way at its arrival is durable', async () => {
  const { clock, journalAway, join, newcomer, raw, records } = world();
  const a = newcomer();
  join(a);
  await pass(clock);
  journalAway(true);
  a.text.insert(0, 'x');
  await pass(clock);
  const again = Y.encodeStateAsUpdate(a.doc);
  const { session, acknowledged } = raw();
  await pass(clock);
  session.message(encodeUpdate(again));
  session.message(encodeStep2(again));
  await pass(clock);
  expect(acknowledged()).toBe(0);
  journalAway(false);
  await pass(clock);
  expect(acknowledged()).toBe(2);
  expect(records()).toBe(1);
  session.message(encodeUpdate(again));
  expect(acknowledged()).toBe(3);
});

test('GW52: a repetition that comes in the same tick as the edit is settled with it', async () => {
  const { clock, journalAway, raw } = world();
  const [one, other] = [raw(), raw()];
  await pass(clock);
  const [update = new Uint8Array()] = typed(new Y.Doc(), 'x');
  journalAway(true);
  one.session.message(encodeUpdate(update));
  other.session.message(encodeUpdate(update));
  await pass(clock);
  expect([one.acknowledged(), other.acknowledged()]).toEqual([0, 0]);
  journalAway(false);
  await pass(clock);
  expect([one.acknowledged(), other.acknowledged()]).toEqual([1, 1]);
});

test('GW53: an update that refers to what is not there is held, seen by nobody and not acknowledged, nor is any after it', async () => {
  const { clock, join, newcomer, raw, records } = world();
  const reader = newcomer();
  join(reader);
  const { session, acknowledged } = raw();
  await pass(clock);
  const [one = new Uint8Array(), two = new Uint8Array(), three = new Uint8Array()] = typed(new Y.Doc(), '1', '2', '3');
  const [other = new Uint8Array()] = typed(new Y.Doc(), 'other');
  session.message(encodeUpdate(three));
  session.message(encodeUpdate(two));
  session.message(encodeUpdate(other));
  await pass(clock);
  expect(acknowledged()).toBe(0);
  expect(reader.text.toJSON()).toBe('other');
  expect(reader.doc.store.pendingStructs).toBeNull();
  expect(records()).toBe(1);
  session.message(encodeUpdate(one));
  await pass(clock);
  expect(acknowledged()).toBe(4);
  expect(reader.text.toJSON()).toContain('123');
});

test('GW53: what another session holds back is admitted when somebody else brings what was missing', async () => {
  const { clock, raw } = world();
  const [one, other] = [raw(), raw()];
  await pass(clock);
  const [first = new Uint8Array(), second = new Uint8Array()] = typed(new Y.Doc(), '1', '2');
  one.session.message(encodeUpdate(second));
  await pass(clock);
  other.session.message(encodeUpdate(first));
  await pass(clock);
  expect([one.acknowledged(), other.acknowledged()]).toEqual([1, 1]);
});

test('GW54: too much that can not be admitted closes its session for now (1013), and what it held goes with it', async () => {
  const { clock, gateway, raw } = world({ limits: { heldBytesMax: 1_000 } });
  const { connection, session } = raw();
  await pass(clock);
  for (const update of typed(new Y.Doc(), '0', '1', '2', '3', '4').slice(1)) session.message(encodeUpdate(update));
  await pass(clock, 2_000);
  expect(connection.closing()?.code).toBe(1013);
  expect(gateway.closings).toHaveLength(1);
});

test('GW55: of a Step2 the ready part is taken and settled; the rest waits, and never blocks', async () => {
  const { clock, join, newcomer, raw, records } = world();
  const reader = newcomer();
  join(reader);
  const { session, acknowledged, connection } = raw();
  await pass(clock);
  const lost = new Y.Doc();
  const [first = new Uint8Array(), second = new Uint8Array()] = typed(lost, 'lost ', 'found');
  const document = new Y.Doc();
  typed(document, 'mine');
  Y.applyUpdate(document, second);
  session.message(encodeStep2(Y.encodeStateAsUpdate(document)));
  await pass(clock);
  expect(acknowledged()).toBe(1);
  expect(reader.text.toJSON()).toBe('mine');
  expect(records()).toBe(1);
  session.message(encodeUpdate(first));
  await pass(clock);
  expect(acknowledged()).toBe(2);
  expect(reader.text.toJSON()).toContain('found');
  expect(connection.closing()).toBeUndefined();
});

test('GW55: a rest that is too large to wait is left with its client', async () => {
  const { clock, raw } = world({ limits: { heldBytesMax: 1_000 } });
  const { session, acknowledged, connection } = raw();
  await pass(clock);
  const [, second = new Uint8Array()] = typed(new Y.Doc(), 'lost', 'x'.repeat(5_000));
  const document = new Y.Doc();
  typed(document, 'mine');
  Y.applyUpdate(document, second);
  session.message(encodeStep2(Y.encodeStateAsUpdate(document)));
  await pass(clock);
  expect(connection.closing()).toBeUndefined();
  expect(acknowledged()).toBe(1);
});

test('GW56: what Yjs deletes by itself makes no record when its readers come back', async () => {
  const { clock, join, newcomer, records } = world();
  const [a, b] = [newcomer(), newcomer()];
  const [joinedA, joinedB] = [join(a), join(b)];
  await pass(clock);
  // Both before either has seen the other's.
  a.doc.getMap('map').set('key', 'of a');
  b.doc.getMap('map').set('key', 'of b');
  await pass(clock);
  const before = records();
  joinedA.leave();
  joinedB.leave();
  join(a);
  join(b);
  await pass(clock);
  expect(records()).toBe(before);
  expect([a.saved, b.saved]).toEqual([true, true]);
});

test('GW57: an edit that is really a deletion alone is one', async () => {
  const { clock, join, newcomer, records } = world();
  const [a, b] = [newcomer(), newcomer()];
  const joined = join(a);
  join(b);
  await pass(clock);
  a.text.insert(0, 'text');
  await pass(clock);
  joined.leave();
  a.text.delete(0, 4);
  const before = records();
  join(a);
  await pass(clock);
  expect(records()).toBe(before + 1);
  expect(b.text.toJSON()).toBe('');
  expect(a.saved).toBe(true);
});

const broken: readonly (readonly [string, Uint8Array])[] = [
  ['no frame', Uint8Array.of()],
  ['a Step1 that is no vector', encodeStep1(Uint8Array.of(1))],
  ['an empty vector', encodeStep1(Uint8Array.of())],
  ['an update that is none', encodeUpdate(Uint8Array.of(1, 2, 3))],
  ['a deletion of nothing', encodeUpdate(Uint8Array.from(Buffer.from('000101010000', 'hex')))],
  ['a Step2 with an empty string', encodeStep2(Uint8Array.from(Buffer.from('01010100040101740000', 'hex')))],
  ['awareness that is not JSON', awarenessFrame({ client: 1, clock: 1, state: '{' })],
];

test.each(broken)('GW58: %s closes its sender alone, for good (4400)', async (_what, message) => {
  const { clock, gateway, join, newcomer, raw } = world();
  const [a, b] = [newcomer(), newcomer()];
  a.awareness.setLocalState({ name: 'a' });
  join(a);
  join(b);
  const { connection, session } = raw();
  await pass(clock, 300);
  session.message(message);
  await pass(clock);
  expect(connection.closing()?.code).toBe(4400);
  expect(connection.closing()?.reason).not.toBe('');
  session.message(message);
  a.text.insert(0, 'goes on');
  await pass(clock);
  expect(b.text.toJSON()).toBe('goes on');
  expect(b.awareness.getStates().get(a.doc.clientID)).toEqual({ name: 'a' });
  expect(gateway.closings).toHaveLength(1);
});

test('GW59: giving up closes every session of the document (1013), readers included, and what was not saved comes back with the clients', async () => {
  const { clock, gateway, journalAway, join, newcomer } = world();
  const [a, b, other] = [newcomer(), newcomer(), newcomer()];
  const joined = [join(a), join(b)];
  const elsewhere = join(other, 'b');
  await pass(clock);
  journalAway(true);
  a.text.insert(0, 'unsaved');
  await pass(clock, 18_000);
  expect(joined.map(({ connection }) => connection.closing()?.code)).toEqual([1013, 1013]);
  expect(elsewhere.connection.closing()).toBeUndefined();
  expect([...gateway.rooms.open()].map(({ document }) => document)).toEqual(['b']);
  journalAway(false);
  for (const { leave } of joined) leave();
  const fresh = newcomer();
  for (const client of [a, b, fresh]) join(client);
  await pass(clock);
  expect([a, b, fresh].map(({ text }) => text.toJSON())).toEqual(['unsaved', 'unsaved', 'unsaved']);
  expect([a, b].map(({ saved }) => saved)).toEqual([true, true]);
});

test('GW60: an append that was given up and arrives late is taken in by the room that is there then', async () => {
  const { clock, journalAway, join, newcomer, records } = world();
  const a = newcomer();
  const joined = join(a);
  await pass(clock);
  journalAway(true);
  a.text.insert(0, 'late');
  await pass(clock, 16_000);
  joined.leave();
  const fresh = newcomer();
  join(fresh);
  await pass(clock);
  expect(fresh.text.toJSON()).toBe('');
  journalAway(false);
  await pass(clock);
  expect(records()).toBe(1);
  expect(fresh.text.toJSON()).toBe('late');
});

test('GW61: messages that come before the document is open are taken in order, and bounded (1013)', async () => {
  const { clock, raw, newcomer, join } = world({ limits: { openingBytesMax: 5_000 } });
  const { connection, session, acknowledged } = raw();
  for (const update of typed(new Y.Doc(), '1', '2', '3')) session.message(encodeUpdate(update));
  await pass(clock);
  const reader = newcomer();
  join(reader);
  await pass(clock);
  expect(reader.text.toJSON()).toBe('123');
  expect([acknowledged(), connection.closing()]).toEqual([3, undefined]);
  const flood = raw('other');
  for (let i = 0; i < 100; i++) flood.session.message(Uint8Array.of(99));
  await pass(clock, 2_000);
  expect(flood.connection.closing()?.code).toBe(1013);
});

test('GW62: a large update is read in steps, and what is sent after it stays behind it', async () => {
  const { clock, raw, newcomer, join } = world();
  const { session, acknowledged } = raw();
  await pass(clock);
  const [large = new Uint8Array(), small = new Uint8Array()] = typed(new Y.Doc(), 'x'.repeat(600_000), 'end');
  session.message(encodeUpdate(large));
  session.message(encodeUpdate(small));
  expect(acknowledged()).toBe(0);
  await pass(clock);
  const reader = newcomer();
  join(reader);
  await pass(clock);
  expect(reader.text.toJSON().length).toBe(600_003);
  expect(acknowledged()).toBe(2);
});

test('GW63: a frame, a document and a rate that are too much close their sender', async () => {
  const { clock, raw } = world({ limits: { frameBytesMax: 2_000, documentBytesMax: 3_000, framesPerSecondMax: 10 } });
  const [frame, doc, rate] = [raw('frame'), raw('document'), raw('rate')];
  await pass(clock);
  frame.session.message(new Uint8Array(2_001));
  for (const update of typed(new Y.Doc(), ...Array.from({ length: 4 }, () => 'x'.repeat(900)))) {
    doc.session.message(encodeUpdate(update));
  }
  // Not at once: the client would be back with it at once.
  expect(frame.connection.closing() ?? doc.connection.closing()).toBeUndefined();
  await pass(clock, 2_000);
  expect(frame.connection.closing()?.code).toBe(1009);
  expect(doc.connection.closing()?.code).toBe(1009);
  for (let i = 0; i < 100; i++) rate.session.message(Uint8Array.of(99));
  expect(rate.connection.closing()).toBeUndefined();
  rate.session.message(Uint8Array.of(99));
  await clock.advance(2_000);
  expect(rate.connection.closing()?.code).toBe(1013);
});

test('GW64: while writers must wait, what brings something new is refused (1013), and reading goes on', async () => {
  const reasons: string[] = [];
  const { clock, raw, newcomer, join } = world({ writersMustWait: () => reasons[0] });
  const a = newcomer();
  join(a);
  await pass(clock);
  a.text.insert(0, 'before');
  await pass(clock);
  reasons.push('the store is too far behind');
  const reader = newcomer();
  join(reader);
  const writer = raw();
  await pass(clock);
  const [update = new Uint8Array()] = typed(new Y.Doc(), 'x');
  writer.session.message(encodeUpdate(update));
  await pass(clock, 2_000);
  expect(writer.connection.closing()).toEqual({ code: 1013, reason: 'the store is too far behind' });
  expect(reader.text.toJSON()).toBe('before');
  expect(reader.saved).toBe(true);
});

test('GW65: a silent connection is sent an empty frame in time, a lively one is not', async () => {
  const { clock, raw } = world();
  const { session, connection } = raw();
  await pass(clock, 1_000);
  session.keepAlive();
  const before = connection.messages.length;
  session.keepAlive();
  expect(connection.messages.slice(before)).toEqual([Uint8Array.of(1, 1, 0)]);
  session.message(encodeStep1(Uint8Array.of(0)));
  session.keepAlive();
  expect(connection.messages.length).toBe(before + 2);
});

test('GW66: an edit that was pending when a reader fell behind is not left out of what it gets later', async () => {
  const { clock, raw, newcomer, join } = world({ limits: { missedBytesMax: 0, outboxHighWaterBytes: 2_000 } });
  const author = newcomer();
  join(author);
  const reader = newcomer();
  const { connection } = join(reader);
  await pass(clock);
  connection.stall(true);
  // A presence frame beyond the high-water mark goes out while an edit is admitted and not yet published.
  const crowd = raw();
  await pass(clock);
  const state = JSON.stringify('x'.repeat(3_000));
  crowd.session.message(awarenessFrame({ client: 1, clock: 1, state }));
  await pass(clock);
  author.text.insert(0, 'pending');
  await Promise.resolve();
  reader.awareness.setLocalState({ here: true });
  await pass(clock);
  author.text.insert(0, 'later ');
  await pass(clock);
  connection.stall(false);
  await pass(clock);
  expect(reader.text.toJSON()).toBe('later pending');
});

test('GW67: everyone here is told to a session after its first awareness, or a moment after it came', async () => {
  const { clock, raw, newcomer, join } = world();
  const a = newcomer();
  a.awareness.setLocalState({ name: 'a' });
  join(a);
  await pass(clock);
  const silent = raw();
  const speaking = raw();
  await pass(clock, 0);
  speaking.session.message(awarenessFrame({ client: 7, clock: 1, state: '{}' }));
  await pass(clock, 0);
  const heard = ({ frames }: typeof silent): boolean => frames().some(({ kind }) => kind === 'awareness');
  expect([heard(silent), heard(speaking)]).toEqual([false, true]);
  await pass(clock, 300);
  expect(heard(silent)).toBe(true);
  const before = silent.frames().length;
  silent.session.message(Uint8Array.of(3));
  expect(silent.frames().length).toBe(before + 1);
});

test('GW68: a session whose update refers to what is not there is asked for it, and what it answers makes it ready', async () => {
  const { clock, raw, newcomer, join } = world();
  const reader = newcomer();
  join(reader);
  const { session, frames, acknowledged } = raw();
  await pass(clock);
  const questions = (): number => frames().filter(({ kind }) => kind === 'step1').length;
  const before = questions();
  const document = new Y.Doc();
  const [, second = new Uint8Array(), third = new Uint8Array()] = typed(document, 'one ', 'two ', 'three');
  session.message(encodeUpdate(second));
  session.message(encodeUpdate(third));
  await pass(clock);
  expect([questions() - before, acknowledged()]).toEqual([1, 0]);
  session.message(encodeStep2(Y.encodeStateAsUpdate(document)));
  await pass(clock);
  expect(reader.text.toJSON()).toBe('one two three');
  expect(acknowledged()).toBe(3);
});

test('GW69: a hundred thousand frames with nothing new behind one that waits are one thing to remember', async () => {
  const { clock, raw } = world({ limits: { framesPerSecondMax: 1_000_000 } });
  const { connection, session, acknowledged } = raw();
  await pass(clock);
  const document = new Y.Doc();
  const [first = new Uint8Array(), second = new Uint8Array()] = typed(document, '1', '2');
  session.message(encodeUpdate(second));
  const nothing = encodeUpdate(Uint8Array.of(0, 0));
  for (let i = 0; i < 150_000; i++) session.message(nothing);
  expect(acknowledged()).toBe(0);
  session.message(encodeUpdate(first));
  await pass(clock);
  expect(connection.closing()).toBeUndefined();
  expect(acknowledged()).toBe(150_002);
});

test('GW69: however much waits in an inbox, others get their turn', async () => {
  const { clock, raw } = world({ limits: { framesPerSecondMax: 1_000_000 } });
  const { session, acknowledged } = raw();
  const nothing = encodeUpdate(Uint8Array.of(0, 0));
  for (let i = 0; i < 20_000; i++) session.message(nothing);
  while (acknowledged() === 0) await settle();
  expect(acknowledged()).toBeLessThan(20_000);
  session.message(nothing);
  await pass(clock);
  while (acknowledged() < 20_001) await settle();
});
