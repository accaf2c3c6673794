/** Who is here through other gateways: several exchanges on one bus, message by message. */

import { expect, test } from 'vitest';
import { PresenceExchange } from '#gateway/presence-exchange.ts';
import { decodePresenceMessage, encodePresenceMessage, type PresenceBody } from '#gateway/presence-message.ts';
import { Presence, type PresenceLimits, type Speaker } from '#gateway/presence.ts';
import { type BroadcastStep, createBroadcastBus, createMemoryBroadcast } from '#shared/journal/broadcast-memory.ts';
import type { Partition } from '#shared/journal/journal.ts';
import { decodeAwareness, encodeAwarenessUpdate } from '#shared/wire/awareness.ts';
import { freezingClock } from '#test/harness/freezing-clock.ts';
import { documentName } from '#test/harness/memory-gateway.ts';
import { settle, virtualClock } from '#test/harness/virtual-clock.ts';

const limits: PresenceLimits = {
  awarenessStateBytesMax: 100,
  awarenessClientsPerSessionMax: 100,
  awarenessClientsPerDocumentMax: 100,
};
const doc = documentName('a');

type Said = PresenceBody & { readonly gateway: string; readonly number: number };

function read(update: Uint8Array | undefined): Record<number, string> {
  if (update === undefined) return {};
  const decoded = decodeAwareness(update, 1_000);
  if ('refused' in decoded) throw new Error(decoded.refused);
  return Object.fromEntries(
    decoded.entries.map(({ client, clock, state }) => [client, `${clock} ${new TextDecoder().decode(state)}`]),
  );
}

/** A bus, what was said on it, and gateways that join. */
function network(messageBytesMax = 10_000) {
  const clock = virtualClock();
  const bus = createBroadcastBus();
  const said: Said[] = [];
  const weather = { loses: (_step: BroadcastStep, _gateway: string): boolean => false };
  let numbers = 0;
  const ear = createMemoryBroadcast({ bus });
  ear.listen(0, {
    onMessage: (message) => {
      const decoded = decodePresenceMessage(message);
      if (decoded.kind === 'decoded') said.push({ ...decoded.value, ...decoded.value.body });
    },
    onGap: () => {},
  });
  const pass = async (ms = 0): Promise<void> => {
    for (let turn = 0; turn < 8; turn++) await settle();
    if (ms > 0) await clock.advance(ms);
    for (let turn = 0; turn < 8; turn++) await settle();
  };
  const gateway = (origin: string) => {
    const step = (name: BroadcastStep, _partition: Partition): void => {
      if (name !== 'listen' && weather.loses(name, origin)) throw new Error('lost');
    };
    const broadcast = createMemoryBroadcast({ bus, step, messageBytesMax });
    const counters = { messagesIn: 0, messagesOut: 0, ignored: 0 };
    const process = freezingClock(clock);
    const exchange = new PresenceExchange({
      broadcast,
      clock: process.clock,
      origin,
      limits,
      counters,
      endOfTick: (run) => void setImmediate(run),
    });
    const open = (document = doc) => {
      const presence = new Presence(limits);
      const shown: Record<number, string>[] = [];
      const questions: Record<number, string>[] = [];
      let isDue = false;
      const flush = (): void => {
        isDue = false;
        exchange.tell(document);
        const changes = presence.takeChanges();
        if (changes.update !== undefined) shown.push(read(changes.update));
        for (const question of changes.questions.values()) questions.push(read(question));
      };
      const changed = (): void => {
        if (!isDue) setImmediate(flush);
        isDue = true;
      };
      exchange.open({ document, presence, changed });
      const connect = (informed = false) => {
        const speaker: Speaker = { number: numbers++, informed, owned: new Set() };
        return {
          speaker,
          says: (client: number, at: number, state: unknown = { at }) => {
            const bytes = new TextEncoder().encode(JSON.stringify(state));
            expect(presence.hear(speaker, [{ client, clock: at, state: bytes }])).toBeUndefined();
            speaker.informed = true;
            changed();
          },
          ends: () => {
            presence.leave(speaker);
            changed();
          },
        };
      };
      return { presence, shown, questions, connect, everyone: () => read(presence.everyone()) };
    };
    return { exchange, broadcast, counters, process, open };
  };
  const inject = (body: PresenceBody, number = 1, from = 'elsewhere/0'): void =>
    ear.send(0, encodePresenceMessage({ gateway: from, number, body }));
  return { clock, bus, said, weather, pass, gateway, inject, ear };
}

