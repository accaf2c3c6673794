/** Garbage collected when a test says so: what is let go of can't be told from what is kept before. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Collects all garbage of this process. Twice, with a turn between: buffers are given back after the first time, in a thread. */
export async function collectGarbage(): Promise<void> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  await new Promise((resolve) => void setImmediate(resolve));
  collect();
}
