/**
 * Three Kafka brokers that one test has for itself, to take them away one by one.
 *
 * They are local processes also where Docker answers: what is tested is what clients make of leaders that move, and processes can be frozen and
 * killed one by one, wherever they run. Each node is a broker and a controller, so with two of three nothing stops for good, and with one
 * of three nothing is written. A node that says nothing is counted out after 2 s instead of 9 (`brokerSettings`).
 */

import { freePort } from '#deploy/native/free-port.ts';
import { javaLibraries } from '#deploy/native/java-libraries.ts';
import { kafkaVersion, newClusterId, startBroker } from '#deploy/native/kafka.ts';
import { type Had, type OwnEngine, ownLocalEngine } from '#test/harness/own-engine.ts';

/** Numbered 1, 2, 3, as Kafka names them. */
export const nodeIds = [1, 2, 3] as const;
export type NodeId = (typeof nodeIds)[number];

export type OwnKafkaCluster = {
  /** `host:port` of each node, in order. */
  readonly addresses: readonly string[];
  /** Kill, stop, freeze and start one of them. A start needs one other node that runs. */
  readonly node: (id: NodeId) => OwnEngine;
  /** Kills those that run, and removes their data. */
  readonly remove: () => Promise<void>;
};

const replicated: Readonly<Record<string, string>> = {
  'offsets.topic.replication.factor': '3',
  'default.replication.factor': '3',
  'min.insync.replicas': '2',
  // So that a node's end is noticed as soon when it led the controllers.
  'controller.quorum.fetch.timeout.ms': '1000',
  'controller.quorum.election.timeout.ms': '500',
};

/**
 * Starts three brokers. The caller removes them.
 * @throws Error where they should start and do not; what can't be had at all is a value.
 */
export async function startOwnKafkaCluster(): Promise<Had<OwnKafkaCluster>> {
  const libraries = await javaLibraries();
  if (libraries.kind === 'missing') return { kind: 'missing', reason: `no three Kafka brokers: ${libraries.reason}` };
  const clusterId = newClusterId();
  const controllerPorts = new Map<number, number>();
  for (const id of nodeIds) controllerPorts.set(id, await freePort());
  const ports = new Map<NodeId, number>();
  for (const id of nodeIds) ports.set(id, await freePort());
  const startNode = (nodeId: NodeId): Promise<OwnEngine> =>
    ownLocalEngine(
      () => `local process (${kafkaVersion})`,
      (dataDir) =>
        startBroker({
          dataDir,
          port: ports.get(nodeId) ?? 0,
          member: { nodeId, clusterId, controllerPorts },
          settings: replicated,
          heapMb: 256,
          isBrief: true,
        }),
    );
  const started = await Promise.allSettled(nodeIds.map(startNode));
  const engines = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const remove = async (): Promise<void> => {
    await Promise.all(engines.map((engine) => engine.remove()));
  };
  const failed = started.find((one) => one.status === 'rejected');
  if (failed !== undefined) {
    await remove();
    throw failed.reason;
  }
  const node = (id: NodeId): OwnEngine => {
    const engine = engines[nodeIds.indexOf(id)];
    if (engine === undefined) throw new Error(`there is no node ${id}`);
    return engine;
  };
  return { kind: 'had', addresses: nodeIds.map((id) => `127.0.0.1:${ports.get(id)}`), node, remove };
}
