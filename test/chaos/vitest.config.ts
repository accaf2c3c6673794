/** The long runs, `make chaos`: faults in a cluster, what a process has in memory after a while, and what `make test` plays by seeds, by others: a thousand for the rooms in each weather, 300 for the gateways, and 300 for each plan of the mirrors; a hundred thousand hostile frames; and a whole trace. */

import { defineConfig } from 'vitest/config';
import { briefly } from '#test/harness/brief-processes.ts';
import { leftOutReporter } from '#test/harness/left-out.ts';

const rounds = Number(process.env['CHAOS_ROUNDS'] ?? 1);

export default defineConfig({
  test: {
    include: [
      'test/chaos/**/*.chaos.ts',
      'test/simulation/rooms/rooms.test.ts',
      'test/simulation/gateway/*.test.ts',
      'test/simulation/mirror/mirror.test.ts',
      'test/integration/hostile.test.ts',
      'test/integration/replay.test.ts',
    ],
    // Where those of `make test` end, of which some are played again: one seed serves several tests, which play different numbers of them.
    env: {
      ...briefly(process.env),
      FIRST_SEED: process.env['FIRST_SEED'] ?? '41',
      SEEDS: process.env['SEEDS'] ?? String(3_000 * rounds),
      MIRROR_FIRST_SEED: process.env['MIRROR_FIRST_SEED'] ?? '91',
      MIRROR_SEEDS: process.env['MIRROR_SEEDS'] ?? String(300 * rounds),
      HOSTILE_SEED: process.env['HOSTILE_SEED'] ?? '2',
      HOSTILE_FRAMES: process.env['HOSTILE_FRAMES'] ?? String(100_000 * rounds),
      REPLAYED_EDITS: process.env['REPLAYED_EDITS'] ?? '300000',
      SIMULATION_FIRST_SEED: process.env['SIMULATION_FIRST_SEED'] ?? '21',
      SIMULATION_SEEDS: process.env['SIMULATION_SEEDS'] ?? String(300 * rounds),
    },
    globalSetup: ['test/harness/backend-desk.ts'],
    hookTimeout: 120_000,
    // One cluster at a time has the machine for itself.
    fileParallelism: false,
    reporters: ['default', leftOutReporter],
  },
});
