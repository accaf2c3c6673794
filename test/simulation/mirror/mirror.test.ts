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

/** Runs a plan by many seeds, and expects that nothing is wrong in any. */
async function liveMany(from: number, count: number, plan: Plan): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for (let seed = from; seed < from + count; seed++) {
    const outcome = await live(seed, plan);
    expect(outcome.complaints, `seed ${seed}\n${outcome.log.join('\n')}`).toEqual([]);
    outcomes.push(outcome);
  }
  return outcomes;
}

const recordsOf = (outcomes: readonly Outcome[]): number => outcomes.reduce((sum, { records }) => sum + records, 0);

// In portions, each of which ends in time on a busy machine too.
test.each([1, 181, 361, 541, 721])(
  'MI1, MI2, MI3: every edit is in the document once and nothing that was typed is lost, with crashes, zombies and failures, from seed %i on',
  async (from) => {
    const outcomes = await liveMany(from, 180, plan);
    expect(recordsOf(outcomes)).toBeGreaterThan(180);
  },
);

test('MI1, MI2: with edits of the value alone', async () => {
  await liveMany(1_001, 200, { ...plan, programs: ['set'], edits: 8 });
});

test('MI6: with programs that leave out, take away or change our field', async () => {
  await liveMany(2_001, 250, { ...plan, programs: [...edits, ...toField] });
});

test.each([6_001, 6_251, 6_501, 6_751])(
  'MI6, MI30, MI31: with a mirror that a program inserts, whether or not people have typed by then, and copies of it, from seed %i on',
  async (from) => {
    const programs: readonly ProgramKind[] = ['set', 'set', 'replace', 'delete-and-insert', ...copies];
    await liveMany(from, 250, { ...plan, programs, fromNothing: true });
  },
);

test('MI7: with programs that put old copies back', async () => {
  await liveMany(3_001, 200, { ...plan, programs: ['set', ...old], edits: 8 });
});

test('MI36, MI7: with programs that put them back as they were, and replace those', async () => {
  const asItWas: readonly ProgramKind[] = ['read', 'put-back-as-it-was', 'put-back-as-it-was'];
  const programs = [...asItWas, 'replace', 'unset-field', 'delete-and-insert'] as const;
  const outcomes = await liveMany(9_001, 200, { ...plan, programs, edits: 16, typed: 10, steps: 400 });
  expect(outcomes.reduce((sum, { oldReplaced }) => sum + oldReplaced, 0)).toBeGreaterThan(0);
});

test('MI5: with a letter that goes in and out and in again', async () => {
  await liveMany(4_001, 200, { ...plan, programs: ['set', 'toggle', 'toggle'], edits: 8 });
});

const squashesIn = (outcomes: readonly Outcome[]): number => outcomes.reduce((sum, { squashes }) => sum + squashes, 0);

test('MI35: with so many edits that some are made one, of programs that also put back copies from before that, or take our field away', async () => {
  const programs = [...edits, ...edits, ...toField, ...old, 'toggle'] as const;
  const outcomes = await liveMany(7_001, 200, { ...plan, programs, edits: 16, steps: 300 });
  expect(squashesIn(outcomes)).toBeGreaterThan(200);
});

test('MI35: and with so many in a mirror that was inserted where people have typed', async () => {
  const programs: readonly ProgramKind[] = ['set', 'set', 'replace', 'delete-and-insert'];
  const outcomes = await liveMany(8_001, 200, { ...plan, programs, edits: 12, fromNothing: true });
  expect(squashesIn(outcomes)).toBeGreaterThan(200);
});

test('MI4: where no program edits anything there is no record of ours', async () => {
  const outcomes = await liveMany(5_001, 50, { ...plan, programs: ['read', 'unset-field', 'delete', 'forge-field'] });
  expect(recordsOf(outcomes)).toBe(0);
});
