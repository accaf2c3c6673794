/** Saved means saved, in a cluster. Each kind of fault once; the long run is `make chaos`. */

import { expect, onTestFinished, test } from 'vitest';
import { orSkip } from '#test/harness/backends.ts';
import { kindsOfFaults } from '#test/harness/faults.ts';
import { busyPersister, provokeFaults } from '#test/harness/provocation.ts';
import { startTestCluster } from '#test/harness/test-cluster.ts';
import { createTypists } from '#test/harness/typists.ts';

test('CL50: nothing that was acknowledged is lost, over every kind of fault', { timeout: 400_000 }, async ({ skip }) => {
  const cluster = orSkip(
    skip,
    await startTestCluster({ gatewaySettings: { DRAIN_SPREAD_MS: 300 }, persisterSettings: busyPersister }),
  );
  onTestFinished(() => cluster.remove());
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
