/**
 * Many ask for a sync, few are made.
 *
 * A sync costs the same whether it makes one thing durable or a thousand, so there is never more than one under way: what is
 * asked for meanwhile waits, and is taken by the next one as a whole. The first after a rest starts at once (with what its tick
 * still brings); under load the next one starts no sooner than an interval after it, so that the cost per second is bounded,
 * whatever comes in. Only who writes one thing after the other, and waits for each, would wait out that interval each time: while anybody is in
 * such a hurry the next one starts as soon as the last is done.
 */

import type { Clock, Timer } from './clock.ts';

export type GroupCommits<Request> = {
  readonly add: (request: Request) => void;
  /** Commits are made without an interval until the returned function is called, once. */
  readonly hurry: () => () => void;
  /** Commits what waits, without pausing, until nothing does. */
  readonly drain: () => Promise<void>;
};

/** Calls `commit` with what was added since it was called last, one call at a time, `intervalMs` apart. It must not reject. */
export function groupCommits<Request>(
  commit: (group: readonly Request[]) => Promise<void>,
  intervalMs: number,
  clock: Clock,
): GroupCommits<Request> {
  let waiting: Request[] = [];
  let committing: Promise<void> | undefined;
  let scheduled = false;
  let draining = false;
  let hurried = 0;
  let timer: Timer | undefined;
  let notBefore = -Infinity;

  const start = (): void => {
    scheduled = false;
    timer?.cancel();
    timer = undefined;
    if (committing !== undefined || waiting.length === 0) return;
    const group = waiting;
    waiting = [];
    notBefore = clock.monotonic() + intervalMs;
    committing = commit(group).then(() => {
      committing = undefined;
      schedule();
    });
  };

  const schedule = (): void => {
    if (scheduled || committing !== undefined || waiting.length === 0) return;
    scheduled = true;
    const due = notBefore - clock.monotonic();
    if (due <= 0 || draining || hurried > 0) queueMicrotask(start);
    else timer = clock.after(due, start);
  };

  return {
    add: (request) => {
      waiting.push(request);
      schedule();
    },
    hurry: () => {
      hurried++;
      if (timer !== undefined) start();
      return () => void hurried--;
    },
    drain: async () => {
      draining = true;
      while (committing !== undefined || waiting.length > 0) {
        start();
        await committing;
      }
      draining = false;
    },
  };
}
