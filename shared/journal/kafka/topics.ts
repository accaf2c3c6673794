/**
 * The topics: what they must be like, and whether they are.
 *
 * Kafka's defaults lose data here. A topic that was made by itself, on the first write, deletes records after a week; one that is compacted keeps the last
 * update of each document, which is a keystroke; one with three replicas of which one has to be in sync acknowledges what a single disk has. None of that shows
 * until it is needed. So topics are made by `deploy/provision.ts`, and looked at by every process before it serves anybody.
 */

import kafkajs, { type Admin } from 'kafkajs';
import { type Clock, systemClock } from '#shared/runtime/clock.ts';
import { pause } from '#shared/runtime/waiting.ts';

export type TopicName = 'updates' | 'presence' | 'control' | 'dead-letter';

/** Thrown where topics are missing, or set so that they would lose data: an operator has to do something. The message says what, in one line. */
export class KafkaMisconfigured extends Error {
  override readonly name = 'KafkaMisconfigured';
}

const mebibyte = 1024 * 1024;
const minuteMs = 60_000;
/** How long new topics may take until somebody leads their partitions, and how often that is looked at, in ms. */
const ledMsMax = 15_000;
const ledPauseMs = 50;
/** For so long, in ms, a topic that is missing may be one that a broker has not heard of. */
const missingMsMax = 2_000;
const missingPauseMs = 100;

/** What a message may weigh besides the update in it (names, key, batch), in bytes. */
export const recordOverheadBytes = 8 * 1024;

/** What a dead letter weighs besides the record in it: where it was, and why it is one. */
const letterOverheadBytes = mebibyte;

/** What one message between gateways may have. */
export const presenceMessageBytesMax = 512 * 1024;

/** What topics are made with; `updates` takes frames of 32 MiB with room to spare. */
const updatesMessageBytes = 36 * mebibyte;

export const topicName = (prefix: string, name: TopicName): string => `${prefix}.${name}`;
const allTopics: readonly TopicName[] = ['updates', 'presence', 'control', 'dead-letter'];

type TopicSettings = Readonly<Record<string, string>>;

/** Records are kept for ever, by the clock of who appended; the persister deletes what it has stored. */
const keptForEver: TopicSettings = {
  'cleanup.policy': 'delete',
  'retention.ms': '-1',
  'retention.bytes': '-1',
  'unclean.leader.election.enable': 'false',
  'message.timestamp.type': 'CreateTime',
};
const shortLived: TopicSettings = {
  'cleanup.policy': 'delete',
  'retention.ms': String(10 * minuteMs),
  'segment.ms': String(5 * minuteMs),
};

/** Kafka 3.6 and later refuses times that are an hour ahead by default: a gateway whose clock is wrong could save nothing. */
const anyTime: TopicSettings = { 'message.timestamp.after.max.ms': '9223372036854775807' };

const settingsOf: Readonly<Record<TopicName, TopicSettings>> = {
  updates: { ...keptForEver, 'max.message.bytes': String(updatesMessageBytes), 'segment.bytes': String(128 * mebibyte) },
  presence: shortLived,
  control: { ...keptForEver, 'retention.ms': String(7 * 24 * 60 * minuteMs) },
  // A letter has the record that was refused in it.
  'dead-letter': { ...keptForEver, 'max.message.bytes': String(updatesMessageBytes + letterOverheadBytes) },
};

const isPartitioned = (name: TopicName): boolean => name === 'updates' || name === 'presence';

export type Provision = {
  /** Of `updates` and `presence`. Fixed for good: documents would move. */
  readonly partitionCount: number;
  /** Of every topic; as many as there are brokers, three at most, if not given. */
  readonly replicationFactor?: number;
};

/** What `provision` did to a topic. */
export type Provisioned = { readonly topic: string; readonly outcome: 'made' | 'was there' };

const isType = (error: unknown, type: string): boolean => {
  if (typeof error !== 'object' || error === null) return false;
  const { type: own, errors } = error as { readonly type?: unknown; readonly errors?: readonly unknown[] };
  return own === type || (errors ?? []).some((inner) => isType(inner, type));
};

