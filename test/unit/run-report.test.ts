/** What a run says about itself: how many, and what was left out. */

import { expect, test } from 'vitest';
import { leftOutLines } from '#test/harness/left-out.ts';
import { tally } from '#test/harness/tally.ts';

const passed = { status: 'passed', assertionResults: [{ status: 'passed' }] };
const run = { numPassedTests: 3, numFailedTests: 0, numPendingTests: 1, numTodoTests: 1, testResults: [passed] };

test('SA43: the tally counts tests that passed, failed and were skipped', () => {
  expect(tally(run, 0, 0)).toEqual({ passed: 3, failed: 0, skipped: 2 });
  const red = { ...run, numFailedTests: 2, testResults: [{ status: 'failed', assertionResults: [{ status: 'failed' }] }] };
  expect(tally(red, 0, 1)).toEqual({ passed: 3, failed: 2, skipped: 2 });
});

test('SA43: a red check, a file that did not load, an error outside all tests and a run without a report count as failures', () => {
  expect(tally(run, 2, 0).failed).toBe(1);
  expect(tally({ ...run, testResults: [passed, { status: 'failed', assertionResults: [] }] }, 0, 1).failed).toBe(1);
  expect(tally(run, 0, 1).failed).toBe(1);
  expect(tally(undefined, 0, 2)).toEqual({ passed: 0, failed: 1, skipped: 0 });
  expect(tally(undefined, 1, 2).failed).toBe(2);
});

test('SA44: what was left out is told by reason', () => {
  const lines = leftOutLines([
    { name: 'a', reason: 'no Chromium' },
    { name: 'b', reason: 'no strace' },
    { name: 'c', reason: 'no Chromium' },
    { name: 'd', reason: undefined },
  ]);
  expect(lines).toEqual(['left out, no Chromium:', '  a', '  c', 'left out, no strace:', '  b', 'left out without a reason: 1']);
  expect(leftOutLines([])).toEqual([]);
});
