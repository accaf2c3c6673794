/** What a process of a cluster stands on: Kafka and MongoDB, opened together and found to fit. */

import { connectionOf } from '#shared/journal/kafka-settings.ts';
import { type Kafka, type KafkaParts, openKafka } from '#shared/journal/kafka.ts';
import type { BackingConfig } from './backing-settings.ts';
import { findMismatch } from './binding.ts';
import { clientFor } from './mongo/place.ts';
import { type Database, openDatabase } from './mongo.ts';
import { waitFor } from './patience.ts';

/** `close` closes all of it. */
export type Backing = Kafka & Database;

/**
 * Opens Kafka and MongoDB, and makes sure that they belong together.
 * @throws Error with one line: what did not answer, is set up wrongly, or does not belong together
 */
export async function openBacking(
  config: BackingConfig,
  { clientId, ...parts }: KafkaParts & { readonly clientId: string },
): Promise<Backing> {
  const { clock, logger } = parts;
  const patience = { clock, logger, deadlineMs: clock.monotonic() + config.startWaitMs, waitMs: config.startWaitMs };
  const kafkaPlace = `Kafka at ${config.kafkaBrokers}`;
  const mongodbPlace = `MongoDB at ${clientFor(config.mongodbUrl, {}).place.name}`;
  const connection = connectionOf(config, clientId);
  const kafka = await waitFor(kafkaPlace, () => openKafka(connection, parts), patience);
  for (const warning of kafka.warnings) logger.warn({ warning }, 'the topics are set in a way that is dangerous');
  const database = await waitFor(mongodbPlace, () => openDatabase({ url: config.mongodbUrl, clock, logger }), patience);
  const both = `${kafkaPlace} (topics ${config.kafkaTopicPrefix}.…) and ${mongodbPlace}`;
  const problems = await waitFor(both, () => findMismatch(kafka.journal, database.store, clock), patience);
  if (problems.length > 0) throw new Error(`${both} do not belong together: ${problems.join('; ')}`);
  const close = async (): Promise<void> => {
    await kafka.close();
    await database.close();
  };
  return { ...kafka, ...database, close };
}
