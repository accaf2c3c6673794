/**
 * What people really typed, through real clients, over a server that is killed on the way.
 *
 * One trace has one author: his edits are dealt out in turns among several writers, and since each position speaks of the whole text, a writer takes
 * over when he has everything that the one before him typed. Clients live on through the kills, so what the server did not acknowledge comes back
 * with their Step2; in the end everyone has the text that the trace ends with.
 *
 * The other trace has two authors, who typed at once and saw each other's edits late. Each has a draft, a Y.Doc that holds exactly what the trace says that he
 * had seen, and a live client that the draft's updates go into. A draft takes an edit of the other author when the trace says so, and not before that
 * edit has come to the live client through the server. Everyone must end with the text of a Y.Doc that was given the same updates.
 */

import * as prng from 'lib0/prng';
import { expect, onTestFinished, test } from 'vitest';
import * as Y from 'yjs';
import { startCrashingServer, type CrashingServer } from '#test/harness/crashing-server.ts';
import { hasTrace, pastsOf, readConcurrentTrace, readSequentialTrace, tracesDir, type Patch } from '#test/harness/traces.ts';
import { isSame, openClient, type Client } from '#test/harness/y-websocket-client.ts';

const traceMsMax = 180_000;
const kills = 5;

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function applyPatches(text: Y.Text, patches: readonly Patch[]): void {
  for (const [position, deleted, inserted] of patches) {
    if (deleted > 0) text.delete(position, deleted);
    if (inserted !== '') text.insert(position, inserted);
  }
}

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
  const { txns, endContent } = readSequentialTrace(name);
  const server = await startCrashingServer();
  onTestFinished(() => server.remove());
  const writers = clientsOf(server, name, 4);
  const readers = clientsOf(server, name, 2);
  await Promise.all([...writers, ...readers].map((client) => client.synced()));

  const killing = killAt(server, randomMoments(1, txns.length));
  const turnEdits = 13_000;
  const burstEdits = 50;
  let before = writers[0];
  for (let turn = 0; turn * turnEdits < txns.length; turn++) {
    const writer = writers[turn % writers.length] as Client;
    await writer.until('the next writer has everything', () => before === undefined || isSame(writer, before));
    for (const [at, { patches }] of txns.slice(turn * turnEdits, (turn + 1) * turnEdits).entries()) {
      applyPatches(writer.text, patches);
      killing.typed();
      if (at % burstEdits === 0) await nextTurn();
    }
    before = writer;
  }
  await killing.settled();
  const everyone = [...writers, ...readers];
  await Promise.all(everyone.map((client) => client.until('the end text', () => isSame(client, before as Client))));
  await before?.saved();
  const [fresh] = clientsOf(server, name, 1);
  await fresh?.synced();
  for (const client of [...everyone, fresh]) expect(client?.text.toJSON() === endContent).toBe(true);
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

  const oracle = new Y.Doc();
  const drafts = authors.map(() => new Y.Doc());
  /** The updates of each author's edits, in order, and up to which clock of his draft each goes. */
  const typed = authors.map((): { readonly update: Uint8Array; readonly clock: number }[] => []);
  drafts.forEach((draft, agent) =>
    draft.on('update', (update, origin) => {
      if (origin === 'other') return;
      Y.applyUpdate(oracle, update);
      typed[agent]?.push({ update, clock: Y.getState(draft.store, draft.clientID) });
      Y.applyUpdate((authors[agent] as Client).doc, update, 'typed');
    }),
  );
  const killing = killAt(server, randomMoments(2, trace.txns.length));
  const burstEdits = 20;

  const write = async (agent: number): Promise<void> => {
    const client = authors[agent] as Client;
    const draft = drafts[agent] as Y.Doc;
    const other = 1 - agent;
    let taken = 0;
    for (const [at, { agent: author, patches }] of trace.txns.entries()) {
      if (author !== agent) continue;
      for (const wanted = pasts[at]?.[other] ?? 0; taken < wanted; taken++) {
        await client.until('the edit of the other author', () => {
          const edit = typed[other]?.[taken];
          return edit !== undefined && Y.getState(client.doc.store, (drafts[other] as Y.Doc).clientID) >= edit.clock;
        });
        Y.applyUpdate(draft, typed[other]?.[taken]?.update ?? new Uint8Array(), 'other');
      }
      draft.transact(() => applyPatches(draft.getText('text'), patches));
      killing.typed();
      if (at % burstEdits === 0) await nextTurn();
    }
  };
  await Promise.all(authors.map((_, agent) => write(agent)));
  await killing.settled();

  const expected = oracle.getText('text').toJSON();
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
  expect(typed.map((edits) => edits.length)).toEqual(
    [0, 1].map((agent) => trace.txns.filter((txn) => txn.agent === agent).length),
  );
});
