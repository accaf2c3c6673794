/**
 * Documents that people type in while a program edits them in MongoDB: gateways, persister and changefeeds as processes, a real broker, and the database at hand.
 */

import { MongoClient } from 'mongodb';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { decodeRecord } from '#shared/journal/record.ts';
import { orSkip } from '#test/harness/backends.ts';
import { readMetric } from '#test/harness/metrics.ts';
import {
  complaintsAbout,
  type Copies,
  editedRoots,
  editKinds,
  type Edits,
  makeEdit,
  startWriting,
} from '#test/harness/mirror-edits.ts';
import { type MirrorProgram, openMirrorProgram } from '#test/harness/mirror-program.ts';
import type { Had } from '#test/harness/own-engine.ts';
import { openRawKafka } from '#test/harness/raw-kafka.ts';
import { type ClusterNode, startTestCluster, type TestCluster } from '#test/harness/test-cluster.ts';
import { type Client, openClient } from '#test/harness/y-websocket-client.ts';

const startMsMax = 120_000;
const within = { timeout: 30_000, interval: 20 };

const mirrorRoots = JSON.stringify([
  { document: 'plain/*', roots: editedRoots },
  { document: 'rich/*', roots: { text: 'rich-text' } },
]);
/** So that a takeover takes no longer than a test should. */
const leaseMs = 2_000;

let had: Had<TestCluster> = { kind: 'missing', reason: 'the cluster was not started' };

beforeAll(async () => {
  const settings = { MIRROR_ROOTS: mirrorRoots, MIRROR_LEFT_OUT: '["left-out/*"]' };
  had = await startTestCluster({
    gateways: 2,
    persisters: 1,
    changefeeds: 2,
    partitions: 1,
    isDatabaseInMemory: true,
    persisterSettings: { ...settings, FLUSH_INTERVAL_MS: 100, MIRROR_SETTLE_MS: 50, MIRROR_INTERVAL_MS_MIN: 200 },
    changefeedSettings: { ...settings, LEASE_MS: leaseMs, LEASE_RENEW_MS: 500 },
  });
}, startMsMax);
afterAll(async () => {
  if (had.kind === 'had') await had.remove();
});

type Skip = (reason: string) => never;

type Scene = {
  readonly cluster: TestCluster;
  readonly program: MirrorProgram;
  readonly gateways: readonly [ClusterNode, ClusterNode];
  readonly changefeeds: readonly [ClusterNode, ClusterNode];
};

async function scene(skip: Skip): Promise<Scene> {
  const cluster = orSkip(skip, had);
  const [one, two] = cluster.gateways;
  const [first, second] = cluster.changefeeds;
  if (one === undefined || two === undefined || first === undefined || second === undefined)
    throw new Error('two of each were asked for');
  const program = await openMirrorProgram(cluster.mongodb.url);
  onTestFinished(() => program.close());
  return { cluster, program, gateways: [one, two], changefeeds: [first, second] };
}

function open({ wsUrl }: ClusterNode, document: string): Client {
  const client = openClient({ url: wsUrl, document: encodeURIComponent(document) });
  onTestFinished(() => client.discard());
  return client;
}

const fieldOf = (client: Client, field: string): unknown => client.doc.getMap('fields').get(field);

/** What the mirror has to say in the end. */
const valueOf = (client: Client) => ({
  text: client.text.toJSON(),
  fields: client.doc.getMap('fields').toJSON(),
  list: client.doc.getArray('list').toJSON(),
});

async function untilMirrored(program: MirrorProgram, document: string, client: Client): Promise<void> {
  await vi.waitFor(async () => expect((await program.read(document))?.value).toMatchObject(valueOf(client)), within);
}

test('CM1: what people type is in the mirror, and a field that a program sets there is in every client', async ({ skip }) => {
  const { program, gateways } = await scene(skip);
  const document = 'plain/first';
  const [ada, ben] = [open(gateways[0], document), open(gateways[1], document)] as const;
  await Promise.all([ada.synced(), ben.synced()]);
  ada.text.insert(0, 'typed');
  ada.doc.getMap('fields').set('title', 'a plan');
  await untilMirrored(program, document, ada);
  await program.setField(document, 'title', 'the plan');
  await Promise.all([ada, ben].map((client) => client.until('the field', () => fieldOf(client, 'title') === 'the plan')));
  await untilMirrored(program, document, ben);
  expect(valueOf(ben)).toMatchObject({ text: 'typed', fields: { title: 'the plan' } });
});

