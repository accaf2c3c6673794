/** The clock of a process that can be stopped (SIGSTOP), go on, or die, while time goes on elsewhere. */

import type { Clock } from '#shared/runtime/clock.ts';
import type { VirtualClock } from '#test/harness/virtual-clock.ts';

export type FreezingClock = {
  readonly clock: VirtualClock;
  readonly isFrozen: () => boolean;
  readonly freeze: () => void;
  /** Goes on: what fell due meanwhile runs now, once, in its order. */
  readonly thaw: () => void;
  readonly kill: () => void;
};

export function freezingClock(world: VirtualClock): FreezingClock {
  let isDead = false;
  let due: (() => void)[] | undefined;
  const after: Clock['after'] = (ms, run) => {
    let isCancelled = false;
    const unlessCancelled = (): void => {
      if (!isCancelled && !isDead) run();
    };
    const timer = world.after(ms, () => {
      if (due === undefined) unlessCancelled();
      else due.push(unlessCancelled);
    });
    return {
      cancel: () => {
        isCancelled = true;
        timer.cancel();
      },
    };
  };
  return {
    clock: { ...world, after },
    isFrozen: () => due !== undefined,
    freeze: () => {
      due ??= [];
    },
    thaw: () => {
      const waiting = due ?? [];
      due = undefined;
      for (const run of waiting) run();
    },
    kill: () => {
      isDead = true;
    },
  };
}
