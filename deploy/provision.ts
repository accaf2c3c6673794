/**
 * Makes the topics, where they are missing: `node deploy/provision.ts`, once before a cluster runs for the first time. May be repeated, also by several
 * at once.
 *
 * A topic that is there is never changed, since changing it is how documents move or records go: what it is like is looked at, and what would
 * lose data is told. A line to stdout for each topic. Exit codes: 0 all is there and safe; 1 Kafka did not answer or refused, or something that is
 * there would lose data; 2 the settings are wrong.
 */

import { connectionOf } from '#shared/journal/kafka-settings.ts';
import { JournalUnavailable } from '#shared/journal/journal.ts';
import { createClient } from '#shared/journal/kafka/connection.ts';
import { judgeTopics, provisionTopics, readTopics, type TopicFacts, topicName } from '#shared/journal/kafka/topics.ts';
import { systemClock } from '#shared/runtime/clock.ts';
import { runProgram } from '#shared/runtime/program.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import { waitFor } from '#shared/store/patience.ts';
import { type ProvisionConfig, readConfig } from '#deploy/provision-settings.ts';

type Facts = ReadonlyMap<string, TopicFacts>;

/** What brokers that are still starting, or not all there yet, answer: it passes. */
const passing = new Set(['INVALID_REPLICATION_FACTOR', 'NOT_CONTROLLER', 'LEADER_NOT_AVAILABLE', 'UNKNOWN_TOPIC_OR_PARTITION']);

type KafkaFailure = {
  readonly name?: string;
  readonly message?: string;
  readonly type?: string;
  readonly retriable?: boolean;
  readonly errors?: readonly unknown[];
  readonly cause?: unknown;
};

/** The failures in a failure of kafkajs, innermost ones alone. */
function failuresIn(error: unknown): readonly KafkaFailure[] {
  if (typeof error !== 'object' || error === null) return [{ message: String(error) }];
  const failure = error as KafkaFailure;
  if (failure.errors !== undefined) return failure.errors.flatMap(failuresIn);
  return failure.cause === undefined ? [failure] : failuresIn(failure.cause);
}

/** What may go well later becomes `JournalUnavailable`, which is waited for; a refusal is one for good. */
function explain(error: unknown): Error {
  const failures = failuresIn(error);
  const said = [...new Set(failures.map(({ type, message }) => [type, message].filter(Boolean).join(': ')))].join('; ');
  const isRefusal = ({ name, type, retriable }: KafkaFailure): boolean =>
    name === 'KafkaJSSASLAuthenticationError' || (type !== undefined && retriable !== true && !passing.has(type));
  return failures.some(isRefusal)
    ? new Error(`Kafka refuses: ${said}`, { cause: error })
    : new JournalUnavailable(said, { cause: error });
}

type Admin = Parameters<typeof provisionTopics>[0];

/** Resolves with what is there after `work`, on a connection of its own. */
async function withAdmin(config: ProvisionConfig, logger: Logger, work: (admin: Admin) => Promise<unknown>): Promise<Facts> {
  const admin = createClient(connectionOf(config, 'inkstream-provision'), logger).admin();
  try {
    await admin.connect();
    await work(admin);
    return await readTopics(admin, config.kafkaTopicPrefix);
  } catch (error) {
    throw explain(error);
  } finally {
    await admin.disconnect().catch(() => {});
  }
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

function describe(topic: string, { partitionCount, replicationFactor }: TopicFacts, wasThere: boolean): string {
  const like = `${counted(partitionCount, 'partition')}, ${counted(replicationFactor, 'replica')}`;
  return `${wasThere ? 'was there' : 'made'}: ${topic} (${like})\n`;
}

async function run(config: ProvisionConfig, logger: Logger): Promise<void> {
  const { kafkaBrokers, kafkaTopicPrefix: prefix, startWaitMs: waitMs, partitions, replicationFactor } = config;
  const wanted = { partitionCount: partitions, ...(replicationFactor === 0 ? {} : { replicationFactor }) };
  const patience = { clock: systemClock, logger, deadlineMs: systemClock.monotonic() + waitMs, waitMs };
  const patiently = (work: (admin: Admin) => Promise<unknown>): Promise<Facts> =>
    waitFor(`Kafka at ${kafkaBrokers}`, () => withAdmin(config, logger, work), patience);
  const before = await patiently(async () => {});
  const facts = await patiently((admin) => provisionTopics(admin, prefix, wanted));
  for (const [topic, found] of [...facts].toSorted(([one], [other]) => one.localeCompare(other)))
    process.stdout.write(describe(topic, found, before.has(topic)));
  const { faults, warnings } = judgeTopics(prefix, facts);
  for (const warning of warnings) logger.warn({ warning }, 'the topics are set in a way that is dangerous');
  const updates = topicName(prefix, 'updates');
  const partitionCount = facts.get(updates)?.partitionCount ?? partitions;
  if (partitionCount !== partitions)
    logger.warn(
      { topic: updates, partitionCount, asked: partitions },
      'the journal has another number of partitions, and keeps it',
    );
  if (faults.length > 0) throw new Error(faults.join('; '));
}

await runProgram('provision', readConfig(process.env), run, 1);
