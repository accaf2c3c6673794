/** What a cluster of brokers says of a test's topics: who leads, who is in sync. Whatever fails is asked again: brokers come and go. */

import { createClient, type KafkaConnection } from '#shared/journal/kafka/connection.ts';
import { type TopicName, topicName } from '#shared/journal/kafka/topics.ts';
import { systemClock } from '#shared/runtime/clock.ts';
import { pause } from '#shared/runtime/waiting.ts';
import { silentLogger } from '#test/harness/memory-gateway.ts';
import { type NodeId, nodeIds, type OwnKafkaCluster } from '#test/harness/own-kafka-cluster.ts';

const lookMs = 100;
const requestMsMax = 1_000;

/** Where the group coordinators are: they lead this topic, which has one partition here. */
export const groupsTopic = '__consumer_offsets';

/** Asks until it is so. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const holds = async (): Promise<boolean> => condition();
  while (!(await holds().catch(() => false))) await pause(systemClock, lookMs);
}

type Admin = ReturnType<ReturnType<typeof createClient>['admin']>;

export type Replicas = {
  readonly leaderOf: (topic: string, partition?: number) => Promise<NodeId>;
  /** Resolves when all replicas of what is written to are in sync: any one broker may go. */
  readonly whole: () => Promise<void>;
  /** Resolves when the others have counted a node out. */
  readonly isOut: (node: NodeId) => Promise<void>;
  /** Sets `min.insync.replicas` of the journal. */
  readonly need: (count: number) => Promise<void>;
};

/** Asks a cluster about the topics of a prefix. A node that is `silent` is not asked. */
export function replicasOf(cluster: OwnKafkaCluster, connection: KafkaConnection, silent?: NodeId): Replicas {
  const brokers = cluster.addresses.filter((_, index) => nodeIds[index] !== silent);
  const name = (topic: TopicName): string => topicName(connection.topicPrefix, topic);
  // With a client of its own each time, which knows of nobody who is gone.
  const withAdmin = async <T>(use: (admin: Admin) => Promise<T>): Promise<T> => {
    const admin = createClient({ ...connection, brokers, requestMsMax }, silentLogger).admin();
    await admin.connect();
    try {
      return await use(admin);
    } finally {
      void admin.disconnect().catch(() => {});
    }
  };
  const partitionsOf = async (...topics: readonly string[]) =>
    (await withAdmin((admin) => admin.fetchTopicMetadata({ topics: [...topics] }))).topics.flatMap(
      ({ partitions }) => partitions,
    );
  return {
    leaderOf: async (topic, partition = 0) => {
      const { promise, resolve } = Promise.withResolvers<NodeId>();
      await until(async () => {
        const found = (await partitionsOf(topic)).find(({ partitionId }) => partitionId === partition);
        const leader = nodeIds.find((id) => id === found?.leader);
        if (leader !== undefined) resolve(leader);
        return leader !== undefined;
      });
      return promise;
    },
    whole: () =>
      until(async () =>
        (await partitionsOf(name('updates'), name('presence'))).every(({ isr }) => isr.length === nodeIds.length),
      ),
    isOut: (node) => until(async () => (await partitionsOf(name('updates'))).every(({ isr }) => !isr.includes(node))),
    need: (count) =>
      withAdmin(async (admin) => {
        const topic = { type: 2, name: name('updates') };
        const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [topic] });
        // What is not named goes back to its default.
        const settings = new Map(
          (resources[0]?.configEntries ?? [])
            .filter(({ isDefault }) => !isDefault)
            .map(({ configName, configValue }) => [configName, configValue]),
        ).set('min.insync.replicas', String(count));
        const configEntries = [...settings].map(([setting, value]) => ({ name: setting, value }));
        await admin.alterConfigs({ validateOnly: false, resources: [{ ...topic, configEntries }] });
      }),
  };
}
