/** One run: who does what when, all by the seed, then a calm in which everything has to come to rest, and what has to be true then. */

import * as Y from 'yjs';

import { canonicalText, isMap } from '#shared/document/json/value.ts';
import type { DocumentName } from '#shared/document/name.ts';
import { isClean, ownBookkeeping } from '#shared/mirror/bookkeeping.ts';
import { createMemoryMirrors } from '#shared/store/memory-mirrors.ts';
import { decodeValue } from '#shared/store/mirror-values.ts';
import { nameOf } from '#test/simulation/persister/typing.ts';
import { seeded } from '#test/simulation/rooms/random.ts';

import { beginning, jsonOf } from './contents.ts';
import { createLedger } from './ledger.ts';
import { createPerson, type Person, sendAll, typeSomething } from './people.ts';
import { startChangefeed, startPersister } from './processes.ts';
import { createPrograms, type ProgramKind, type Programs } from './programs.ts';
import { appendTyped, createWorld, type Kind, type Process, updatesOf, type World } from './world.ts';

export type Plan = {
  readonly programs: readonly ProgramKind[];
  readonly edits: number;
  readonly typed: number;
  readonly steps: number;
  /** Processes that are killed, freeze and resume late, are there twice; ports that fail. */
  readonly faults: boolean;
};

export type Outcome = {
  readonly complaints: readonly string[];
  readonly log: readonly string[];
  readonly edits: number;
  readonly records: number;
};

export const document = nameOf('a');
export const other = nameOf('b');

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

/** Runs a plan by a seed. */
export async function live(seed: number, plan: Plan): Promise<Outcome> {
  const world = createWorld(seeded(seed));
  const { random, log } = world;
  const ledger = createLedger();
  const programs = createPrograms(world, document, other, ledger);
  const people = [createPerson(11), createPerson(12)];
  await appendTyped(
    world,
    document,
    beginning(() => ledger.newLetter('person')),
  );
  const processes = [await start(world, 'changefeed'), await start(world, 'persister')];
  for (let step = 0; step < 60; step++) for (const process of processes) await process.step();

  world.failing = plan.faults;
  let typed = 0;
  let edits = 0;
  for (let step = 0; step < plan.steps; step++) {
    const chance = random.number();
    if (chance < 0.06 && typed < plan.typed) {
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

  const stalled = await calmDown(world, people);
  const complaints = [...stalled, ...judge(world, people, programs), ...ledger.complaints(jsonOf(updatesOf(world, document)))];
  const ours = new Set(
    world.appended.flatMap(({ origin, update }) => (origin === 'people' ? [] : [Buffer.from(update).toString('hex')])),
  );
  if (ours.size > edits) complaints.push(`${ours.size} records of ours for ${edits} edits`);
  return { complaints, log, edits, records: ours.size };
}

/** A process of each kind, alone, until nothing changes any more. */
async function calmDown(world: World, people: readonly Person[]): Promise<readonly string[]> {
  world.log.push('calm');
  const changefeed = await startChangefeed(world);
  const persister = await startPersister(world, true);
  let calm = 0;
  let last = '';
  for (let round = 0; round < 100; round++) {
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
  const heads = [...store.documents.values()].map(({ head }) => head?.upto);
  return JSON.stringify([revs, states, heads, journal.partitions.map(({ highWater }) => highWater)]);
}

/** What has to be true of journal, store and mirrors, whoever wrote what. */
function judge(world: World, people: readonly Person[], programs: Programs): readonly string[] {
  const complaints: string[] = [];
  const updates = updatesOf(world, document);
  const value = jsonOf(updates);
  const isSame = (what: string, found: readonly Uint8Array[]): void => {
    if (canonicalText(jsonOf(found)) !== canonicalText(value))
      complaints.push(`${what} has ${canonicalText(jsonOf(found))} and not ${canonicalText(value)}`);
  };
  for (const [index, { doc }] of people.entries()) isSame(`person ${index}`, [Y.encodeStateAsUpdate(doc)]);
  isSame('who reads backwards', updates.toReversed());
  isSame('the store', storedUpdates(world));
  complaints.push(...collisions(updates));
  complaints.push(...judgeMirror(world, document, value));
  const copied = programs.copied();
  if (copied !== undefined) {
    const there = jsonOf(updatesOf(world, other));
    if (canonicalText(there) !== canonicalText(copied))
      complaints.push(`the copy is ${canonicalText(there)} and was ${canonicalText(copied)}`);
    complaints.push(...judgeMirror(world, other, there));
  }
  return complaints;
}

function judgeMirror(world: World, name: DocumentName, value: ReturnType<typeof jsonOf>): readonly string[] {
  const stored = world.mirrors.mirrors.get(name);
  if (stored === undefined) return [`${name} has no mirror`];
  const found = decodeValue(stored.value);
  const wrong: string[] = [];
  if (!isMap(found) || canonicalText(found) !== canonicalText(value)) {
    wrong.push(
      `the mirror of ${name} is ${found === undefined ? 'nothing' : canonicalText(found)}, and the document ${canonicalText(value)}`,
    );
  }
  const { inkstream } = stored;
  if (inkstream === undefined || inkstream instanceof Uint8Array) return [...wrong, `the mirror of ${name} has no field of ours`];
  const mirror = { value: stored.value, inkstream, guard: { kind: 'missing' } as const };
  const own = ownBookkeeping(name, mirror);
  if (own === undefined || !isClean(name, mirror, own)) wrong.push(`the mirror of ${name} is not clean`);
  if (world.mirrors.states.get(name)?.next.intent !== undefined) wrong.push(`an intent of ${name} is open`);
  return wrong;
}

function storedUpdates(world: World): readonly Uint8Array[] {
  const stored = world.store.documents.get(document);
  const { head } = stored ?? {};
  const parts = head === undefined ? undefined : stored?.snapshots.get(`${head.upto}-${head.sha256}`)?.parts;
  const snapshot = Buffer.concat([...(parts ?? [])].toSorted(([one], [other]) => one - other).map(([, bytes]) => bytes));
  const segments = [...(stored?.segments.values() ?? [])].map(({ update }) => update);
  return head === undefined ? segments : [snapshot, ...segments];
}

/** Ids under which two updates have different contents: readers would have one or the other. */
function collisions(updates: readonly Uint8Array[]): readonly string[] {
  const seen = new Map<string, string>();
  const found: string[] = [];
  for (const update of updates) {
    for (const struct of Y.decodeUpdate(update).structs) {
      if (!(struct instanceof Y.Item)) continue;
      const contents = struct.content.getContent() as readonly unknown[];
      for (let index = 0; index < struct.length; index++) {
        const id = `${struct.id.client}:${struct.id.clock + index}`;
        const content = `${struct.content.constructor.name} ${contents[index] instanceof Y.AbstractType ? '' : JSON.stringify(contents[index])}`;
        if ((seen.get(id) ?? content) !== content) found.push(`${id} is ${content} and ${seen.get(id)}`);
        seen.set(id, content);
      }
    }
  }
  return found;
}

export const mirrorsOf = (world: World) => createMemoryMirrors({ disk: world.mirrors });