const entry = (client: number, clock: number, state: string) => ({ client, clock, state: new TextEncoder().encode(state) });
const kinds = (said: readonly Said[]): readonly string[] => said.map(({ gateway, kind }) => `${gateway} ${kind}`);

test('GW90: what changed in one tick is told once, of our own people alone, and what did not change is not told', async () => {
  const { gateway, said, pass } = network();
  const [a, b] = [gateway('a').open(), gateway('b').open()];
  await pass();
  said.length = 0;
  const [ann, amy] = [a.connect(), a.connect()];
  ann.says(1, 1);
  ann.says(1, 2);
  amy.says(2, 1);
  await pass();
  expect(said).toMatchObject([{ gateway: 'a/0', kind: 'changes', document: 'a' }]);
  expect(b.everyone()).toEqual({ 1: '2 {"at":2}', 2: '1 {"at":1}' });
  b.connect().says(3, 1);
  await pass();
  expect(a.everyone()).toEqual(b.everyone());
  expect(kinds(said)).toEqual(['a/0 changes', 'b/0 changes']);
  b.connect(true).says(1, 2);
  await pass();
  expect(said).toHaveLength(2);
});

test('GW91: a room that opens asks who is there, once it is heard; several questions of a tick get one answer', async () => {
  const { gateway, said, pass } = network();
  const a = gateway('a').open();
  a.connect().says(1, 4);
  await pass();
  said.length = 0;
  const [b, c] = [gateway('b').open(), gateway('c').open()];
  const other = gateway('d').open(documentName('other'));
  await pass();
  expect(b.everyone()).toEqual({ 1: '4 {"at":4}' });
  expect(c.everyone()).toEqual({ 1: '4 {"at":4}' });
  expect(other.everyone()).toEqual({});
  expect(kinds(said).filter((kind) => kind.endsWith('query'))).toHaveLength(3);
  expect(said.filter(({ kind }) => kind !== 'query')).toMatchObject([{ gateway: 'a/0', kind: 'whole' }]);
});

test('GW92: an id belongs to the gateway that said it last at its highest clock, and only its owner takes it away', async () => {
  const { gateway, pass } = network();
  const [a, b, c] = [gateway('a').open(), gateway('b').open(), gateway('c').open()];
  await pass();
  const old = a.connect();
  old.says(1, 3);
  await pass();
  const back = b.connect();
  back.says(1, 3);
  await pass();
  c.shown.length = 0;
  old.ends();
  await pass();
  for (const room of [a, b, c]) expect(room.everyone()).toEqual({ 1: '3 {"at":3}' });
  expect(c.shown).toEqual([]);
  back.says(1, 4);
  back.ends();
  await pass();
  for (const room of [a, b, c]) expect(room.everyone()).toEqual({});
  expect(c.shown.at(-1)).toEqual({ 1: '4 null' });
});

test('GW92: the end of an older connection on another gateway, however late it is told, removes nobody', async () => {
  const { gateway, inject, pass } = network();
  const a = gateway('a').open();
  await pass();
  inject({ kind: 'changes', document: doc, awareness: encodeAwarenessUpdate([entry(1, 3, '{}'), entry(2, 3, '{}')]) });
  await pass();
  a.connect().says(1, 3);
  inject({ kind: 'changes', document: doc, awareness: encodeAwarenessUpdate([entry(2, 3, '{}')]) }, 1, 'third/0');
  await pass();
  inject({ kind: 'changes', document: doc, awareness: encodeAwarenessUpdate([entry(1, 9, 'null'), entry(2, 9, 'null')]) }, 2);
  await pass();
  expect(Object.keys(a.everyone())).toEqual(['1', '2']);
  inject({ kind: 'goodbye' }, 3);
  await pass();
  expect(Object.keys(a.everyone())).toEqual(['1', '2']);
});

