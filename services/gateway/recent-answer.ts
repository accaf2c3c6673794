/**
 * An answer that is good for a while. Whether writers must wait is asked for each edit, and answering it takes a look at every partition: with some
 * hundreds of them that would cost as much as all else that is done with a keystroke.
 */

import type { Clock } from '#shared/runtime/clock.ts';

/** Asks at most every `ms`, and answers the same in between. What `ask` throws is thrown, and asked again. */
export function recentAnswer<Answer>(ask: () => Answer, ms: number, clock: Pick<Clock, 'monotonic'>): () => Answer {
  let known: { readonly answer: Answer; readonly until: number } | undefined;
  return () => {
    const now = clock.monotonic();
    if (known === undefined || now >= known.until) known = { answer: ask(), until: now + ms };
    return known.answer;
  };
}
