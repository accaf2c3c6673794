/**
 * Saved means saved: what was acknowledged is there after kill -9, whenever it comes.
 *
 * A client that lives on would send again what the server has lost, and hide it. So at each kill all clients are thrown away, their documents
 * too, and a fresh one reads what is there. Deletions and formatting count as edits, as do pastes of a megabyte. Documents are compacted all the time, so that kills fall
 * into flushes and compactions; some fall into the start of the server, and some into its drain.
 */

import * as prng from 'lib0/prng';
import { expect, onTestFinished, test } from 'vitest';
import { startCrashingServer, type CrashingServer } from '#test/harness/crashing-server.ts';
import { readMetric } from '#test/harness/metrics.ts';
import { missingIn, openTypist, type Edit, type EditKind, type Typist } from '#test/harness/typist.ts';
import { openClient } from '#test/harness/y-websocket-client.ts';

const seed = 20_261;
/** In one of six the server is killed a second time, while it starts. */
const rounds = 18;
const killsMin = 20;
/** At most so many edits are made before a kill. */
const editsMax = 700;
const roundsMsMax = 600_000;

/** Compacting all the time, and deleting at once what a compaction covers. */
const busyPersister = {
  FLUSH_INTERVAL_MS: 50,
  COMPACTION_SEGMENTS_MIN: 2,
  COMPACTION_BYTES_MIN: 1,
  COMPACTION_SNAPSHOT_PERCENT: 1,
  COMPACTION_BYTES_PER_SEGMENT: 1024 * 1024,
  RETIRE_AFTER_MS: 100,
};

const documents = [
  { document: 'notes', typists: 3, pasteOneIn: 0 },
  { document: 'minutes', typists: 3, pasteOneIn: 0 },
  { document: 'plan', typists: 2, pasteOneIn: 0 },
  { document: 'pastes', typists: 2, pasteOneIn: 100 },
];

type Round = 'typing' | 'starting' | 'draining';

const kindOfRound = (round: number): Round =>
  (['typing', 'typing', 'typing', 'starting', 'typing', 'draining'] as const)[round % 6] ?? 'typing';

const never = new Promise<never>(() => {});

/** Everybody types until so many edits were made, or until `over` settles. */
async function typeUntil(typists: readonly Typist[], editsMax: number, over: Promise<unknown>): Promise<void> {
  let isOver = false;
  const end = over.then(() => {
    isOver = true;
  });
  for (let edits = 0; edits < editsMax && !isOver;) {
    const typed = typists.filter((typist) => typist.type()).length;
    edits += typed;
    // Nobody types while all wait for acknowledgements, or are offline.
    await (typed > 0
      ? new Promise((resolve) => setImmediate(resolve))
      : Promise.race([end, ...typists.map(({ client }) => client.nextEvent())]));
  }
}

/** How many compactions the server has done since it started, as soon as there are two. */
async function compactedTwice(url: string): Promise<number> {
  for (;;) {
    const count = await readMetric(url, 'inkstream_persister_compaction_seconds_count');
    if (count >= 2) return count;
  }
}

/** Types with fresh clients, and kills the server under them. */
async function typeAndKill(
  server: CrashingServer,
  kind: Round,
  random: prng.PRNG,
): Promise<{ readonly typists: readonly Typist[]; readonly compactions: number }> {
  const typists = documents.flatMap(({ document, typists: count, pasteOneIn }) =>
    Array.from({ length: count }, () => openTypist({ url: server.wsUrl, document, random, pasteOneIn })),
  );
  try {
    await Promise.all(typists.map(({ client }) => client.synced()));
    await typeUntil(typists, prng.int32(random, 1, editsMax), never);
    const counted = compactedTwice(server.url);
    await typeUntil(typists, Infinity, counted);
    await typeUntil(typists, prng.int32(random, 1, 100), never);
    const dead = kind === 'draining' ? server.drainAndKill(prng.int32(random, 0, 1000)) : server.kill();
    await typeUntil(typists, Infinity, dead);
    await dead;
    return { typists, compactions: await counted };
  } finally {
    for (const { client } of typists) client.discard();
  }
}

/** What of `edits` a fresh client of each document does not find. */
async function findLost(server: CrashingServer, edits: ReadonlyMap<string, readonly Edit[]>): Promise<readonly Edit[]> {
  const lost = [...edits].map(async ([document, acknowledged]) => {
    const fresh = openClient({ url: server.wsUrl, document });
    onTestFinished(() => fresh.discard());
    await fresh.synced();
    const missing = missingIn(fresh.doc, acknowledged);
    fresh.discard();
    return missing;
  });
  return (await Promise.all(lost)).flat();
}

const byDocument = (typists: readonly Typist[]): ReadonlyMap<string, readonly Edit[]> =>
  new Map(
    [...Map.groupBy(typists, ({ document }) => document)].map(([document, group]) => [
      document,
      group.flatMap(({ acknowledged }) => acknowledged),
    ]),
  );

function countKinds(edits: readonly Edit[]): Readonly<Partial<Record<EditKind, number>>> {
  const counts: Partial<Record<EditKind, number>> = {};
  for (const { kind } of edits) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

test(`SA3: nothing that was acknowledged is lost over ${killsMin} kills and more`, { timeout: roundsMsMax }, async () => {
  const random = prng.create(seed);
  const server = await startCrashingServer({ settings: busyPersister });
  onTestFinished(() => server.remove());
  const all = new Map(documents.map(({ document }): [string, Edit[]] => [document, []]));
  let kills = 0;
  let compactions = 0;
  let lost = 0;
  for (let round = 0; round < rounds; round++) {
    const kind = kindOfRound(round);
    const { typists, compactions: more } = await typeAndKill(server, kind, random);
    kills++;
    compactions += more;
    if (kind === 'starting') {
      await server.startAndKill(prng.int32(random, 50, 1500));
      kills++;
    }
    await server.start();
    const edits = byDocument(typists);
    const missing = await findLost(server, edits);
    expect(countKinds(missing), `lost in round ${round}, killed while ${kind}`).toEqual({});
    lost += missing.length;
    for (const [document, acknowledged] of edits) all.get(document)?.push(...acknowledged);
  }

  // Once more, all of it, out of the store: the journal is trimmed behind what a server that stops has stored.
  expect(await server.process().stop()).toBe(0);
  await server.start();
  expect(await findLost(server, all)).toEqual([]);
  const edits = [...all.values()].flat();
  const counts = countKinds(edits);
  console.log(
    `${edits.length} acknowledged edits, ${lost} lost, over ${kills} kills, with ${compactions} compactions: ${JSON.stringify(counts)}`,
  );
  expect(kills).toBeGreaterThanOrEqual(killsMin);
  expect(edits.length).toBeGreaterThan(3000);
  expect(compactions).toBeGreaterThan(rounds);
  for (const kind of ['insertion', 'deletion', 'formatting', 'paste'] as const) expect(counts[kind], kind).toBeGreaterThan(0);
});
