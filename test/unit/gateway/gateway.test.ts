/** A gateway put together and listening, with a journal and a store in memory. */

import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import WS from 'ws';
import * as Y from 'yjs';
import { type Gateway, type GatewayParts, startGateway } from '#gateway/gateway.ts';
import { decodePresenceMessage } from '#gateway/presence-message.ts';
import { createBroadcastBus, createMemoryBroadcast } from '#shared/journal/broadcast-memory.ts';
import { JournalUnavailable } from '#shared/journal/journal.ts';
import { createMemoryJournal } from '#shared/journal/memory.ts';
import { gaugeFrom, Registry } from '#shared/runtime/metrics.ts';
import { systemClock } from '#shared/runtime/clock.ts';
import { createMemoryStore } from '#shared/store/memory.ts';
import { encodeUpdate } from '#shared/wire/y-websocket.ts';
import { defaultGatewayLimits, silentLogger } from '#test/harness/memory-gateway.ts';
import { awarenessFrame } from '#test/harness/bare-client.ts';
import { settle, virtualClock } from '#test/harness/virtual-clock.ts';

async function start(parts: Partial<GatewayParts> = {}): Promise<Gateway> {
  const gateway = await startGateway({
    host: '127.0.0.1',
    port: 0,
    tls: undefined,
    registry: new Registry(),
    pages: new Map(),
    condition: () => ({}),
    journal: createMemoryJournal(),
    store: createMemoryStore(),
    clock: virtualClock(),
    logger: silentLogger,
    limits: defaultGatewayLimits,
    origin: 'gateway',
    refusesForeignPages: true,
    writersMustWait: () => undefined,
    ...parts,
  });
  onTestFinished(() => gateway.close());
  return gateway;
}

async function connect(gateway: Gateway, document = 'a'): Promise<WS> {
  const socket = new WS(`ws://127.0.0.1:${gateway.port}/ws/${document}`);
  onTestFinished(() => socket.terminate());
  await once(socket, 'open');
  return socket;
}

function hello(): Uint8Array {
  const document = new Y.Doc();
  document.getText('text').insert(0, 'hello');
  return encodeUpdate(Y.encodeStateAsUpdate(document));
}

test.each([
  ['given up within the drain', 1_000],
  ['waiting when the drain ends', 60_000],
])('GW82: edits that are %s are not told to be saved', async (_, unsavedMsMax) => {
  const clock = virtualClock();
  const asked = Promise.withResolvers<void>();
  const journal = createMemoryJournal({
    step: (step) => {
      if (step !== 'append') return;
      asked.resolve();
      throw new JournalUnavailable('away');
    },
  });
  const gateway = await start({ clock, journal, limits: { ...defaultGatewayLimits, unsavedMsMax } });
  const socket = await connect(gateway);
  socket.send(hello());
  await asked.promise;
  const drained = gateway.drain(3_000, 3_000);
  await clock.advance(7_000);
  expect(await drained).toBe(1);
});

test('GW94: a drain says goodbye, after the ends of its sessions; what is said of people is counted', async () => {
  const bus = createBroadcastBus();
  const said: string[] = [];
  const hello = Promise.withResolvers<void>();
  createMemoryBroadcast({ bus }).listen(0, {
    onMessage: (bytes) => {
      const message = decodePresenceMessage(bytes);
      if (message.kind !== 'decoded') throw new Error('what is that?');
      const { body } = message.value;
      const isGone = 'awareness' in body && Buffer.from(body.awareness).includes('null');
      said.push(isGone ? `${body.kind}: gone` : body.kind);
      if (body.kind === 'changes') hello.resolve();
    },
    onGap: () => {},
  });
  const registry = new Registry();
  const gateway = await start({ broadcast: createMemoryBroadcast({ bus }), clock: systemClock, registry });
  const socket = await connect(gateway);
  socket.send(awarenessFrame({ client: 1, clock: 1, state: '{}' }));
  await hello.promise;
  expect(await registry.metrics()).toContain('inkstream_presence_messages_out_total 2');
  await gateway.drain(1, 100);
  await settle();
  expect(said).toEqual(['query', 'changes', 'changes: gone', 'goodbye']);
});

