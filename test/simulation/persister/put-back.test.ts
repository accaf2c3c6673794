/**
 * A store that is put back, at every moment, to moments before it.
 *
 * A persister flushes, compacts and cleans up, and mirrors name the snapshots that they were made from. At one of its calls, before it arrives or when it has been made, the store is put back to what it was at one of
 * the calls before: all of it, names included. The journal stays. Then either the persister goes on at once, not knowing; or it is frozen right there, another persister takes over, catches up and
 * cleans up, and only then the first one's call arrives. Nothing may be missing then, now or after more edits, compactions and deletions, and all that is named has to be there.
 */

import { expect, test } from 'vitest';

import { readParts } from '#shared/store/load.ts';
import { createMemoryStore } from '#shared/store/memory.ts';
import type { Head } from '#shared/store/store.ts';
import { settle, virtualClock } from '#test/harness/virtual-clock.ts';

import { nameOf, typists } from './typing.ts';
import {
  append,
  createWorld,
  expectNothingMissing,
  isCaughtUp,
  run,
  type Running,
  smallLimits,
  type Step,
  until,
} from './world.ts';

const document = nameOf('a');
/** A document is compacted whenever it was written to, and the journal keeps everything. */
const limits = {
  ...smallLimits,
  flushIntervalMs: 100,
  lagIntervalMs: 500,
  retireAfterMs: 1_000,
  compactionSegmentsMin: 1,
  restoreWindowMs: 86_400_000,
};

/** What is done now and then besides changes nothing, and nothing rests on it. */
const besides: ReadonlySet<string> = new Set(['high-water', 'readCheckpoint', 'read', 'trim', 'bindJournal']);

/** Put back at call `at`, to how it was at call `to`. */
type PutBack = { readonly to: number; readonly at: number };
type Mode = 'goes on' | 'is frozen';
type Told = { readonly calls: readonly string[]; readonly wasPutBack: boolean };

/** A world whose disk can be put back, with the snapshots that a mirror names. */
function createScene() {
  const world = createWorld();
  let names: readonly Head[] = [];
  const look = createMemoryStore({ disk: world.storeDisk });
  return {
    world,
    namedSnapshots: async () => names,
    /** What a mirror does that is written now: it names the head, and no longer what it was made from before. */
    writeMirror: async (): Promise<void> => {
      const head = await look.readHead(document);
      if (head !== undefined) names = [head];
    },
    backUp: () => {
      const { checkpoints, courses, documents } = structuredClone(world.storeDisk);
      const named = names;
      return (): void => {
        Object.assign(world.storeDisk, { checkpoints, courses, documents });
        names = named;
      };
    },
    expectWhole: async (when: string): Promise<void> => {
      await expectNothingMissing(world, when);
      for (const head of names)
        expect(await readParts(look, document, head), `${when}: the snapshot at ${head.upto}`).toHaveProperty('parts');
    },
  };
}

/** Tells the whole story, with the store put back once. */
async function tell(putBack: PutBack | undefined, mode: Mode): Promise<Told> {
  const scene = createScene();
  const { world } = scene;
  const clock = virtualClock();
  const calls: string[] = [];
  const thawed = Promise.withResolvers<void>();
  const when =
    putBack === undefined ? 'never put back' : `put back at call ${putBack.at} to call ${putBack.to}, and the persister ${mode}`;
  let restore = (): void => {};
  let wasPutBack = false;
  let isFrozen = false;
  const step: Step = async (name, moment) => {
    if (isFrozen) await thawed.promise;
    if (besides.has(name)) return;
    const call = calls.length;
    calls.push(`${moment} ${name}`);
    if (putBack?.to === call) restore = scene.backUp();
    if (putBack?.at === call) {
      restore();
      wasPutBack = true;
      isFrozen = mode === 'is frozen';
    }
    if (isFrozen) await thawed.promise;
  };
  const options = { clock, limits, partBytes: 100, segmentBytesMax: 150, namedSnapshots: scene.namedSnapshots };
  const one = run(world, { ...options, step });
  const type = typists(3, [document]);
  const chapter = async (running: Running, records: number): Promise<void> => {
    const before = running.compactions;
    await append(world, type(records));
    await until(clock, when, () => isFrozen || (isCaughtUp(world) && (wasPutBack || running.compactions > before)));
    await scene.writeMirror();
    await clock.advance(2 * limits.retireAfterMs);
    await settle();
    await scene.writeMirror();
  };
  for (const records of [4, 3]) if (!isFrozen) await chapter(one, records);
  if (isFrozen) {
    isFrozen = false;
    const two = run(world, options);
    await chapter(two, 4);
    await scene.expectWhole(`${when}, while it is`);
    two.crash();
    thawed.resolve();
    await clock.advance(2_000);
    await settle();
  }
  await scene.expectWhole(when);
  one.crash();
  const last = run(world, options);
  await chapter(last, 3);
  await scene.expectWhole(`${when}, and when all is cleaned up`);
  last.crash();
  return { calls, wasPutBack };
}

/** One of so many pairs of moments is told, others for each call: all of them take a minute. */
const pairsEach = 3;

test.each(['goes on', 'is frozen'] as const)('PS46: a store that is put back at any call of a persister, which %s, to a moment before it, has no hole', async (mode) => {
  const { calls } = await tell(undefined, mode);
  for (let at = 1; at < calls.length; at++) {
    for (let to = 0; to < at; to++) {
      // In between nothing was changed.
      const isAnother = to === 0 || calls[to]?.startsWith('after') === true;
      if (isAnother && (at + to) % pairsEach === 0) expect((await tell({ to, at }, mode)).wasPutBack).toBe(true);
    }
  }
}, 120_000); // prettier-ignore
