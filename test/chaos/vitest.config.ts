/** The long fault runs: `make chaos`. */

import { defineConfig } from 'vitest/config';
import { leftOutReporter } from '#test/harness/left-out.ts';

export default defineConfig({
  test: {
    include: ['test/chaos/**/*.chaos.ts'],
    globalSetup: ['test/harness/backend-desk.ts'],
    hookTimeout: 120_000,
    // One cluster at a time has the machine for itself.
    fileParallelism: false,
    reporters: ['default', leftOutReporter],
  },
});