/** How many records of a document there are, by the process that they came from. */
async function recordsOf({ connection }: TestCluster, document: string): Promise<ReadonlyMap<string, number>> {
  const kafka = await openRawKafka(connection.brokers);
  const counts = new Map<string, number>();
  try {
    for (const { value } of await kafka.read(`${connection.topicPrefix}.updates`)) {
      const decoded = decodeRecord(value ?? new Uint8Array());
      if (decoded.kind !== 'decoded' || decoded.value.document !== document) continue;
      const { origin } = decoded.value;
      counts.set(origin, (counts.get(origin) ?? 0) + 1);
    }
  } finally {
    await kafka.close();
  }
  return counts;
}

/** Records that came from no gateway. */
const takenIn = (records: ReadonlyMap<string, number>, gateways: ReadonlySet<string>): number =>
  [...records].reduce((sum, [origin, count]) => (gateways.has(origin) ? sum : sum + count), 0);

type Played = Edits & {
  readonly writes: number;
  readonly gatewayOrigins: ReadonlySet<string>;
  readonly copies: Copies;
};

/** Two people type through two gateways while a program makes `edits` edits, and `beside` is done after each. All of it is over when this resolves. */
async function play(
  { cluster, program }: Scene,
  document: string,
  [ada, ben]: readonly [Client, Client],
  edits: number,
  beside: (index: number) => Promise<void> = async () => {},
): Promise<Played> {
  await Promise.all([ada.synced(), ben.synced()]);
  ada.text.insert(0, '<begin>');
  await ben.until('the beginning', () => ben.text.toJSON() === '<begin>');
  ben.text.insert(7, '<begun>');
  await Promise.all([ada.until('both', () => ada.text.length === 14), ben.saved()]);
  await untilMirrored(program, document, ada);
  const gatewayOrigins = new Set((await recordsOf(cluster, document)).keys());
  const [first, second] = [startWriting(ada, 'a'), startWriting(ben, 'b')] as const;
  const copies: Copies = new Map();
  const made = Array.from({ length: edits }, (_, index) => editKinds[index % editKinds.length] ?? 'field');
  let writes = 0;
  for (const [index, kind] of made.entries()) {
    writes += await makeEdit(program, { document, index, kind }, first, copies);
    await beside(index);
  }
  await Promise.all([first.stop(), second.stop()]);
  const typed = ['<begin>', '<begun>', ...first.typed, ...second.typed];
  return { made, typed, writes, gatewayOrigins, copies };
}

/** Waits until everything has come to a client, and each of it is there once. */
async function expectAllOnce(client: Client, played: Played): Promise<void> {
  await client.until('everything', () => complaintsAbout(client.doc, played).length === 0).catch(() => {}); // what is wrong is named below
  expect(complaintsAbout(client.doc, played)).toEqual([]);
}

test(
  'CM2, CM3: while two people type, a hundred edits of every kind are in every client once, nothing that was typed is lost, and writes of our own are no edits',
  { timeout: 240_000 },
  async ({ skip }) => {
    const its = await scene(skip);
    const { cluster, program, gateways } = its;
    const document = 'plain/busy';
    const [ada, ben] = [open(gateways[0], document), open(gateways[1], document)] as const;
    const played = await play(its, document, [ada, ben], 100);
    for (const client of [ada, ben]) {
      await expectAllOnce(client, played);
      await untilMirrored(program, document, client);
    }
    const before = takenIn(await recordsOf(cluster, document), played.gatewayOrigins);
    expect(before).toBeGreaterThan(0);
    expect(before).toBeLessThanOrEqual(played.writes);
    for (let index = 0; index < 5; index++) {
      ada.text.insert(0, `<more${index}>`);
      await untilMirrored(program, document, ada);
    }
    expect(takenIn(await recordsOf(cluster, document), played.gatewayOrigins)).toBe(before);
    expect((await program.read(document))?.inkstream?.refused ?? []).toEqual([]);
    for (const [name, value] of played.copies) {
      const reader = open(gateways[1], name);
      await reader.until('the text of the copy', () => reader.text.toJSON() === value.text);
      reader.discard();
    }
  },
);

const holdsLease = async ({ url }: ClusterNode): Promise<boolean> =>
  (await readMetric(url, 'inkstream_changefeed_lease_held')) === 1;

/** The changefeed that works, and the other one. */
async function holderOf({ changefeeds: [one, two] }: Scene): Promise<readonly [ClusterNode, ClusterNode]> {
  return vi.waitFor(async () => {
    const [isOne, isTwo] = await Promise.all([holdsLease(one), holdsLease(two)]);
    if (isOne === isTwo) throw new Error(`the lease: ${String(isOne)} and ${String(isTwo)}`);
    return isOne ? ([one, two] as const) : ([two, one] as const);
  }, within);
}

