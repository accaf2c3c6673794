/** People of some documents spread over some gateways, which die, freeze, drain and miss each other's words, by the seed. */

import { expect, test } from 'vitest';
import * as Y from 'yjs';
import { settle } from '#test/harness/virtual-clock.ts';
import { contentOf, edit } from '#test/simulation/rooms/editing.ts';
import { type Random, seeded } from '#test/simulation/rooms/random.ts';
import type { Person } from './person.ts';
import { type SimulatedWorld, simulatedWorld } from './world.ts';

const firstSeed = Number(process.env['SIMULATION_FIRST_SEED'] ?? 1);
const seedCount = Number(process.env['SIMULATION_SEEDS'] ?? 20);
const rounds = 60;
const timeout = 60_000 + 10_000 * seedCount;
const documents = ['minutes', 'plan', 'list'];
/** A gateway that died is forgotten after 30 s, and a client that is missed says its state anew after 15 s. */
const agreementMsMax = 50_000;

function act(world: SimulatedWorld, gateways: number, random: Random): void {
  const person = random.pick(world.people);
  const place = random.integer(gateways);
  const dice = random.integer(100);
  if (dice < 35) edit(person.client.doc, random, person.undo);
  else if (dice < 55) person.client.awareness.setLocalStateField('cursor', random.integer(100));
  else if (dice < 58) person.client.awareness.setLocalState(random.chance(0.3) ? null : { back: random.integer(100) });
  else if (dice < 68) person.breakLink();
  else if (dice < 71) person.stall(random.chance(0.4));
  else if (dice < 74) announce(world.newcomer(), random);
  else if (dice < 77 && world.people.length > 3) world.leave(person);
  else if (dice < 81) world.weather.broadcastFails = random.pick([0, 0, 0.2, 1]);
  else if (dice < 84) world.weather.journalFails = random.pick([0, 0, 0.3, 1]);
  else if (dice < 86) world.weather.storeFails = random.pick([0, 0, 0.3]);
  else if (dice < 88) world.weather.slowness = random.pick([0, 5, 50, 800]);
  else if (dice < 91) world.freeze(place);
  else if (dice < 95) world.thaw(place);
  else if (dice < 97) world.drain(place);
  else if (dice < 98) world.crashSoon(1 + random.integer(40));
  else if (dice < 99) world.crash(place);
}

/** Nobody types and hardly a gateway dies: what is lost has to be made good by the others. */
function comeAndGo(world: SimulatedWorld, gateways: number, random: Random): void {
  const person = random.pick(world.people);
  const place = random.integer(gateways);
  const dice = random.integer(200);
  if (dice < 50) person.client.awareness.setLocalStateField('cursor', random.integer(100));
  else if (dice < 60) person.client.awareness.setLocalState(random.chance(0.5) ? null : { back: random.integer(100) });
  else if (dice < 90) {
    person.client.awareness.setLocalStateField('cursor', random.integer(100));
    person.breakLink();
  } else if (dice < 120) announce(world.newcomer(), random);
  else if (dice < 150 && world.people.length > 3) world.leave(person);
  else if (dice < 175) world.weather.broadcastFails = random.pick([0, 0.1, 0.5]);
  else if (dice < 180) world.weather.slowness = random.pick([0, 5, 50]);
  else if (dice < 185) world.freeze(place);
  else if (dice < 198) world.thaw(place);
  else if (dice < 199) world.drain(place);
  else world.crash(place);
}

/** Most people say that they are here; some only look. */
function announce({ client }: Person, random: Random): void {
  if (random.chance(0.8)) client.awareness.setLocalState({ name: client.doc.clientID });
}

const namesakes = (people: readonly Person[], document: string): readonly Person[] =>
  people.filter((person) => person.document === document);

/** Why the people of a document don't see the same text, or one that is not saved; undefined where they do. */
function textFault(people: readonly Person[]): string | undefined {
  const unsaved = people.filter(({ client }) => !client.saved).map(({ client }) => client.doc.clientID);
  if (unsaved.length > 0) return `not saved: ${unsaved.join()}`;
  const views = people.map(({ client: { doc } }) => `${Buffer.from(Y.encodeStateVector(doc)).toString('hex')} ${contentOf(doc)}`);
  return new Set(views).size > 1 ? views.join('\n') : undefined;
}

/** Why the people of a document don't see exactly who is here, as they are; undefined where they do. */
function presenceFault(people: readonly Person[]): string | undefined {
  const away = people.filter((person) => !person.isConnected()).map(({ client }) => client.doc.clientID);
  if (away.length > 0) return `not connected: ${away.join()}`;
  const view = (states: Iterable<readonly [number, unknown]>): string =>
    JSON.stringify([...states].toSorted(([a], [b]) => a - b));
  const here = view(
    people.flatMap(({ client: { doc, awareness } }) => {
      const state = awareness.getLocalState();
      return state === null ? [] : [[doc.clientID, state] as const];
    }),
  );
  for (const { client } of people) {
    const seen = view(client.awareness.getStates());
    if (seen !== here) return `${client.doc.clientID} sees ${seen}, and here are ${here}`;
  }
  return undefined;
}

