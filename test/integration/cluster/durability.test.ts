/** Saved means saved, in a cluster: each kind of fault once, and what people really typed. The long runs, with the longer trace too, are `make chaos`. */

import { afterAll, beforeAll, expect, test } from 'vitest';
import { orSkip } from '#test/harness/backends.ts';
import { replayInCluster } from '#test/harness/cluster-replay.ts';
import { kindsOfFaults } from '#test/harness/faults.ts';
import type { Had } from '#test/harness/own-engine.ts';
import { busyPersister, provokeFaults } from '#test/harness/provocation.ts';
import { startTestCluster, type TestCluster } from '#test/harness/test-cluster.ts';
import { hasTrace, tracesDir } from '#test/harness/traces.ts';
import { createTypists } from '#test/harness/typists.ts';

const minutesMs = 400_000;

let had: Had<TestCluster> = { kind: 'missing', reason: 'the cluster was not started' };
beforeAll(async () => {
  had = await startTestCluster({ gatewaySettings: { DRAIN_SPREAD_MS: 300 }, persisterSettings: busyPersister });
}, 120_000);
afterAll(async () => {
  if (had.kind === 'had') await had.remove();
});

test('CL50: nothing that was acknowledged is lost, over every kind of fault', { timeout: minutesMs }, async ({ skip }) => {
  const cluster = orSkip(skip, had);
  const seed = 20_265;
  const crowds = [createTypists(cluster, { documents: ['notes', 'team-7/minutes', 'plan'], seed, pasteOneIn: 2_000 })];
  const { faults, edits } = await provokeFaults(cluster, {
    seed,
    rounds: 1,
    faults: (meanwhile, random) => kindsOfFaults(cluster, meanwhile, random),
    crowds,
  });
  expect(faults).toBeGreaterThanOrEqual(13);
  expect(edits).toBeGreaterThan(1_000);
});

/** test/harness/replay.ts says how. */
test(
  'CL55: a trace, typed on two gateways over faults, is the same everywhere in the end, and in the store alone',
  { timeout: minutesMs },
  async ({ skip }) => {
    const cluster = orSkip(skip, had);
    const name = 'friendsforever';
    skip(!hasTrace(name), `no traces in ${tracesDir}`);
    const { faults } = await replayInCluster(cluster, name, { seed: 7, faults: 7 });
    expect(faults).toBe(7);
  },
);
