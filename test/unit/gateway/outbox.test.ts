/** What goes out to one session, however slowly it reads. */

import { expect, test } from 'vitest';
import { type CatchUp, Outbox, type OutboxLimits, type Position } from '#gateway/outbox.ts';
import type { Framing } from '#gateway/framing.ts';
import type { Closing } from '#shared/wire/close-codes.ts';
import { settle } from '#test/harness/virtual-clock.ts';
import { fakeChannel, fakeConnection, type FakeConnection } from '#test/harness/fake-connection.ts';

const letters = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (message: Uint8Array | undefined): string => new TextDecoder().decode(message);

/** Frames that can be read by people: a letter for the kind, then what is in them. */
const framing: Framing = {
  step1: (vector) => letters(`Q${textOf(vector)}`),
  update: (update) => letters(`U${textOf(update)}`),
  catchUp: (update) => [letters('U'), ...update],
  step2: (update) => [letters('S'), ...update],
  awareness: (awareness) => letters(`A${textOf(awareness)}`),
  ack: (frames) => letters(`K${frames}`),
  keepAlive: letters('-'),
};

const limits: OutboxLimits = { outboxHighWaterBytes: 100, outboxBytesMax: 400, fragmentBytes: 40 };

/** In three parts, whatever their sizes. */
const inParts = (text: string): readonly Uint8Array[] => [
  letters(text.slice(0, 3)),
  letters(text.slice(3, 90)),
  letters(text.slice(90)),
];

/** A room whose document is a string that grows, and where positions are lengths. */
function stringRoom() {
  let document = '';
  let slow = 0;
  const room: CatchUp & { grow: (by: string) => string; people: string; readonly slow: () => number } = {
    people: '',
    slow: () => slow,
    grow: (by) => {
      document += by;
      return by;
    },
    position: () => ({ sequence: document.length, vector: letters(String(document.length)) }),
    missedSince: ({ sequence }: Position) => (sequence === document.length ? undefined : inParts(document.slice(sequence))),
    stateFor: (vector) => inParts(document.slice(Number(textOf(vector)))),
    everyone: (missed) => (room.people === '' ? undefined : letters(missed ? `${room.people}, nobody else` : room.people)),
    slowReaders: (change) => void (slow += change),
    spoken: () => 0,
  };
  return room;
}

function start(asksForAck = true) {
  const connection: FakeConnection = fakeConnection();
  const channel = fakeChannel();
  const room = stringRoom();
  const traffic = { framesOut: 0, bytesOut: 0, slowReaders: 0 };
  const closings: Closing[] = [];
  const outbox = new Outbox(
    connection,
    asksForAck ? framing : { ...framing, ack: undefined },
    channel,
    room,
    limits,
    traffic,
    (closing) => {
      closings.push(closing);
      outbox.end();
    },
    settle,
  );
  connection.onDrained = () => outbox.drained();
  const publish = (text: string): void => outbox.update(framing.update(letters(room.grow(text))));
  const said = (): readonly string[] => connection.messages.map(textOf);
  return { connection, room, traffic, closings, outbox, publish, said };
}

const many = (count: number, text: string): string => text.repeat(count);

test('GW1: a session that reads gets every frame as it comes', () => {
  const { outbox, publish, said, traffic } = start();
  publish('a');
  outbox.presence(letters('Ame'));
  outbox.ack(1);
  publish('b');
  outbox.keepAlive();
  expect(said()).toEqual(['Ua', 'Ame', 'K1', 'Ub']);
  outbox.keepAlive();
  expect(said()).toEqual(['Ua', 'Ame', 'K1', 'Ub', '-']);
  expect(traffic).toEqual({ framesOut: 5, bytesOut: 10, slowReaders: 0 });
});

test('GW2: past the high-water mark updates and presence are left out, and made up for by one of each', () => {
  const { connection, outbox, publish, room, said, traffic } = start();
  connection.stall(true);
  for (let i = 0; i < 4; i++) publish(many(30, String(i)));
  expect(outbox.isBehind).toBe(true);
  expect(traffic.slowReaders).toBe(1);
  expect(room.slow()).toBe(1);
  const held = connection.buffered();
  for (let i = 0; i < 100; i++) {
    publish(many(3, 'x'));
    outbox.presence(letters('Asomeone'));
    outbox.keepAlive();
  }
  room.people = 'all';
  expect(connection.buffered()).toBe(held);
  connection.stall(false);
  expect(said()).toEqual([...[0, 1, 2, 3].map((i) => `U${many(30, String(i))}`), `U${many(300, 'x')}`, 'Aall, nobody else']);
  expect(outbox.isBehind).toBe(false);
  expect(traffic.slowReaders).toBe(0);
  expect(room.slow()).toBe(0);
  publish('live');
  expect(said().at(-1)).toBe('Ulive');
});

test('GW3: acknowledgements and answers to Step1 are never left out; of acknowledgements the last one counts', () => {
  const { connection, outbox, publish, room, said } = start();
  connection.stall(true);
  for (let i = 0; i < 4; i++) publish(many(30, 'a'));
  outbox.ack(1);
  outbox.step2(letters('0'));
  outbox.ack(2);
  outbox.ack(7);
  publish('b');
  connection.stall(false);
  expect(said().slice(4)).toEqual(['K7', `S${many(120, 'a')}b`]);
  expect(room.slow()).toBe(0);
  outbox.ack(9);
  expect(said().at(-1)).toBe('K9');
});

