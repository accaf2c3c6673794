/** The long runs, `make chaos`: faults in a cluster, and the rooms and gateways of `make test` by other seeds, ten times and five times as many. */

import { defineConfig } from 'vitest/config';
import { leftOutReporter } from '#test/harness/left-out.ts';

const rounds = Number(process.env['CHAOS_ROUNDS'] ?? 1);

export default defineConfig({
  test: {
    include: ['test/chaos/**/*.chaos.ts', 'test/simulation/rooms/rooms.test.ts', 'test/simulation/gateway/gateway.test.ts'],
    // Behind those of `make test`.
    env: {
      FIRST_SEED: process.env['FIRST_SEED'] ?? '101',
      SEEDS: process.env['SEEDS'] ?? String(3_000 * rounds),
      SIMULATION_FIRST_SEED: process.env['SIMULATION_FIRST_SEED'] ?? '101',
      SIMULATION_SEEDS: process.env['SIMULATION_SEEDS'] ?? String(500 * rounds),
    },
    globalSetup: ['test/harness/backend-desk.ts'],
    hookTimeout: 120_000,
    // One cluster at a time has the machine for itself.
    fileParallelism: false,
    reporters: ['default', leftOutReporter],
  },
});
