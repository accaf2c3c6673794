/**
 * The first of several who answers.
 *
 * Asking one after the other waits for each that is silent, which is seconds where it is frozen and not dead; asking all at once bothers everybody each
 * time. So each one has a head start before the next is asked too, and one that fails has none.
 */

import type { Clock, Timer } from '#shared/runtime/clock.ts';

/**
 * Begins `attempts` in order, each when the one before it has failed or has taken `headStartMs`, and resolves with the first success.
 * What the others still do is theirs. Rejects with the last failure when all have failed, and at once where there are none.
 */
export function firstAnswer<T>(attempts: readonly (() => Promise<T>)[], headStartMs: number, clock: Clock): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  let begun = 0;
  let failed = 0;
  let timer: Timer | undefined;
  const beginNext = (): void => {
    timer?.cancel();
    const attempt = attempts[begun++];
    if (attempt === undefined) return;
    timer = clock.after(headStartMs, beginNext);
    attempt().then(resolve, (error: unknown) => {
      if (++failed === attempts.length) reject(error);
      else beginNext();
    });
  };
  if (attempts.length === 0) reject(new Error('there is nobody to ask'));
  beginNext();
  return promise.finally(() => {
    begun = attempts.length;
    timer?.cancel();
  });
}
