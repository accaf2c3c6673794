/**
 * A recorded session, replayed in a cluster: writers and readers on all gateways, faults at random moments. In the end every client, a fresh one on each
 * gateway, and whoever has nothing but the store hold exactly the end text.
 */

import * as prng from 'lib0/prng';
import { expect } from 'vitest';
import { readFromStoreAlone } from '#test/harness/cold-start.ts';
import { faultsOf, shuffled, type Fault } from '#test/harness/faults.ts';
import { createPace } from '#test/harness/pace.ts';
import { typeInTurns, typeTogether } from '#test/harness/replay.ts';
import type { TestCluster } from '#test/harness/test-cluster.ts';
import { pastsOf, readConcurrentTrace, readSequentialTrace } from '#test/harness/traces.ts';
import { openClient, type Client } from '#test/harness/y-websocket-client.ts';

export type Replay = {
  readonly seed: number;
  /** How many happen while the trace is typed, evenly over it, one at a time. */
  readonly faults: number;
};

/** How many edits are typed while a process is frozen. */
const editsMeanwhile = 300;

/** Faults drawn from all kinds, as many as are wanted, each kind once before any comes again. */
function draw(kinds: readonly Fault[], count: number, random: prng.PRNG): readonly Fault[] {
  const drawn: Fault[] = [];
  while (drawn.length < count) drawn.push(...shuffled(kinds, random));
  return drawn.slice(0, count);
}

type Typing = { readonly text: string; readonly clients: readonly Client[] };

async function typeAlone(name: string, clients: readonly Client[], typed: () => void): Promise<Typing> {
  const trace = readSequentialTrace(name);
  await typeInTurns(clients.slice(0, 4), trace, typed);
  return { text: trace.endContent, clients };
}

async function typeAtOnce(name: string, clients: readonly Client[], typed: () => void): Promise<Typing> {
  const trace = readConcurrentTrace(name);
  const { text } = await typeTogether(clients.slice(0, trace.numAgents), trace, pastsOf(trace), typed);
  expect(text).toHaveLength(trace.endContent.length);
  return { text, clients };
}

const editsOf = (name: string): number =>
  (name === 'automerge-paper' ? readSequentialTrace(name) : readConcurrentTrace(name)).txns.length;

/** Replays a trace. Expects that everybody has its text in the end; returns how many faults happened. */
export async function replayInCluster(
  cluster: TestCluster,
  name: 'automerge-paper' | 'friendsforever',
  { seed, faults }: Replay,
): Promise<{ readonly faults: number }> {
  const { gateways } = cluster;
  const random = prng.create(seed);
  const pace = createPace();
  const on = (index: number): Client => openClient({ url: gateways[index % gateways.length]?.wsUrl ?? '', document: name });
  const clients = Array.from({ length: 6 }, (_, index) => on(index));
  try {
    await Promise.all(clients.map((client) => client.synced()));
    const step = editsOf(name) / (faults + 1);
    const happen = async (): Promise<number> => {
      let happened = 0;
      // Authors who type at once wait for one another: one of them cut off would hold up the other, and with him the end of it.
      const kinds = faultsOf(cluster, { typed: () => pace.more(editsMeanwhile) }).filter(
        ({ cutsPeopleOff }) => name === 'automerge-paper' || cutsPeopleOff === undefined,
      );
      for (const fault of draw(kinds, faults, random)) {
        await pace.reaches(++happened * step);
        await fault.happen();
      }
      return happened;
    };
    const happening = happen();
    const type = name === 'automerge-paper' ? typeAlone : typeAtOnce;
    const { text } = await type(name, clients, pace.step);
    pace.over();
    const happened = await happening;
    const ends = (client: Client): Promise<void> =>
      client.until('the end text', () => client.text.length === text.length && client.text.toJSON() === text);
    await Promise.all(clients.map(ends));
    await Promise.all(clients.map((client) => client.saved()));
    for (const [index] of gateways.entries()) {
      const fresh = on(index);
      clients.push(fresh);
      await fresh.synced();
      expect(fresh.text.toJSON() === text, `a fresh client on gateway ${index + 1}`).toBe(true);
    }
    const stored = await readFromStoreAlone(cluster.connection, cluster.mongodb.url, [name]);
    expect(stored.get(name)?.getText('text').toJSON() === text, 'the store alone').toBe(true);
    return { faults: happened };
  } finally {
    for (const client of clients) client.discard();
  }
}
