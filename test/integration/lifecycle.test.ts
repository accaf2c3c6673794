/** How standalone is run: what orchestrators, scripts and people at 3 a.m. count on. */

import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import * as prng from 'lib0/prng';
import { expect, onTestFinished, test } from 'vitest';
import WS from 'ws';
import { openEmbeddedJournal } from '#shared/journal/embedded.ts';
import type { FollowEnd } from '#shared/journal/journal.ts';
import { openEnvironment } from '#shared/runtime/lmdb.ts';
import { startCrashingServer } from '#test/harness/crashing-server.ts';
import { endOfServer, makeDataDir, startServer, type Server, type ServerOptions } from '#test/harness/server.ts';
import { missingIn, openTypist } from '#test/harness/typist.ts';
import { isSame, openClient, type Client, type ClientOptions } from '#test/harness/y-websocket-client.ts';

async function dataDir(): Promise<string> {
  const directory = await makeDataDir();
  onTestFinished(() => directory.remove());
  return directory.path;
}

async function start(options: ServerOptions = {}): Promise<Server> {
  const server = await startServer(options);
  onTestFinished(() => server.kill());
  return server;
}

function open(options: ClientOptions): Client {
  const client = openClient(options);
  onTestFinished(() => client.discard());
  return client;
}

/** The one line of diagnostics that a start ended with. */
function lastWord(stderr: string): { readonly level: unknown; readonly msg: string } {
  const lines = stderr.trimEnd().split('\n');
  return JSON.parse(lines.at(-1) ?? '') as { level: unknown; msg: string };
}

/** How a server answers the request to open a WebSocket. */
function answerTo(url: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const socket = new WS(url);
  socket.on('open', () => resolve(101)).on('unexpected-response', (_, response) => resolve(response.statusCode ?? 0));
  socket.on('error', reject);
  return promise.finally(() => socket.terminate());
}

test('SA5: when it can serve it says so in one line, and nothing else, on stdout', async () => {
  const server = await start({ asInstalled: true });
  expect(server.stdout()).toMatch(/^ready \{.*\}\n$/u);
  const ready = JSON.parse(server.stdout().slice('ready '.length)) as unknown;
  expect(ready).toEqual({ service: 'standalone', url: `http://127.0.0.1:${server.port}` });
  for (const line of server.stderr().trimEnd().split('\n')) expect(() => JSON.parse(line || '{}') as unknown).not.toThrow();
});

// What else is wrong with settings is looked for in unit/standalone/config.
test.each([
  ['an unknown setting', { FRAME_BYTES_MAXIMUM: 1 }, ['INKSTREAM_FRAME_BYTES_MAXIMUM']],
  ['everyone let in from everywhere', { HOST: '0.0.0.0' }, ['INKSTREAM_HOST', 'INKSTREAM_ALLOW_ANYONE']],
  [
    'a frame that is larger than what can be stored',
    { FRAME_BYTES_MAX: 68_000_000, OPENING_BYTES_MAX: 80_000_000, UNSAVED_BYTES_MAX: 80_000_000 },
    ['INKSTREAM_FRAME_BYTES_MAX', 'journal', 'store'],
  ],
] as const)('SA6: %s ends the start with exit code 2 and one line that names it', async (_, settings, named) => {
  const end = await endOfServer({ dataDir: await dataDir(), settings });
  expect(end.stdout).toBe('');
  expect(end.stderr.trimEnd().split('\n')).toHaveLength(1);
  for (const name of named) expect(lastWord(end.stderr).msg).toContain(name);
  expect(end.code).toBe(2);
});

test('SA6: everyone is let in from everywhere where that is meant', async () => {
  const server = await start({ settings: { HOST: '0.0.0.0', ALLOW_ANYONE: 1 } });
  expect((await fetch(`http://127.0.0.1:${server.port}/healthz`)).status).toBe(200);
});

test('SA7: a port that somebody else has ends the start with exit code 1 and a line that names it', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => void other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as AddressInfo;
  onTestFinished(() => void other.close());
  const end = await endOfServer({ dataDir: await dataDir(), port });
  expect(lastWord(end.stderr).msg).toContain(String(port));
  expect(end.code).toBe(1);
});

test('SA7: a TLS key that is not there ends the start with exit code 1 and a line that names it', async () => {
  const directory = await dataDir();
  const files = { TLS_CERT_FILE: join(directory, 'cert.pem'), TLS_KEY_FILE: join(directory, 'key.pem') };
  const end = await endOfServer({ dataDir: directory, settings: files });
  expect(lastWord(end.stderr).msg).toContain(directory);
  expect(end.code).toBe(1);
});

