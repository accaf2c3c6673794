/**
 * Counts a test run for a program that reads its last line: `node test/harness/tally.ts <report> <status of check> <status of test>`,
 * where the report is vitest's JSON and the statuses are exit codes. Prints `N passed, N failed, N skipped`, and exits with 1 unless
 * something passed and nothing failed.
 *
 * What vitest counts is its tests. A file that could not be loaded has none, and an error outside every test fails the run without
 * failing any; either would be "0 failed" in red. So each counts as one failure here, and so does a red check.
 */

import { existsSync, readFileSync } from 'node:fs';

type Report = {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly { readonly status: string }[] }[];
};

export type Tally = { readonly passed: number; readonly failed: number; readonly skipped: number };

/** `report` is undefined where the run left none. */
export function tally(report: Report | undefined, checkStatus: number, testStatus: number): Tally {
  const check = checkStatus === 0 ? 0 : 1;
  if (report === undefined) return { passed: 0, failed: 1 + check, skipped: 0 };
  const unloaded = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  ).length;
  const failed = report.numFailedTests + unloaded;
  const outside = failed === 0 && testStatus !== 0 ? 1 : 0;
  return {
    passed: report.numPassedTests,
    failed: failed + outside + check,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

if (import.meta.main) {
  const [path = '', checkStatus, testStatus] = process.argv.slice(2);
  const report = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Report) : undefined;
  const { passed, failed, skipped } = tally(report, Number(checkStatus), Number(testStatus));
  process.exitCode = passed > 0 && failed === 0 ? 0 : 1;
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
}
