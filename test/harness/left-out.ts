/**
 * What this machine could not run.
 *
 * Some tests want a Chromium, others strace. Where there is none they are left out, and a green run that left something out must not
 * look like one that did not: so its last lines name each reason, with what was left out for it. A test leaves itself out with
 *
 *     test('…', async ({ skip }) => {
 *       skip(chromium === undefined, 'no Chromium on the PATH');
 */

import type { Reporter, TestCase, TestModule } from 'vitest/node';

/** One line per reason, and under it the tests that were left out for it; those without a reason (a filter on names) are only counted. */
export function leftOutLines(
  tests: readonly { readonly name: string; readonly reason: string | undefined }[],
): readonly string[] {
  const byReason = Map.groupBy(tests, ({ reason }) => reason);
  return [...byReason].flatMap(([reason, left]) =>
    reason === undefined
      ? [`left out without a reason: ${left.length}`]
      : [`left out, ${reason}:`, ...left.map(({ name }) => `  ${name}`)],
  );
}

const skipReason = (test: TestCase): string | undefined => {
  const result = test.result();
  return result.state === 'skipped' ? result.note : undefined;
};

export const leftOutReporter: Reporter = {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const skipped = modules.flatMap((module) => [...module.children.allTests('skipped')]);
    const lines = leftOutLines(
      skipped.map((test) => ({ name: `${test.module.relativeModuleId}: ${test.name}`, reason: skipReason(test) })),
    );
    process.stdout.write(`\n${lines.length === 0 ? 'nothing was left out' : lines.join('\n')}\n`);
  },
};
