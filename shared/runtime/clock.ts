/**
 * Time as a parameter: production code waits on a `Clock`, so that tests and simulations can turn it by hand.
 */

export type Timer = { readonly cancel: () => void };

export type Clock = {
  /** Milliseconds since 1970. May jump; for people and records. */
  readonly now: () => number;
  /** Milliseconds since some fixed moment; never jumps back. For measuring and for deadlines. */
  readonly monotonic: () => number;
  /** Calls `run` once, at least `ms` milliseconds from now. A pending timer does not keep a process alive. */
  readonly after: (ms: number, run: () => void) => Timer;
};

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (ms, run) => {
    const timeout = setTimeout(run, ms).unref();
    return { cancel: () => clearTimeout(timeout) };
  },
};
