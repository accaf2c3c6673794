/** The journal on three brokers of which any one may go, at any time: each kind of fault once; the long run is `make chaos`. */

import { afterAll, beforeAll, test } from 'vitest';
import { orSkip } from '#test/harness/backends.ts';
import {
  appendOnce,
  kindsOfBrokerFaults,
  openReplicated,
  partitions,
  provokeBrokers,
  replicatedKafka,
  type ReplicatedKafka,
} from '#test/harness/broker-provocation.ts';
import { groupsTopic, until } from '#test/harness/kafka-replicas.ts';
import type { Had } from '#test/harness/own-engine.ts';
import { type NodeId, nodeIds, type OwnKafkaCluster, startOwnKafkaCluster } from '#test/harness/own-kafka-cluster.ts';

let had: Had<OwnKafkaCluster> = { kind: 'missing', reason: 'no three Kafka brokers' };
beforeAll(async () => {
  had = await startOwnKafkaCluster();
}, 120_000);
afterAll(async () => {
  if (had.kind === 'had') await had.remove();
}, 60_000);

test(
  'JR43: whichever broker of three is lost, nothing acknowledged is, readers miss nothing, presence is heard, and all go on within seconds',
  { timeout: 300_000 },
  async ({ skip }) => provokeBrokers(await replicatedKafka(orSkip(skip, had)), kindsOfBrokerFaults),
);

/** Opens the journal while the first address is as it is now, as often as a start does, and appends. Returns how long it took, in ms. */
async function opensBeside(node: NodeId, { cluster, connection }: ReplicatedKafka): Promise<number> {
  const begun = performance.now();
  const address = cluster.addresses[nodeIds.indexOf(node)] ?? '';
  const given = { ...connection, brokers: [address, ...cluster.addresses] };
  await until(async () => appendOnce((await openReplicated(given)).journal).then(() => true));
  return Math.round(performance.now() - begun);
}

test(
  'JR44: who starts beside a silent or a dead first address finds the others, and partitions are shared on without the group’s coordinator',
  { timeout: 180_000 },
  async ({ skip }) => {
    const setting = await replicatedKafka(orSkip(skip, had));
    const { cluster, connection, replicas } = setting;
    const [one, two] = [await openReplicated(connection), await openReplicated(connection)];
    const shares = [0, 0];
    const sharings = [one, two].map(({ sharePartitions }, index) => sharePartitions((share) => (shares[index] = share.size)));
    await until(() => Math.min(...shares) === 1 && Math.max(...shares) === 2);

    const coordinator = await replicas.leaderOf(groupsTopic);
    await cluster.node(coordinator).freeze();
    const silentMs = await opensBeside(coordinator, setting);
    const begun = performance.now();
    const left = sharings[0]?.stop();
    await until(() => shares[1] === partitions.length);
    const sharedMs = Math.round(performance.now() - begun);
    await left;
    await cluster.node(coordinator).thaw();
    await replicas.whole();

    const another = await replicas.leaderOf(groupsTopic);
    await cluster.node(another).kill();
    const deadMs = await opensBeside(another, setting);
    console.table({ silentMs, sharedMs, deadMs });
    await sharings[1]?.stop();
  },
);