test('SA8: a data directory has one process at a time, and the next one as soon as that is dead', async () => {
  const directory = await dataDir();
  const first = await start({ dataDir: directory });
  const end = await endOfServer({ dataDir: directory });
  expect(lastWord(end.stderr).msg).toContain(directory);
  expect(lastWord(end.stderr).msg).toContain(String(first.pid));
  expect(end.code).toBe(1);
  expect((await fetch(`${first.url}/readyz`)).status).toBe(200);

  await first.kill();
  const second = await start({ dataDir: directory });
  expect((await fetch(`${second.url}/readyz`)).status).toBe(200);
});

test('SA9, YW41: SIGTERM while people type loses nothing, and they go on with the next server', async () => {
  const server = await startCrashingServer();
  onTestFinished(() => server.remove());
  const people = ['plan', 'plan', 'notes'].map((document) => open({ url: server.wsUrl, document }));
  // Those who never come back show what was saved: the others would send it again.
  const random = prng.create(9);
  const gone = [1, 2].map(() => openTypist({ url: server.wsUrl, document: 'gone', random, pasteOneIn: 0 }));
  onTestFinished(() => gone.forEach(({ client }) => client.discard()));
  await Promise.all([...people, ...gone.map(({ client }) => client)].map((client) => client.synced()));
  let isTyping = true;
  const typing = people.map(async (client, person) => {
    for (let edit = 0; isTyping; edit++) {
      client.text.insert(0, `${person}.${edit} `);
      if (edit % 10 === 0) await client.nextEvent();
    }
  });
  const leaving = gone.map(async ({ client, type }) => {
    while (client.closeCodes.length === 0) {
      type();
      await client.nextEvent();
    }
    client.discard();
  });
  await Promise.all(
    people.map((client) => client.until('much is saved', () => client.text.length > 2000 && client.provider.synced)),
  );
  const from = performance.now();
  expect(await server.process().stop()).toBe(0);
  expect(performance.now() - from).toBeLessThan(10_000);
  await Promise.all(leaving);
  for (const { closeCodes } of [...people, ...gone.map(({ client }) => client)]) expect(closeCodes[0]).toBe(1012);

  await server.start();
  isTyping = false;
  await Promise.all(typing);
  await Promise.all(people.map((client) => client.saved()));
  for (const client of people) {
    const fresh = open({ url: server.wsUrl, document: client.provider.roomname });
    await fresh.synced();
    await client.until('the same text for all', () => isSame(client, fresh));
  }
  for (const [person, { text }] of people.entries()) expect(text.toJSON()).toContain(`${person}.0 `);
  const fresh = open({ url: server.wsUrl, document: 'gone' });
  await fresh.synced();
  const acknowledged = gone.flatMap((typist) => typist.acknowledged);
  expect(acknowledged.length).toBeGreaterThan(20);
  expect(missingIn(fresh.doc, acknowledged)).toEqual([]);
});

test('SA9: told to stop as soon as it is ready it exits with 0', async () => {
  const server = await start();
  expect(await server.stop()).toBe(0);
});

test('SA10: while it drains it is not ready and takes nobody in; a second SIGTERM ends it at once', async () => {
  const server = await start({ settings: { DRAIN_SPREAD_MS: 5000, STOP_MS_MAX: 1000 } });
  const people = Array.from({ length: 90 }, () => open({ url: server.wsUrl, document: 'notes' }));
  await Promise.all(people.map((client) => client.synced()));
  expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  const stopped = server.stop();
  await Promise.race(people.map((client) => client.until('the first is sent away', () => client.closeCodes.length > 0)));
  expect((await fetch(`${server.url}/readyz`)).status).toBe(503);
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  expect(await answerTo(`${server.wsUrl}/notes`)).toBe(503);

  const left = people.filter((client) => client.closeCodes.length === 0).length;
  expect(left).toBeGreaterThan(30);
  process.kill(server.pid, 'SIGTERM');
  expect(await stopped).toBe(1);
  expect(people.filter((client) => client.closeCodes[0] === 1012).length).toBeLessThan(60);
});

