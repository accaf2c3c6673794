/**
 * What only happens to clusters: a journal that is away, a database from yesterday, records that are gone when a frozen gateway wakes, people on other gateways.
 */

import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { parseDocumentName } from '#shared/document/name.ts';
import { type Kafka, openKafka } from '#shared/journal/kafka.ts';
import { systemClock } from '#shared/runtime/clock.ts';
import { orSkip } from '#test/harness/backends.ts';
import { readFromStoreAlone } from '#test/harness/cold-start.ts';
import { backUp, restore } from '#test/harness/database-backup.ts';
import { silentLogger } from '#test/harness/memory-gateway.ts';
import type { Had } from '#test/harness/own-engine.ts';
import { restorablePersister } from '#test/harness/provocation.ts';
import { type ClusterNode, startTestCluster, type TestCluster } from '#test/harness/test-cluster.ts';
import { type Client, isSame, openClient } from '#test/harness/y-websocket-client.ts';

const startMsMax = 120_000;
/** A gateway that died is missed after this long, in ms. */
const silenceMsMin = 20_000;
let had: Had<TestCluster> = { kind: 'missing', reason: 'the cluster was not started' };

beforeAll(async () => {
  had = await startTestCluster({
    isDatabaseInMemory: true,
    gatewaySettings: { DRAIN_SPREAD_MS: 300, UNSAVED_MS_MAX: 3_000 },
    persisterSettings: restorablePersister,
  });
}, startMsMax);
afterAll(async () => {
  if (had.kind === 'had') await had.remove();
});

type Skip = (reason: string) => never;
type Pair = { readonly cluster: TestCluster; readonly gateways: readonly [ClusterNode, ClusterNode] };

function pairOf(skip: Skip): Pair {
  const cluster = orSkip(skip, had);
  const [one, two] = cluster.gateways;
  if (one === undefined || two === undefined) throw new Error('two gateways were asked for');
  return { cluster, gateways: [one, two] };
}

function open({ wsUrl }: ClusterNode, document: string): Client {
  const client = openClient({ url: wsUrl, document });
  onTestFinished(() => client.discard());
  return client;
}

async function openJournal(cluster: TestCluster): Promise<Kafka['journal']> {
  const kafka = await openKafka(cluster.connection, { clock: systemClock, logger: silentLogger });
  onTestFinished(() => kafka.close());
  return kafka.journal;
}

function partitionOf(journal: Kafka['journal'], document: string): number {
  const parsed = parseDocumentName(document);
  if ('refusal' in parsed) throw new Error(parsed.refusal);
  return journal.partitionOf(parsed.name);
}

const type = (client: Client, text: string): void => client.text.insert(client.text.length, text);
const has = (client: Client, text: string): Promise<void> =>
  client.until(`the text ${JSON.stringify(text)}`, () => client.text.toJSON().includes(text));

test(
  'CL51: people on different gateways see each other’s text and each other, and that one leaves, is drained away, or dies',
  { timeout: 150_000 },
  async ({ skip }) => {
    const { gateways } = pairOf(skip);
    const [one, two] = gateways;
    const [ada, ben, cem] = [open(one, 'people'), open(two, 'people'), open(two, 'people')] as const;
    const names = (client: Client): string =>
      [...client.provider.awareness.getStates().values()]
        .map((state) => String(state['name'] ?? ''))
        .toSorted()
        .join(' ');
    const sees = (client: Client, expected: string): Promise<void> =>
      client.until(`the people ${expected}, and no others`, () => names(client) === expected);
    for (const [client, name] of [
      [ada, 'ada'],
      [ben, 'ben'],
      [cem, 'cem'],
    ] as const)
      client.provider.awareness.setLocalState({ name });
    await Promise.all([ada, ben, cem].map((client) => sees(client, 'ada ben cem')));
    type(ada, 'from ada. ');
    type(ben, 'from ben. ');
    await Promise.all([ada, ben, cem].flatMap((client) => [has(client, 'from ada. '), has(client, 'from ben. ')]));

    cem.discard();
    await Promise.all([ada, ben].map((client) => sees(client, 'ada ben')));
    const moves = (client: Client, name: string): void => client.provider.awareness.setLocalState({ name });
    const isBack = (client: Client): Promise<void> => client.until('being back', () => client.provider.synced);
    expect(await two.stop()).toBe(0);
    const stopped = performance.now();
    await sees(ada, 'ada');
    // Before a gateway that said nothing is taken for dead.
    expect(performance.now() - stopped).toBeLessThan(silenceMsMin);
    await two.start();
    await isBack(ben);
    // y-protocols ignores a clock that it knows: others see him with his next move.
    moves(ben, 'ben');
    await Promise.all([ada, ben].map((client) => sees(client, 'ada ben')));
    await two.kill();
    await sees(ada, 'ada'); // its presence goes with it, after 30 s
    await two.start();
    await isBack(ben);
    moves(ben, 'ben');
    await Promise.all([ada, ben].map((client) => sees(client, 'ada ben')));
  },
);

