/**
 * What is left in memory of what has gone by: edits, documents that were opened and left, people who came to one and went, edits of a program. Nothing should be, however long a process lives: at
 * a thousand edits a second a hundred bytes of each are nine gigabytes a day.
 *
 * Each is tried by itself, some of it first, for caches and pools to fill, and then so much that what would be left shows.
 */

import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { orSkip } from '#test/harness/backends.ts';
import { readMetric } from '#test/harness/metrics.ts';
import { type MirrorProgram, openMirrorProgram } from '#test/harness/mirror-program.ts';
import type { Had } from '#test/harness/own-engine.ts';
import { startTestCluster, type TestCluster } from '#test/harness/test-cluster.ts';
import { type Client, openClient } from '#test/harness/y-websocket-client.ts';

const rounds = Number(process.env['CHAOS_ROUNDS'] ?? 1);
/** What pools, caches and compiled code may differ by from one moment to the other. */
const driftBytesMax = 2_500_000;
const documents = Array.from({ length: 10 }, (_, index) => `long-lived-${index}`);
const within = { timeout: 60_000, interval: 200 };

type Scene = { readonly cluster: TestCluster; readonly program: MirrorProgram; readonly writers: readonly Client[] };

/** `bytesEach`: what one of it may leave behind, where nothing is meant to be left for good. */
type Passing = {
  readonly what: string;
  readonly count: number;
  readonly bytesEach: number;
  /** Does `count` of it. `first`: how many of it were done before. */
  readonly go: (scene: Scene, count: number, first: number) => Promise<void>;
};

const range = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);

async function write({ text, provider, saved }: Client, edits: number): Promise<void> {
  for (const edit of range(edits)) {
    if (text.length > 400) text.delete(0, 200);
    text.insert(text.length, 'x');
    provider.awareness.setLocalStateField('edit', edit);
    await saved();
  }
}

/** People come to a document, one on each gateway, type, are seen, and go. */
async function comeAndGo({ cluster }: Scene, document: string): Promise<void> {
  const here = cluster.gateways.map(({ wsUrl }) => openClient({ url: wsUrl, document }));
  try {
    await Promise.all(here.map((client) => client.synced()));
    const [one] = here;
    one?.provider.awareness.setLocalStateField('name', 'Ada');
    one?.text.insert(0, 'here and gone ');
    one?.text.delete(0, 14);
    await one?.saved();
  } finally {
    for (const client of here) client.discard();
  }
}

const passing: readonly Passing[] = [
  {
    what: 'edits',
    count: 30_000,
    bytesEach: 60,
    go: async ({ writers }, count) =>
      void (await Promise.all(writers.map((writer) => write(writer, Math.ceil(count / writers.length))))),
  },
  {
    what: 'documents',
    count: 400,
    bytesEach: 6_000, // of ten thousand at most the persister remembers that they may be compacted
    go: async (scene, count, first) => {
      for (const index of range(count)) await comeAndGo(scene, `short-lived-${first + index}`);
    },
  },
  {
    what: 'people who come and go',
    count: 800,
    bytesEach: 500,
    go: async (scene, count) => {
      for (const index of range(count)) await comeAndGo(scene, documents[index % documents.length] ?? '');
    },
  },
  {
    what: 'edits of a program',
    count: 2_000,
    bytesEach: 300,
    go: async ({ program }, count, first) => {
      for (const index of range(count)) {
        const document = documents[index % documents.length] ?? '';
        await program.setField(document, 'edit', first + index);
      }
    },
  },
];

let had: Had<TestCluster> = { kind: 'missing', reason: 'the cluster was not started' };
beforeAll(async () => {
  had = await startTestCluster({
    persisters: 1,
    changefeeds: 1,
    canCollect: true,
    isDatabaseInMemory: true,
    gatewaySettings: { ROOM_IDLE_MS: 500 },
  });
}, 120_000);
afterAll(async () => {
  if (had.kind === 'had') await had.remove();
});

async function inUse({ gateways, persisters, changefeeds }: TestCluster): Promise<ReadonlyMap<string, number>> {
  // What is left of documents that nobody is in is not meant to stay.
  for (const { url } of gateways)
    await vi.waitFor(async () => expect(await readMetric(url, 'inkstream_rooms')).toBe(documents.length), within);
  const bytes = new Map<string, number>();
  for (const node of [...gateways, ...persisters, ...changefeeds]) bytes.set(node.name, await node.process().memoryInUse());
  return bytes;
}

test.for(passing)(
  'CL84: what is in use in gateways, persisters and changefeeds does not grow with the $what that have gone by',
  { timeout: 3_600_000 },
  async ({ what, count: countOfARound, bytesEach, go }, { skip }) => {
    const cluster = orSkip(skip, had);
    const program = await openMirrorProgram(cluster.mongodb.url);
    onTestFinished(() => program.close());
    const writers = cluster.gateways.flatMap(({ wsUrl }) => documents.map((document) => openClient({ url: wsUrl, document })));
    onTestFinished(() => writers.forEach((writer) => writer.discard()));
    await Promise.all(writers.map((writer) => writer.synced()));
    for (const writer of writers) await write(writer, 1);
    const scene = { cluster, program, writers };

    const count = Math.ceil(countOfARound * rounds);
    const first = Math.ceil(count / 4);
    await go(scene, first, 0);
    const before = await inUse(cluster);
    await go(scene, count, first);
    const grown = [...(await inUse(cluster))].map(([name, bytes]) => ({ name, bytes: bytes - (before.get(name) ?? 0) }));
    console.log(`${count} ${what}: ${grown.map(({ name, bytes }) => `${name} ${(bytes / 1e6).toFixed(1)} MB`).join(', ')} more`);
    for (const { name, bytes } of grown) expect(bytes, name).toBeLessThan(driftBytesMax + count * bytesEach);
  },
);
