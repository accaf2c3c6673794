/** What the topics beside the journal do, what a start refuses, and how partitions are shared, on a real broker. */

import { describe, expect, onTestFinished, test } from 'vitest';
import type { DocumentName } from '#shared/document/name.ts';
import type { DeadLetter } from '#shared/journal/dead-letter.ts';
import { createClient, type KafkaConnection } from '#shared/journal/kafka/connection.ts';
import { KafkaMisconfigured, provisionTopics, topicName } from '#shared/journal/kafka/topics.ts';
import { type Kafka, openKafka } from '#shared/journal/kafka.ts';
import type { Partition } from '#shared/journal/journal.ts';
import { systemClock } from '#shared/runtime/clock.ts';
import { collect, recordOf } from '#test/contract/journal.contract.ts';
import { kafkaForTests, orSkip } from '#test/harness/backends.ts';
import { provisionForTests } from '#test/harness/kafka-topics.ts';
import { silentLogger } from '#test/harness/memory-gateway.ts';

const parts = { clock: systemClock, logger: silentLogger };
const broker = await kafkaForTests();

const byNumber = (a: number, b: number): number => a - b;

type Skip = (reason: string) => never;

async function topicsOf(skip: Skip, partitionCount = 2): Promise<KafkaConnection> {
  return provisionForTests(orSkip(skip, broker).addresses, partitionCount);
}

async function open(connection: KafkaConnection): Promise<Kafka> {
  const kafka = await openKafka(connection, parts);
  onTestFinished(() => kafka.close());
  return kafka;
}

async function withAdmin<T>(
  connection: KafkaConnection,
  use: (admin: ReturnType<ReturnType<typeof createClient>['admin']>) => Promise<T>,
): Promise<T> {
  const admin = createClient(connection, silentLogger).admin();
  await admin.connect();
  try {
    return await use(admin);
  } finally {
    await admin.disconnect();
  }
}

const setTopic = (connection: KafkaConnection, settings: Readonly<Record<string, string>>) =>
  withAdmin(connection, (admin) =>
    admin.alterConfigs({
      validateOnly: false,
      resources: [
        {
          type: 2,
          name: topicName(connection.topicPrefix, 'updates'),
          configEntries: Object.entries(settings).map(([name, value]) => ({ name, value })),
        },
      ],
    }),
  );

/** Calls back with whatever comes, and lets a test wait until what came is as it wants it. */
function watcher<T>() {
  const seen: T[] = [];
  let look = (): void => {};
  return {
    seen,
    take: (one: T): void => {
      seen.push(one);
      look();
    },
    until: (condition: () => boolean): Promise<void> =>
      new Promise((resolve) => {
        look = () => {
          if (condition()) resolve();
        };
        look();
      }),
  };
}

describe('the topics', () => {
  test('JR33: they are made once, whoever asks, and a start without them says what is missing', async ({ skip }) => {
    const { addresses, topicPrefix } = orSkip(skip, broker);
    const connection = { brokers: addresses, topicPrefix, clientId: 'test' };
    await expect(openKafka(connection, parts)).rejects.toThrow(KafkaMisconfigured);
    await expect(openKafka(connection, parts)).rejects.toThrow(`${topicPrefix}.updates`);
    const provision = () => withAdmin(connection, (admin) => provisionTopics(admin, topicPrefix, { partitionCount: 3 }));
    const both = await Promise.all([provision(), provision()]);
    const made = both.flat().filter(({ outcome }) => outcome === 'made');
    expect(made.map(({ topic }) => topic).toSorted()).toEqual(
      ['control', 'dead-letter', 'presence', 'updates'].map((name) => `${topicPrefix}.${name}`),
    );
    expect((await provision()).every(({ outcome }) => outcome === 'was there')).toBe(true);
    const { journal, warnings } = await open(connection);
    expect(journal.identity.partitionCount).toBe(3);
    expect(warnings).toEqual([expect.stringContaining('one replica')]);
  });

  test.for([
    ['cleanup.policy', 'compact'],
    ['retention.ms', '604800000'],
    ['retention.bytes', '1000000'],
  ])('JR33: a topic with %s=%s refuses the start', async ([setting = '', value = ''], { skip }) => {
    const connection = await topicsOf(skip);
    await setTopic(connection, { [setting]: value });
    await expect(openKafka(connection, parts)).rejects.toThrow(`${setting}=${value}`);
  });

  test('JR38: a topic that was made anew under the same name is another journal', async ({ skip }) => {
    const connection = await topicsOf(skip);
    const before = await open(connection);
    const again = await open(connection);
    expect(again.journal.identity).toEqual(before.journal.identity);
    const topic = topicName(connection.topicPrefix, 'updates');
    await withAdmin(connection, async (admin) => {
      await admin.deleteTopics({ topics: [topic] });
      // The broker goes on deleting after its answer.
      for (let made = false; !made;) {
        made = await provisionTopics(admin, connection.topicPrefix, { partitionCount: 2 }).then(
          (done) => done.some((one) => one.topic === topic && one.outcome === 'made'),
          () => false,
        );
      }
    });
    const anew = await open(connection);
    expect(anew.journal.identity.id).not.toBe(before.journal.identity.id);
  });

  test('JR39: where the topic takes less than it did, what is too large is refused with all of its document behind it, and nothing else', async ({
    skip,
  }) => {
    const connection = await topicsOf(skip, 1);
    const { journal } = await open(connection);
    await journal.append([recordOf('a', 1)]);
    await setTopic(connection, {
      'max.message.bytes': '2000',
      'retention.ms': '-1',
      'retention.bytes': '-1',
      'cleanup.policy': 'delete',
    });
    // A broker does what it was told a moment after it has said so.
    const isRefused = async (): Promise<boolean> =>
      (await journal.append([recordOf('tried', new Uint8Array(5_000))]))[0]?.kind === 'too-large';
    while (!(await isRefused()));
    const outcomes = await journal.append([
      recordOf('a', 2),
      recordOf('b', new Uint8Array(5_000)),
      recordOf('a', 3),
      recordOf('b', 4),
      recordOf('c', 5),
    ]);
    expect(outcomes.map(({ kind }) => kind)).toEqual(['appended', 'too-large', 'appended', 'too-large', 'appended']);
    const reader = collect(journal, 0, 0);
    await reader.reaches(await journal.highWater(0));
    await reader.stop();
    const read = reader.records().map((one) => 'record' in one && one.record.document);
    expect(read.filter((document) => document !== 'tried')).toEqual(['a', 'a', 'a', 'c']);
  });
});

