/**
 * A kill between every two effects.
 *
 * The story below flushes, compacts, flushes more, compacts again and cleans up. It is told once to count its effects, and then once for each
 * of them, with the persister killed at exactly that point: just before the effect, or just after it, before anybody was told. Then,
 * at once, everything that was appended must be there for a reader, and again when the next persister has finished. A phantom may
 * appear, a hole never. What the next persister finds is odder than what the first one had, so after some of the first kills it is killed
 * as well, at each of its effects.
 */

import { expect, test } from 'vitest';

import {
  append,
  createWorld,
  expectNoLeavings,
  expectNothingMissing,
  isCaughtUp,
  isPersisterWrite,
  persisterWrites,
  run,
  type RunOptions,
  type Running,
  smallLimits,
  type Step,
  until,
  type World,
} from './world.ts';
import { nameOf, typists } from './typing.ts';

const documents = ['a', 'b/c'].map(nameOf);
const limits = { ...smallLimits, retireAfterMs: 6_000 };
/** What a persister did to journal and store, and where it was killed. */
type Life = { readonly running: Running; readonly effects: readonly string[]; readonly killedAt: () => string | undefined };

/** A persister that is killed at the effect with number `killAt`. */
function live(world: World, killAt: number, options: RunOptions): Life {
  const effects: string[] = [];
  let killedAt: string | undefined;
  const step: Step = async (name, moment) => {
    if (!isPersisterWrite(name) || killedAt !== undefined) return;
    effects.push(`${moment} ${name}`);
    if (effects.length - 1 !== killAt) return;
    killedAt = `${moment} ${name}`;
    await Promise.resolve(); // the very first effect comes before `run` has returned
    running.crash();
  };
  const running = run(world, { ...options, step });
  return { running, effects, killedAt: () => killedAt };
}

type Told = { readonly world: World; readonly effects: readonly string[]; readonly killedAt: string | undefined };

/** Tells the story until its end, or until its persister is killed at the effect with number `killAt`. */
async function tell(killAt: number): Promise<Told> {
  const world = createWorld();
  const type = typists(7, documents);
  // Segments and parts of a few bytes, so that there are several of each.
  const { running, effects, killedAt } = live(world, killAt, { limits, partBytes: 150, segmentBytesMax: 400 });
  const chapter = async (reached: () => boolean): Promise<void> => {
    await append(world, type(16));
    await until(running.clock, 'the chapter', () => killedAt() !== undefined || (isCaughtUp(world) && reached()));
  };
  await chapter(() => true);
  await chapter(() => running.compactions >= documents.length);
  await chapter(() => true);
  await chapter(() => running.compactions >= 2 * documents.length);
  if (killedAt() === undefined) await running.clock.advance(13_000);
  return { world, effects, killedAt: killedAt() };
}

/** The next persister, some more edits, and time for everything to be cleaned up; or until it is killed, too. */
async function goOn(world: World, killAt = Infinity): Promise<Omit<Told, 'world'>> {
  const { running: next, effects, killedAt } = live(world, killAt, { limits, partBytes: 150 });
  const caughtUp = (): Promise<void> =>
    until(next.clock, 'the next persister has caught up', () => killedAt() !== undefined || isCaughtUp(world));
  await caughtUp();
  await expectNothingMissing(world, 'after the restart');
  await append(world, typists(8, documents)(12));
  await caughtUp();
  if (killedAt() === undefined) await next.clock.advance(30_000);
  if (killedAt() === undefined) await next.persister.stop();
  return { effects, killedAt: killedAt() };
}

test('PS1: a kill between any two effects of flushes and compactions loses nothing', async () => {
  const whole = await tell(Infinity);
  await expectNothingMissing(whole.world, 'at the end');
  await expectNoLeavings(whole.world);
  expect(new Set(whole.effects)).toEqual(new Set(persisterWrites.flatMap((name) => [`before ${name}`, `after ${name}`])));

  for (let killAt = 0; killAt < whole.effects.length; killAt++) {
    const { world, killedAt } = await tell(killAt);
    expect(killedAt).toBe(whole.effects[killAt]);
    await expectNothingMissing(world, `killed at ${killAt}, ${killedAt}`);
    await goOn(world);
    await expectNothingMissing(world, `restarted after a kill at ${killAt}, ${killedAt}`);
    await expectNoLeavings(world);
  }
});

/** One of the first kills out of so many is followed by a second one. */
const firstKillsEach = 23;

test('PS1: nor does a second kill, between any two effects of the persister that recovers from the first', async () => {
  const { effects } = await tell(Infinity);
  let secondKills = 0;
  for (let first = 0; first < effects.length; first += firstKillsEach) {
    const recovering = await goOn((await tell(first)).world);
    for (let second = 0; second < recovering.effects.length; second++) {
      const { world } = await tell(first);
      const { killedAt } = await goOn(world, second);
      if (killedAt === undefined) throw new Error(`${first}, ${second}: not killed`);
      await expectNothingMissing(world, `killed at ${first}, and again at ${second}, ${killedAt}`);
      await goOn(world);
      await expectNothingMissing(world, `restarted after kills at ${first} and ${second}, ${killedAt}`);
      await expectNoLeavings(world);
      secondKills++;
    }
  }
  expect(secondKills).toBeGreaterThan(100);
});
