/** Faults without end: how often, and from which seed, the environment says (`CHAOS_ROUNDS`, `CHAOS_SEED`). */

import { expect, onTestFinished, test } from 'vitest';
import { orSkip } from '#test/harness/backends.ts';
import { allBrokerFaults, provokeBrokers, replicatedKafka } from '#test/harness/broker-provocation.ts';
import { replayInCluster } from '#test/harness/cluster-replay.ts';
import { startOwnKafkaCluster } from '#test/harness/own-kafka-cluster.ts';
import { busyPersister, provokeFaults } from '#test/harness/provocation.ts';
import { startTestCluster } from '#test/harness/test-cluster.ts';
import { hasTrace, tracesDir } from '#test/harness/traces.ts';

const rounds = Number(process.env['CHAOS_ROUNDS'] ?? 2);
const seed = Number(process.env['CHAOS_SEED'] ?? Date.now() % 1_000_000);
const hoursMs = 3 * 3_600_000;
const settings = { gatewaySettings: { DRAIN_SPREAD_MS: 300 }, persisterSettings: busyPersister };

console.log(`CHAOS_SEED=${seed} CHAOS_ROUNDS=${rounds}`);

test(
  'CL50: nothing that was acknowledged is lost, over every kind of fault, again and again',
  { timeout: hoursMs },
  async ({ skip }) => {
    const cluster = orSkip(skip, await startTestCluster(settings));
    onTestFinished(() => cluster.remove());
    const { faults } = await provokeFaults(cluster, { seed, rounds, each: 'process', pasteOneIn: 400 });
    expect(faults).toBeGreaterThanOrEqual(15 * rounds);
  },
);

test.for(['automerge-paper', 'friendsforever'] as const)(
  'CL55: %s, typed on two gateways over many faults, is the same everywhere in the end',
  { timeout: hoursMs },
  async (name, { skip }) => {
    skip(!hasTrace(name), `no traces in ${tracesDir}`);
    const cluster = orSkip(skip, await startTestCluster(settings));
    onTestFinished(() => cluster.remove());
    const { faults } = await replayInCluster(cluster, name, { seed, faults: 12 * rounds });
    expect(faults).toBe(12 * rounds);
  },
);

test(
  'JR43: whichever broker of three is lost, again and again, nothing acknowledged is',
  { timeout: hoursMs },
  async ({ skip }) => {
    const cluster = orSkip(skip, await startOwnKafkaCluster());
    onTestFinished(() => cluster.remove());
    for (let round = 0; round < rounds; round++) await provokeBrokers(await replicatedKafka(cluster), allBrokerFaults);
  },
);