test('GW92: a lower clock, and one at which somebody is gone already, are late', async () => {
  const { gateway, inject, pass } = network();
  const [a, b] = [gateway('a').open(), gateway('b').open()];
  await pass();
  const old = a.connect();
  old.says(1, 3);
  await pass();
  const back = b.connect();
  back.says(1, 7);
  old.says(1, 5);
  await pass();
  expect(a.everyone()).toEqual({ 1: '7 {"at":7}' });
  back.ends();
  inject({ kind: 'changes', document: doc, awareness: encodeAwarenessUpdate([entry(1, 6, '{}')]) });
  await pass();
  expect(a.everyone()).toEqual({});
});

test.each([
  ['in one tick', 0],
  ['the later one before it hears the first', 1],
])('GW93: two gateways that claim an id at once end with one owner, whose end ends it: %s', async (_, turns) => {
  const { gateway, pass } = network();
  const rooms = [gateway('a').open(), gateway('b').open(), gateway('c').open()] as const;
  const [a, b] = rooms;
  await pass();
  const [first, second] = [a.connect(), b.connect()];
  first.says(1, 6);
  for (let turn = 0; turn < turns; turn++) await Promise.resolve();
  second.says(1, 6);
  await pass();
  expect(first.speaker.owned.size + second.speaker.owned.size).toBe(1);
  const [owner, other] = first.speaker.owned.size > 0 ? [first, second] : [second, first];
  other.ends();
  await pass();
  for (const room of rooms) expect(room.everyone()).toEqual({ 1: '6 {"at":6}' });
  owner.ends();
  await pass();
  for (const room of rooms) expect(room.everyone()).toEqual({});
});

test('GW94: who has people says something every 10 s, and a gateway that died is forgotten with its people after 30 s', async () => {
  const { gateway, said, pass } = network();
  const [a, b] = [gateway('a'), gateway('b')];
  const [inA, inB] = [a.open(), b.open()];
  await pass();
  inA.connect().says(1, 1);
  await pass();
  said.length = 0;
  await pass(60_000);
  expect(kinds(said)).toEqual(Array.from({ length: 6 }, () => 'a/0 alive'));
  expect(inB.everyone()).toEqual({ 1: '1 {"at":1}' });
  expect([a.exchange.gateways, b.exchange.gateways]).toEqual([0, 1]);
  a.broadcast.crash();
  await pass(19_000);
  expect(inB.everyone()).toEqual({ 1: '1 {"at":1}' });
  await pass(11_000);
  expect(inB.everyone()).toEqual({});
  expect(b.exchange.gateways).toBe(0);
});

test('GW94: a gateway that says goodbye is gone at once, and says and hears nothing more', async () => {
  const { gateway, said, pass } = network();
  const a = gateway('a');
  const [inA, inB] = [a.open(), gateway('b').open()];
  await pass();
  inA.connect().says(1, 1);
  await pass();
  a.exchange.leave();
  await pass();
  expect(said.at(-1)).toMatchObject({ gateway: 'a/0', kind: 'goodbye' });
  expect(inB.everyone()).toEqual({});
  const count = said.length;
  inA.connect().says(2, 1);
  inB.connect().says(3, 1);
  await pass(60_000);
  expect(said.slice(count).filter(({ gateway }) => gateway.startsWith('a'))).toEqual([]);
  expect(inA.everyone()).not.toHaveProperty('3');
});

test.each(['send', 'hear'] as const)(
  'GW95: what was lost at "%s" is asked for again, and who left meanwhile is gone',
  async (at) => {
    const { gateway, weather, pass } = network();
    const [a, b] = [gateway('a').open(), gateway('b').open()];
    await pass();
    const [ann, amy] = [a.connect(), a.connect()];
    ann.says(1, 1);
    amy.says(2, 1);
    await pass();
    weather.loses = (step, origin) => step === at && origin === (at === 'send' ? 'a' : 'b');
    ann.ends();
    a.connect().says(3, 1);
    await pass();
    weather.loses = () => false;
    await pass(10_000);
    expect(b.everyone()).toEqual({ 2: '1 {"at":1}', 3: '1 {"at":1}' });
  },
);

