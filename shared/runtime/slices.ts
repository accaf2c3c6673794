/** Work in slices: whoever has much to do lets the event loop run now and then, since a gateway may live in the same process. */

import type { Clock } from './clock.ts';

/** Resolves when the event loop has come round once, and everyone else has had a turn. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * Undefined while the slice lasts; once it has lasted its time, the promise of another turn. Several who wait for it wake in that
 * same turn, and those before may have used it up, so each asks again right before it works:
 * `for (let turn = slices(); turn !== undefined; turn = slices()) await turn;`
 */
export type Slices = () => Promise<void> | undefined;

/** Slices of `ms` milliseconds, 1 at least. */
export function createSlices(clock: Clock, ms: number): Slices {
  let end = clock.monotonic() + ms;
  let turn: Promise<void> | undefined;
  return () => {
    if (clock.monotonic() < end) return undefined;
    turn ??= nextTurn().then(() => {
      turn = undefined;
      end = clock.monotonic() + ms;
    });
    return turn;
  };
}
