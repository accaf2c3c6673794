/** The door as y-websocket clients meet it: a real provider, and the same protocol spoken byte by byte. */

import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import * as Y from 'yjs';
import { encodeStep1, encodeUpdate } from '#shared/wire/y-websocket.ts';
import { readMetric } from '#test/harness/metrics.ts';
import { openRawClient, type RawClient, type RawClosing } from '#test/harness/raw-client.ts';
import { openRawPerson } from '#test/harness/raw-person.ts';
import { startServer, type Server, type ServerOptions } from '#test/harness/server.ts';
import { parseServerFrame, type ServerFrame } from '#test/harness/server-frames.ts';
import { openClient } from '#test/harness/y-websocket-client.ts';

const emptyVector = Uint8Array.of(0);

async function serve(settings: ServerOptions['settings'] = {}): Promise<Server> {
  const server = await startServer({ settings });
  onTestFinished(() => server.kill());
  return server;
}

/** For what needs no settings of its own, and one with limits that are soon reached. */
let common: Server;
let strict: Server;
beforeAll(async () => {
  common = await startServer();
  strict = await startServer({ settings: { FRAME_BYTES_MAX: 65_536, FRAMES_PER_SECOND_MAX: 100 } });
});
afterAll(async () => {
  await common.kill();
  await strict.kill();
});

type Listener = RawClient & {
  readonly frames: readonly ServerFrame[];
  /** Resolves with the first frame from `from` on that is of this kind. */
  readonly next: <Kind extends ServerFrame['kind']>(kind: Kind, from?: number) => Promise<ServerFrame & { readonly kind: Kind }>;
};

async function listen(server: Server, path: string): Promise<Listener> {
  const frames: ServerFrame[] = [];
  let look = (): void => {};
  const client = await openRawClient({
    port: server.port,
    path,
    onMessage: (message) => {
      frames.push(parseServerFrame(message));
      look();
    },
  });
  onTestFinished(() => client.drop());
  const next: Listener['next'] = (kind, from = 0) =>
    new Promise((resolve) => {
      look = () => {
        const found = frames
          .slice(from)
          .find((frame): frame is ServerFrame & { readonly kind: typeof kind } => frame.kind === kind);
        if (found !== undefined) resolve(found);
      };
      look();
    });
  return { ...client, frames, next };
}

function largeDocument(bytes: number): Y.Doc {
  const doc = new Y.Doc();
  for (let i = 0; i * 10_000 < bytes; i++) doc.getArray('array').push([`${i} `.padEnd(10_000, 'x')]);
  return doc;
}

test("YW20: the server's own Step1 comes first, and each Step1 is answered by one Step2", async () => {
  const client = await listen(common, '/ws/a?ack=1');
  await client.next('step1');
  for (let i = 0; i < 3; i++) client.send(encodeStep1(emptyVector));
  const doc = new Y.Doc();
  doc.getText('text').insert(0, 'x');
  client.send(encodeUpdate(Y.encodeStateAsUpdate(doc)));
  await client.next('ack');
  expect(client.frames.map(({ kind }) => kind)).toEqual(['step1', 'step2', 'step2', 'step2', 'ack']);
});

test('YW21: a large document comes as one message, to a client that reads as fast as it can and to one that reads now and then', async () => {
  const server = await serve();
  const doc = largeDocument(12_000_000);
  const author = await openRawPerson({ port: server.port, document: 'large', doc });
  onTestFinished(author.leave);
  await author.until('saved', () => author.client.saved);
  for (const pauses of [false, true]) {
    const client = await listen(server, '/ws/large');
    await client.next('step1');
    client.pause(pauses);
    client.send(encodeStep1(emptyVector));
    author.client.text.insert(0, 'meanwhile ');
    await author.until('saved', () => author.client.saved);
    client.pause(false);
    const { update } = await client.next('step2');
    const copy = new Y.Doc();
    Y.applyUpdate(copy, update);
    for (const frame of client.frames) if (frame.kind === 'update') Y.applyUpdate(copy, frame.update);
    while (copy.getText('text').length < author.client.text.length) {
      const late = await client.next('update', client.frames.length);
      Y.applyUpdate(copy, late.update);
    }
    expect(client.frames.filter(({ kind }) => kind === 'step2')).toHaveLength(1);
    expect(copy.getArray('array').length).toBe(doc.getArray('array').length);
    expect(copy.getText('text').toJSON()).toBe(author.client.text.toJSON());
  }
});