/** Somebody is on `a`, and what `b` asked when it opened was lost. */
async function lostQuestion() {
  const { gateway, weather, pass } = network();
  const a = gateway('a').open();
  a.connect().says(1, 1);
  await pass();
  weather.loses = (step, origin) => step === 'send' && origin === 'b';
  const b = gateway('b').open();
  await pass();
  weather.loses = () => false;
  return { b, pass };
}

test('GW95: a question that is lost is asked again', async () => {
  const { b, pass } = await lostQuestion();
  expect(b.everyone()).toEqual({});
  await pass(10_000);
  expect(b.everyone()).toEqual({ 1: '1 {"at":1}' });
});

test('GW95: and at once, where something later is heard', async () => {
  const { b, pass } = await lostQuestion();
  b.connect().says(2, 1);
  await pass();
  expect(b.everyone()).toEqual({ 1: '1 {"at":1}', 2: '1 {"at":1}' });
});

test('GW95: a question that the asked one missed is asked again', async () => {
  const { gateway, weather, said, pass } = network();
  const [a, b] = [gateway('a').open(), gateway('b').open()];
  await pass();
  const [ann, amy] = [a.connect(), a.connect()];
  ann.says(1, 1);
  amy.says(2, 1);
  await pass();
  weather.loses = (step, origin) => step === 'send' && origin === 'a';
  ann.ends();
  await pass();
  weather.loses = (step, origin) => step === 'hear' && origin === 'a';
  amy.says(2, 2);
  await pass();
  expect(said.at(-1)).toMatchObject({ gateway: 'b/0', kind: 'query' });
  weather.loses = () => false;
  await pass(15_000);
  expect(b.everyone()).toEqual({ 2: '2 {"at":2}' });
});

test('GW95: after a gap everyone is asked at once, also those who have nothing more to say', async () => {
  const { gateway, pass } = network();
  const b = gateway('b');
  const [inA, inB] = [gateway('a').open(), b.open()];
  await pass();
  const ann = inA.connect();
  ann.says(1, 1);
  await pass();
  b.broadcast.hold();
  ann.ends();
  await pass();
  b.broadcast.release('missed-all');
  await pass();
  expect(inB.everyone()).toEqual({});
});

test('GW95: one question is under way at a time; what is to be asked meanwhile is asked together', async () => {
  const { gateway, said, pass } = network();
  const [a, b] = [gateway('a'), gateway('b')];
  const documents = Array.from({ length: 5 }, (_, i) => documentName(`document ${i}`));
  for (const [i, document] of documents.entries()) a.open(document).connect().says(i, 1);
  b.open();
  await pass();
  said.length = 0;
  b.broadcast.hold();
  const rooms = [];
  for (const document of documents) {
    rooms.push(b.open(document));
    await pass();
  }
  b.broadcast.release('hears-all');
  await pass();
  const queries = said.filter(({ kind }) => kind === 'query');
  expect(queries.map((query) => 'documents' in query && query.documents.length)).toEqual([1, 4]);
  for (const [i, room] of rooms.entries()) expect(room.everyone()).toEqual({ [i]: '1 {"at":1}' });
});

test('GW95: messages that keep getting lost do not make storms of questions', async () => {
  const { gateway, weather, said, pass } = network();
  const [a, b] = [gateway('a').open(), gateway('b').open()];
  await pass(20_000);
  said.length = 0;
  let count = 0;
  weather.loses = (step, origin) => step === 'send' && origin === 'a' && count++ % 2 === 0;
  const ann = a.connect();
  for (let clock = 1; clock <= 100; clock++) {
    ann.says(1, clock);
    await pass();
  }
  weather.loses = () => false;
  expect(said.filter(({ kind }) => kind === 'query').length).toBeLessThanOrEqual(2);
  await pass(10_000);
  expect(b.everyone()).toEqual({ 1: '100 {"at":100}' });
});

test('GW95: where everybody of a forgotten gateway is still there, they are back with its next word', async () => {
  const { gateway, pass } = network();
  const [a, b] = [gateway('a'), gateway('b')];
  const [inA, inB] = [a.open(), b.open()];
  await pass();
  inA.connect().says(1, 1);
  await pass();
  b.broadcast.hold();
  await pass(35_000);
  expect(inB.everyone()).toEqual({});
  b.broadcast.release('missed-all');
  await pass(10_000);
  expect(inB.everyone()).toEqual({ 1: '1 {"at":1}' });
});

