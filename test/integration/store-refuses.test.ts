/**
 * A disk that is full is a refusal and not a crash, and nothing that was acknowledged is lost by it.
 *
 * The server's data is on a small file system that the test fills to the last byte, and makes room in again. Within the bounds people go on typing together, and notice nothing
 * but that they are not told "saved". Past them everyone of the documents concerned is closed (1013), and what was not acknowledged comes back with them.
 */

import * as prng from 'lib0/prng';
import { expect, onTestFinished, test, vi } from 'vitest';
import { readMetric } from '#test/harness/metrics.ts';
import { endOfServer, startServer, type Server } from '#test/harness/server.ts';
import { mountSmallDisk, type SmallDisk } from '#test/harness/small-disk.ts';
import { missingIn, openTypist, type Typist } from '#test/harness/typist.ts';
import { isSame, openClient, type Client } from '#test/harness/y-websocket-client.ts';

const mebibyte = 1024 * 1024;

type Skip = (condition: boolean, reason: string) => void;

async function mountOrSkip(skip: Skip): Promise<SmallDisk> {
  const disk = await mountSmallDisk(96 * mebibyte);
  if ('missing' in disk) {
    skip(true, disk.missing);
    throw new Error(disk.missing);
  }
  onTestFinished(() => disk.remove());
  return disk;
}

/** Ended before its disk is unmounted: what is to be done when a test finishes is done in reverse. */
async function startOn(disk: SmallDisk, settings: Readonly<Record<string, number>> = {}): Promise<Server> {
  const server = await startServer({ dataDir: `${disk.path}/data`, settings });
  onTestFinished(() => server.kill());
  return server;
}

function open(server: Server, document: string): Client {
  const client = openClient({ url: server.wsUrl, document });
  onTestFinished(() => client.discard());
  return client;
}

async function readReadiness(server: Server): Promise<{ readonly status: number; readonly body: string }> {
  const response = await fetch(`${server.url}/readyz`);
  return { status: response.status, body: await response.text() };
}

test('SA13: while the disk is full people go on typing together, and are told "saved" when there is room again', async ({
  skip,
}) => {
  const disk = await mountOrSkip(skip);
  const server = await startOn(disk);
  const [one, other] = [open(server, 'plan'), open(server, 'plan')];
  await Promise.all([one.synced(), other.synced()]);
  one.text.insert(0, 'before. ');
  await one.saved();

  disk.fill();
  for (let edit = 0; edit < 20; edit++) {
    one.text.insert(one.text.length, `one ${edit}. `);
    await other.until('what one typed', () => isSame(one, other));
    other.text.insert(0, `other ${edit}. `);
    await one.until('what the other typed', () => isSame(one, other));
  }
  expect(one.unsettled()).toBeGreaterThanOrEqual(20);
  await vi.waitFor(async () => expect(await readMetric(server.url, 'inkstream_errors_total')).toBeGreaterThan(0));
  const { status, body } = await readReadiness(server);
  expect(status).toBe(200);
  expect((JSON.parse(body) as { journal: unknown }).journal).toMatchObject({
    ok: false,
    reason: expect.stringContaining('is full') as unknown,
  });

  disk.makeRoom();
  await Promise.all([one.saved(), other.saved()]);
  expect([...one.closeCodes, ...other.closeCodes]).toEqual([]);
  await vi.waitFor(async () => expect((await readReadiness(server)).body).not.toMatch(/is full/u));
  await server.kill();
  const next = await startOn(disk);
  const fresh = open(next, 'plan');
  await fresh.synced();
  expect(fresh.text.toJSON()).toBe(one.text.toJSON());
});

/** Types until `isOver`, which is looked at after each thing that happens to anyone. */
async function typeUntil(typists: readonly Typist[], isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    const typed = typists.filter((typist) => typist.type()).length;
    await (typed > 0
      ? new Promise((resolve) => setImmediate(resolve))
      : Promise.race(typists.map(({ client }) => client.nextEvent())));
  }
}