test(
  'CM4: a changefeed that is killed in the middle of an edit is followed by another one within seconds, and each edit is there once',
  { timeout: 240_000 },
  async ({ skip }) => {
    const its = await scene(skip);
    const { program, gateways } = its;
    const document = 'plain/killed';
    const [ada, ben] = [open(gateways[0], document), open(gateways[1], document)] as const;
    let kills = 0;
    const played = await play(its, document, [ada, ben], 24, async (index) => {
      if (index % 8 !== 5) return;
      const [holder] = await holderOf(its);
      await holder.kill();
      kills++;
      await program.setField(document, 'field0', 0); // says nothing new, and is looked at by nobody yet
      await holder.start();
    });
    expect(kills).toBe(3);
    for (const client of [ada, ben]) {
      await expectAllOnce(client, played);
      await untilMirrored(program, document, client);
    }
  },
);

test('CM5: a changefeed tells how it is, and one that is told to stop ends with 0 and hands over at once', async ({ skip }) => {
  const its = await scene(skip);
  const { program, gateways } = its;
  const document = 'plain/handed-over';
  const ada = open(gateways[0], document);
  await ada.synced();
  ada.doc.getMap('fields').set('title', 'one');
  await untilMirrored(program, document, ada);
  const [holder, other] = await holderOf(its);
  expect((await fetch(`${holder.url}/healthz`)).status).toBe(200);
  const ready: unknown = await (await fetch(`${other.url}/readyz`)).json();
  expect(ready).toMatchObject({ status: 'ready', changefeed: { state: 'waiting', pending: 0 } });
  expect(await holder.stop()).toBe(0);
  const stopped = performance.now();
  await vi.waitFor(async () => expect(await holdsLease(other)).toBe(true), within);
  expect(performance.now() - stopped).toBeLessThan(leaseMs);
  const before = await readMetric(other.url, 'inkstream_changefeed_edits_taken_total');
  await program.setField(document, 'title', 'two');
  await ada.until('the edit', () => fieldOf(ada, 'title') === 'two');
  await vi.waitFor(
    async () => expect(await readMetric(other.url, 'inkstream_changefeed_edits_taken_total')).toBe(before + 1),
    within,
  );
  await holder.start();
});

test('CM6: documents that are left out have no mirror and take no edits from one, and roots are what a setting says', async ({
  skip,
}) => {
  const { program, gateways } = await scene(skip);
  const left = open(gateways[0], 'left-out/plan');
  await left.synced();
  left.text.insert(0, 'typed');
  await left.saved();
  const shown = open(gateways[0], 'rich/plan');
  await shown.synced();
  shown.text.insert(0, 'typed');
  await vi.waitFor(async () => expect((await program.read('rich/plan'))?.value).toEqual({ text: [{ insert: 'typed' }] }), within);
  expect(await program.read('left-out/plan')).toBeUndefined();

  await program.mirrors.insertOne({ _id: 'left-out/new', value: { text: 'not taken' } });
  await program.mirrors.insertOne({ _id: 'plain/new', value: { text: 'taken' } });
  const fresh = open(gateways[1], 'plain/new');
  await fresh.until('what the mirror began with', () => fresh.text.toJSON() === 'taken');
  const nothing = open(gateways[1], 'left-out/new');
  await nothing.synced();
  expect(nothing.text.toJSON()).toBe('');
});

test('MI26: a mirror that a program deletes is there again within seconds, while nobody types', async ({ skip }) => {
  const { cluster, program, gateways } = await scene(skip);
  const document = 'plain/deleted';
  const ada = open(gateways[0], document);
  await ada.synced();
  ada.text.insert(0, 'still here');
  await untilMirrored(program, document, ada);
  const database = await MongoClient.connect(cluster.mongodb.url);
  onTestFinished(() => database.close());
  const { deletedCount } = await database.db().collection<{ _id: string }>('mirrors').deleteOne({ _id: document });
  expect(deletedCount).toBe(1);
  await untilMirrored(program, document, ada);
  await program.setField(document, 'title', 'again');
  await ada.until('the field', () => fieldOf(ada, 'title') === 'again');
});

test('CM7: an edit that can not be taken leaves the document alone, and is kept aside with its reason', async ({ skip }) => {
  const { program, gateways } = await scene(skip);
  const document = 'plain/refused';
  const ada = open(gateways[0], document);
  await ada.synced();
  ada.text.insert(0, 'typed');
  await untilMirrored(program, document, ada);
  await program.mirrors.updateOne({ _id: document }, { $set: { value: 'no object' as never } });
  await vi.waitFor(
    async () => expect((await program.read(document))?.inkstream?.refused).toMatchObject([{ reason: expect.any(String) }]),
    within,
  );
  expect((await program.read(document))?.value).toMatchObject({ text: 'typed' });
  await program.setText(document, (text) => `${text} on`);
  await ada.until('the next edit', () => ada.text.toJSON() === 'typed on');
});

