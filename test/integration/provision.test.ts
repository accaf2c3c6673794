/** `node deploy/provision.ts`, on a real broker. */

import { expect, onTestFinished, test } from 'vitest';
import { kafkaForTests, orSkip } from '#test/harness/backends.ts';
import { runCommand } from '#test/harness/local-cluster.ts';
import { openRawKafka } from '#test/harness/raw-kafka.ts';

const provision = (settings: Readonly<Record<string, string>>) => runCommand('deploy/provision.ts', [], settings);
const lines = (text: string): readonly string[] => text.trimEnd().split('\n').toSorted();

test('CL20: topics are made once, as they were asked for, and then left alone', async ({ skip }) => {
  const { addresses, topicPrefix } = orSkip(skip, await kafkaForTests());
  const settings = { KAFKA_BROKERS: addresses.join(','), KAFKA_TOPIC_PREFIX: topicPrefix, REPLICATION_FACTOR: '1' };
  const made = await provision({ ...settings, PARTITIONS: '3' });
  const topics = (word: string) => [
    `${word}: ${topicPrefix}.control (1 partition, 1 replica)`,
    `${word}: ${topicPrefix}.dead-letter (1 partition, 1 replica)`,
    `${word}: ${topicPrefix}.presence (3 partitions, 1 replica)`,
    `${word}: ${topicPrefix}.updates (3 partitions, 1 replica)`,
  ];
  expect(made.code).toBe(0);
  expect(lines(made.stdout)).toEqual(topics('made'));

  const again = await provision({ ...settings, PARTITIONS: '6', MONGODB_URL: 'mongodb://127.0.0.1:1/inkstream' });
  expect(again.code).toBe(0);
  expect(lines(again.stdout)).toEqual(topics('was there'));
  expect(again.stderr).toContain('keeps it');
});

test('CL21: a topic that would lose data is told, and the exit code is 1', async ({ skip }) => {
  const { addresses, topicPrefix } = orSkip(skip, await kafkaForTests());
  const kafka = await openRawKafka(addresses);
  onTestFinished(() => kafka.close());
  // Kafka's defaults: gone after a week.
  await kafka.createTopic(`${topicPrefix}.updates`);
  const { code, stderr } = await provision({ KAFKA_BROKERS: addresses.join(','), KAFKA_TOPIC_PREFIX: topicPrefix });
  expect(code).toBe(1);
  expect(stderr).toContain('retention.ms');
});

test('CL21: replicas that there are no brokers for are waited for, and no longer than startWaitMs', async ({ skip }) => {
  const { addresses, topicPrefix } = orSkip(skip, await kafkaForTests());
  const settings = { KAFKA_BROKERS: addresses.join(','), KAFKA_TOPIC_PREFIX: topicPrefix };
  const { code, stdout, stderr } = await provision({ ...settings, REPLICATION_FACTOR: '100', START_WAIT_MS: '500' });
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toContain('INVALID_REPLICATION_FACTOR');
  expect(stderr).toContain('INKSTREAM_START_WAIT_MS');
});

test('CL21: no broker is 1, and wrong settings are 2, each with a line that names it', async () => {
  const away = await provision({ KAFKA_BROKERS: '127.0.0.1:1', START_WAIT_MS: '300' });
  expect(away.code).toBe(1);
  expect(away.stderr).toContain('Kafka at 127.0.0.1:1 could not be used within 300 ms');
  const wrong = await provision({ KAFKA_BROKERS: 'one', PARTITIONS: 'many' });
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).toContain('INKSTREAM_PARTITIONS');
  const other = await provision({ KAFKA_BROKERS: '127.0.0.1:1', KEEP_ALIVE_MS: '1000' });
  expect(other.code).toBe(2);
  expect(other.stderr).toContain('INKSTREAM_KEEP_ALIVE_MS is not a setting');
});
