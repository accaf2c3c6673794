/** Documents as JSON in a real standalone process, with real clients who type meanwhile. */

import * as prng from 'lib0/prng';
import { expect, onTestFinished, test } from 'vitest';
import * as Y from 'yjs';
import { readMetric } from '#test/harness/metrics.ts';
import { startPauseMeter } from '#test/harness/pause-meter.ts';
import { makeDataDir, startServer, type Server, type ServerOptions } from '#test/harness/server.ts';
import { isSame, openClient, type Client } from '#test/harness/y-websocket-client.ts';

async function start(options: ServerOptions = {}): Promise<Server> {
  const server = await startServer(options);
  onTestFinished(() => server.kill());
  return server;
}

async function dataDir(): Promise<string> {
  const directory = await makeDataDir();
  onTestFinished(() => directory.remove());
  return directory.path;
}

async function open(server: Server, document: string): Promise<Client> {
  const client = openClient({ url: server.wsUrl, document: encodeURIComponent(document) });
  onTestFinished(() => client.discard());
  await client.synced();
  return client;
}

type Json = Readonly<Record<string, unknown>>;

const urlOf = (server: Server, document: string): string => `${server.url}/v1/documents/${encodeURIComponent(document)}/json`;

function send(
  server: Server,
  document: string,
  method: 'PUT' | 'PATCH',
  value: Json,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const body = JSON.stringify(value);
  return fetch(urlOf(server, document), { method, body, headers: { 'content-type': 'application/json', ...headers } });
}

async function change(server: Server, document: string, method: 'PUT' | 'PATCH', value: Json): Promise<string> {
  const answered = await send(server, document, method, value);
  if (answered.status !== 204 && answered.status !== 201) throw new Error(`${answered.status}: ${await answered.text()}`);
  return answered.headers.get('etag') ?? '';
}

async function read(server: Server, document: string): Promise<{ readonly value: Json; readonly etag: string }> {
  const answered = await fetch(urlOf(server, document));
  expect(answered.status).toBe(200);
  return { value: (await answered.json()) as Json, etag: answered.headers.get('etag') ?? '' };
}

const count = (text: string, piece: string): number => text.split(piece).length - 1;

type Meanwhile = <T>(request: Promise<T>) => Promise<T>;