/**
 * Makes the topics that are missing, and touches none that are there: whether those are right is what `judgeTopics` says. May be
 * repeated, and run by several at once.
 */
export async function provisionTopics(
  admin: Admin,
  prefix: string,
  provision: Provision,
  clock: Clock = systemClock,
): Promise<readonly Provisioned[]> {
  const { brokers } = await admin.describeCluster();
  const replicationFactor = provision.replicationFactor ?? Math.min(3, brokers.length);
  const done: Provisioned[] = [];
  for (const name of allTopics) {
    const topic = topicName(prefix, name);
    const make = (settings: TopicSettings): Promise<boolean> =>
      admin.createTopics({
        // kafkajs asks a broker that may not have heard of the topic yet, and throws.
        waitForLeaders: false,
        topics: [
          {
            topic,
            numPartitions: isPartitioned(name) ? provision.partitionCount : 1,
            replicationFactor,
            configEntries: Object.entries({
              ...settings,
              'min.insync.replicas': replicationFactor > 1 ? '2' : '1',
            }).map(([setting, value]) => ({ name: setting, value })),
          },
        ],
      });
    // Brokers before 3.6 do not know the second half, and do not need it.
    const made = await make({ ...settingsOf[name], ...anyTime }).catch((error: unknown) => {
      if (!isType(error, 'INVALID_CONFIG')) throw error;
      return make(settingsOf[name]);
    });
    done.push({ topic, outcome: made ? 'made' : 'was there' });
  }
  await untilLed(
    admin,
    done.map(({ topic }) => topic),
    clock,
  );
  return done;
}

/** Waits until every topic can be written to, for a while. */
async function untilLed(admin: Admin, topics: readonly string[], clock: Clock): Promise<void> {
  const deadline = clock.monotonic() + ledMsMax;
  for (;;) {
    try {
      const { topics: found } = await admin.fetchTopicMetadata({ topics: [...topics] });
      if (found.every(({ partitions }) => partitions.length > 0 && partitions.every(({ leader }) => leader >= 0))) return;
    } catch (error) {
      if (clock.monotonic() > deadline) throw error;
    }
    if (clock.monotonic() > deadline) throw new Error(`no broker leads the new topics after ${ledMsMax} ms`);
    await pause(clock, ledPauseMs);
  }
}

/** What is known of a topic that is there. */
export type TopicFacts = {
  readonly partitionCount: number;
  readonly replicationFactor: number;
  readonly settings: Readonly<Record<string, string>>;
};

export type TopicsChecked = {
  /** Each a line; where there is any, nobody may be served. */
  readonly faults: readonly string[];
  /** Each a line: what is dangerous, but may be meant. */
  readonly warnings: readonly string[];
};