test(
  'SA14: past the bounds everyone is closed with 1013 and comes back; nothing that was acknowledged is lost',
  { timeout: 120_000 },
  async ({ skip }) => {
    const disk = await mountOrSkip(skip);
    const settings = { UNSAVED_MS_MAX: 1500, FLUSH_INTERVAL_MS: 50, COMPACTION_SEGMENTS_MIN: 2, COMPACTION_BYTES_MIN: 1 };
    const server = await startOn(disk, settings);
    const random = prng.create(14);
    const typists = ['plan', 'plan', 'notes', 'notes'].map((document) =>
      openTypist({ url: server.wsUrl, document, random, pasteOneIn: 0 }),
    );
    onTestFinished(() => typists.forEach(({ client }) => client.discard()));
    await Promise.all(typists.map(({ client }) => client.synced()));

    for (let cycle = 1; cycle <= 3; cycle++) {
      const before = typists.map(({ acknowledged }) => acknowledged.length);
      await typeUntil(typists, () => typists.every(({ acknowledged }, at) => acknowledged.length > (before[at] ?? 0) + 50));
      disk.fill();
      await typeUntil(typists, () => typists.every(({ client }) => client.closeCodes.length >= cycle));
      disk.makeRoom();
    }
    for (const { client } of typists) expect(new Set(client.closeCodes)).toEqual(new Set([1013]));
    await Promise.all(typists.map(({ client }) => client.saved()));
    const edits = typists.flatMap(({ acknowledged }) => acknowledged).length;
    await server.kill();
    const texts = new Map(typists.map(({ document, client }) => [document, client.text.toJSON()]));
    for (const { client } of typists) client.discard();

    const next = await startOn(disk, settings);
    for (const document of ['plan', 'notes']) {
      const fresh = open(next, document);
      await fresh.synced();
      const acknowledged = typists.filter((typist) => typist.document === document).flatMap((typist) => typist.acknowledged);
      expect(missingIn(fresh.doc, acknowledged)).toEqual([]);
      expect(fresh.text.toJSON()).toBe(texts.get(document));
    }
    console.log(`${edits} acknowledged edits, 0 lost, over 3 full disks and a kill`);
    expect(edits).toBeGreaterThan(600);
  },
);

test('SA15: told to stop while the disk is full, it says how many documents were not saved, and exits with 1', async ({
  skip,
}) => {
  const disk = await mountOrSkip(skip);
  const server = await startOn(disk);
  const [one, other] = [open(server, 'plan'), open(server, 'notes')];
  await Promise.all([one.synced(), other.synced()]);
  disk.fill();
  one.text.insert(0, 'not saved yet');
  other.text.insert(0, 'nor this');
  const from = performance.now();
  expect(await server.stop()).toBe(1);
  expect(performance.now() - from).toBeLessThan(10_000);
  const said = server
    .stderr()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { documents?: number });
  expect(said.at(-1)?.documents).toBe(2);

  disk.makeRoom();
  const next = await startServer({ dataDir: `${disk.path}/data`, port: server.port });
  onTestFinished(() => next.kill());
  await Promise.all([one.saved(), other.saved()]);
  const fresh = open(next, 'plan');
  await fresh.synced();
  expect(fresh.text.toJSON()).toBe('not saved yet');
});

test('SA16: on a full disk it serves what it has; where it has nothing it does not start, and says why', async ({ skip }) => {
  const disk = await mountOrSkip(skip);
  const first = await startOn(disk);
  const before = open(first, 'plan');
  await before.synced();
  before.text.insert(0, 'before. ');
  await before.saved();
  before.discard();
  await first.kill();
  disk.fill();

  const end = await endOfServer({ dataDir: `${disk.path}/other` });
  expect(end.code).toBe(1);
  expect((JSON.parse(end.stderr.trimEnd().split('\n').at(-1) ?? '') as { msg: string }).msg).toMatch(/is full|No space left/u);

  const next = await startOn(disk);
  const after = open(next, 'plan');
  await after.synced();
  expect(after.text.toJSON()).toBe('before. ');
  after.text.insert(0, 'after. ');
  await vi.waitFor(async () => expect((await readReadiness(next)).body).toMatch(/is full/u));
  disk.makeRoom();
  await after.saved();
});

test(
  'SA17: an edit that is larger than what is left of the disk is refused, and others type on after it',
  { timeout: 120_000 },
  async ({ skip }) => {
    const disk = await mountOrSkip(skip);
    const server = await startOn(disk, { UNSAVED_MS_MAX: 4000 });
    const [paster, writer] = [open(server, 'pastes'), open(server, 'notes')];
    await Promise.all([paster.synced(), writer.synced()]);
    writer.text.insert(0, 'before. ');
    await writer.saved();

    disk.fill(20 * mebibyte);
    paster.text.insert(0, 'x'.repeat(24 * mebibyte));
    await paster.until('sent away', () => paster.closeCodes.length > 0);
    expect(paster.closeCodes[0]).toBe(1013);
    paster.provider.disconnect();
    writer.text.insert(0, 'after. ');
    await writer.saved();

    disk.makeRoom();
    paster.provider.connect();
    await paster.saved();
    await server.kill();
    const next = await startOn(disk);
    const fresh = ['pastes', 'notes'].map((document) => open(next, document));
    await Promise.all(fresh.map((client) => client.synced()));
    expect(fresh.map(({ text }) => text.length)).toEqual([paster.text.length, writer.text.length]);
  },
);
