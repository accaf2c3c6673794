/** Waiting for something that comes back when it comes back: further and further apart, and not all at the same moment. */

import type { Clock } from './clock.ts';

/**
 * Resolves after `ms` milliseconds, or at once when one of `signals` is aborted. (For whom a signal lasts as long as the process, `AbortSignal.any` is no way to wait for two: Node 22 keeps a note of each
 * one that was made of it.)
 */
export function pause(clock: Clock, ms: number, ...signals: readonly (AbortSignal | undefined)[]): Promise<void> {
  if (signals.some((signal) => signal?.aborted)) return Promise.resolve();
  return new Promise((resolve) => {
    const wake = (): void => {
      timer.cancel();
      for (const signal of signals) signal?.removeEventListener('abort', wake);
      resolve();
    };
    const timer = clock.after(ms, wake);
    for (const signal of signals) signal?.addEventListener('abort', wake);
  });
}

/** The wait after `failures` failures in a row: doubling, with jitter between a half and the whole. Milliseconds. */
export function backoffMs(failures: number, msMin: number, msMax: number, random: () => number): number {
  return Math.min(msMax, msMin * 2 ** Math.min(failures - 1, 30)) * (0.5 + random() / 2);
}