const editsTimed = 50;

/** From the beginning of each write to its being in a client, in milliseconds, the shortest first. */
async function latencies(client: Client, write: (index: number) => Promise<unknown>, isThere: (index: number) => boolean) {
  const tookMs: number[] = [];
  for (let index = 0; index < editsTimed; index++) {
    const began = performance.now();
    const writing = write(index);
    await client.until('the edit', () => isThere(index));
    tookMs.push(performance.now() - began);
    await writing;
  }
  return tookMs.toSorted((a, b) => a - b).map(Math.round);
}

test('CM8: an edit is in the clients soon', { timeout: 120_000 }, async ({ skip }) => {
  const { program, gateways } = await scene(skip);
  const document = 'plain/soon';
  const [ada, ben] = [open(gateways[0], document), open(gateways[1], document)] as const;
  await Promise.all([ada.synced(), ben.synced()]);
  ada.text.insert(0, '<begin>');
  await untilMirrored(program, document, ada);
  const textOf = (index: number): string => `<begin>${Array.from({ length: index + 1 }, (_, each) => `[${each}]`).join('')}`;
  const quiet = await latencies(
    ada,
    (index) => program.mirrors.updateOne({ _id: document }, { $set: { 'value.text': textOf(index) } }),
    (index) => ada.text.toJSON() === textOf(index),
  );
  const person = startWriting(ben, 'b');
  const busy = await latencies(
    ada,
    (index) => program.setField(document, 'count', index),
    (index) => fieldOf(ada, 'count') === index,
  );
  await person.stop();
  for (const [name, sorted] of [
    ['while nobody types', quiet],
    ['while somebody types', busy],
  ] as const)
    console.log(
      `from the write in the database to a client, ${name}, ms: p50 ${sorted[editsTimed >> 1]}, at most ${sorted.at(-1)}`,
    );
  expect(quiet[editsTimed >> 1]).toBeLessThan(1_000);
  expect(busy[editsTimed >> 1]).toBeLessThan(1_000);
});

test(
  'CM12: connections to the database that break while people type and a program edits cost time, and no edit',
  { timeout: 240_000 },
  async ({ skip }) => {
    const its = await scene(skip);
    const { cluster, program, gateways } = its;
    const document = 'plain/cut';
    const [ada, ben] = [open(gateways[0], document), open(gateways[1], document)] as const;
    let cuts = 0;
    const played = await play(its, document, [ada, ben], 30, async (index) => {
      if (index % 3 !== 1) return;
      cluster.mongodb.proxy.cut();
      cuts++;
    });
    expect(cuts).toBe(10);
    for (const client of [ada, ben]) {
      await expectAllOnce(client, played);
      await untilMirrored(program, document, client);
    }
  },
);

test('CM13: a mirror that a program inserts where people have typed, and which has none yet, takes nothing of theirs away', async ({
  skip,
}) => {
  const { cluster, program, gateways } = await scene(skip);
  const [persister] = cluster.persisters;
  if (persister === undefined) throw new Error('a persister was asked for');
  const document = 'plain/inserted';
  const [ada, ben] = [open(gateways[0], document), open(gateways[1], document)] as const;
  await Promise.all([ada.synced(), ben.synced()]);
  // Like nearly all that are drawn, above those of who has seen nothing.
  ada.doc.clientID = ada.provider.awareness.clientID = 2 ** 31;
  ada.provider.awareness.setLocalState({});
  persister.freeze(); // or it would write the first mirror
  onTestFinished(() => persister.thaw());
  ada.text.insert(0, 'typed.');
  ada.doc.getMap('fields').set('title', 'theirs');
  await ada.saved();
  await program.mirrors.insertOne({ _id: document, value: { text: 'written.', fields: { title: 'its', count: 1 } } });
  await Promise.all([ada, ben].map((client) => client.until('what was inserted', () => fieldOf(client, 'count') === 1)));
  persister.thaw();
  for (const client of [ada, ben]) {
    expect(client.text.toJSON()).toBe('written.typed.');
    expect(fieldOf(client, 'title')).toBe('theirs');
    await untilMirrored(program, document, client);
  }
  await program.setField(document, 'title', 'the plan');
  await ada.until('the next edit', () => fieldOf(ada, 'title') === 'the plan');
  expect(ada.text.toJSON()).toBe('written.typed.');
});
