/**
 * Mirrors that are as large as they may be, in a cluster of real processes: by what a document says, and by what a program has put beside it. What they cost is for threads and the database, and it is printed for how long
 * event loops stood still.
 */

import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { orSkip } from '#test/harness/backends.ts';
import { readMetric } from '#test/harness/metrics.ts';
import { type MirrorProgram, openMirrorProgram } from '#test/harness/mirror-program.ts';
import type { Had } from '#test/harness/own-engine.ts';
import { type ClusterNode, startTestCluster, type TestCluster } from '#test/harness/test-cluster.ts';
import { type Client, openClient } from '#test/harness/y-websocket-client.ts';

const within = { timeout: 90_000, interval: 200 };
const sentence = 'All work and no play makes a document of four megabytes. ';
const marks = ['ä', 'ö', 'ü'];
const text = sentence.repeat(Math.floor(3_900_000 / sentence.length));

/** For how long the event loop of each process has stood still at the longest since it was asked last, with the ten milliseconds that lie between two looks at it. */
async function pausesOf({ gateways, persisters, changefeeds }: TestCluster): Promise<string> {
  const said: string[] = [];
  for (const { name, url } of [...gateways, ...persisters, ...changefeeds]) {
    const pauseMs = 1_000 * (await readMetric(url, 'nodejs_eventloop_lag_max_seconds'));
    said.push(`${name} ${pauseMs.toFixed(0)} ms`);
  }
  return said.join(', ');
}

let had: Had<TestCluster> = { kind: 'missing', reason: 'the cluster was not started' };
beforeAll(async () => {
  had = await startTestCluster({ gateways: 2, persisters: 1, changefeeds: 1, partitions: 1 });
}, 120_000);
afterAll(async () => {
  if (had.kind === 'had') await had.remove();
});

type Scene = { readonly cluster: TestCluster; readonly changefeed: ClusterNode; readonly program: MirrorProgram };

async function scene(skip: (reason: string) => never): Promise<Scene> {
  const cluster = orSkip(skip, had);
  const [changefeed] = cluster.changefeeds;
  if (changefeed === undefined) throw new Error('a changefeed was asked for');
  const program = await openMirrorProgram(cluster.mongodb.url);
  onTestFinished(() => program.close());
  return { cluster, changefeed, program };
}

/** Two people, each on a gateway of their own. */
async function open({ gateways }: TestCluster, document: string): Promise<readonly [Client, Client]> {
  const clients = gateways.map(({ wsUrl }) => {
    const client = openClient({ url: wsUrl, document });
    onTestFinished(() => client.discard());
    return client;
  }) as [Client, Client];
  await Promise.all(clients.map((client) => client.synced()));
  return clients;
}

test(
  'CM14: a character that a program changes in a mirror of 4 MB is in every client once, and in the mirror',
  { timeout: 300_000 },
  async ({ skip }) => {
    const { cluster, changefeed, program } = await scene(skip);
    const document = 'large';
    const [ada, ben] = await open(cluster, document);
    ada.text.insert(0, text);
    await ada.saved();
    await ben.until('all of it', () => ben.text.length === text.length);
    const mirror = () => program.read(document);
    await vi.waitFor(async () => expect((await mirror())?.value.text === text).toBe(true), within);
    const taken = (): Promise<number> => readMetric(changefeed.url, 'inkstream_changefeed_edits_taken_total');
    const before = await taken();
    await pausesOf(cluster);

    for (const [index, mark] of marks.entries()) {
      const seen = (await mirror())?.inkstream?.rev;
      const at = (index + 1) * 1_000_000;
      const changed = `${ben.text.toJSON().slice(0, at)}${mark}${ben.text.toJSON().slice(at + 1)}`;
      const beganMs = performance.now();
      await program.mirrors.updateOne({ _id: document }, { $set: { 'value.text': changed } });
      await Promise.all([ada, ben].map((client) => client.until('the mark', () => client.text.toJSON() === changed)));
      const tookMs = performance.now() - beganMs;
      // The persister writes it anew, from what it has stored by then.
      await vi.waitFor(async () => {
        const { value, inkstream } = (await mirror()) ?? {};
        expect(inkstream).toMatchObject({ applied: [] });
        expect(inkstream?.rev).not.toBe(seen);
        expect(value?.text === changed).toBe(true);
      }, within);
      console.log(
        `a character in 4 MB: in the clients after ${tookMs.toFixed(0)} ms; longest pauses: ${await pausesOf(cluster)}`,
      );
    }
    // An edit is counted once its last write is through, and the persister does not wait for that one.
    await vi.waitFor(async () => expect(await taken()).toBe(before + marks.length), within);
  },
);

test(
  'CM15: where a program has 15 MB beside a value, an edit that there is no room for is put aside and says so, what fits is taken, and other documents go on',
  { timeout: 300_000 },
  async ({ skip }) => {
    const { cluster, changefeed, program } = await scene(skip);
    const document = 'crowded';
    const [ada] = await open(cluster, document);
    const [ben] = await open(cluster, 'beside');
    ada.text.insert(0, 'typed');
    ben.text.insert(0, 'typed');
    const mirror = () => program.read(document);
    for (const name of [document, 'beside'])
      await vi.waitFor(async () => expect((await program.read(name))?.value.text).toBe('typed'), within);
    const refused = (): Promise<number> => readMetric(changefeed.url, 'inkstream_changefeed_edits_refused_total');
    const before = await refused();

    await program.mirrors.updateOne({ _id: document }, { $set: { attachment: Buffer.alloc(15 * 1024 * 1024) } as never });
    await program.setText(document, (said) => `${said} on`);
    await ada.until('what fits', () => ada.text.toJSON() === 'typed on');

    // Fits into the mirror once, and not together with the operations that it takes.
    await program.setText(document, (said) => `${said}${'!'.repeat(700_000)}`);
    await program.setText('beside', (said) => `${said} on`);
    await ben.until('the edit of another document', () => ben.text.toJSON() === 'typed on');
    const noRoom = [{ reason: expect.stringContaining('leaves no room') as string }];
    await vi.waitFor(async () => expect((await mirror())?.inkstream?.refused).toMatchObject(noRoom), within);
    expect((await mirror())?.value.text).toBe('typed on');
    await vi.waitFor(async () => {
      expect(await refused()).toBe(before + 1);
      expect(changefeed.diagnostics()).toContain('leaves no room');
    }, within);

    // What is typed is in the document, whether or not the mirror can show it.
    ada.text.insert(ada.text.length, '?'.repeat(1_500_000));
    await ada.saved();
    await vi.waitFor(async () => expect((await mirror())?.value).toBeUndefined(), within);
    const omitted = { omitted: expect.stringContaining('no room for the value') as string };
    expect((await mirror())?.inkstream).toMatchObject(omitted);
    await program.setText('beside', (said) => `${said} and on`);
    await ben.until('one more there', () => ben.text.toJSON() === 'typed on and on');

    await program.mirrors.updateOne({ _id: document }, { $unset: { attachment: '' } as never });
    ada.text.delete(8, ada.text.length - 8);
    await vi.waitFor(async () => expect((await mirror())?.value.text).toBe('typed on'), within);
    await program.setText(document, (said) => `${said} again`);
    await ada.until('an edit as before', () => ada.text.toJSON() === 'typed on again');
  },
);
