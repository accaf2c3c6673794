/**
 * Holding a lease: `shared/store/leases.ts` says what it promises.
 *
 * The holder writes that it is there, and knows that it may have lost the lease without being told: the database may be away, or slow. So a timer of its own runs from before its last write that went well, and when it
 * runs out the work is told to stop, whatever else is being waited for.
 */

import type { Clock, Timer } from '#shared/runtime/clock.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import { pause } from '#shared/runtime/waiting.ts';
import type { Lease, LeaseStore } from '#shared/store/leases.ts';
import { persevere } from '#shared/store/persevering.ts';
import { StoreUnavailable } from '#shared/store/store.ts';
import type { Unavailable } from '#shared/store/unavailable.ts';

import type { WatchLimits } from './watch-limits.ts';
import type { WatchMetrics } from './watch-reporting.ts';

export type HoldingOptions = {
  readonly leases: LeaseStore;
  readonly name: string;
  /** A name that no other process ever has. */
  readonly holder: string;
  readonly clock: Clock;
  readonly limits: Pick<WatchLimits, 'leaseMs' | 'leaseRenewMs' | 'retryMsMin' | 'retryMsMax'>;
  readonly logger: Logger;
  readonly metrics: WatchMetrics;
};

/** A lease that was taken, and up to when it is ours for sure, by the monotonic clock. */
type Held = { readonly lease: Lease; readonly untilMs: number };

/**
 * Whenever the lease can be had, takes it and calls `work`, whose signal is aborted when the lease is lost or `stop` is: `work` has to end then. Resolves when `stop` was aborted and the work is over; the lease is given back.
 * Rejects where `work` does, the lease given back then too.
 */
export async function holdLease(
  options: HoldingOptions,
  work: (lost: AbortSignal) => Promise<void>,
  stop: AbortSignal,
): Promise<void> {
  while (!stop.aborted) {
    const held = await acquire(options, stop);
    if (held === undefined) return;
    const over = new AbortController();
    const working = work(AbortSignal.any([over.signal, stop])).finally(() => over.abort());
    working.catch(() => {}); // it is waited for below, when nothing is being written any more
    const last = await keep(options, held, over, stop);
    over.abort();
    try {
      await working;
    } finally {
      if (last !== undefined) await giveBack(options, last);
    }
  }
}

async function acquire(
  { leases, name, holder, clock, limits, logger, metrics }: HoldingOptions,
  stop: AbortSignal,
): Promise<Held | undefined> {
  let seen: { readonly turn: number | undefined; readonly sinceMs: number } | undefined;
  const attempt = async (): Promise<Held | undefined> => {
    const lease = await leases.readLease(name);
    const nowMs = clock.monotonic();
    if (seen === undefined || seen.turn !== lease?.turn) seen = { turn: lease?.turn, sinceMs: nowMs };
    // Our own: of a write that was made although it failed.
    const isFree = lease?.holder === undefined || lease.holder === holder || nowMs - seen.sinceMs >= lease.lastsMs;
    const mine = { holder, turn: (lease?.turn ?? 0) + 1, lastsMs: limits.leaseMs };
    const isOurs = isFree && (await leases.writeLease(name, lease, mine));
    return isOurs ? { lease: mine, untilMs: nowMs + limits.leaseMs } : undefined;
  };
  const onUnavailable = (error: Unavailable): void => {
    metrics.failed('unavailable');
    logger.warn({ lease: name, reason: error.message }, 'the lease can not be read or written now');
  };
  while (!stop.aborted) {
    const tried = await persevere(attempt, { ...limits, clock, random: Math.random, draining: stop, onUnavailable });
    if (tried.kind === 'done' && tried.value !== undefined) return tried.value;
    await pause(clock, limits.leaseRenewMs, stop);
  }
  return undefined;
}

/** Renews until the lease is lost, `over` is aborted or `stop` is. Returns the lease as it was written last where it may still be ours. */
async function keep(options: HoldingOptions, held: Held, over: AbortController, stop: AbortSignal): Promise<Lease | undefined> {
  const { clock, limits, logger, metrics } = options;
  let { lease } = held;
  let timer: Timer | undefined;
  const holdUntil = (untilMs: number): void => {
    timer?.cancel();
    timer = clock.after(untilMs - clock.monotonic(), () => over.abort());
  };
  holdUntil(held.untilMs);
  const ending = AbortSignal.any([over.signal, stop]);
  let isLost = false;
  while (!ending.aborted && !isLost) {
    await pause(clock, limits.leaseRenewMs, ending);
    if (ending.aborted) break;
    const beganMs = clock.monotonic();
    const renewed = await renew(options, lease);
    if (renewed === 'lost') isLost = true;
    else if (renewed !== 'away') {
      lease = renewed;
      holdUntil(beganMs + lease.lastsMs);
    }
  }
  timer?.cancel();
  if (stop.aborted) return isLost ? undefined : lease;
  metrics.failed('lease-lost');
  logger.warn({ lease: options.name, isLost }, 'the lease is not held any more: whoever gets it next goes on');
  return isLost ? undefined : lease;
}

async function renew(
  { leases, name, holder, limits, logger, metrics }: HoldingOptions,
  lease: Lease,
): Promise<Lease | 'lost' | 'away'> {
  const next = { holder, turn: lease.turn + 1, lastsMs: limits.leaseMs };
  try {
    if (await leases.writeLease(name, lease, next)) return next;
    const found = await leases.readLease(name);
    // Ours all the same: of a renewal that was made although it failed.
    return found?.holder === holder ? found : 'lost';
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    metrics.failed('unavailable');
    logger.warn({ lease: name, reason: error.message }, 'the lease can not be renewed now');
    return 'away';
  }
}

/** So that nobody has to wait until it has run out. */
async function giveBack({ leases, name, logger }: HoldingOptions, lease: Lease): Promise<void> {
  try {
    await leases.writeLease(name, lease, { ...lease, holder: undefined, turn: lease.turn + 1 });
  } catch (error) {
    logger.warn({ lease: name, reason: String(error) }, 'the lease could not be given back: it runs out');
  }
}
