/**
 * What happens to a cluster: one fault after another, in an order that a seed decides.
 *
 * Each is something that happens in a year of running one: a process is killed, drained, or frozen for a while; the broker dies or is restarted; connections to it
 * or to the database are reset. A fault ends when the part that it hit serves again, and the next one comes when those who type have gone on.
 */

import * as prng from 'lib0/prng';
import type { ClusterNode, TestCluster } from '#test/harness/test-cluster.ts';

export type Fault = {
  readonly name: string;
  readonly happen: () => Promise<void>;
  /** It ends when others have typed on, and holds up those who wait for people on the gateway that it hits. */
  readonly cutsPeopleOff?: true;
};

/** What a fault lasts for. */
export type Meanwhile = {
  /** Others have typed on. */
  readonly typed: () => Promise<void>;
  /** Somebody has taken in what a program edits from now on. Nothing, if not given. */
  readonly takenIn?: () => Promise<void>;
};

const crash = (node: ClusterNode, meanwhile = async (): Promise<void> => {}): Fault => ({
  name: `${node.name} killed`,
  happen: async () => {
    await node.kill();
    await meanwhile();
    await node.start();
  },
});

const restart = (node: ClusterNode): Fault => ({
  name: `${node.name} drained and started again`,
  happen: async () => {
    await node.stop();
    await node.start();
  },
});

/** Thawed once the others have gone on: what it missed is then news to it. */
const freeze = (node: ClusterNode, meanwhile: () => Promise<void>): Fault => ({
  name: `${node.name} frozen`,
  happen: async () => {
    node.freeze();
    try {
      await meanwhile();
    } finally {
      node.thaw();
    }
  },
});

/** Every kind of fault there is, for each process of this cluster. */
export function faultsOf(cluster: TestCluster, { typed, takenIn = async () => {} }: Meanwhile): readonly Fault[] {
  const { gateways, persisters, changefeeds, kafka, mongodb } = cluster;
  return [
    ...gateways.flatMap((node) => [crash(node), restart(node), { ...freeze(node, typed), cutsPeopleOff: true as const }]),
    ...persisters.flatMap((node) => [crash(node), restart(node), freeze(node, typed)]),
    // Until another one has taken over: it starts, or thaws, when its lease is somebody else's.
    ...changefeeds.flatMap((node) => [crash(node, takenIn), restart(node), freeze(node, takenIn)]),
    {
      name: 'the broker killed',
      happen: async () => {
        await kafka.kill();
        await kafka.start();
      },
    },
    {
      name: 'the broker restarted',
      happen: async () => {
        await kafka.stop();
        await kafka.start();
      },
    },
    { name: 'connections to the broker reset', happen: async () => kafka.proxy.cut() },
    { name: 'a response to an append lost', happen: () => kafka.proxy.swallowNextProduceResponse() },
    { name: 'an append cut in the middle', happen: () => kafka.proxy.cutInNextProduceRequest(200) },
    { name: 'connections to the database reset', happen: async () => mongodb.proxy.cut() },
    {
      name: 'the database restarted',
      happen: async () => {
        await mongodb.stop();
        await mongodb.start();
      },
    },
  ];
}

/** Each of them once: of the gateways, the persisters and the changefeeds one of chance is hit. */
export function kindsOfFaults(cluster: TestCluster, meanwhile: Meanwhile, random: prng.PRNG): readonly Fault[] {
  const oneOf = (nodes: readonly ClusterNode[]): readonly ClusterNode[] =>
    nodes.length === 0 ? [] : [prng.oneOf(random, [...nodes])];
  const { gateways, persisters, changefeeds } = cluster;
  return faultsOf(
    { ...cluster, gateways: oneOf(gateways), persisters: oneOf(persisters), changefeeds: oneOf(changefeeds) },
    meanwhile,
  );
}

/** All of `faults`, in an order of chance. */
export function shuffled<T>(faults: readonly T[], random: prng.PRNG): readonly T[] {
  const left = [...faults];
  const order: T[] = [];
  while (left.length > 0) order.push(...left.splice(prng.int32(random, 0, left.length - 1), 1));
  return order;
}