test('CL52: while Kafka is away people on one gateway go on together, are sent away past the bound, and lose nothing', async ({
  skip,
}) => {
  const { cluster, gateways } = pairOf(skip);
  const [one, two] = gateways;
  const [ada, ben, far] = [open(one, 'away'), open(one, 'away'), open(two, 'away')] as const;
  await Promise.all([ada, ben, far].map((client) => client.synced()));
  type(ada, 'before. ');
  await Promise.all([has(far, 'before. '), ada.saved()]);
  await cluster.kafka.freeze();
  type(ada, 'meanwhile. ');
  await has(ben, 'meanwhile. ');
  expect(ada.unsettled()).toBeGreaterThan(0);
  await Promise.all([ada, ben].map((client) => client.until('being sent away', () => client.closeCodes.includes(1013))));
  expect(far.text.toJSON()).not.toContain('meanwhile');
  await cluster.kafka.thaw();
  await Promise.all([ada.saved(), ...[ada, ben, far].map((client) => has(client, 'meanwhile. '))]);
});

test('CL56: a gateway that is told to stop while Kafka is away says how much stayed with the clients, ends with 1, and nothing is lost', async ({
  skip,
}) => {
  const { cluster, gateways } = pairOf(skip);
  const [one, two] = gateways;
  const [ada, ben, far] = [open(one, 'stopped'), open(one, 'stopped'), open(two, 'stopped')] as const;
  await Promise.all([ada, ben, far].map((client) => client.synced()));
  await cluster.kafka.freeze();
  type(ada, 'unsaved. ');
  // A frame that is still under way would stay with its client and be nothing to tell.
  await has(ben, 'unsaved. ');
  expect(await one.stop()).toBe(1);
  expect(one.process().stderr()).toContain('they stay with the clients that made them');
  await cluster.kafka.thaw();
  await one.start();
  await Promise.all([ada.saved(), has(far, 'unsaved. ')]);
});

/** The name of a document in another partition. */
function nameElsewhere(journal: Kafka['journal'], document: string): string {
  const names = Array.from({ length: 100 }, (_, i) => `quiet ${i}`);
  const found = names.find((name) => partitionOf(journal, name) !== partitionOf(journal, document));
  if (found === undefined) throw new Error('all documents are in one partition');
  return found;
}

test('CL53: a database that is put back to an earlier time is caught up from Kafka, with gateways and persisters running', async ({
  skip,
}) => {
  const { cluster, gateways } = pairOf(skip);
  const [one, two] = gateways;
  const [ada, ben] = [open(one, 'restored'), open(two, 'restored')];
  const { connection, mongodb } = cluster;
  const journal = await openJournal(cluster);
  // In a partition into which nothing comes after the database was put back.
  const quiet = nameElsewhere(journal, 'restored');
  const cem = open(one, quiet);
  const stored = async (document = 'restored'): Promise<string | undefined> =>
    (await readFromStoreAlone(connection, mongodb.url, [document])).get(document)?.getText('text').toJSON();
  for (let i = 0; i < 30; i++) type(ada, `early ${i}. `);
  await ada.saved();
  expect(await stored()).toContain('early 29. ');
  const yesterday = await backUp(mongodb.url);
  for (let i = 0; i < 30; i++) type(ben, `late ${i}. `);
  type(cem, 'late, and nothing since. ');
  await Promise.all([ben, cem].map((client) => client.saved()));
  expect(await stored()).toContain('late 29. ');
  expect(await stored(quiet)).toBe(cem.text.toJSON());

  await mongodb.proxy.refuse();
  mongodb.proxy.cut();
  await restore(mongodb.url, yesterday);
  type(ada, 'while it is away. ');
  await ada.saved();
  await mongodb.proxy.accept();
  type(ben, 'afterwards. ');
  await Promise.all([ada, ben].map((client) => has(client, 'afterwards. ')));
  await ben.saved();
  await ada.until('the same text', () => isSame(ada, ben));
  expect(await stored()).toBe(ada.text.toJSON());
  expect(await stored(quiet)).toBe('late, and nothing since. ');
  await Promise.all(gateways.map((gateway) => gateway.kill()));
  await Promise.all(gateways.map((gateway) => gateway.start()));
  const fresh = open(two, 'restored');
  await fresh.synced();
  expect(fresh.text.toJSON()).toBe(ada.text.toJSON());
});

test('CL54: a gateway that was frozen while the journal was cut under it reads its documents again, and is never wrong', async ({
  skip,
}) => {
  const { cluster, gateways } = pairOf(skip);
  const [one, two] = gateways;
  const document = 'frozen';
  const [ada, ben] = [open(one, document), open(two, document)];
  await Promise.all([ada, ben].map((client) => client.synced()));
  type(ben, 'before. ');
  await has(ada, 'before. ');
  one.freeze();
  type(ada, 'into the frozen one. ');
  // What answers the request that the frozen one has under way waits for it in its socket.
  type(ben, 'before it was cut. ');
  await ben.saved();
  for (let i = 0; i < 20; i++) type(ben, `unseen ${i}. `);
  await ben.saved();
  const journal = await openJournal(cluster);
  const partition = partitionOf(journal, document);
  const end = await journal.highWater(partition);
  await readFromStoreAlone(cluster.connection, cluster.mongodb.url, [document]);
  await journal.trim(partition, end);
  expect(await journal.offsetSince(partition, 0)).toBe(end);
  one.thaw();
  await has(ada, 'unseen 19. ');
  await has(ben, 'into the frozen one. ');
  await ada.until('the same text', () => isSame(ada, ben));
  await ada.saved();
  expect(ada.closeCodes).toContain(1012);
});