test('YW22: who asks who is here is told, and an update of nobody keeps silent clients', async () => {
  const server = common;
  const person = await openRawPerson({ port: server.port, document: 'asked' });
  onTestFinished(person.leave);
  person.client.awareness.setLocalState({ name: 'somebody' });
  const silent = await listen(server, '/ws/asked');
  const { awareness } = await silent.next('awareness');
  expect(Buffer.from(awareness).toString()).toContain('somebody');
  const before = silent.frames.length;
  silent.send(Uint8Array.of(3));
  expect(Buffer.from((await silent.next('awareness', before)).awareness).toString()).toContain('somebody');
  const alone = await listen(await serve({ KEEP_ALIVE_MS: 200 }), '/ws/a');
  expect(await alone.next('awareness')).toEqual({ kind: 'awareness', awareness: Uint8Array.of(0) });
});

test('YW23: a real provider that asks again and again is answered, saved and stays', async () => {
  const server = common;
  const client = openClient({ url: server.wsUrl, document: 'resync' });
  onTestFinished(client.discard);
  await client.saved();
  const { provider } = client;
  let answers = 0;
  const original = provider.messageHandlers[0];
  if (original === undefined) throw new Error('the provider has no handler for sync frames');
  provider.messageHandlers[0] = (...given: Parameters<typeof original>) => {
    answers++;
    original(...given);
  };
  for (let i = 0; i < 20; i++) provider.ws?.send(encodeStep1(Y.encodeStateVector(client.doc)));
  client.text.insert(0, 'x');
  await client.saved();
  await client.until('every question is answered', () => answers >= 20);
  expect(client.closeCodes).toEqual([]);
});

const closings: readonly (readonly [string, number, (client: RawClient) => void])[] = [
  ['a frame that can not be read', 4400, (client) => client.send(Uint8Array.of(0, 9, 0))],
  [
    'an update that breaks readers',
    4400,
    (client) => client.send(encodeUpdate(Uint8Array.from(Buffer.from('01010100000000', 'hex')))),
  ],
  ['a frame that is too large', 1009, (client) => client.send(new Uint8Array(70_000))],
  [
    'too many frames',
    1013,
    (client) => {
      for (let i = 0; i < 1_001; i++) client.send(Uint8Array.of(99));
    },
  ],
];

test.each(closings)('YW24: %s closes with %i and a reason', async (_what, code, provoke) => {
  const client = await openRawClient({ port: strict.port, path: '/ws/a' });
  provoke(client);
  const closing: RawClosing = await client.closed;
  expect(closing.code).toBe(code);
  expect(closing.reason).not.toBe('');
});

test.each([
  ['/ws/', 400],
  ['/ws/%ff', 400],
  ['/ws/%00', 400],
  [`/ws/${'x'.repeat(513)}`, 400],
  ['/elsewhere', 404],
])('YW25: the path %s is refused with %i', async (path, status) => {
  await expect(openRawClient({ port: common.port, path })).rejects.toThrow(` ${status} `);
});

test('YW25: a name may hold slashes, spaces and any characters, and is the same however it is written', async () => {
  const server = common;
  const one = await openRawPerson({ port: server.port, document: 'team/%C3%BC%20x' });
  const other = await openRawPerson({ port: server.port, document: 'team%2F%c3%bc%20x' });
  onTestFinished(one.leave);
  onTestFinished(other.leave);
  one.client.text.insert(0, 'same');
  await other.until('the same document', () => other.client.text.toJSON() === 'same');
});

test('YW26: five thousand connections that are idle cost little, and everybody goes on', { timeout: 120_000 }, async () => {
  const server = await serve();
  const count = 5_000;
  const person = await openRawPerson({ port: server.port, document: 'lively' });
  onTestFinished(person.leave);
  await person.until('saved', () => person.client.saved);
  const before = await readMetric(server.url, 'process_resident_memory_bytes');
  const idle: RawClient[] = [];
  onTestFinished(() => {
    for (const client of idle) client.drop();
  });
  for (let at = 0; at < count; at += 100) {
    const opening = Array.from({ length: 100 }, (_, i) =>
      openRawClient({ port: server.port, path: `/ws/idle-${(at + i) % 500}`, localAddress: '127.0.0.9' }),
    );
    const opened = await Promise.all(opening);
    for (const client of opened) client.send(encodeStep1(emptyVector));
    idle.push(...opened);
  }
  while ((await readMetric(server.url, 'inkstream_sessions')) < count + 1);
  const each = ((await readMetric(server.url, 'process_resident_memory_bytes')) - before) / count;
  for (let i = 0; i < 50; i++) {
    person.client.text.insert(0, 'x');
    await person.until('saved', () => person.client.saved);
  }
  console.log(`${count} idle connections on 500 documents: ${(each / 1024).toFixed(1)} KiB of RSS each`);
  expect(each).toBeLessThan(16 * 1024);
  let closed = 0;
  for (const client of idle) void client.closed.then(() => closed++);
  expect(closed).toBe(0);
});