/** What is wrong with topics as they are. Pure. */
export function judgeTopics(prefix: string, facts: ReadonlyMap<string, TopicFacts>): TopicsChecked {
  const faults: string[] = [];
  const warnings: string[] = [];
  const missing = allTopics.map((name) => topicName(prefix, name)).filter((topic) => !facts.has(topic));
  if (missing.length > 0)
    faults.push(`Kafka has no topic ${missing.join(', ')}: make what is missing with \`node deploy/provision.ts\``);
  for (const name of ['updates', 'dead-letter'] as const) {
    const topic = topicName(prefix, name);
    const found = facts.get(topic);
    if (found === undefined) continue;
    const { settings, replicationFactor } = found;
    const must = (setting: string, value: string, otherwise: string): void => {
      const is = settings[setting];
      if (is !== undefined && is !== value)
        faults.push(`topic ${topic} has ${setting}=${is}, and ${otherwise}: set it to ${value}`);
    };
    must('cleanup.policy', 'delete', 'Kafka would drop records that were acknowledged');
    must('retention.ms', '-1', 'Kafka would drop records before they are stored');
    must('retention.bytes', '-1', 'Kafka would drop records before they are stored');
    must('unclean.leader.election.enable', 'false', 'a replica that lacks acknowledged records could lead');
    if (replicationFactor > 1 && Number(settings['min.insync.replicas'] ?? 2) < 2)
      faults.push(
        `topic ${topic} has ${replicationFactor} replicas and min.insync.replicas=${settings['min.insync.replicas']}: what one broker alone has would be acknowledged; set it to 2`,
      );
    const inSync = Number(settings['min.insync.replicas'] ?? 1);
    if (inSync > replicationFactor)
      faults.push(
        `topic ${topic} has ${replicationFactor} replicas and min.insync.replicas=${inSync}: nothing could be written; set it to ${Math.min(2, replicationFactor)}`,
      );
    if (replicationFactor === 1 && name === 'updates')
      warnings.push(`topic ${topic} has one replica: the loss of its broker's disk loses what was acknowledged`);
  }
  faults.push(...judgeSizes(prefix, facts));
  const updates = facts.get(topicName(prefix, 'updates'));
  const presence = facts.get(topicName(prefix, 'presence'));
  if ((presence?.settings['cleanup.policy'] ?? 'delete') !== 'delete')
    faults.push(
      `topic ${topicName(prefix, 'presence')} has cleanup.policy=${presence?.settings['cleanup.policy']}, and Kafka would refuse messages without keys: set it to delete`,
    );
  if (updates !== undefined && presence !== undefined && updates.partitionCount !== presence.partitionCount)
    faults.push(
      `topic ${topicName(prefix, 'presence')} has ${presence.partitionCount} partitions and ${topicName(prefix, 'updates')} has ${updates.partitionCount}: they must be the same; delete the former and run \`node deploy/provision.ts\``,
    );
  return { faults, warnings };
}

/** What goes from one topic into another, or in one message, has to fit. */
function judgeSizes(prefix: string, facts: ReadonlyMap<string, TopicFacts>): readonly string[] {
  const bytesMaxOf = (name: TopicName): number =>
    Number(facts.get(topicName(prefix, name))?.settings['max.message.bytes'] ?? Infinity);
  const check = (name: TopicName, wanted: number, otherwise: string): readonly string[] =>
    bytesMaxOf(name) >= wanted || wanted === Infinity
      ? []
      : [
          `topic ${topicName(prefix, name)} has max.message.bytes=${bytesMaxOf(name)}, and ${otherwise}: set it to ${wanted} or more`,
        ];
  return [
    ...check('dead-letter', bytesMaxOf('updates') + letterOverheadBytes, 'could not take what is set aside of the updates'),
    ...check('presence', presenceMessageBytesMax + recordOverheadBytes, 'could not take what gateways tell each other'),
  ];
}

/** Reads what topics are there and how they are set. */
export async function readTopics(admin: Admin, prefix: string): Promise<ReadonlyMap<string, TopicFacts>> {
  const there = new Set(await admin.listTopics());
  const topics = allTopics.map((name) => topicName(prefix, name)).filter((topic) => there.has(topic));
  if (topics.length === 0) return new Map();
  const { topics: metadata } = await admin.fetchTopicMetadata({ topics });
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: topics.map((name) => ({ type: kafkajs.ConfigResourceTypes.TOPIC, name })),
  });
  const settings = new Map(
    resources.map(({ resourceName, configEntries }) => [
      resourceName,
      Object.fromEntries(configEntries.map(({ configName, configValue }) => [configName, configValue])),
    ]),
  );
  return new Map(
    metadata.map(({ name, partitions }) => [
      name,
      {
        partitionCount: partitions.length,
        replicationFactor: Math.min(...partitions.map(({ replicas }) => replicas.length)),
        settings: settings.get(name) ?? {},
      },
    ]),
  );
}

/**
 * Reads them when all are there. Those that were just made are not known to every broker yet, and a broker that was away has not heard of them: what is
 * missing is asked for again, for a while.
 */
export async function findTopics(admin: Admin, prefix: string, clock: Clock): Promise<ReadonlyMap<string, TopicFacts>> {
  const deadline = clock.monotonic() + missingMsMax;
  for (;;) {
    try {
      const found = await readTopics(admin, prefix);
      if (found.size === allTopics.length || clock.monotonic() >= deadline) return found;
    } catch (error) {
      if (clock.monotonic() >= deadline) throw error;
    }
    await pause(clock, missingPauseMs);
  }
}
