/**
 * What happens to three brokers of which any one may go, while somebody appends to three partitions, each led by another broker, as a gateway does; readers follow all of
 * them; presence is said and heard.
 *
 * Brokers are killed, frozen, stopped and started again, so that leaders move, replicas fall behind and catch up, and for a while there are too few. How long appends
 * and reads stood still is said for each fault. A broker that is gone is counted out after 2 s here, and nothing can be sooner than that;
 * where it were 15 s, a gateway would send people away.
 */

import { expect, onTestFinished } from 'vitest';
import type { DocumentName } from '#shared/document/name.ts';
import { type Journal, JournalUnavailable, type Offset, type Partition } from '#shared/journal/journal.ts';
import type { KafkaConnection } from '#shared/journal/kafka/connection.ts';
import { topicName } from '#shared/journal/kafka/topics.ts';
import { type Kafka, openKafka } from '#shared/journal/kafka.ts';
import { systemClock } from '#shared/runtime/clock.ts';
import { pause } from '#shared/runtime/waiting.ts';
import { collect, recordOf } from '#test/contract/journal.contract.ts';
import { numberIn, startWriter } from '#test/harness/journal-writer.ts';
import { replicasOf, type Replicas, until } from '#test/harness/kafka-replicas.ts';
import { provisionForTests } from '#test/harness/kafka-topics.ts';
import { silentLogger } from '#test/harness/memory-gateway.ts';
import { type NodeId, nodeIds, type OwnKafkaCluster } from '#test/harness/own-kafka-cluster.ts';

/** Of the topics, and as many brokers. */
export const partitions: readonly Partition[] = [0, 1, 2];
const appendPaceMs = 10;
const presencePaceMs = 50;
/** `unsavedMsMax` of gateways. */
const interruptionMsMax = 15_000;

export type ReplicatedKafka = {
  readonly cluster: OwnKafkaCluster;
  readonly connection: KafkaConnection;
  readonly replicas: Replicas;
};

/** Topics of their own on three brokers. */
export async function replicatedKafka(cluster: OwnKafkaCluster): Promise<ReplicatedKafka> {
  const connection = await provisionForTests(cluster.addresses, partitions.length);
  return { cluster, connection, replicas: replicasOf(cluster, connection) };
}

/** Closed when the test has finished. */
export async function openReplicated(connection: KafkaConnection): Promise<Kafka> {
  const kafka = await openKafka(connection, { clock: systemClock, logger: silentLogger });
  onTestFinished(() => kafka.close());
  return kafka;
}

/** When things happened, to say for how long nothing did. */
function stopwatch() {
  let last = performance.now();
  let longest = 0;
  return {
    beat: (): void => {
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
    },
    /** The longest time between two beats since it was asked last, in ms. */
    longest: (): number => {
      const found = Math.round(longest);
      longest = 0;
      return found;
    },
  };
}

/** Says something in every partition many times a second, and counts what is heard. */
function talk(speaker: Kafka, listener: Kafka) {
  const heard = partitions.map(() => 0);
  const listening = partitions.map((partition) =>
    listener.broadcast.listen(partition, {
      onMessage: () => (heard[partition] = (heard[partition] ?? 0) + 1),
      onGap: () => {},
    }),
  );
  let stopped = false;
  const speak = async (): Promise<void> => {
    while (!stopped) {
      for (const partition of partitions) speaker.broadcast.send(partition, Uint8Array.of(1));
      await pause(systemClock, presencePaceMs);
    }
  };
  const spoken = speak();
  return {
    ready: Promise.all(listening.map(({ ready }) => ready)),
    /** Resolves when more was heard in every partition. */
    goesOn: (): Promise<void> => {
      const before = [...heard];
      return until(() => partitions.every((partition) => (heard[partition] ?? 0) > (before[partition] ?? 0)));
    },
    stop: async (): Promise<void> => {
      stopped = true;
      await spoken;
      for (const { stop } of listening) stop();
    },
  };
}

/** A document in each partition. */
const documentsOf = ({ partitionOf }: Journal): readonly string[] =>
  partitions.map((partition) => {
    let number = 0;
    while (partitionOf(`document ${number}` as DocumentName) !== partition) number++;
    return `document ${number}`;
  });

/** Asked until it is told. */
async function endOf(journal: Journal, partition: Partition): Promise<Offset> {
  const { promise, resolve } = Promise.withResolvers<Offset>();
  await until(async () => {
    resolve(await journal.highWater(partition));
    return true;
  });
  return promise;
}

/** Appends a record that nobody looks for. */
export const appendOnce = (journal: Journal): Promise<unknown> => journal.append([recordOf('another document', 0)]);

type Scene = ReplicatedKafka & {
  readonly journal: Journal;
  readonly updates: string;
  readonly acknowledged: () => number;
  /** Whom the fault before this one has hit. */
  hit: NodeId;
};

export type BrokerFault = {
  readonly name: string;
  /** Of this fault nobody expects that appends go on through it. */
  readonly isTooMuch?: true;
  readonly inject: (scene: Scene) => Promise<void>;
};

const comesBack: BrokerFault = {
  name: 'it comes back',
  inject: async ({ cluster, replicas, hit }) => {
    await cluster.node(hit).start();
    await replicas.whole();
  },
};

async function hitLeader(scene: Scene, how: 'kill' | 'freeze'): Promise<void> {
  scene.hit = await scene.replicas.leaderOf(scene.updates);
  await scene.cluster.node(scene.hit)[how]();
}

