/** A clock that stands still until a test turns it. */

import type { Clock } from '#shared/runtime/clock.ts';

export type VirtualClock = Clock & {
  /** Moves time on by `ms`, running what falls due on the way, in order; lets promises settle after each. */
  readonly advance: (ms: number) => Promise<void>;
  /** How many timers are waiting. */
  readonly pending: () => number;
};

type Due = { readonly at: number; readonly run: () => void };

/** Lets everything that is waiting for already-settled promises run. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export function virtualClock(start = 1_700_000_000_000): VirtualClock {
  let time = 0;
  const timers = new Set<Due>();
  const next = (until: number): Due | undefined => {
    let first: Due | undefined;
    // They are in the order in which they were made.
    for (const due of timers) if (due.at <= until && (first === undefined || due.at < first.at)) first = due;
    return first;
  };
  return {
    now: () => start + time,
    monotonic: () => time,
    after: (ms, run) => {
      const due: Due = { at: time + Math.max(0, ms), run };
      timers.add(due);
      return { cancel: () => void timers.delete(due) };
    },
    advance: async (ms) => {
      const until = time + ms;
      for (let due = next(until); due !== undefined; due = next(until)) {
        timers.delete(due);
        time = Math.max(time, due.at);
        due.run();
        await settle();
      }
      time = until;
      await settle();
    },
    pending: () => timers.size,
  };
}