test('SA11: /healthz, /readyz and /metrics tell how it is', async () => {
  const server = await start();
  const person = open({ url: server.wsUrl, document: 'notes' });
  await person.synced();
  person.text.insert(0, 'hello');
  await person.saved();
  const [health, ready, metrics] = await Promise.all(['/healthz', '/readyz', '/metrics'].map((path) => fetch(server.url + path)));
  expect(health?.status).toBe(200);
  expect(ready?.status).toBe(200);
  expect(await ready?.json()).toMatchObject({ status: 'ready', persister: { lag: {} } });
  expect(metrics?.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/u);
  const text = (await metrics?.text()) ?? '';
  expect(text).toMatch(/^inkstream_sessions 1$/mu);
  expect(text).toMatch(/^inkstream_rooms 1$/mu);
  expect(text).toMatch(/^inkstream_edits_in_total 1$/mu);
  expect((await fetch(`${server.url}/nothing`)).status).toBe(404);
  expect((await fetch(`${server.url}/ws/notes`)).status).toBe(426);
  expect((await fetch(`${server.url}/healthz`, { method: 'POST' })).status).toBe(404);
});

const longest = '\u{1f58b}'.repeat(128);

/** Names, and other ways to write them in a URL. */
const names = [
  ['team-7/notes', ['team-7%2Fnotes', 'team-7%2fnotes', '%74eam-7/notes']],
  ['/a//b/', ['%2Fa%2f/b%2F']],
  ['my notes', ['my%20notes', 'm%79%20notes']],
  ['a+b', ['a%2Bb']],
  ['why? #1', ['why%3F%20%231', 'why%3f%20%231']],
  ['100%25', ['100%2525', '%3100%2525']],
  ['Übersicht 概要', ['%C3%9Cbersicht%20%E6%A6%82%E8%A6%81', '%c3%9cbersicht%20%e6%a6%82%e8%a6%81']],
  [longest, [encodeURIComponent(longest), encodeURIComponent(longest).toLowerCase()]],
] as const;

test('YW40: a document has one name, however it is encoded', async () => {
  const server = await start();
  for (const [name, encodings] of names) {
    const writer = open({ url: server.wsUrl, document: name.split('/').map(encodeURIComponent).join('/') });
    await writer.synced();
    writer.text.insert(0, name);
    await writer.saved();
    const readers = encodings.map((document) => open({ url: server.wsUrl, document }));
    await Promise.all(readers.map((reader) => reader.synced()));
    for (const reader of readers) expect(reader.text.toJSON()).toBe(name);
  }
});

test('YW40: a name that is none, or does not decode, is refused with 400', async () => {
  const server = await start();
  const refused = [
    '',
    `${encodeURIComponent(longest)}x`,
    'x'.repeat(513),
    '%00',
    'a%0Ab',
    '%7F',
    '%C2%85',
    '%',
    '%zz',
    'a%2',
    '%FF',
    '%C3',
    '%ED%A0%80',
  ];
  const answers = await Promise.all(refused.map((name) => answerTo(`${server.wsUrl}/${name}`)));
  expect(Object.fromEntries(refused.map((name, at) => [name, answers[at]]))).toEqual(
    Object.fromEntries(refused.map((name) => [name, 400])),
  );
  expect(await answerTo(`${server.wsUrl}/${encodeURIComponent(longest)}`)).toBe(101);
  expect(await answerTo(server.wsUrl)).toBe(404);
  expect(await answerTo(`${server.wsUrl}s/notes`)).toBe(404);
});

/** How following the journal in a data directory from its beginning ends; no server may be running on it. */
async function followFromStart(directory: string): Promise<FollowEnd> {
  const environment = await openEnvironment({ directory });
  const journal = await openEmbeddedJournal(environment);
  try {
    return await new Promise((resolve) => {
      journal.follow(0, 0, {
        onBatch: () => resolve({ kind: 'failed', error: new Error('the first records are still there') }),
        onEnd: resolve,
      });
    });
  } finally {
    await journal.close();
    await environment.close();
  }
}

test('SA12: documents are read from the store after the journal was trimmed', async () => {
  const directory = await dataDir();
  const first = await start({ dataDir: directory, settings: { FLUSH_INTERVAL_MS: 20 } });
  const writers = ['one', 'two'].map((document) => open({ url: first.wsUrl, document }));
  await Promise.all(writers.map((writer) => writer.synced()));
  for (let edit = 0; edit < 20; edit++) {
    for (const { text } of writers) text.insert(text.length, `${edit} `);
    await Promise.all(writers.map((writer) => writer.saved()));
  }
  const texts = writers.map(({ text }) => text.toJSON());
  for (const writer of writers) writer.discard();
  expect(await first.stop()).toBe(0);
  expect(await followFromStart(directory)).toEqual({ kind: 'trimmed', wanted: 0, start: 40 });

  const second = await start({ dataDir: directory });
  for (const [at, document] of ['one', 'two'].entries()) {
    const fresh = open({ url: second.wsUrl, document });
    await fresh.synced();
    expect(fresh.text.toJSON()).toBe(texts[at]);
  }
});
