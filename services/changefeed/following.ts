/**
 * Following the announcements of changes, through everything that may happen to them.
 *
 *     token stored ─► follow ─► announcements … ─► away: wait, from the token stored
 *                        ▲                      └► lost: from now on
 *                        └──────────── and each time, once it has begun: a sweep ────────┘
 *
 * What happened before the stream began is found by a sweep that begins after it: between the two is no gap. So nothing depends on whether the stream is right in saying that it missed nothing.
 *
 * A stream may also never come about, for reasons that nobody foresees: a user who may read and not watch, a server that has the command and not what it does. Then it is tried again, less and less often, and until it works
 * sweeps are as frequent as where the database announces nothing at all.
 */

import type { Clock } from '#shared/runtime/clock.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import { backoffMs, pause } from '#shared/runtime/waiting.ts';
import type { Changes, ChangeToken, Follower } from '#shared/store/changes.ts';
import { StoreUnavailable } from '#shared/store/store.ts';

import type { Looks } from './looks.ts';
import type { Sweeps } from './sweeps.ts';
import { TokenProgress } from './token-progress.ts';
import type { WatchLimits } from './watch-limits.ts';
import type { WatchMetrics, WatchState } from './watch-reporting.ts';

export type FollowingOptions = {
  readonly changes: Changes;
  readonly looks: Looks;
  readonly sweeps: Sweeps;
  readonly clock: Clock;
  readonly limits: WatchLimits;
  readonly logger: Logger;
  readonly metrics: WatchMetrics;
  readonly tell: (state: WatchState) => void;
};

/** How a stream ended. */
type End = 'away' | 'lost' | 'stopped' | 'unsupported';

/** Attempts in a row that may fail before edits are looked for by sweeps alone. */
const failuresBorne = 1;

/** Follows until `signal` is aborted. */
export async function followChanges(options: FollowingOptions, signal: AbortSignal): Promise<void> {
  const { sweeps, clock, limits, tell } = options;
  let failures = 0;
  let isTokenGood = true;
  /** A stream has told something, if only that nothing has happened. */
  const hears = (): void => {
    if (failures > failuresBorne) sweeps.sweepEvery(limits.sweepIntervalMs);
    failures = 0;
    isTokenGood = true;
  };
  tell('starting');
  while (!signal.aborted) {
    const end = await followOnce(options, isTokenGood, hears, signal);
    if (end === 'unsupported') return;
    if (end === 'stopped') continue;
    if (end === 'lost') isTokenGood = false;
    failures++;
    if (failures > failuresBorne) sweepAlone(options);
    else tell('starting');
    // Should every stream end at once, this is no busy loop.
    await pause(clock, backoffMs(failures, limits.retryMsMin, limits.retryMsMax, Math.random), signal);
  }
}

function sweepAlone({ sweeps, limits, tell }: FollowingOptions): void {
  tell('sweeping-alone');
  sweeps.sweepEvery(limits.sweepAloneIntervalMs);
  void sweeps.request();
}

async function followOnce(options: FollowingOptions, isTokenGood: boolean, hears: () => void, signal: AbortSignal): Promise<End> {
  const { changes, logger, metrics } = options;
  try {
    const token = isTokenGood ? await changes.readToken() : undefined;
    const followed = await changes.follow(token);
    switch (followed.kind) {
      case 'unsupported':
        logger.warn({ reason: followed.reason }, 'the database announces no changes: edits are found by sweeps, seconds later');
        sweepAlone(options);
        return 'unsupported';
      case 'lost':
        return reportLoss(options, followed.reason);
      case 'following':
        return await drive(options, followed.follower, token, hears, signal);
    }
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    if (signal.aborted) return 'stopped';
    metrics.failed('unavailable');
    logger.warn({ reason: error.message }, 'changes of mirrors can not be followed now');
    return 'away';
  }
}

function reportLoss({ logger, metrics }: FollowingOptions, reason: string): 'lost' {
  metrics.failed('stream-lost');
  logger.warn({ reason }, 'changes of mirrors were lost: everything is looked at');
  return 'lost';
}

async function drive(
  options: FollowingOptions,
  follower: Follower,
  token: ChangeToken | undefined,
  hears: () => void,
  signal: AbortSignal,
): Promise<End> {
  const { changes, looks, sweeps, clock, limits, logger, tell } = options;
  tell('following');
  const ended = new AbortController();
  const over = AbortSignal.any([signal, ended.signal]);
  const progress = new TokenProgress({ changes, clock, logger, intervalMs: limits.tokenIntervalMs, signal: over });
  const close = (): void => void follower.close();
  signal.addEventListener('abort', close);
  const swept = sweeps.request();
  // A stored token says that everything before it was looked at; without one only the sweep does.
  if (token === undefined) progress.push(undefined, [swept]);
  let latest = token;
  try {
    while (!signal.aborted) {
      const step = await follower.next();
      if (step.kind === 'lost') return reportLoss(options, step.reason);
      hears();
      const names = step.kind === 'changes' ? step.documents : [];
      if (step.kind === 'everywhere') progress.push(step.token, [sweeps.request()]);
      else if (names.length > 0 || step.token !== latest)
        progress.push(
          step.token,
          names.map((name) => looks.add(name, 'announced')),
        );
      latest = step.token;
      await looks.fewerThan(limits.announcedMax);
    }
    return 'stopped';
  } finally {
    ended.abort();
    signal.removeEventListener('abort', close);
    close();
  }
}
