/**
 * Faults, round after round: how often, and from which seed, the environment says (`CHAOS_ROUNDS`, `CHAOS_SEED`).
 *
 * A round of each test takes some minutes on two cores. Where one fails, what every process said is in files, of which the last lines tell.
 */

import { expect, onTestFailed, onTestFinished, test } from 'vitest';
import { createAuthors } from '#test/harness/authors.ts';
import { orSkip } from '#test/harness/backends.ts';
import { allBrokerFaults, provokeBrokers, replicatedKafka } from '#test/harness/broker-provocation.ts';
import { replayInCluster } from '#test/harness/cluster-replay.ts';
import { restoringFaults } from '#test/harness/database-backup.ts';
import { faultsOf, kindsOfFaults } from '#test/harness/faults.ts';
import { type EditKind, editedRoots } from '#test/harness/mirror-edits.ts';
import { openMirrorProgram } from '#test/harness/mirror-program.ts';
import { startOwnKafkaCluster } from '#test/harness/own-kafka-cluster.ts';
import { busyPersister, provokeFaults, restorablePersister } from '#test/harness/provocation.ts';
import { saveDiagnostics, startTestCluster, type TestCluster } from '#test/harness/test-cluster.ts';
import { hasTrace, tracesDir } from '#test/harness/traces.ts';
import { createTypists } from '#test/harness/typists.ts';

const rounds = Number(process.env['CHAOS_ROUNDS'] ?? 1);
const seed = Number(process.env['CHAOS_SEED'] ?? Date.now() % 1_000_000);
const hoursMs = 3 * 3_600_000;
const mirrorSettings = { MIRROR_ROOTS: JSON.stringify([{ document: '*', roots: editedRoots }]) };
/** Documents in which people format and delete what they please, and a program sets fields. */
const formatted = ['team-7/minutes', 'plan'];

const kinds: readonly EditKind[] = [
  'field',
  'text',
  'whole',
  'entry',
  'what was just typed',
  'whole without our field',
  'field',
  'in, out and in again',
  'deleted and inserted',
  'entry',
  'a field to and fro',
  'text',
];
/** Words change their letters while the database is put back, and a mark that went and came back looks like one that stayed. */
const plainKinds = kinds.filter((kind) => kind !== 'what was just typed' && kind !== 'in, out and in again');

console.log(`CHAOS_SEED=${seed} CHAOS_ROUNDS=${rounds}`);

type Skip = (reason: string) => never;

type ClusterFor = { readonly changefeeds: number; readonly persisterSettings: Readonly<Record<string, string | number>> };

async function clusterFor(
  skip: Skip,
  { changefeeds = 2, persisterSettings = busyPersister }: Partial<ClusterFor> = {},
): Promise<TestCluster> {
  const cluster = orSkip(
    skip,
    await startTestCluster({
      changefeeds,
      gatewaySettings: { DRAIN_SPREAD_MS: 300 },
      persisterSettings: { ...persisterSettings, ...mirrorSettings },
      changefeedSettings: mirrorSettings,
    }),
  );
  onTestFinished(() => cluster.remove());
  onTestFailed(async () => console.log(`what each process said is in ${await saveDiagnostics(cluster)}`));
  return cluster;
}

test(
  'CL50: nothing that was acknowledged is lost while people type and paste as fast as they can, over every kind of fault, again and again',
  { timeout: hoursMs },
  async ({ skip }) => {
    // Megabytes that change all the time, each change compacted and mirrored at once, are work for more than two cores: who mirrors is not there.
    const cluster = await clusterFor(skip, {
      changefeeds: 0,
      persisterSettings: { ...busyPersister, MIRROR_LEFT_OUT: '["*"]' },
    });
    const crowds = [createTypists(cluster, { documents: ['notes', ...formatted], seed, pasteOneIn: 400 })];
    const { faults } = await provokeFaults(cluster, {
      seed,
      rounds,
      faults: (meanwhile, random) => kindsOfFaults(cluster, meanwhile, random),
      crowds,
    });
    expect(faults).toBeGreaterThanOrEqual(13 * rounds);
  },
);

test(
  'CL68: nothing that was acknowledged is lost, and every edit that a program makes in MongoDB is in every document once, over every kind of fault, again and again',
  { timeout: hoursMs },
  async ({ skip }) => {
    const cluster = await clusterFor(skip);
    const program = await openMirrorProgram(cluster.mongodb.url);
    onTestFinished(() => program.close());
    const crowds = [
      createTypists(cluster, { documents: formatted, seed, pasteOneIn: 0, paceMs: 40 }),
      createAuthors(cluster, program, {
        documents: formatted,
        kinds: ['field', 'entry', 'a field to and fro'],
        people: false,
        paceMs: 500,
      }),
      createAuthors(cluster, program, {
        documents: ['words', 'team-7/words'],
        kinds,
        people: true,
        paceMs: 100,
      }),
    ];
    const { faults } = await provokeFaults(cluster, {
      seed,
      rounds,
      faults: (meanwhile) => faultsOf(cluster, meanwhile),
      crowds,
    });
    expect(faults).toBeGreaterThanOrEqual(25 * rounds);
  },
);

test(
  'CL69: a database that is put back to an earlier time, again and again and among other faults, has everything once',
  { timeout: hoursMs },
  async ({ skip }) => {
    const cluster = await clusterFor(skip, { persisterSettings: restorablePersister });
    const program = await openMirrorProgram(cluster.mongodb.url);
    onTestFinished(() => program.close());
    const authors = createAuthors(cluster, program, {
      documents: ['words', 'team-7/words'],
      kinds: plainKinds,
      people: true,
      paceMs: 100,
    });
    const { backUp, putBack } = restoringFaults(cluster, authors);
    const { faults } = await provokeFaults(cluster, {
      seed,
      rounds,
      faults: (meanwhile, random) => [backUp, putBack, backUp, putBack, putBack, ...kindsOfFaults(cluster, meanwhile, random)],
      crowds: [authors],
    });
    expect(faults).toBeGreaterThanOrEqual(21 * rounds);
  },
);

test.for(['automerge-paper', 'friendsforever'] as const)(
  'CL55: %s, typed on two gateways over many faults, is the same everywhere in the end',
  { timeout: hoursMs },
  async (name, { skip }) => {
    skip(!hasTrace(name), `no traces in ${tracesDir}`);
    const cluster = await clusterFor(skip);
    const { faults } = await replayInCluster(cluster, name, { seed, faults: Math.ceil(12 * rounds) });
    expect(faults).toBe(Math.ceil(12 * rounds));
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
