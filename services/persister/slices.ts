/** Work in slices: whoever has much to do lets the event loop run now and then, since a gateway may live in the same process. */

import type { Clock } from '#shared/runtime/clock.ts';

/** Undefined while the slice lasts; once it has lasted `ms` milliseconds, a promise that the next one begins with. */
export type Slices = () => Promise<void> | undefined;

export function createSlices(clock: Clock, ms: number): Slices {
  let end = clock.monotonic() + ms;
  return () => {
    if (clock.monotonic() < end) return undefined;
    return new Promise((resolve) => {
      setImmediate(() => {
        end = clock.monotonic() + ms;
        resolve();
      });
    });
  };
}
