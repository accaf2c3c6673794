/** The JSON door by itself: a gateway that listens, and documents that answer as they are told to. */

import { connect as connectTcp, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import type { RestLimits } from '#gateway/doors/rest.ts';
import { type Gateway, type GatewayParts, startGateway } from '#gateway/gateway.ts';
import type { JsonChange, JsonDocuments, JsonLook, JsonOutcome } from '#gateway/json-documents.ts';
import { JournalUnavailable } from '#shared/journal/journal.ts';
import { createMemoryJournal } from '#shared/journal/memory.ts';
import { systemClock } from '#shared/runtime/clock.ts';
import { Registry } from '#shared/runtime/metrics.ts';
import { createMemoryStore } from '#shared/store/memory.ts';
import { StoreUnavailable } from '#shared/store/store.ts';
import { defaultGatewayLimits, silentLogger } from '#test/harness/memory-gateway.ts';

type Asked = { readonly document: string; readonly change?: JsonChange };

/** Documents that have `etag`, answer `look` or `outcome`, and remember what they were asked. */
type Told = {
  etag: string | undefined;
  look: JsonLook | Error | Promise<JsonLook>;
  outcome: JsonOutcome | Error;
  readonly asked: Asked[];
};

const found = (json: string, etag = '"one"', unrepresented: readonly string[] = []): JsonLook => ({
  kind: 'found',
  representation: { text: Buffer.from(json), etag },
  unrepresented,
});

const tell = (): Told => ({
  etag: '"one"',
  look: found('{"text":"ä"}'),
  outcome: { kind: 'changed', isNew: false, etag: '"two"' },
  asked: [],
});

const documentsOf = (told: Told): JsonDocuments => ({
  look: async (document) => {
    told.asked.push({ document });
    const look = await told.look;
    if (look instanceof Error) throw look;
    return look;
  },
  change: async (document, change, precondition) => {
    told.asked.push({ document, change });
    if (told.outcome instanceof Error) throw told.outcome;
    return precondition(told.etag) ? told.outcome : { kind: 'precondition-failed', etag: told.etag };
  },
});

const gatewayParts = (): GatewayParts => ({
  host: '127.0.0.1',
  port: 0,
  tls: undefined,
  registry: new Registry(),
  pages: new Map(),
  condition: () => ({}),
  journal: createMemoryJournal(),
  store: createMemoryStore(),
  clock: systemClock,
  logger: silentLogger,
  limits: defaultGatewayLimits,
  origin: 'gateway',
  refusesForeignPages: true,
  writersMustWait: () => undefined,
});

const restLimits: RestLimits = { jsonBodyBytesMax: 1024 * 1024, jsonRequestsMax: 32 };

async function start(
  told: Told,
  parts: Partial<GatewayParts> = {},
  limits: Partial<RestLimits> = {},
): Promise<Gateway & { readonly url: string }> {
  const gateway = await startGateway({
    ...gatewayParts(),
    json: { open: () => documentsOf(told), limits: { ...restLimits, ...limits } },
    ...parts,
  });
  onTestFinished(() => gateway.close());
  return { ...gateway, url: `http://127.0.0.1:${gateway.port}` };
}

const pathOf = (name: string): string => `/v1/documents/${encodeURIComponent(name)}/json`;
const jsonHeaders = { 'content-type': 'application/json' };

const put = (
  url: string,
  body: string,
  headers: Record<string, string> = jsonHeaders,
  method: 'PUT' | 'PATCH' = 'PUT',
): Promise<Response> => fetch(url, { method, body, headers });

/** Status, and what the problem says. */
async function problemOf(response: Response): Promise<{ readonly status: number; readonly detail: string }> {
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  const problem = (await response.json()) as { type: string; title: string; status: number; detail: string };
  expect(problem).toMatchObject({ type: 'about:blank', title: expect.any(String), status: response.status });
  return { status: response.status, detail: problem.detail };
}

test('JD4: GET answers the JSON with its ETag, and HEAD the same without it', async () => {
  const told = tell();
  const { url } = await start(told);
  const answered = await fetch(url + pathOf('team-7/ä plan'));
  expect(answered.status).toBe(200);
  expect(Object.fromEntries(answered.headers)).toMatchObject({
    'content-type': 'application/json',
    etag: '"one"',
    'cache-control': 'private, no-cache',
    'content-length': '13',
  });
  expect(answered.headers.has('inkstream-unrepresented')).toBe(false);
  expect(await answered.text()).toBe('{"text":"ä"}');
  const head = await fetch(url + pathOf('team-7/ä plan'), { method: 'HEAD' });
  expect([head.status, head.headers.get('etag'), head.headers.get('content-length')]).toEqual([200, '"one"', '13']);
  await fetch(`${url}/v1/documents/a/json/json`);
  expect(told.asked.map(({ document }) => document)).toEqual(['team-7/ä plan', 'team-7/ä plan', 'a/json']);
});

test('JD4: what of the document is not in the JSON is said in a header', async () => {
  const told = tell();
  const { url } = await start(told);
  told.look = found('{}', '"one"', ['map.a: ä🦊', 'b']);
  const few = (await fetch(url + pathOf('a'))).headers.get('inkstream-unrepresented') ?? '';
  expect(few).toBe(String.raw`["map.a: \u00e4\ud83e\udd8a","b"]`);
  told.look = found(
    '{}',
    '"one"',
    Array.from({ length: 100 }, (_, i) => `${i}`.padEnd(100, '.')),
  );
  const many = JSON.parse((await fetch(url + pathOf('a'))).headers.get('inkstream-unrepresented') ?? '') as string[];
  expect(many.length).toBeGreaterThan(10);
  expect(many.at(-1)).toBe('100 in all');
});

test('JD26: what is said of the document in a header costs no more than the header holds', { timeout: 10_000 }, async () => {
  const told = tell();
  const { url } = await start(told);
  const long = Array.from({ length: 100 }, () => 'ä'.repeat(100_000));
  told.look = found('{}', '"one"', ['a: short', ...long]);
  const header = (await fetch(url + pathOf('a'))).headers.get('inkstream-unrepresented');
  expect(header).toBe('["a: short","101 in all"]');
});

test('JD5: what there is not is 404, and JSON that can not be had is 422', async () => {
  const told = tell();
  const { url } = await start(told);
  told.look = { kind: 'unknown' };
  expect(await problemOf(await fetch(url + pathOf('a')))).toEqual({
    status: 404,
    detail: expect.stringContaining('PUT makes one'),
  });
  told.look = { kind: 'unfit', reason: 'it is too large' };
  expect(await problemOf(await fetch(url + pathOf('a')))).toEqual({ status: 422, detail: 'it is too large' });
  for (const path of ['/v1/', '/v1/documents', '/v1/documents/a', '/v1/documents/a/text'])
    expect((await problemOf(await fetch(url + path))).status).toBe(404);
});

test('JD6: a change is handed on as it came; 204 where the document was there, 201 where it is new, with the new ETag', async () => {
  const told = tell();
  const { url } = await start(told);
  const changed = await put(url + pathOf('a'), '{"text":"ä"}');
  expect([changed.status, changed.headers.get('etag'), await changed.text()]).toEqual([204, '"two"', '']);
  expect([changed.headers.has('content-length'), changed.headers.has('content-type')]).toEqual([false, false]);
  told.outcome = { kind: 'changed', isNew: true, etag: '"three"' };
  const type = { 'content-type': 'Application/Merge-Patch+JSON; charset=utf-8' };
  const made = await put(url + pathOf('b'), '{"text":null}', type, 'PATCH');
  expect([made.status, made.headers.get('etag')]).toEqual([201, '"three"']);
  expect((await put(url + pathOf('b'), '{}', jsonHeaders, 'PATCH')).status).toBe(201);
  const bodyOf = (asked: Asked): string => new TextDecoder().decode(asked.change?.body);
  expect(told.asked.map((asked) => [asked.document, asked.change?.kind, bodyOf(asked)])).toEqual([
    ['a', 'replace', '{"text":"ä"}'],
    ['b', 'merge', '{"text":null}'],
    ['b', 'merge', '{}'],
  ]);
});

test.each<[string, Record<string, string>, string | undefined, number, number]>([
  ['If-Match of what it is', { 'if-match': '"one"' }, '"one"', 200, 204],
  ['If-Match of several', { 'if-match': '"x" , "a,b","one"' }, '"one"', 200, 204],
  ['If-Match of something else', { 'if-match': '"two"' }, '"one"', 412, 412],
  ['If-Match of a weak tag', { 'if-match': 'W/"one"' }, '"one"', 412, 412],
  ['If-Match of anything', { 'if-match': '*' }, '"one"', 200, 204],
  ['If-Match of anything, where there is nothing', { 'if-match': '*' }, undefined, 404, 412],
  ['If-None-Match of anything', { 'if-none-match': '*' }, '"one"', 304, 412],
  ['If-None-Match of anything, where there is nothing', { 'if-none-match': '*' }, undefined, 404, 204],
  ['If-None-Match of what it is', { 'if-none-match': 'W/"one"' }, '"one"', 304, 412],
  ['If-None-Match of something else', { 'if-none-match': '"two"' }, '"one"', 200, 204],
  ['both, of which the first fails', { 'if-match': '"two"', 'if-none-match': '"one"' }, '"one"', 412, 412],
  ['no list', { 'if-match': 'one' }, '"one"', 400, 400],
  ['no list either', { 'if-none-match': '"one' }, '"one"', 400, 400],
])('JD7: conditions: %s', async (_, headers, etag, looked, changed) => {
  const told = tell();
  const { url } = await start(told);
  told.etag = etag;
  if (etag === undefined) told.look = { kind: 'unknown' };
  const look = await fetch(url + pathOf('a'), { headers });
  expect(look.status).toBe(looked);
  if (looked === 304) expect([look.headers.get('etag'), await look.text()]).toEqual(['"one"', '']);
  const change = await put(url + pathOf('a'), '{}', { ...jsonHeaders, ...headers });
  expect(change.status).toBe(changed);
  if (changed !== 412) return;
  expect(change.headers.get('etag')).toBe(etag ?? null);
  expect(await change.json()).toMatchObject(etag === undefined ? { status: 412 } : { status: 412, etag });
});

test('JD8: what is wrong with a request is said: its name, its JSON, its type, its method', async () => {
  const told = tell();
  const { url } = await start(told);
  expect(await problemOf(await fetch(`${url}/v1/documents/%ff/json`))).toEqual({
    status: 400,
    detail: expect.stringContaining('UTF-8'),
  });
  expect((await problemOf(await fetch(`${url}/v1/documents//json`))).detail).toMatch(/empty/u);
  expect((await problemOf(await fetch(`${url}/v1/documents/a%00/json`))).detail).toMatch(/control character/u);

  told.outcome = { kind: 'malformed', reason: 'a comma has to come here', line: 3, column: 7 };
  const malformed = await put(url + pathOf('a'), '{');
  expect(await malformed.clone().json()).toMatchObject({ line: 3, column: 7 });
  expect(await problemOf(malformed)).toEqual({ status: 400, detail: 'line 3, column 7: a comma has to come here' });
  told.outcome = { kind: 'refused', reason: 'text: a text is a string' };
  expect(await problemOf(await put(url + pathOf('a'), '{}'))).toEqual({ status: 422, detail: 'text: a text is a string' });

  const asked = told.asked.length;
  for (const type of ['text/plain', 'application/json-patch+json', 'application/merge-patch+json'])
    expect((await problemOf(await put(url + pathOf('a'), '{}', { 'content-type': type }))).status).toBe(415);
  const patch = await put(url + pathOf('a'), '[]', { 'content-type': 'application/json-patch+json' }, 'PATCH');
  expect([patch.status, patch.headers.get('accept-patch')]).toEqual([415, 'application/merge-patch+json, application/json']);
  expect((await problemOf(await put(url + pathOf('a'), '{}', { ...jsonHeaders, 'content-encoding': 'gzip' }))).detail).toMatch(
    /gzip/u,
  );
  for (const method of ['DELETE', 'POST', 'OPTIONS']) {
    const refused = await fetch(url + pathOf('a'), { method });
    expect([(await problemOf(refused)).status, refused.headers.get('allow')]).toEqual([405, 'GET, HEAD, PUT, PATCH']);
  }
  expect(told.asked).toHaveLength(asked);
});

/** Status of a PUT with these header lines, on a document with the tag "one". */
async function statusWith(gateway: Gateway, ...lines: readonly string[]): Promise<number> {
  const head = ['connection: close', 'host: a', 'content-type: application/json', ...lines, 'content-length: 2'].join('\r\n');
  const answered = await text(sendRaw(gateway.port, `PUT ${pathOf('a')} HTTP/1.1\r\n${head}\r\n\r\n{}`));
  return Number(answered.slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length));
}

