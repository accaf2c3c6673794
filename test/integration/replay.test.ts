/** What people really typed, through real clients, over a server that is killed on the way (test/harness/replay.ts says how). */

import * as prng from 'lib0/prng';
import { expect, onTestFinished, test } from 'vitest';
import { startCrashingServer, type CrashingServer } from '#test/harness/crashing-server.ts';
import { typeInTurns, typeTogether } from '#test/harness/replay.ts';
import { beginningOf, hasTrace, pastsOf, readConcurrentTrace, readSequentialTrace, tracesDir } from '#test/harness/traces.ts';
import { isSame, openClient, type Client } from '#test/harness/y-websocket-client.ts';

const traceMsMax = 180_000;
const kills = 5;
/** Of the longer trace, which has 259,778; all of them are `make chaos`. */
const editsInTurns = Number(process.env['REPLAYED_EDITS'] ?? 90_000);

/** Kills the server when as many edits were typed as one of `moments` says, and starts it again while people go on typing. */
function killAt(
  server: CrashingServer,
  moments: readonly number[],
): { readonly typed: () => void; readonly settled: () => Promise<void> } {
  let count = 0;
  let restarting = Promise.resolve();
  return {
    typed: () => {
      if (moments.includes(count++)) restarting = restarting.then(() => server.kill()).then(() => server.start());
    },
    settled: () => restarting,
  };
}

const randomMoments = (seed: number, below: number): readonly number[] => {
  const generator = prng.create(seed);
  return Array.from({ length: kills }, () => prng.int32(generator, 0, below - 1));
};

function clientsOf(server: CrashingServer, document: string, count: number): readonly Client[] {
  const clients = Array.from({ length: count }, () => openClient({ url: server.wsUrl, document }));
  onTestFinished(() => clients.forEach((client) => client.discard()));
  return clients;
}

test('SA1: one author, dealt out in turns among writers, over kills', { timeout: traceMsMax }, async ({ skip }) => {
  const name = 'automerge-paper';
  skip(!hasTrace(name), `no traces in ${tracesDir}`);
  const trace = beginningOf(readSequentialTrace(name), editsInTurns);
  expect(trace.txns.length).toBeGreaterThan(10_000);
  const server = await startCrashingServer();
  onTestFinished(() => server.remove());
  const writers = clientsOf(server, name, 4);
  const readers = clientsOf(server, name, 2);
  await Promise.all([...writers, ...readers].map((client) => client.synced()));

  const killing = killAt(server, randomMoments(1, trace.txns.length));
  const last = await typeInTurns(writers, trace, killing.typed);
  await killing.settled();
  const everyone = [...writers, ...readers];
  await Promise.all(everyone.map((client) => client.until('the end text', () => isSame(client, last))));
  await last.saved();
  const [fresh] = clientsOf(server, name, 1);
  await fresh?.synced();
  for (const client of [...everyone, fresh]) expect(client?.text.toJSON() === trace.endContent).toBe(true);
});

test('SA2: two authors typing at once, over kills', { timeout: traceMsMax }, async ({ skip }) => {
  const name = 'friendsforever';
  skip(!hasTrace(name), `no traces in ${tracesDir}`);
  const trace = readConcurrentTrace(name);
  const pasts = pastsOf(trace);
  const server = await startCrashingServer();
  onTestFinished(() => server.remove());
  const authors = clientsOf(server, name, trace.numAgents);
  const readers = clientsOf(server, name, 2);
  await Promise.all([...authors, ...readers].map((client) => client.synced()));

  const killing = killAt(server, randomMoments(2, trace.txns.length));
  const { text: expected, edits } = await typeTogether(authors, trace, pasts, killing.typed);
  await killing.settled();

  expect(expected).toHaveLength(trace.endContent.length);
  const everyone = [...authors, ...readers];
  await Promise.all(
    everyone.map((client) =>
      client.until('the end text', () => client.text.length === expected.length && client.text.toJSON() === expected),
    ),
  );
  await Promise.all(authors.map((author) => author.saved()));
  const [fresh] = clientsOf(server, name, 1);
  await fresh?.synced();
  expect(fresh?.text.toJSON() === expected).toBe(true);
  expect(edits).toEqual([0, 1].map((agent) => trace.txns.filter((txn) => txn.agent === agent).length));
});
