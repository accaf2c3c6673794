/** The long runs, `make chaos`: faults in a cluster, what a process has in memory after a while, and the rooms, the gateways and the hostile frames of `make test` by other seeds, ten, five and three times as many. */

import { defineConfig } from 'vitest/config';
import { leftOutReporter } from '#test/harness/left-out.ts';

const rounds = Number(process.env['CHAOS_ROUNDS'] ?? 1);

export default defineConfig({
  test: {
    include: [
      'test/chaos/**/*.chaos.ts',
      'test/simulation/rooms/rooms.test.ts',
      'test/simulation/gateway/gateway.test.ts',
      'test/integration/hostile.test.ts',
    ],
    // Behind those of `make test`.
    env: {
      FIRST_SEED: process.env['FIRST_SEED'] ?? '101',
      SEEDS: process.env['SEEDS'] ?? String(3_000 * rounds),
      HOSTILE_SEED: process.env['HOSTILE_SEED'] ?? '2',
      HOSTILE_FRAMES: process.env['HOSTILE_FRAMES'] ?? String(100_000 * rounds),
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
