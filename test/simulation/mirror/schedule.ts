/** One run: who does what when, all by the seed, and then a calm in which everything has to come to rest. */

import { startChangefeed, startPersister } from './processes.ts';
import type { ProgramKind } from './programs.ts';
import { complaintsAbout, recordsOfOurs } from './judgement.ts';
import { typeSomething } from './people.ts';
import { calmDown, createScene, document } from './scene.ts';
import type { Kind, Process, World } from './world.ts';

export type Plan = {
  readonly programs: readonly ProgramKind[];
  readonly edits: number;
  readonly typed: number;
  readonly steps: number;
  /** Processes that are killed, freeze and resume late, are there twice; ports that fail. */
  readonly faults: boolean;
  /** There is nothing at the beginning: people begin to type, and a program inserts a mirror if there is none yet. */
  readonly fromNothing?: boolean;
};

export type Outcome = {
  readonly complaints: readonly string[];
  readonly log: readonly string[];
  readonly edits: number;
  readonly records: number;
  /** How many times edits were made one. */
  readonly squashes: number;
  /** How many times a program replaced an old copy that stood. */
  readonly oldReplaced: number;
};

const start = (world: World, kind: Kind): Promise<Process> =>
  kind === 'changefeed' ? startChangefeed(world) : startPersister(world);

/** Kills one, freezes one, or starts another beside it; there is always one of each that is awake. */
async function disturb(world: World, processes: Process[]): Promise<void> {
  const { random, log } = world;
  const index = random.integer(processes.length);
  const victim = processes[index];
  if (victim === undefined) return;
  const what = random.integer(3);
  if (what === 0) {
    log.push(`${victim.name} is killed before ${victim.standsBefore()}`);
    processes.splice(index, 1);
  } else if (what === 1) {
    log.push(`${victim.name} freezes before ${victim.standsBefore()}`);
    victim.isZombie = true;
  }
  const awake = processes.filter(({ kind, isZombie }) => kind === victim.kind && !isZombie);
  if (awake.length < (what === 2 ? 2 : 1)) processes.push(await start(world, victim.kind));
}

async function stepOne(world: World, processes: readonly Process[]): Promise<void> {
  const { random } = world;
  const process = random.pick(processes);
  if (process.isZombie && random.chance(0.8)) return;
  const steps = random.chance(0.2) ? 1 + random.integer(12) : 1;
  for (let step = 0; step < steps; step++) await process.step();
}

/** Steps within which a mirror is inserted: in about that time a persister writes the first one. */
const insertStepsMax = 60;

/** Runs a plan by a seed. */
export async function live(seed: number, plan: Plan): Promise<Outcome> {
  const scene = await createScene(seed, plan.fromNothing);
  const { world, ledger, programs, people } = scene;
  const { random, log } = world;
  const processes: Process[] = [...scene.processes];
  world.failing = plan.faults;
  const insertAt = plan.fromNothing === true ? random.integer(insertStepsMax) : -1;
  let typed = 0;
  let edits = 0;
  for (let step = 0; step < plan.steps; step++) {
    if (step === insertAt && programs.act('insert')) edits++;
    const chance = random.number();
    if (chance < (step < insertAt ? 0.15 : 0.06) && typed < plan.typed) {
      typed++;
      await typeSomething(world, document, random.pick(people), ledger);
    } else if (chance < 0.14 && edits < plan.edits) {
      if (programs.act(random.pick(plan.programs))) edits++;
    } else if (chance < 0.16 && plan.faults) await disturb(world, processes);
    else await stepOne(world, processes);
  }
  // The frozen ones wake up for a moment, or never.
  const left = processes.filter(({ isZombie }) => !isZombie || random.chance(0.7));
  for (let step = 0; step < 60; step++) await random.pick(left).step();
  world.failing = false;

  const stalled = await calmDown(scene);
  return {
    complaints: [...stalled, ...complaintsAbout(scene, edits)],
    log,
    edits,
    records: recordsOfOurs(world),
    squashes: world.squashes.count,
    oldReplaced: programs.oldReplaced(),
  };
}