test('GW96: a process that did not run for a minute takes nobody for dead for that; it asks, and so does everyone else', async () => {
  const { gateway, said, pass } = network();
  const [a, b, c] = [gateway('a'), gateway('b'), gateway('c')];
  const [inA, inB, inC] = [a.open(), b.open(), c.open()];
  await pass();
  const [ann, amy] = [inA.connect(), inA.connect()];
  ann.says(1, 1);
  amy.says(2, 1);
  inB.connect().says(3, 1);
  inC.connect().says(4, 1);
  await pass();
  b.process.freeze();
  b.broadcast.hold();
  await pass(15_000);
  c.broadcast.crash();
  ann.ends();
  await pass(45_000);
  expect(inA.everyone()).toEqual({ 2: '1 {"at":1}' });
  inB.shown.length = 0;
  said.length = 0;
  b.process.thaw();
  b.broadcast.release('missed-all');
  await pass();
  expect(inA.everyone()).toEqual({ 2: '1 {"at":1}', 3: '1 {"at":1}' });
  expect(inB.shown).toEqual([{ 1: '1 null' }]);
  expect(inB.everyone()).toHaveProperty('4');
  await pass(15_000);
  expect(inB.everyone()).toEqual(inA.everyone());
});

test('GW97: who comes back at the clock at which readers saw them go is asked to speak again: through the same gateway', async () => {
  const { gateway, pass } = network();
  const a = gateway('a').open();
  const first = a.connect();
  first.says(1, 5);
  await pass();
  first.ends();
  await pass();
  a.connect().says(2, 1);
  await pass();
  expect(a.questions).toEqual([]);
  a.connect().says(1, 5);
  await pass();
  expect(a.questions).toEqual([{ 1: '5 null' }]);
});

test('GW97: and through another one, which may never have seen them go itself', async () => {
  const { gateway, said, pass } = network();
  const [a, b, c] = [gateway('a').open(), gateway('b').open(), gateway('c').open()];
  await pass();
  const first = a.connect();
  first.says(1, 5);
  await pass();
  first.ends();
  await pass();
  const d = gateway('d').open();
  const back = d.connect();
  back.says(1, 5);
  await pass();
  expect(kinds(said.filter(({ kind }) => kind === 'unseen')).toSorted()).toEqual(['a/0 unseen', 'b/0 unseen', 'c/0 unseen']);
  expect(d.questions.length).toBeGreaterThan(0);
  for (const question of d.questions) expect(question).toEqual({ 1: '5 null' });
  back.says(1, 6);
  await pass();
  for (const room of [a, b, c]) expect(room.shown.at(-1)).toEqual({ 1: '6 {"at":6}' });
  expect([a, b, c].flatMap(({ questions }) => questions)).toEqual([]);
});

test('GW98: what other gateways say is checked as what clients say is, and what can not be used is passed over and counted', async () => {
  const { gateway, inject, ear, pass } = network();
  const a = gateway('a');
  const room = a.open();
  await pass();
  room.connect().says(1, 1);
  await pass();
  const entries = [
    entry(2, 1, '{"sound":true}'),
    entry(3, 1, '{"open":'),
    entry(4, 1, JSON.stringify('x'.repeat(100))),
    entry(5, 2 ** 31 + 1, '{}'),
  ];
  inject({ kind: 'changes', document: doc, awareness: encodeAwarenessUpdate(entries) });
  inject({ kind: 'changes', document: doc, awareness: encodeAwarenessUpdate([entry(2, Number.MAX_SAFE_INTEGER, 'null')]) }, 2);
  inject({ kind: 'changes', document: doc, awareness: Uint8Array.of(9, 9, 9) }, 3);
  ear.send(0, Uint8Array.of(1, 2, 3));
  ear.send(0, Uint8Array.of(0xf6, 64, 2, 1, 97, 1, 5));
  await pass();
  expect(room.everyone()).toEqual({ 1: '1 {"at":1}', 2: '1 {"sound":true}' });
  expect(a.counters).toMatchObject({ messagesIn: 3, ignored: 5 });
  inject(
    {
      kind: 'changes',
      document: doc,
      awareness: encodeAwarenessUpdate(Array.from({ length: 100 }, (_, i) => entry(10 + i, 1, '{}'))),
    },
    4,
  );
  await pass();
  expect(room.presence.size).toBe(limits.awarenessClientsPerDocumentMax);
  room.connect().says(1, 2);
  await pass();
  expect(room.everyone()).toHaveProperty('1', '2 {"at":2}');
});