/** Turns the clock until nothing is wrong; returns how long that took. */
async function agreementMs(
  world: SimulatedWorld,
  faultOf: (people: readonly Person[]) => string | undefined,
  msMax: number,
): Promise<number> {
  const fault = (): string | undefined =>
    documents.map((document) => faultOf(namesakes(world.people, document))).find((found) => found !== undefined);
  let waited = 0;
  for (let found = fault(); found !== undefined; found = fault()) {
    if (waited > msMax) throw new Error(found);
    await world.clock.advance(100);
    waited += 100;
  }
  return waited;
}

/** Acts for a while, and then lets everything go right. */
async function actAndCalm(world: SimulatedWorld, gateways: number, random: Random, act: typeof comeAndGo): Promise<void> {
  for (const person of world.people) announce(person, random);
  for (let round = 0; round < rounds; round++) {
    for (let acts = 1 + random.integer(4); acts > 0; acts--) act(world, gateways, random);
    await settle();
    await world.clock.advance(random.pick([0, 5, 20, 100, 1_000, 8_000]));
  }
  Object.assign(world.weather, { journalFails: 0, storeFails: 0, broadcastFails: 0, slowness: 2 });
  world.crashSoon(Infinity);
  for (let place = 0; place < gateways; place++) world.thaw(place);
  for (const person of world.people) person.stall(false);
}

type Sums = SimulatedWorld['counts'] & { agreementMs: number };

async function live(seed: number): Promise<Sums> {
  const random = seeded(seed);
  const gateways = 2 + random.integer(3);
  const world = simulatedWorld(random, 4 + random.integer(5), { gateways, partitions: 2, documents });
  try {
    await actAndCalm(world, gateways, random, act);
    const agreed = await agreementMs(world, presenceFault, agreementMsMax);
    await agreementMs(world, textFault, 120_000);
    // Once more, with a newcomer on each document's every gateway, after all of them were killed.
    for (let place = 0; place < gateways; place++) world.crash(place);
    for (let i = 0; i < 6; i++) announce(world.newcomer(), random);
    await agreementMs(world, textFault, 120_000);
    await agreementMs(world, presenceFault, agreementMsMax);
    // And it stays so.
    await world.clock.advance(60_000);
    for (const document of documents) expect(presenceFault(namesakes(world.people, document))).toBeUndefined();
    return { ...world.counts, agreementMs: agreed };
  } catch (error) {
    throw new Error(`seed ${seed}`, { cause: error });
  } finally {
    world.end();
  }
}

test(
  'GW102, GW103: on many gateways everybody ends with the same document, and sees exactly who is here',
  { timeout },
  async () => {
    const lives: Sums[] = [];
    for (let seed = firstSeed; seed < firstSeed + seedCount; seed++) lives.push(await live(seed));
    const sum = (name: keyof Sums): number => lives.reduce((total, life) => total + life[name], 0);
    const names = ['acknowledgements', 'crashes', 'closings', 'breaks', 'freezes', 'drains'] as const;
    console.log(`${seedCount} seeds: ${JSON.stringify(Object.fromEntries(names.map((name) => [name, sum(name)])))}`);
    console.log(`who is here was agreed on after at most ${Math.max(...lives.map((life) => life.agreementMs))} ms`);
    for (const name of names) expect(sum(name)).toBeGreaterThan(0);
  },
);

async function liveWithoutTyping(seed: number): Promise<Sums> {
  const random = seeded(seed);
  const gateways = 2 + random.integer(3);
  const world = simulatedWorld(random, 4 + random.integer(5), { gateways, documents: documents.slice(0, 1) });
  try {
    await actAndCalm(world, gateways, random, comeAndGo);
    return { ...world.counts, agreementMs: await agreementMs(world, presenceFault, agreementMsMax) };
  } catch (error) {
    throw new Error(`seed ${seed}`, { cause: error });
  } finally {
    world.end();
  }
}

test(
  'GW103: nobody who left is shown for long, and nobody who is here is missed, whatever gateways missed',
  { timeout },
  async () => {
    const lives: Sums[] = [];
    for (let seed = firstSeed; seed < firstSeed + 3 * seedCount; seed++) lives.push(await liveWithoutTyping(seed));
    const times = lives.map(({ agreementMs }) => agreementMs).toSorted((a, b) => a - b);
    console.log(`${lives.length} seeds: agreed after ${times[times.length >> 1]} ms, and at most ${times.at(-1)} ms`);
  },
);
