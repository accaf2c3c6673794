/**
 * Waiting for one thing beside another that may end it.
 *
 * A call on a connection ends with its answer, or with the connection. `Promise.race([answer, connectionEnded])` says just that, and keeps every answer that the
 * connection ever gave: each race leaves a reaction on the promise that lasts, which holds the race, which holds its outcome, until the connection ends weeks later. (It is
 * what ECMA-262 asks of `Promise.race`: the loser is not told that it has lost.) So who waits is on a list of its own here, and leaves it as soon as it has what it waited for.
 */

export type Ending = {
  /** Settles as `promise` does, or rejects with the reason of the end if that comes first, or was there before. Nothing of it is kept once it has settled. */
  readonly orEnd: <T>(promise: Promise<T>) => Promise<T>;
  /** Those who wait are rejected with `reason`, and all who come later. The first reason is the one that counts. */
  readonly end: (reason: Error) => void;
};

export function createEnding(): Ending {
  const waiting = new Set<(reason: Error) => void>();
  let ended: { readonly reason: Error } | undefined;
  return {
    orEnd: (promise) =>
      new Promise((resolve, reject) => {
        promise.finally(() => waiting.delete(reject)).then(resolve, reject);
        if (ended === undefined) waiting.add(reject);
        else reject(ended.reason);
      }),
    end: (reason) => {
      ended ??= { reason };
      for (const reject of waiting) reject(ended.reason);
      waiting.clear();
    },
  };
}
