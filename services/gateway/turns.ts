/**
 * Turns for those who have much to write: two in each turn of the event loop, whoever waits longest first. A hundred people who open a large
 * document at once wait for each other then, and those who type do not wait for a hundred.
 */

const perTick = 2;

/** Returns a function whose promises resolve when it is the caller's turn. */
export function takeTurns(endOfTick: (run: () => void) => void): () => Promise<void> {
  const waiting: (() => void)[] = [];
  const run = (): void => {
    for (const go of waiting.splice(0, perTick)) go();
    if (waiting.length > 0) endOfTick(run);
  };
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      if (waiting.length === 1) endOfTick(run);
    });
}
