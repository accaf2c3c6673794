/**
 * The floor of one process. `FLOOR_MERGE=0` publishes each update by itself: the load generator is proved on that, since it gives it the most
 * frames to read.
 */

import { readFileSync } from 'node:fs';
import { startFloor } from './floor.ts';

const { PORT, FLOOR_MERGE, SEED_FILE } = process.env;

await startFloor({
  port: Number(PORT),
  merges: FLOOR_MERGE !== '0',
  document: SEED_FILE === undefined ? new Uint8Array([0, 0]) : readFileSync(SEED_FILE),
});
process.stdout.write('listening\n');
process.once('SIGTERM', () => process.exit(0));