const killed: BrokerFault = { name: 'a leader is killed', inject: (scene) => hitLeader(scene, 'kill') };
const frozen: BrokerFault = { name: 'a leader is frozen', inject: (scene) => hitLeader(scene, 'freeze') };

const tooFew: BrokerFault = {
  name: 'more replicas are needed than there are',
  isTooMuch: true,
  inject: async ({ cluster, connection, replicas, journal, hit }) => {
    await replicas.isOut(hit);
    const others = replicasOf(cluster, connection, hit);
    await others.need(3);
    await until(() =>
      appendOnce(journal).then(
        () => false,
        (error: unknown) => error instanceof JournalUnavailable && error.message.includes('NOT_ENOUGH_REPLICAS'),
      ),
    );
    await others.need(2);
  },
};

const goesOn: BrokerFault = {
  name: 'it goes on, long after it was counted out',
  inject: async ({ cluster, connection, replicas, hit }) => {
    await replicasOf(cluster, connection, hit).isOut(hit);
    await cluster.node(hit).thaw();
    await replicas.whole();
  },
};

const twoKilled: BrokerFault = {
  name: 'two are killed, and one comes back',
  isTooMuch: true,
  inject: async ({ cluster, journal, acknowledged }) => {
    await Promise.all([cluster.node(1).kill(), cluster.node(2).kill()]);
    await expect(appendOnce(journal)).rejects.toThrow(JournalUnavailable);
    const before = acknowledged();
    await expect(appendOnce(journal)).rejects.toThrow(JournalUnavailable);
    expect(acknowledged()).toBe(before);
    await cluster.node(1).start();
  },
};

const otherComesBack: BrokerFault = {
  name: 'the other one comes back',
  inject: async ({ cluster, replicas }) => {
    await cluster.node(2).start();
    await replicas.whole();
  },
};

async function restart({ cluster, replicas }: Scene, id: NodeId): Promise<void> {
  await cluster.node(id).stop();
  await cluster.node(id).start();
  await replicas.whole();
}

const restarted: BrokerFault = {
  name: 'a leader is stopped and started',
  inject: async (scene) => restart(scene, await scene.replicas.leaderOf(scene.updates)),
};

const rolled: readonly BrokerFault[] = nodeIds.map((id) => ({
  name: `node ${id} is stopped and started`,
  inject: (scene) => restart(scene, id),
}));

const tooMany = [frozen, goesOn, twoKilled, otherComesBack];
/** Each kind once. */
export const kindsOfBrokerFaults: readonly BrokerFault[] = [killed, tooFew, comesBack, ...tooMany, restarted];
/** One leader after the other, and every node. */
export const allBrokerFaults: readonly BrokerFault[] = [killed, comesBack, killed, tooFew, comesBack, ...tooMany, ...rolled];

/** Lets the faults happen, one after the other. Expects that nothing acknowledged is lost, that readers miss nothing, and that all goes on in time. */
export async function provokeBrokers(setting: ReplicatedKafka, faults: readonly BrokerFault[]): Promise<void> {
  const [{ journal, ...kafka }, another] = [await openReplicated(setting.connection), await openReplicated(setting.connection)];
  const appends = stopwatch();
  const reads = partitions.map(stopwatch);
  const readers = partitions.map((partition) => collect(another.journal, partition, 0, () => reads[partition]?.beat()));
  const pace = (): Promise<void> => pause(systemClock, appendPaceMs);
  const documents = documentsOf(journal);
  const writer = startWriter(journal, { documents, atOnce: 1, pace, onAcknowledged: appends.beat });
  const presence = talk({ journal, ...kafka }, another);
  onTestFinished(async () => void (await Promise.all([presence.stop(), writer.stop()])));
  await presence.ready;
  await writer.goesOn(30);

  const updates = topicName(setting.connection.topicPrefix, 'updates');
  const scene: Scene = { ...setting, journal, updates, acknowledged: () => writer.acknowledged.length, hit: 1 };
  const interruptions: { readonly fault: string; readonly appendMs: number; readonly readMs: number }[] = [];
  for (const { name, isTooMuch, inject } of faults) {
    for (const each of [appends, ...reads]) each.longest();
    await inject(scene);
    await Promise.all([writer.goesOn(90), presence.goesOn()]);
    for (const [partition, reader] of readers.entries()) await reader.reaches(await endOf(another.journal, partition));
    const interruption = { appendMs: appends.longest(), readMs: Math.max(...reads.map((read) => read.longest())) };
    interruptions.push({ fault: name, ...interruption });
    if (isTooMuch !== true) expect(Math.max(...Object.values(interruption)), name).toBeLessThan(interruptionMsMax);
  }
  await Promise.all([presence.stop(), writer.stop()]);
  console.table(interruptions);

  for (const [partition, reader] of readers.entries()) {
    const all = collect(journal, partition, 0);
    await all.reaches(await endOf(journal, partition));
    await reader.reaches(all.next());
    expect(reader.records()).toEqual(all.records());
    const there = new Map(all.records().map((read) => [read.offset, numberIn(read)]));
    const ours = writer.acknowledged.filter(({ document }) => document === documents[partition]);
    expect(ours.length).toBeGreaterThan(30 * faults.length);
    expect(ours.filter(({ number, offset }) => there.get(offset) !== number)).toEqual([]);
    await Promise.all([reader.stop(), all.stop()]);
  }
}
