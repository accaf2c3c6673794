/** Clients, a gateway and a persister in every kind of trouble, by the seed. */

import { expect, test } from 'vitest';
import * as Y from 'yjs';
import { settle } from '#test/harness/virtual-clock.ts';
import { contentOf, edit } from '#test/simulation/rooms/editing.ts';
import { type Random, seeded } from '#test/simulation/rooms/random.ts';
import { type SimulatedWorld, simulatedWorld } from './world.ts';

// `make chaos` goes on behind these, with more.
const firstSeed = Number(process.env['SIMULATION_FIRST_SEED'] ?? 1);
const seedCount = Number(process.env['SIMULATION_SEEDS'] ?? 40);
const rounds = 80;
const timeout = 60_000 + 10_000 * seedCount;

function act(world: SimulatedWorld, random: Random): void {
  const person = random.pick(world.people);
  const dice = random.integer(100);
  if (dice < 62) edit(person.client.doc, random, person.undo);
  else if (dice < 68) person.client.awareness.setLocalStateField('cursor', random.integer(100));
  else if (dice < 74) person.breakLink();
  else if (dice < 80) person.stall(random.chance(0.5));
  else if (dice < 83) person.client.sendStep1();
  else if (dice < 88) world.weather.journalFails = random.pick([0, 0, 0.3, 0.9, 1]);
  else if (dice < 92) world.weather.storeFails = random.pick([0, 0, 0.3, 0.9]);
  else if (dice < 95) world.weather.slowness = random.pick([0, 5, 50, 800]);
  else if (dice < 98) world.crashSoon(1 + random.integer(40));
  else world.crash();
}

/** Turns the clock until everybody has the same, and it is saved. */
async function untilEqual(world: SimulatedWorld, seed: number): Promise<void> {
  const { clock, people } = world;
  const vector = ({ client }: (typeof people)[number]): string => Buffer.from(Y.encodeStateVector(client.doc)).toString('hex');
  const isDone = (): boolean =>
    people.every(({ client }) => client.saved) &&
    new Set(people.map(vector)).size === 1 &&
    new Set(people.map(({ client }) => contentOf(client.doc))).size === 1;
  for (let waited = 0; !isDone(); waited += 100) {
    if (waited > 120_000) {
      const states = people.map(({ client }) => [
        client.synced,
        client.sent,
        client.acknowledged,
        vector({ client } as never),
        contentOf(client.doc),
      ]);
      throw new Error(`seed ${seed}: not everybody has the same in the end: ${JSON.stringify(states, undefined, 1)}`);
    }
    await clock.advance(100);
  }
}

async function live(seed: number): Promise<SimulatedWorld['counts']> {
  const random = seeded(seed);
  const world = simulatedWorld(random, 2 + random.integer(4));
  const { clock, weather } = world;
  try {
    for (let round = 0; round < rounds; round++) {
      for (let acts = 1 + random.integer(4); acts > 0; acts--) act(world, random);
      await settle();
      await clock.advance(random.pick([0, 5, 20, 100, 1_000]));
    }
    Object.assign(weather, { journalFails: 0, storeFails: 0, slowness: 2 });
    world.crashSoon(Infinity);
    for (const person of world.people) person.stall(false);
    await clock.advance(20_000);
    await untilEqual(world, seed);
    // Once more from what is stored, for people who were here and for one who was not.
    world.crash();
    world.newcomer();
    await clock.advance(5_000);
    await untilEqual(world, seed);
    for (const { client } of world.people) client.awareness.setLocalState({ name: client.doc.clientID });
    await clock.advance(5_000);
    for (const { client } of world.people)
      expect(client.awareness.getStates().size, `seed ${seed}: who is here`).toBe(world.people.length);
    return world.counts;
  } finally {
    world.end();
  }
}

test(
  'GW70, GW71: everybody ends with the same, nothing acknowledged is lost, and nothing is acknowledged that is not durable',
  { timeout },
  async () => {
    const sums = { acknowledgements: 0, crashes: 0, closings: 0, breaks: 0 };
    for (let seed = firstSeed; seed < firstSeed + seedCount; seed++) {
      const counts = await live(seed);
      for (const name of ['acknowledgements', 'crashes', 'closings', 'breaks'] as const) sums[name] += counts[name];
    }
    console.log(`${seedCount} seeds: ${JSON.stringify(sums)}`);
    for (const sum of Object.values(sums)) expect(sum).toBeGreaterThan(0);
  },
);
