/** What people really typed, by writers on different gateways, over faults (test/harness/replay.ts says how). The long runs, with the longer trace too, are `make chaos`. */

import { expect, onTestFinished, test } from 'vitest';
import { orSkip } from '#test/harness/backends.ts';
import { replayInCluster } from '#test/harness/cluster-replay.ts';
import { busyPersister } from '#test/harness/provocation.ts';
import { startTestCluster } from '#test/harness/test-cluster.ts';
import { hasTrace, tracesDir } from '#test/harness/traces.ts';

test.for(['friendsforever'] as const)(
  'CL55: %s, typed on two gateways, is the same everywhere in the end, and in the store alone',
  { timeout: 400_000 },
  async (name, { skip }) => {
    skip(!hasTrace(name), `no traces in ${tracesDir}`);
    const settings = { gatewaySettings: { DRAIN_SPREAD_MS: 300 }, persisterSettings: busyPersister };
    const cluster = orSkip(skip, await startTestCluster(settings));
    onTestFinished(() => cluster.remove());
    const { faults } = await replayInCluster(cluster, name, { seed: 7, faults: 7 });
    expect(faults).toBe(7);
  },
);