/** People who type in turns while a request is under way. */
function typists(
  clients: readonly Client[],
  random: prng.PRNG,
): { readonly typed: readonly string[]; readonly meanwhile: Meanwhile } {
  const typed: string[] = [];
  const type = (): void => {
    const text = clients[typed.length % clients.length]?.text;
    const piece = `<${typed.length}>`;
    text?.insert(prng.oneOf(random, [0, text.length]), piece);
    typed.push(piece);
  };
  return {
    typed,
    meanwhile: async (request) => {
      for (let pieces = prng.uint32(random, 0, 2); pieces > 0; pieces--) {
        type();
        for (let turns = prng.uint32(random, 0, 30); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
      }
      return request;
    },
  };
}

/** Puts a piece before the end of the text. What somebody typed since it was read would be taken away, so it says what it has read. Returns how often it was too late. */
async function insertBeforeEnd(server: Server, document: string, piece: string, meanwhile: Meanwhile): Promise<number> {
  for (let refused = 0; ; refused++) {
    const { value, etag } = await meanwhile(read(server, document));
    const text = (value['text'] as string).replace('End.', `${piece}End.`);
    const answered = await meanwhile(send(server, document, 'PATCH', { text }, { 'if-match': etag }));
    if (answered.status === 204) return refused;
    expect(answered.status).toBe(412);
  }
}

test('JD15: a hundred changes while two people type: each once in every client, nothing typed is lost, and undo takes back one’s own', async () => {
  const server = await start();
  const document = 'team-7/ä plan';
  const [one, other] = [await open(server, document), await open(server, document)];
  await change(server, document, 'PUT', { text: 'Begin. End.', list: ['first'], meta: { n: 0 } });
  await one.until('the beginning', () => one.text.toJSON() === 'Begin. End.');
  const undo = new Y.UndoManager(one.text);
  const { typed, meanwhile } = typists([one, other], prng.create(15));
  let refused = 0;
  const changes = 100;
  const list = ['first'];
  for (let n = 1; n <= changes; n++) {
    if (n % 4 === 1) refused += await insertBeforeEnd(server, document, `[${n}] `, meanwhile);
    else if (n % 4 === 0)
      await meanwhile(change(server, document, 'PATCH', { list: list.concat(`entry ${n}`) }).then(() => list.push(`entry ${n}`)));
    else await meanwhile(change(server, document, 'PATCH', { meta: { n, [`key ${n}`]: n } }));
  }
  await Promise.all([one.saved(), other.saved()]);
  await one.until('the same', () => isSame(one, other));

  const text = one.text.toJSON();
  for (const piece of typed) expect(count(text, piece), piece).toBe(1);
  for (let n = 1; n <= changes; n += 4) expect(count(text, `[${n}] `), `change ${n}`).toBe(1);
  const { value } = await read(server, document);
  expect(value).toMatchObject({ text, list });
  expect(list).toHaveLength(1 + changes / 4);
  expect(Object.keys(value['meta'] as object)).toHaveLength(1 + changes / 2);
  expect({ ...one.doc.getMap('meta').toJSON() }).toEqual(value['meta']);
  console.log(`${changes} changes while ${typed.length} pieces were typed, ${refused} of them refused first`);

  undo.undo();
  const undone = one.text.toJSON();
  for (let n = 1; n <= changes; n += 4) expect(count(undone, `[${n}] `)).toBe(1);
  expect(undone.length).toBeLessThan(text.length);
  for (const [n, piece] of typed.entries()) if (n % 2 === 1) expect(count(undone, piece)).toBe(1);
  await one.saved();
  expect((await read(server, document)).value['text']).toBe(undone);
  expect(typed.length).toBeGreaterThan(20);
});

test('JD7, JD12: ETags in a real process: what was read, what was typed since, and what is left after a restart', async () => {
  const path = await dataDir();
  const server = await start({ dataDir: path });
  expect((await fetch(urlOf(server, 'plan'))).status).toBe(404);
  expect((await send(server, 'plan', 'PUT', { text: 'a' }, { 'if-match': '*' })).status).toBe(412);
  const made = await send(server, 'plan', 'PUT', { text: 'Hello' }, { 'if-none-match': '*' });
  expect(made.status).toBe(201);
  expect((await send(server, 'plan', 'PUT', { text: 'again' }, { 'if-none-match': '*' })).status).toBe(412);
  const first = await read(server, 'plan');
  expect(first).toEqual({ value: { text: 'Hello' }, etag: made.headers.get('etag') });
  expect((await fetch(urlOf(server, 'plan'), { headers: { 'if-none-match': first.etag } })).status).toBe(304);

  const client = await open(server, 'plan');
  client.text.insert(5, ' you');
  await client.saved();
  const refused = await send(server, 'plan', 'PUT', { text: 'Bye' }, { 'if-match': first.etag });
  expect(refused.status).toBe(412);
  const now = await read(server, 'plan');
  expect(now.value).toEqual({ text: 'Hello you' });
  expect(refused.headers.get('etag')).toBe(now.etag);
  const bye = await send(server, 'plan', 'PUT', { text: 'Bye you' }, { 'if-match': now.etag });
  expect(bye.status).toBe(204);
  await client.until('the change', () => client.text.toJSON() === 'Bye you');
  client.discard();
  expect(await server.stop()).toBe(0);

  const next = await start({ dataDir: path });
  expect(await read(next, 'plan')).toEqual({ value: { text: 'Bye you' }, etag: bye.headers.get('etag') });
});

test(
  'JD16: what was answered is there after kill -9, once; what was not is there whole or not at all',
  { timeout: 180_000 },
  async () => {
    const path = await dataDir();
    const random = prng.create(16);
    const answered: number[] = [];
    const asked: number[] = [];
    const rounds = 8;
    for (let round = 0; round < rounds; round++) {
      const server = await start({ dataDir: path });
      const client = await open(server, 'plan');
      let isDead = false;
      const until = prng.uint32(random, 3, 12);
      const begun = asked.length;
      const changing = (async () => {
        while (!isDead) {
          const n = asked.length;
          asked.push(n);
          try {
            await change(server, 'plan', 'PATCH', { list: await listWith(server, n), meta: { [`n${n}`]: n, last: n } });
            answered.push(n);
          } catch {
            return;
          }
          client.text.insert(client.text.length, `<${n}>`);
        }
      })();
      while (asked.length - begun < until) await client.nextEvent();
      await new Promise<void>((resolve) => {
        let turns = prng.uint32(random, 0, 400);
        const turn = (): void => void (turns-- > 0 ? setImmediate(turn) : resolve());
        turn();
      });
      await server.kill();
      isDead = true;
      await changing;
      client.discard();
    }

    const server = await start({ dataDir: path });
    const { value } = await read(server, 'plan');
    const { list, meta } = value as { list: number[]; meta: Record<string, number> };
    for (const n of asked) {
      const times = list.filter((one) => one === n).length;
      expect(times, `change ${n}`).toBe(meta[`n${n}`] === n ? 1 : 0);
      if (answered.includes(n)) expect(times, `change ${n} was answered`).toBe(1);
    }
    console.log(`${rounds} kills, ${answered.length} of ${asked.length} changes answered, all there`);
    expect(answered.length).toBeGreaterThan(rounds * 2);
  },
);

async function listWith(server: Server, n: number): Promise<readonly number[]> {
  const answered = await fetch(urlOf(server, 'plan'));
  const before = answered.status === 404 ? {} : ((await answered.json()) as { list?: number[] });
  return [...(before.list ?? []), n];
}

/** For figures in a report: `JSON_PATCHES=10000`. */
const patches = Number(process.env['JSON_PATCHES'] ?? 400);

test(
  'JD27: of hundreds of changes in a row each is answered, with the ETag that the next one holds to, and the document stays small',
  { timeout: 60_000 + patches * 200 },
  async () => {
    const server = await start();
    const rssMb = async (): Promise<number> =>
      Math.round((await readMetric(server.url, 'process_resident_memory_bytes')) / 2 ** 20);
    let etag = await change(server, 'counted', 'PUT', { meta: { title: 'plan', count: 0 } });
    const seen = new Set([etag]);
    const memory: number[] = [];
    const beganMs = performance.now();
    for (let count = 1; count <= patches; count++) {
      const answered = await send(server, 'counted', 'PATCH', { meta: { count } }, { 'if-match': etag });
      expect(answered.status, `change ${count}`).toBe(204);
      etag = answered.headers.get('etag') ?? '';
      seen.add(etag);
      if (count % Math.ceil(patches / 10) === 0) memory.push(await rssMb());
    }
    const tookMs = performance.now() - beganMs;
    expect(seen.size).toBe(patches + 1);
    expect(await read(server, 'counted')).toEqual({ value: { meta: { title: 'plan', count: patches } }, etag });
    const client = await open(server, 'counted');
    const bytes = Y.encodeStateAsUpdate(client.doc).byteLength;
    expect(bytes).toBeLessThan(200);
    const rate = Math.round((patches * 1000) / tookMs);
    console.log(`${patches} PATCHes: ${rate} a second, a document of ${bytes} bytes, memory on the way ${memory.join(', ')} MB`);
  },
);

test('JD17: a change of one character in a document of 4 MB stops nobody else for long', { timeout: 240_000 }, async () => {
  const server = await start();
  const paragraph = 'All work and no play makes a document of four megabytes. ';
  const text = paragraph.repeat(Math.floor(3_900_000 / paragraph.length));
  await change(server, 'large', 'PUT', { text });
  const meter = await startPauseMeter(server.port);
  onTestFinished(() => meter.stop());
  await meter.read();
  const quiet = await meter.read();
  const started = performance.now();
  const changed = `${text.slice(0, 2_000_000)}!${text.slice(2_000_000)}`;
  await change(server, 'large', 'PUT', { text: changed });
  const putMs = performance.now() - started;
  const putPauses = await meter.read();
  expect((await read(server, 'large')).value['text']).toBe(changed);
  const getPauses = await meter.read();
  console.log(
    `4 MB: PUT took ${putMs.toFixed(0)} ms, longest pause ${putPauses.worst.toFixed(0)} ms; GET ${getPauses.worst.toFixed(0)} ms; before ${quiet.worst.toFixed(0)} ms`,
  );
  expect(Math.max(putPauses.worst, getPauses.worst)).toBeLessThan(400);
});