test('GW3: every question that waits is answered', () => {
  const { connection, outbox, publish, said } = start();
  connection.stall(true);
  for (let i = 0; i < 4; i++) publish(many(30, 'a'));
  outbox.step2(letters('118'));
  outbox.step2(letters('119'));
  connection.stall(false);
  expect(said().slice(4)).toEqual(['Saa', 'Sa']);
});

test('GW4: a large message goes out in pieces, as the socket takes them, and nothing comes in between', async () => {
  const { connection, outbox, publish, room, said } = start();
  room.grow(many(500, 'd'));
  connection.stall(true);
  outbox.step2(letters('0'));
  await settle();
  expect(connection.buffered()).toBeGreaterThan(0);
  expect(connection.buffered()).toBeLessThanOrEqual(limits.outboxHighWaterBytes + limits.fragmentBytes);
  publish('e');
  outbox.ack(3);
  outbox.presence(letters('Ame'));
  for (let i = 0; i < 100; i++) {
    connection.read(7);
    await settle();
  }
  connection.stall(false);
  await settle();
  expect(said()).toEqual([`S${many(500, 'd')}`, 'K3', 'Ue']);
  expect(connection.pieces).toEqual([13, 1, 1]);
  expect(outbox.isBehind).toBe(false);
});

test('GW4: a large message to a client that reads goes out at once, and the session is not behind after it', async () => {
  const { connection, outbox, publish, room, said } = start();
  room.grow(many(200, 'd'));
  outbox.step2(letters('0'));
  await settle();
  publish('e');
  expect(said()).toEqual([`S${many(200, 'd')}`, 'Ue']);
  expect(connection.pieces).toEqual([6, 1]);
  expect(outbox.isBehind).toBe(false);
});

test('GW5: whatever comes, a client that does not read has no more than the high-water mark and a piece or frame in its socket', () => {
  const { connection, outbox, publish, room } = start();
  connection.stall(true);
  for (let i = 1; i < 3_000; i++) {
    publish(many(1 + (i % 90), 'x'));
    outbox.presence(letters(many(39, 'p')));
    outbox.ack(i);
    outbox.keepAlive();
    if (i % 500 === 0) outbox.step2(letters(String(i)));
    if (i % 700 === 0) connection.read(60);
  }
  room.people = many(300, 'q');
  outbox.everyone();
  expect(connection.bufferedMost()).toBeLessThanOrEqual(limits.outboxHighWaterBytes + 100);
});

test('GW5: acknowledgements alone make a session slow, too', () => {
  const { connection, outbox } = start();
  connection.stall(true);
  for (let i = 1; i < 1_000; i++) outbox.ack(i);
  expect(connection.bufferedMost()).toBeLessThanOrEqual(limits.outboxHighWaterBytes + 10);
  connection.stall(false);
  expect(textOf(connection.messages.at(-1))).toBe('K999');
});

test('GW6: questions that can not be answered yet are counted, and too many of them close the session for now (1013)', () => {
  const { closings, connection, outbox, publish, room } = start();
  connection.stall(true);
  for (let i = 0; i < 4; i++) publish(many(30, 'a'));
  for (let i = 0; i < 7 && closings.length === 0; i++) outbox.step2(letters('0'));
  expect(closings.map(({ code }) => code)).toEqual([1013]);
  expect(room.slow()).toBe(0);
});

test('GW7: after its end a session is sent nothing and counts for nothing', () => {
  const { connection, outbox, publish, room, said, traffic } = start();
  connection.stall(true);
  for (let i = 0; i < 4; i++) publish(many(30, 'a'));
  outbox.end();
  outbox.end();
  publish(many(200, 'b'));
  outbox.step2(letters('0'));
  outbox.everyone();
  outbox.ack(1);
  connection.stall(false);
  expect(said()).toHaveLength(4);
  expect([room.slow(), traffic.slowReaders]).toEqual([0, 0]);
});

test('GW3: who did not ask for acknowledgements gets none', () => {
  const { connection, outbox, publish, said } = start(false);
  outbox.ack(1);
  connection.stall(true);
  for (let i = 0; i < 4; i++) publish(many(30, 'a'));
  outbox.ack(2);
  connection.stall(false);
  expect(said().filter((text) => text.startsWith('K'))).toEqual([]);
});

test('GW73: a client that takes everything at once gets a few pieces at a time, so that others have their turn', async () => {
  const { outbox, publish, room, said, traffic } = start();
  room.grow(many(1_000, 'd'));
  outbox.step2(letters('0'));
  await settle();
  expect(traffic.bytesOut).toBe(8 * limits.fragmentBytes);
  publish('e');
  outbox.ack(1);
  await settle();
  expect(traffic.bytesOut).toBe(16 * limits.fragmentBytes);
  for (let turn = 0; turn < 5; turn++) await settle();
  expect(said()).toEqual([`S${many(1_000, 'd')}`, 'K1', 'Ue']);
  expect(outbox.isBehind).toBe(false);
});

test('GW73: a session that ends between its turns is sent nothing more', async () => {
  const { outbox, room, traffic } = start();
  room.grow(many(1_000, 'd'));
  outbox.step2(letters('0'));
  await settle();
  const sent = traffic.bytesOut;
  outbox.end();
  for (let turn = 0; turn < 5; turn++) await settle();
  expect(traffic.bytesOut).toBe(sent);
  expect([room.slow(), traffic.slowReaders]).toEqual([0, 0]);
});
