/** Waiting for something that comes back when it comes back: further and further apart, and not all at the same moment. */

import type { Clock } from './clock.ts';

/** Resolves after `ms` milliseconds, or at once when `signal` is aborted. */
export function pause(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const wake = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', wake);
      resolve();
    };
    const timer = clock.after(ms, wake);
    signal?.addEventListener('abort', wake);
  });
}

/** The wait after `failures` failures in a row: doubling, with jitter between a half and the whole. Milliseconds. */
export function backoffMs(failures: number, msMin: number, msMax: number, random: () => number): number {
  return Math.min(msMax, msMin * 2 ** Math.min(failures - 1, 30)) * (0.5 + random() / 2);
}