/** How a gateway answers the request to open a WebSocket. */
async function answerTo(gateway: Gateway, headers: Readonly<Record<string, string>> = {}): Promise<number | undefined> {
  const socket = new WS(`ws://127.0.0.1:${gateway.port}/ws/a`, { headers });
  onTestFinished(() => socket.terminate());
  const answered = once(socket, 'unexpected-response').then(([, response]) => (response as IncomingMessage).statusCode);
  return Promise.race([answered, once(socket, 'open').then(() => 101)]);
}

test('GW84: past connectionsMax further connections are refused for now, until others end', async () => {
  const gateway = await start({ limits: { ...defaultGatewayLimits, connectionsMax: 2 } });
  const [one] = [await connect(gateway), await connect(gateway)];
  expect(await answerTo(gateway)).toBe(503);
  one.close();
  await once(one, 'close');
  expect(await answerTo(gateway)).toBe(101);
});

test('GW85: pages from elsewhere open no documents, unless everyone may', async () => {
  const gateway = await start();
  const from = (origin: string) => ({ origin });
  expect(await answerTo(gateway, from('https://example.org'))).toBe(403);
  expect(await answerTo(gateway, from(`http://127.0.0.1:${gateway.port}`))).toBe(101);
  expect(await answerTo(gateway, { ...from('http://docs.example.org'), host: 'docs.example.org' })).toBe(101);
  expect(await answerTo(await start({ refusesForeignPages: false }), from('https://example.org'))).toBe(101);
});

test('GW83: what a session throws closes that session alone (1011), and is counted', async () => {
  const registry = new Registry();
  const clock = virtualClock();
  let isBroken = true;
  const asked = Promise.withResolvers<void>();
  const gateway = await start({
    registry,
    clock,
    writersMustWait: () => {
      asked.resolve();
      if (isBroken) throw new Error('a defect');
      return undefined;
    },
  });
  const [sender, other] = [await connect(gateway), await connect(gateway)];
  const closed = once(sender, 'close');
  sender.send(hello());
  await asked.promise;
  await clock.advance(2_000);
  expect((await closed)[0]).toBe(1011);
  expect(await registry.metrics()).toContain('inkstream_errors_total{kind="session-thrown"} 1');
  isBroken = false;
  const seen = new Promise<void>((resolve) => {
    other.on('message', (message: Buffer) => void (message.includes('hello') && resolve()));
  });
  (await connect(gateway)).send(hello());
  await seen;
});

test('GW83: metrics that can not be collected are answered with 500', async () => {
  const registry = new Registry();
  const gateway = await start({ registry });
  gaugeFrom(registry, 'broken', 'Throws', () => {
    throw new Error('a defect');
  });
  expect((await fetch(`http://127.0.0.1:${gateway.port}/metrics`)).status).toBe(500);
  expect((await fetch(`http://127.0.0.1:${gateway.port}/healthz`)).status).toBe(200);
});

test('GW86: HEAD is answered like GET, without a body', async () => {
  const gateway = await start();
  for (const [path, status] of [
    ['/healthz', 200],
    ['/nothing', 404],
  ] as const) {
    const url = `http://127.0.0.1:${gateway.port}${path}`;
    const [head, get] = [await fetch(url, { method: 'HEAD' }), await fetch(url)];
    expect([head.status, await head.text()]).toEqual([status, '']);
    expect(head.headers.get('content-length')).toBe(String((await get.text()).length));
  }
});

test('GW87: sending everybody away is not counted as errors', async () => {
  const registry = new Registry();
  const clock = virtualClock();
  const gateway = await start({ registry, clock });
  const socket = await connect(gateway);
  const closed = once(socket, 'close');
  const drained = gateway.drain(100, 100);
  await clock.advance(5_000);
  await drained;
  expect((await closed)[0]).toBe(1012);
  expect(await registry.metrics()).not.toContain('inkstream_errors_total{');
});
