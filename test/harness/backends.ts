/**
 * The broker and the database of a test: `kafkaForTests()`, `mongodbForTests()`.
 *
 * Taken in this order: addresses in the environment (`TEST_KAFKA_BROKERS`, with commas; `TEST_MONGODB_URL`), Docker where a daemon answers, local
 * processes (Java and Maven; `mongod`, or what stands in for it). All tests of a run share one of each, so each call gives a prefix or a database name that nobody else
 * has; what a test leaves behind under it goes with the engine, and stays where the address was given. A test that kills its engine starts its own (own-kafka.ts, own-mongodb.ts).
 *
 *     test('…', async ({ skip }) => {
 *       const { addresses, topicPrefix } = orSkip(skip, await kafkaForTests());
 *
 * The first call waits for the start, some 5 s; the first of a machine also for the jars.
 */

import { randomUUID } from 'node:crypto';
import { inject } from 'vitest';
import type { SharedKafka, SharedMongodb } from '#test/harness/backend-desk.ts';
import type { Had } from '#test/harness/own-engine.ts';

export type KafkaForTests = SharedKafka & {
  /** As `KAFKA_TOPIC_PREFIX` takes it. */
  readonly topicPrefix: string;
};

/** A running broker, or why there is none. @throws Error where there should be one and it does not start. */
export async function kafkaForTests(): Promise<Had<KafkaForTests>> {
  const had = await ask<SharedKafka>('kafka');
  return had.kind === 'had' ? { ...had, topicPrefix: newName() } : had;
}

/** A running database, with a name in its URL that is new; or why there is none. @throws Error where there should be one and it does not start. */
export async function mongodbForTests(): Promise<Had<SharedMongodb>> {
  const had = await ask<SharedMongodb>('mongodb');
  return had.kind === 'had' ? { ...had, url: withDatabase(had.url, newName()) } : had;
}

/** What was asked for; where it can't be had the test is left out, with the reason. */
export function orSkip<T>(skip: (reason: string) => never, had: Had<T>): T {
  return had.kind === 'had' ? had : skip(had.reason);
}

/** The same servers and options, another database. `authSource` has to be among the options if it matters: it is no longer what the URL says. */
export function withDatabase(url: string, database: string): string {
  const [, servers, options = ''] = /^(mongodb(?:\+srv)?:\/\/[^/?]+)(?:\/[^?]*)?(\?.*)?$/u.exec(url) ?? [];
  if (servers === undefined) throw new Error(`TEST_MONGODB_URL is no MongoDB URL: ${url}`);
  return `${servers}/${database}${options}`;
}

const newName = (): string => `inkstream-test-${randomUUID().slice(0, 8)}`;

async function ask<T>(engine: 'kafka' | 'mongodb'): Promise<Had<T>> {
  const response = await fetch(`${inject('backendDesk')}/${engine}`);
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()) as Had<T>;
}
