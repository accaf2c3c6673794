/** Gateway, persister and the command for dead letters as processes, on a real broker and a database. */

import { getPriority } from 'node:os';
import * as Y from 'yjs';
import { expect, onTestFinished, test, vi } from 'vitest';
import { parseDocumentName } from '#shared/document/name.ts';
import { encodeRecord } from '#shared/journal/record.ts';
import { openKafka } from '#shared/journal/kafka.ts';
import { systemClock } from '#shared/runtime/clock.ts';
import { kafkaForTests, mongodbForTests, orSkip } from '#test/harness/backends.ts';
import { storedBy } from '#test/harness/checkpoints.ts';
import { provisionForTests } from '#test/harness/kafka-topics.ts';
import { silentLogger } from '#test/harness/memory-gateway.ts';
import { endOfProgram } from '#test/harness/program.ts';
import { openRawKafka } from '#test/harness/raw-kafka.ts';
import { type Server, startServer } from '#test/harness/server.ts';
import { openClient } from '#test/harness/y-websocket-client.ts';
import { recordOf } from '#test/simulation/persister/typing.ts';

type Skip = (reason: string) => never;

const partitionCount = 3;
const waitingUntil = { timeout: 30_000, interval: 50 };

/** Topics and a database of their own. */
async function cluster(skip: Skip) {
  const broker = orSkip(skip, await kafkaForTests());
  const database = orSkip(skip, await mongodbForTests());
  const connection = await provisionForTests(broker.addresses, partitionCount);
  const settings: Readonly<Record<string, string | number>> = {
    KAFKA_BROKERS: connection.brokers.join(','),
    KAFKA_TOPIC_PREFIX: connection.topicPrefix,
    MONGODB_URL: database.url,
    FLUSH_INTERVAL_MS: 100,
  };
  const { FLUSH_INTERVAL_MS: _, ...forGateways } = settings;
  const start = async (service: 'gateway' | 'persister'): Promise<Server> => {
    const server = await startServer({ service, settings: service === 'gateway' ? forGateways : settings });
    onTestFinished(() => server.kill());
    return server;
  };
  return { connection, settings, forGateways, start };
}

type Condition = {
  readonly status: string;
  readonly store?: { readonly ok: boolean; readonly behindRecords: number };
  readonly persister?: { readonly ok: boolean; readonly partitions: readonly { readonly checkpoint?: number }[] };
};

const conditionOf = async ({ url }: Server): Promise<Condition> => (await (await fetch(`${url}/readyz`)).json()) as Condition;

function updateOf(written: string): Uint8Array {
  const doc = new Y.Doc();
  doc.getText('text').insert(0, written);
  return Y.encodeStateAsUpdate(doc);
}

function nameOf(written: string) {
  const parsed = parseDocumentName(written);
  if ('refusal' in parsed) throw new Error(parsed.refusal);
  return parsed.name;
}

test('CL7, PS66: gateway and persisters serve, share, tell how they are, end with 0', { timeout: 120_000 }, async ({ skip }) => {
  const { start } = await cluster(skip);
  const [gateway, one] = await Promise.all([start('gateway'), start('persister')]);
  const niceness = getPriority();
  const given = [gateway, one].map(({ pid }) => getPriority(pid));
  expect(given, 'the persister gives way').toEqual([niceness, Math.max(niceness, 10)]);
  const client = openClient({ url: gateway.wsUrl, document: 'plan' });
  onTestFinished(() => client.discard());
  await client.synced();
  client.text.insert(0, 'hello');
  await client.saved();
  await vi.waitFor(async () => expect(await storedBy(one)).toBeGreaterThan(0), waitingUntil);
  await vi.waitFor(
    async () => expect((await conditionOf(gateway)).store).toMatchObject({ ok: true, behindRecords: 0 }),
    waitingUntil,
  );

  const other = await start('persister');
  const sharesOf = async (): Promise<number[]> =>
    Promise.all([one, other].map(async (service) => (await conditionOf(service)).persister?.partitions.length ?? 0));
  await vi.waitFor(async () => expect((await sharesOf()).toSorted((a, b) => a - b)).toEqual([1, 2]), waitingUntil);
  expect(await one.stop()).toBe(0);
  await vi.waitFor(
    async () => expect((await conditionOf(other)).persister).toMatchObject({ ok: true, partitions: { length: partitionCount } }),
    waitingUntil,
  );

  client.text.insert(5, ', world');
  await client.saved();

  const neighbour = await start('gateway');
  const reader = openClient({ url: neighbour.wsUrl, document: 'plan' });
  onTestFinished(() => reader.discard());
  client.provider.awareness.setLocalStateField('user', { name: 'Ada' });
  await reader.until('the text of the other gateway', () => reader.text.toJSON() === 'hello, world');
  await reader.until('the person on the other gateway', () =>
    [...reader.provider.awareness.getStates().values()].some((state) => 'user' in state),
  );
  expect(await gateway.stop()).toBe(0);
  expect(await neighbour.stop()).toBe(0);
  expect(await other.stop()).toBe(0);
});