test('GW98: gateways that are known are bounded', async () => {
  const { gateway, inject, pass } = network();
  const a = gateway('a');
  a.open();
  await pass();
  for (let i = 0; i < 1_100; i++) inject({ kind: 'alive' }, 1, `stranger ${i}/0`);
  await pass();
  expect(a.exchange.gateways).toBe(1_000);
  await pass(30_000);
  expect(a.exchange.gateways).toBe(0);
});

test('GW99: what is too much for one message goes in several, each of which holds by itself', async () => {
  const { gateway, said, weather, pass } = network(300);
  const a = gateway('a').open();
  const ann = a.connect();
  const people = Array.from({ length: 40 }, (_, i) => 1 + i * 3);
  for (const client of people) ann.says(client, 1, { name: 'x'.repeat(30) });
  await pass();
  const b = gateway('b').open();
  await pass();
  expect(b.everyone()).toEqual(a.everyone());
  const wholes = said.filter(({ kind }) => kind === 'whole');
  expect(wholes.length).toBeGreaterThan(5);
  expect(wholes[0]).toMatchObject({ from: 0 });
  expect(wholes.at(-1)).toMatchObject({ to: Number.MAX_SAFE_INTEGER });
  weather.loses = (step) => step === 'send';
  for (const client of people.filter((client) => client % 2 === 0)) ann.says(client, 1, null);
  await pass();
  weather.loses = () => false;
  await pass(20_000);
  expect(Object.keys(b.everyone())).toHaveLength(20);
  expect(b.everyone()).toEqual(a.everyone());
});

test('GW99: so do questions about many documents', async () => {
  const { gateway, said, pass } = network(300);
  const documents = Array.from({ length: 60 }, (_, i) => documentName(`document ${i}`));
  const [a, b] = [gateway('a'), gateway('b')];
  for (const [i, document] of documents.entries()) a.open(document).connect().says(i, 1);
  await pass();
  const rooms = documents.map((document) => b.open(document));
  await pass();
  expect(said.filter(({ gateway: from, kind }) => kind === 'query' && from.startsWith('b')).length).toBeGreaterThan(5);
  for (const [i, room] of rooms.entries()) expect(room.everyone()).toEqual({ [i]: '1 {"at":1}' });
});

test('GW101: a room that goes takes its people with it, and a partition is listened to as long as it has rooms', async () => {
  const { gateway, bus, said, pass } = network();
  const [a, b] = [gateway('a'), gateway('b')];
  const [other, inB] = [documentName('other'), b.open()];
  await pass();
  const listeners = bus.ears.size;
  a.open().connect().says(1, 1);
  a.open(other);
  await pass();
  expect(bus.ears.size).toBe(listeners + 1);
  expect(inB.everyone()).toEqual({ 1: '1 {"at":1}' });
  a.exchange.close(doc);
  await pass();
  expect(inB.everyone()).toEqual({});
  expect(said.at(-1)).toMatchObject({ kind: 'nobody', documents: [doc] });
  a.exchange.close(other);
  await pass();
  expect(bus.ears.size).toBe(listeners);
  expect(said.at(-1)).toMatchObject({ gateway: 'a/0', kind: 'goodbye' });
});

test('GW95: a gateway that has had nobody for long is news when somebody comes, and no reason for questions', async () => {
  const { gateway, said, pass } = network();
  const [a, b] = [gateway('a').open(), gateway('b').open()];
  await pass(60_000);
  said.length = 0;
  a.connect().says(1, 1);
  await pass();
  expect(b.everyone()).toEqual({ 1: '1 {"at":1}' });
  expect(said.map(({ kind, number }) => [kind, number])).toEqual([['changes', 1]]);
});
