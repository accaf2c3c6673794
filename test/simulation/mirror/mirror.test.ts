/** Random schedules: whatever programs, people, crashes and zombies do to a mirror and its document, by the seed. */

import { expect, test } from 'vitest';

import type { ProgramKind } from './programs.ts';
import { live, type Outcome, type Plan } from './schedule.ts';

const edits: readonly ProgramKind[] = ['set', 'replace', 'replace-with-field', 'delete-and-insert'];
const toField: readonly ProgramKind[] = ['unset-field', 'forge-field', 'tamper'];
const old: readonly ProgramKind[] = ['read', 'read', 'put-back', 'put-back-as-it-was'];
const copies: readonly ProgramKind[] = ['copy', 'copy-without-field'];
const everything: readonly ProgramKind[] = [...edits, ...toField, ...old, ...copies, 'delete', 'unusable', 'toggle'];

const plan: Plan = { programs: everything, edits: 5, typed: 6, steps: 200, faults: true };

// How many of each plan, and twice as many of those that have failed most. `make chaos` goes on behind these, with more.
const firstSeed = Number(process.env['MIRROR_FIRST_SEED'] ?? 1);
const seeds = Number(process.env['MIRROR_SEEDS'] ?? 90);
const timeout = 60_000 + 2_000 * seeds;

/** Runs a plan by many seeds, and expects that nothing is wrong in any. */
async function liveMany(plan: Plan, count = seeds): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    const outcome = await live(seed, plan);
    expect(outcome.complaints, `seed ${seed}\n${outcome.log.join('\n')}`).toEqual([]);
    outcomes.push(outcome);
  }
  return outcomes;
}

const recordsOf = (outcomes: readonly Outcome[]): number => outcomes.reduce((sum, { records }) => sum + records, 0);

test(
  'MI1, MI2, MI3: every edit is in the document once and nothing that was typed is lost, with crashes, zombies and failures',
  { timeout },
  async () => {
    const outcomes = await liveMany(plan, 2 * seeds);
    expect(recordsOf(outcomes)).toBeGreaterThan(seeds);
  },
);

test('MI1, MI2: with edits of the value alone', { timeout }, async () => {
  await liveMany({ ...plan, programs: ['set'], edits: 8 });
});

test('MI6: with programs that leave out, take away or change our field', { timeout }, async () => {
  await liveMany({ ...plan, programs: [...edits, ...toField] });
});

test(
  'MI6, MI30, MI31: with a mirror that a program inserts, whether or not people have typed by then, and copies of it',
  { timeout },
  async () => {
    const programs: readonly ProgramKind[] = ['set', 'set', 'replace', 'delete-and-insert', ...copies];
    await liveMany({ ...plan, programs, fromNothing: true }, 2 * seeds);
  },
);

test('MI7: with programs that put old copies back', { timeout }, async () => {
  await liveMany({ ...plan, programs: ['set', ...old], edits: 8 });
});

test('MI36, MI7: with programs that put them back as they were, and replace those', { timeout }, async () => {
  const asItWas: readonly ProgramKind[] = ['read', 'put-back-as-it-was', 'put-back-as-it-was'];
  const programs = [...asItWas, 'replace', 'unset-field', 'delete-and-insert'] as const;
  const outcomes = await liveMany({ ...plan, programs, edits: 16, typed: 10, steps: 400 });
  expect(outcomes.reduce((sum, { oldReplaced }) => sum + oldReplaced, 0)).toBeGreaterThan(0);
});

test('MI5: with a letter that goes in and out and in again', { timeout }, async () => {
  await liveMany({ ...plan, programs: ['set', 'toggle', 'toggle'], edits: 8 });
});

const squashesIn = (outcomes: readonly Outcome[]): number => outcomes.reduce((sum, { squashes }) => sum + squashes, 0);

test(
  'MI35: with so many edits that some are made one, of programs that also put back copies from before that, or take our field away',
  { timeout },
  async () => {
    const programs = [...edits, ...edits, ...toField, ...old, 'toggle'] as const;
    const outcomes = await liveMany({ ...plan, programs, edits: 16, steps: 300 });
    expect(squashesIn(outcomes)).toBeGreaterThan(seeds);
  },
);

test('MI35: and with so many in a mirror that was inserted where people have typed', { timeout }, async () => {
  const programs: readonly ProgramKind[] = ['set', 'set', 'replace', 'delete-and-insert'];
  const outcomes = await liveMany({ ...plan, programs, edits: 12, fromNothing: true });
  expect(squashesIn(outcomes)).toBeGreaterThan(seeds);
});

test('MI4: where no program edits anything there is no record of ours', { timeout }, async () => {
  const outcomes = await liveMany({ ...plan, programs: ['read', 'unset-field', 'delete', 'forge-field'] });
  expect(recordsOf(outcomes)).toBe(0);
});
