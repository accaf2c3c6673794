/**
 * What clusters stand on while they are measured: one broker, one database and one Redis for the whole run, since a Java machine that has just started is
 * busy with itself for a minute. Each cluster has a place of its own in them.
 */

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import kafkajs from 'kafkajs';
import { startEngine } from '#deploy/native/engine-process.ts';
import { javaLibraries } from '#deploy/native/java-libraries.ts';
import { kafkaVersion, startBroker } from '#deploy/native/kafka.ts';
import { startDatabase } from '#deploy/native/mongodb.ts';
import { provisionTopics, topicName } from '#shared/journal/kafka/topics.ts';
import { findFreePort } from './server-process.ts';

const partitionCount = 12;

/** Topics and a database that nobody else uses. */
export type Place = {
  readonly brokers: string;
  readonly topicPrefix: string;
  readonly mongodbUrl: string;
  /** Deletes the topics. */
  readonly remove: () => Promise<void>;
};

export type Redis = { readonly port: number; readonly pid: number };

export type Engines = {
  /** What they are, in words. */
  readonly description: string;
  /** Process ids by name: `Kafka`, `MongoDB`. */
  readonly pids: { readonly kafka: number; readonly mongodb: number };
  readonly redis: Redis | undefined;
  readonly newPlace: () => Promise<Place>;
  readonly stop: () => Promise<void>;
};

function redisVersion(): string | undefined {
  try {
    return /v=(\S+)/u.exec(execFileSync('redis-server', ['--version'], { encoding: 'utf8' }))?.[1];
  } catch {
    return undefined;
  }
}

/** Redis in memory alone, with its defaults but for saving. */
async function startRedis(dataDir: string): Promise<Redis & { readonly stop: () => Promise<void> }> {
  const port = await findFreePort();
  const { pid, stop } = await startEngine({
    name: 'Redis',
    command: 'redis-server',
    args: ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'],
    logFile: join(dataDir, 'redis.log'),
    readyLine: /Ready to accept connections/u,
    answers: () => Promise.resolve(true),
    lifetime: 'leashed',
  });
  return { port, pid, stop };
}

async function makePlace(brokers: string, mongodbUrl: string): Promise<Place> {
  const name = `bench${process.hrtime.bigint()}`;
  const admin = new kafkajs.Kafka({ brokers: [brokers], logLevel: kafkajs.logLevel.NOTHING }).admin();
  const asAdmin = async (work: () => Promise<unknown>): Promise<void> => {
    await admin.connect();
    await work();
    await admin.disconnect();
  };
  const made: string[] = [];
  await asAdmin(async () => {
    for (const { topic } of await provisionTopics(admin, name, { partitionCount })) made.push(topic);
  });
  const url = new URL(mongodbUrl);
  url.pathname = `/${name}`;
  return {
    brokers,
    topicPrefix: name,
    mongodbUrl: url.href,
    remove: () => asAdmin(() => admin.deleteTopics({ topics: made })),
  };
}

export const updatesTopicOf = ({ topicPrefix }: Place): string => topicName(topicPrefix, 'updates');

/** Starts them on `dataDir`, or says what is missing. */
export async function startEngines(dataDir: string): Promise<Engines | { readonly missing: string }> {
  const libraries = await javaLibraries();
  if (libraries.kind === 'missing') return { missing: libraries.reason };
  const version = redisVersion();
  const [kafka, mongodb, redis] = await Promise.all([
    startBroker({ dataDir: join(dataDir, 'kafka'), heapMb: 1_024 }),
    startDatabase({ dataDir: join(dataDir, 'mongodb'), database: 'bench', isInMemory: true }),
    version === undefined ? undefined : startRedis(dataDir),
  ]);
  const database = mongodb.kind === 'mongod' ? 'mongod' : 'a stand-in for MongoDB (mongo-java-server, in memory)';
  return {
    description: `One broker of Kafka ${kafkaVersion}, ${partitionCount} partitions; ${database}; ${version === undefined ? 'no Redis' : `Redis ${version}`}`,
    pids: { kafka: kafka.pid, mongodb: mongodb.pid },
    redis,
    newPlace: () => makePlace(kafka.address, mongodb.url),
    stop: async () => void (await Promise.all([kafka.stop(), mongodb.stop(), redis?.stop()])),
  };
}
