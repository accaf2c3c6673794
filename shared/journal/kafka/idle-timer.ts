/**
 * kafkajs without the timer that never rests.
 *
 * 2.2.4 looks after each response whether requests are pending, and to be sure looks again later: also where none is pending, at a time that has
 * passed, which for a timer means in 1 ms, for ever, on every connection (tulios/kafkajs, issue 1704). An idle process spends a twentieth of
 * a core on that. Nothing needs the second look but what is pending: a request that is pushed asks for it by itself, and so does a throttled one.
 */

import RequestQueue from 'kafkajs/src/network/requestQueue/index.js';

type Queue = Pick<RequestQueue, 'pending' | 'scheduleCheckPendingRequests'>;

const patched = Symbol('patched');

/** Makes every connection that is made from now on rest while it is idle. May be called again. */
export function letIdleConnectionsRest(): void {
  const prototype = RequestQueue.prototype as Queue & { [patched]?: true };
  if (prototype[patched] === true) return;
  const { scheduleCheckPendingRequests } = prototype;
  prototype[patched] = true;
  prototype.scheduleCheckPendingRequests = function scheduleWherePending(this: Queue): void {
    if (this.pending.length > 0) scheduleCheckPendingRequests.call(this);
  };
}