test(
  'CL8: a store that was filled from another journal is refused at the start, and both are named',
  { timeout: 120_000 },
  async ({ skip }) => {
    const first = await cluster(skip);
    await (await first.start('persister')).stop();
    const another = await cluster(skip);
    for (const [name, settings] of [
      ['gateway', another.forGateways],
      ['persister', another.settings],
    ] as const) {
      const end = await endOfProgram([`services/${name}/main.ts`], {
        ...settings,
        PORT: 0,
        MONGODB_URL: first.settings['MONGODB_URL'] ?? '',
      });
      const { msg } = JSON.parse(end.stderr.trimEnd().split('\n').at(-1) ?? '') as { msg: string };
      expect(msg).toMatch(/the store belongs to journal .* and this is journal /u);
      expect(msg).toContain(another.connection.topicPrefix);
      expect([end.code, end.stdout]).toEqual([1, '']);
    }
  },
);

test(
  'CL9: what is no record in the topic is set aside by a persister, listed by the command, and put back where it can be',
  {
    timeout: 120_000,
  },
  async ({ skip }) => {
    const { connection, settings, start } = await cluster(skip);
    const kafka = await openKafka(connection, { clock: systemClock, logger: silentLogger });
    onTestFinished(() => kafka.close());
    const raw = await openRawKafka(connection.brokers);
    onTestFinished(() => raw.close());
    const document = nameOf('plan');
    const partition = kafka.journal.partitionOf(document);
    await raw.produce(`${connection.topicPrefix}.updates`, ['no record of ours'], partition);
    await kafka.journal.append([recordOf(document, updateOf('after it'))]);
    const persister = await start('persister');
    await vi.waitFor(async () => expect(await storedBy(persister)).toBe(2), waitingUntil);

    const command = async (...words: readonly string[]) => {
      const end = await endOfProgram(['services/persister/dead-letters.ts', ...words], settings);
      const lines = end.stdout === '' ? [] : end.stdout.trimEnd().split('\n');
      return { code: end.code, lines: lines.map((line) => JSON.parse(line) as unknown) };
    };
    const listed = { partition, offset: 0, content: 'record', bytes: 'no record of ours'.length };
    expect(await command('list')).toMatchObject({ code: 0, lines: [listed] });
    expect(await command('replay', '--all')).toMatchObject({ code: 1, lines: [{ outcome: { kind: 'refused' } }] });

    const bytes = encodeRecord(recordOf(document, updateOf('late')));
    await kafka.deadLetters.append({
      ...listed,
      content: 'record',
      document: undefined,
      time: 0,
      reason: 'a bug',
      offset: 7,
      bytes,
    });
    expect(await command('list', '--offset', '7')).toMatchObject({ code: 0, lines: [{ offset: 7, reason: 'a bug' }] });
    const outcome = { kind: 'appended', partition, offset: 2 };
    expect(await command('replay', '--offset', '7')).toMatchObject({ code: 0, lines: [{ outcome }] });
    await vi.waitFor(async () => expect(await storedBy(persister)).toBe(3), waitingUntil);
  },
);
