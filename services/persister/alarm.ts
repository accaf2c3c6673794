/** Wakes one loop: at once, or within a time. Rings that nobody has heard yet are one ring. */

import type { Clock, Timer } from '#shared/runtime/clock.ts';

export type Alarm = {
  readonly ring: () => void;
  /** Rings at the latest `ms` milliseconds after the first call since it last rang. */
  readonly ringWithin: (ms: number) => void;
  /** Resolves when it rings, or at once if it has rung since the last time. For one waiter. */
  readonly rung: () => Promise<void>;
};

export function createAlarm(clock: Clock): Alarm {
  let next = Promise.withResolvers<void>();
  let timer: Timer | undefined;
  const ring = (): void => {
    timer?.cancel();
    timer = undefined;
    next.resolve();
  };
  return {
    ring,
    ringWithin: (ms) => void (timer ??= clock.after(ms, ring)),
    rung: async () => {
      await next.promise;
      next = Promise.withResolvers();
    },
  };
}
