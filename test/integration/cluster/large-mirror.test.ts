/**
 * A mirror of nearly four megabytes in which a program changes a single character, in a cluster of real processes. What that costs is for threads and the database, and it prints for how long event loops stood still.
 */

import { expect, onTestFinished, test, vi } from 'vitest';
import { orSkip } from '#test/harness/backends.ts';
import { readMetric } from '#test/harness/metrics.ts';
import { openMirrorProgram } from '#test/harness/mirror-program.ts';
import { startTestCluster, type TestCluster } from '#test/harness/test-cluster.ts';
import { type Client, openClient } from '#test/harness/y-websocket-client.ts';

const within = { timeout: 45_000, interval: 200 };
const document = 'large';
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

test(
  'CM14: a character that a program changes in a mirror of 4 MB is in every client once, and in the mirror',
  { timeout: 240_000 },
  async ({ skip }) => {
    const cluster = orSkip(skip, await startTestCluster({ gateways: 2, persisters: 1, changefeeds: 1, partitions: 1 }));
    onTestFinished(() => cluster.remove());
    const program = await openMirrorProgram(cluster.mongodb.url);
    onTestFinished(() => program.close());
    const [ada, ben] = cluster.gateways.map(({ wsUrl }) => {
      const client = openClient({ url: wsUrl, document });
      onTestFinished(() => client.discard());
      return client;
    }) as [Client, Client];
    await Promise.all([ada.synced(), ben.synced()]);
    ada.text.insert(0, text);
    await ada.saved();
    await ben.until('all of it', () => ben.text.length === text.length);
    const mirror = () => program.read(document);
    await vi.waitFor(async () => expect((await mirror())?.value.text === text).toBe(true), within);
    const [changefeed] = cluster.changefeeds;
    if (changefeed === undefined) throw new Error('a changefeed was asked for');
    const taken = (): Promise<number> => readMetric(changefeed.url, 'inkstream_changefeed_edits_taken_total');
    expect(await taken()).toBe(0);
    await pausesOf(cluster);

    for (const [index, mark] of marks.entries()) {
      const before = (await mirror())?.inkstream?.rev;
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
        expect(inkstream?.rev).not.toBe(before);
        expect(value?.text === changed).toBe(true);
      }, within);
      console.log(
        `a character in 4 MB: in the clients after ${tookMs.toFixed(0)} ms; longest pauses: ${await pausesOf(cluster)}`,
      );
    }
    expect(await taken()).toBe(marks.length);
  },
);
