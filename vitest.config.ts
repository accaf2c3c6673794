import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import type { Reporter } from 'vitest/node';
import { briefly } from './test/harness/brief-processes.ts';
import { leftOutReporter } from './test/harness/left-out.ts';
import { LongestFirst } from './test/harness/longest-first.ts';

// Where a run is to be counted by a program (.ci/run), it also leaves its results in this file.
const report = process.env['TEST_REPORT'];
const reporters: (string | [string, Record<string, unknown>] | Reporter)[] = ['default', leftOutReporter];
if (report !== undefined) reporters.push(['json', { outputFile: report }]);

export default defineConfig({
  test: {
    globalSetup: ['test/harness/backend-desk.ts'],
    sequence: { sequencer: LongestFirst },
    // One more than there are processors, since many files wait for brokers and timers. Vitest's own choice is one fewer: on two, one file at a time.
    maxWorkers: availableParallelism() + 1,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters,
    // Most files take longer to start a process and to import what they test than to test it. So they share processes, and leave nothing behind there by which another could tell.
    isolate: false,
    env: briefly(process.env),
  },
});