test('JD23: lists of entity tags: several lines are one, empty places in them say nothing, and an empty one has no tag', async () => {
  const gateway = await start(tell());
  expect(await statusWith(gateway, 'If-Match: "x"', 'if-match: "one"')).toBe(204);
  expect(await statusWith(gateway, 'if-none-match: "x"', 'if-none-match: "one"')).toBe(412);
  expect(await statusWith(gateway, 'if-match: , "x",, "one" ,')).toBe(204);
  expect(await statusWith(gateway, 'if-match: ')).toBe(412);
  expect(await statusWith(gateway, 'if-none-match: ')).toBe(204);
  for (const list of ['"x" "one"', '"x""one"', '*, "one"', '"one', 'one']) {
    expect(await statusWith(gateway, `if-match: ${list}`), list).toBe(400);
  }
});

test('JD24: a part of a document is not taken for the whole', async () => {
  const told = tell();
  const gateway = await start(told);
  expect(await statusWith(gateway, 'content-range: bytes 0-1/2')).toBe(400);
  expect(told.asked).toEqual([]);
});

/** A connection on which these bytes were sent. */
function sendRaw(port: number, bytes: string): Socket {
  const socket = connectTcp(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.write(bytes);
  return socket;
}

test('JD9: a body that is too long is refused, announced or not, and its connection is closed', async () => {
  const told = tell();
  const gateway = await start(told, {}, { jsonBodyBytesMax: 1024 });
  const head = `PUT ${pathOf('a')} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n`;
  const announced = sendRaw(gateway.port, `${head}content-length: 1025\r\n\r\n`);
  expect(await text(announced)).toMatch(/^HTTP\/1.1 413 [^]*more than the 1024 bytes/u);
  const chunked = sendRaw(gateway.port, `${head}transfer-encoding: chunked\r\n\r\n400\r\n${'x'.repeat(1024)}\r\n`);
  chunked.write(`1\r\nx\r\n`);
  expect(await text(chunked)).toMatch(/^HTTP\/1.1 413 /u);
  expect(told.asked).toEqual([]);
  const longest = JSON.stringify('x'.repeat(1022));
  expect((await put(gateway.url + pathOf('a'), longest)).status).toBe(204);
  expect(told.asked[0]?.change?.body.byteLength).toBe(1024);
});

test('JD9: so many requests are under way at most, and who goes away while a body comes makes room', async () => {
  const told = tell();
  const gateway = await start(told, {}, { jsonRequestsMax: 1 });
  const half = sendRaw(
    gateway.port,
    `PUT ${pathOf('a')} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{"a"`,
  );
  const status = async (): Promise<number> => (await fetch(gateway.url + pathOf('b'))).status;
  await expect.poll(status).toBe(503);
  expect((await fetch(gateway.url + pathOf('b'))).headers.get('retry-after')).toBe('2');
  half.destroy();
  await expect.poll(status).toBe(200);
  expect(told.asked.every(({ document }) => document === 'b')).toBe(true);
});

test('JD10: while the storage is away, writers have to wait or the server stops, it is 503 with Retry-After', async () => {
  const told = tell();
  const writers: { mustWait: string | undefined } = { mustWait: undefined };
  const gateway = await start(told, { writersMustWait: () => writers.mustWait });
  const statusOf = async (answered: Promise<Response>): Promise<[number, string | null, string]> => {
    const response = await answered;
    return [response.status, response.headers.get('retry-after'), (await problemOf(response)).detail];
  };
  told.outcome = new JournalUnavailable('the disk is full');
  told.look = new StoreUnavailable('not here');
  expect(await statusOf(put(gateway.url + pathOf('a'), '{}'))).toEqual([503, '2', expect.stringContaining('the disk is full')]);
  expect(await statusOf(fetch(gateway.url + pathOf('a')))).toEqual([503, '2', expect.stringContaining('not here')]);
  told.outcome = new Error('a bug');
  expect(await problemOf(await put(gateway.url + pathOf('a'), '{}'))).toEqual({
    status: 500,
    detail: expect.stringMatching(/^(?!.*a bug).*may have been made/u),
  });
  writers.mustWait = 'the store is too far behind';
  expect(await statusOf(put(gateway.url + pathOf('a'), '{}'))).toEqual([503, '2', 'the store is too far behind']);

  const slow = Promise.withResolvers<JsonLook>();
  told.look = slow.promise;
  const asked = told.asked.length;
  const last = fetch(gateway.url + pathOf('a'));
  await expect.poll(() => told.asked.length).toBe(asked + 1);
  let isDrained = false;
  const drained = gateway.drain(10, 5_000).then(() => (isDrained = true));
  expect(await statusOf(fetch(gateway.url + pathOf('a')))).toEqual([503, '2', 'the server is stopping']);
  expect(isDrained).toBe(false);
  slow.resolve(found('{}'));
  await drained;
  expect((await last).status).toBe(200);
});

test('JD11: pages from elsewhere are refused, as they are at the other doors; a gateway without documents as JSON has no such door', async () => {
  const told = tell();
  const { url } = await start(told);
  const from = (origin: string) => ({ ...jsonHeaders, origin });
  expect((await problemOf(await put(url + pathOf('a'), '{}', from('https://elsewhere.example')))).status).toBe(403);
  expect((await fetch(url + pathOf('a'), { headers: from('null') })).status).toBe(403);
  expect(told.asked).toEqual([]);
  expect((await put(url + pathOf('a'), '{}', from('http://localhost:3000'))).status).toBe(204);
  const open = await start(told, { refusesForeignPages: false });
  expect((await put(open.url + pathOf('a'), '{}', from('https://elsewhere.example'))).status).toBe(204);
  const without = await startGateway(gatewayParts());
  onTestFinished(() => without.close());
  expect((await fetch(`http://127.0.0.1:${without.port}${pathOf('a')}`)).status).toBe(404);
});
