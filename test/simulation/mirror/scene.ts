/** A document that people type into and programs edit, from its beginning to the calm at the end. */

import { nameOf } from '#test/simulation/persister/typing.ts';
import { seeded } from '#test/simulation/rooms/random.ts';

import { beginning, firstClient } from './contents.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { createPerson, type Person, sendAll } from './people.ts';
import { startChangefeed, startPersister } from './processes.ts';
import { createPrograms, type Programs } from './programs.ts';
import { appendTyped, createWorld, type Process, type World } from './world.ts';

export const document = nameOf('a');
/** What it may be copied to. */
export const other = nameOf('b');

export type Scene = {
  readonly world: World;
  readonly ledger: Ledger;
  readonly programs: Programs;
  readonly people: readonly Person[];
  /** Those that have made the first mirror: a changefeed and a persister. */
  readonly processes: readonly [Process, Process];
};

/** A document with something in it, and its mirror; or, `fromNothing`, neither of them yet. */
export async function createScene(seed: number, fromNothing = false): Promise<Scene> {
  const world = createWorld(seeded(seed));
  const ledger = createLedger();
  const programs = createPrograms(world, document, other, ledger);
  const people = [createPerson(firstClient + 1), createPerson(firstClient + 2)];
  const processes = [await startChangefeed(world), await startPersister(world)] as const;
  if (fromNothing) return { world, ledger, programs, people, processes };
  await appendTyped(
    world,
    document,
    beginning(() => ledger.newLetter('person')),
  );
  for (let step = 0; step < 400 && !world.mirrors.mirrors.has(document); step++)
    for (const process of processes) await process.step();
  return { world, ledger, programs, people, processes };
}

/** A process of each kind, alone, until nothing changes any more. What keeps it from that, in words. */
export async function calmDown({ world, people }: Scene): Promise<readonly string[]> {
  world.log.push('calm');
  const changefeed = await startChangefeed(world);
  const persister = await startPersister(world, true);
  let calm = 0;
  let last = '';
  for (let round = 0; round < 200; round++) {
    for (let step = 0; step < 15; step++) await changefeed.step();
    for (let step = 0; step < 35; step++) await persister.step();
    for (const person of people) await sendAll(world, document, person);
    const now = fingerprint(world);
    calm = now === last ? calm + 1 : 0;
    if (calm === 2) return [];
    last = now;
  }
  return ['it does not come to rest'];
}

/** Changes with everything that is written. */
function fingerprint({ mirrors, store, journal }: World): string {
  const revs = [...mirrors.mirrors.values()].map(({ inkstream }) =>
    inkstream instanceof Uint8Array ? 'forged' : inkstream?.rev,
  );
  const states = [...mirrors.states.values()].map(({ rev }) => rev);
  const stored = [...store.documents.values()].map(({ head, segments, snapshots }) => [
    head?.upto,
    ...segments.keys(),
    ...snapshots.keys(),
  ]);
  return JSON.stringify([revs, states, stored, journal.partitions.map(({ highWater }) => highWater)]);
}
