/** Topics of a test's own, on whatever broker the tests have. */

import { randomUUID } from 'node:crypto';
import { createClient, type KafkaConnection } from '#shared/journal/kafka/connection.ts';
import { provisionTopics } from '#shared/journal/kafka/topics.ts';
import { silentLogger } from '#test/harness/memory-gateway.ts';

/** Makes the topics under a prefix that nobody else has, and says how they are reached. */
export async function provisionForTests(
  brokers: readonly string[],
  partitionCount: number,
  topicPrefix = `inkstream-test-${randomUUID().slice(0, 8)}`,
): Promise<KafkaConnection> {
  const connection: KafkaConnection = { brokers, topicPrefix, clientId: 'inkstream-test' };
  const admin = createClient(connection, silentLogger).admin();
  await admin.connect();
  try {
    await provisionTopics(admin, topicPrefix, { partitionCount });
  } finally {
    await admin.disconnect();
  }
  return connection;
}
