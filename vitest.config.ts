import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import type { Reporter } from 'vitest/node';
import { leftOutReporter } from './test/harness/left-out.ts';
import { LongestFirst } from './test/harness/longest-first.ts';

// Where a run is to be counted by a program (.ci/run), it also leaves its results in this file.
const report = process.env['TEST_REPORT'];
const reporters: (string | [string, Record<string, unknown>] | Reporter)[] = ['default', leftOutReporter];
if (report !== undefined) reporters.push(['json', { outputFile: report }]);

// Small files, most of which take longer to start a process and to import what they test than to test it. They share processes, and leave nothing behind there.
const together = ['changefeed', 'document', 'gateway', 'mirror', 'pages', 'wire'].map(
  (folder) => `test/unit/${folder}/*.test.ts`,
);

export default defineConfig({
  test: {
    globalSetup: ['test/harness/backend-desk.ts'],
    sequence: { sequencer: LongestFirst },
    // One more than there are processors, since many files wait for brokers and timers. Vitest's own choice is one fewer: on two, one file at a time.
    maxWorkers: availableParallelism() + 1,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters,
    projects: [
      { extends: true, test: { name: 'alone', include: ['test/**/*.test.ts'], exclude: together } },
      { extends: true, test: { name: 'together', include: together, isolate: false } },
    ],
  },
});