test('JR40: partitions are shared among all who take part, each by one, and whoever leaves leaves them to the others', async ({
  skip,
}) => {
  const connection = await topicsOf(skip, 6);
  const [one, two] = [await open(connection), await open(connection)];
  const everything = [0, 1, 2, 3, 4, 5];
  const first = watcher<readonly Partition[]>();
  const second = watcher<readonly Partition[]>();
  const shareOf = ({ seen }: typeof first): readonly Partition[] => seen.at(-1) ?? [];
  const sharingOne = one.sharePartitions((share) => first.take([...share].toSorted(byNumber)));
  await first.until(() => shareOf(first).length === 6);
  const sharingTwo = two.sharePartitions((share) => second.take([...share].toSorted(byNumber)));
  await first.until(() => shareOf(first).length === 3);
  await second.until(() => shareOf(second).length === 3);
  expect([...shareOf(first), ...shareOf(second)].toSorted(byNumber)).toEqual(everything);
  await sharingOne.stop();
  await second.until(() => shareOf(second).length === 6);
  expect(shareOf(second)).toEqual(everything);
  await sharingTwo.stop();
});

test('JR41: what is broadcast is heard by all who listen, from then on, in one order', async ({ skip }) => {
  const connection = await topicsOf(skip);
  const [one, two] = [await open(connection), await open(connection)];
  const partition = one.broadcast.partitionOf('a' as DocumentName);
  one.broadcast.send(partition, Uint8Array.of(99));
  const heard = [watcher<number>(), watcher<number>()];
  const listening = [one, two].map(({ broadcast }, index) =>
    broadcast.listen(partition, { onMessage: ([byte]) => heard[index]?.take(byte ?? -1), onGap: () => {} }),
  );
  await Promise.all(listening.map(({ ready }) => ready));
  for (let i = 0; i < 10; i++) (i % 2 === 0 ? one : two).broadcast.send(partition, Uint8Array.of(i));
  one.broadcast.send(1 - partition, Uint8Array.of(77));
  const own = ({ seen }: ReturnType<typeof watcher<number>>) => seen.filter((byte) => byte < 50);
  await Promise.all(heard.map((each) => each.until(() => own(each).length === 10)));
  expect(own(heard[0] as ReturnType<typeof watcher<number>>)).toEqual(own(heard[1] as ReturnType<typeof watcher<number>>));
  const evens = own(heard[0] as ReturnType<typeof watcher<number>>).filter((byte) => byte % 2 === 0);
  expect(evens).toEqual([0, 2, 4, 6, 8]);
  expect(heard.flatMap(({ seen }) => seen)).not.toContain(77);
  for (const each of listening) each.stop();
  expect(() => one.broadcast.send(0, new Uint8Array(one.broadcast.messageBytesMax + 1))).toThrow(RangeError);
});

test('JR42: dead letters come back as they were, the oldest first', async ({ skip }) => {
  const { deadLetters } = await open(await topicsOf(skip));
  const letters = [1, 2].map((offset): DeadLetter => ({
    partition: 1,
    offset,
    time: 1_700_000_000_000,
    document: 'team-7/plan' as DocumentName,
    reason: 'it can not be merged',
    content: 'update',
    bytes: Uint8Array.of(offset, 2, 3),
  }));
  const read = async (): Promise<unknown[]> => {
    const found: unknown[] = [];
    await deadLetters.read((letter) => found.push(letter));
    return found;
  };
  expect(await read()).toEqual([]);
  for (const letter of letters) await deadLetters.append(letter);
  expect(await read()).toEqual(letters.map((value) => ({ kind: 'decoded', value })));
});
