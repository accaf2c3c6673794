/**
 * The watch over mirrors: of all changefeeds one, by a lease, hears of changes and looks at the mirrors concerned.
 *
 * What is done there does no harm when it is done twice, or by several at once (`translate.ts`): lease, announcements and token are there to save work and time. So nothing here has to be right for an edit to be taken in exactly
 * once. What has to hold is that none is forgotten: whatever goes wrong ends in looking everywhere.
 */

import type { Clock } from '#shared/runtime/clock.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import type { Changes } from '#shared/store/changes.ts';
import type { LeaseStore } from '#shared/store/leases.ts';
import type { MirrorStore } from '#shared/store/mirrors.ts';

import { followChanges } from './following.ts';
import { holdLease } from './lease-holding.ts';
import { Looks, type TakeIn } from './looks.ts';
import { Sweeps } from './sweeps.ts';
import type { WatchLimits } from './watch-limits.ts';
import { noWatchMetrics, type WatchMetrics, type WatchState, type WatchStatus } from './watch-reporting.ts';

export type WatchOptions = {
  readonly changes: Changes;
  readonly leases: LeaseStore;
  readonly mirrors: Pick<MirrorStore, 'listDocuments'>;
  readonly takeIn: TakeIn;
  /** Called when the lease is ours, with what is aborted when it is not any more. Must not throw. */
  readonly held?: (lost: AbortSignal) => void;
  /** Of this process: random. */
  readonly holder: string;
  readonly clock: Clock;
  readonly limits: WatchLimits;
  readonly logger: Logger;
  readonly metrics?: WatchMetrics;
};

const leaseName = 'changefeed';

export type Watch = {
  /** Resolves when `stop` was aborted and no look is under way any more. */
  readonly run: (stop: AbortSignal) => Promise<void>;
  readonly status: () => WatchStatus;
};

export function createWatch(options: WatchOptions): Watch {
  const parts = { ...options, metrics: options.metrics ?? noWatchMetrics };
  let state: WatchState = 'waiting';
  let looks = new Looks(parts);

  const work = async (lost: AbortSignal): Promise<void> => {
    options.held?.(lost);
    looks = new Looks(parts);
    const ours = { ...parts, looks };
    const sweeps = new Sweeps(ours);
    const stopLooking = (): void => void looks.stop();
    lost.addEventListener('abort', stopLooking);
    const tell = (now: WatchState): void => void (state = now);
    await Promise.all([sweeps.run(lost), followChanges({ ...ours, sweeps, tell }, lost)]);
    await looks.stop();
    state = 'waiting';
  };
  return {
    run: (stop) => holdLease({ ...parts, name: leaseName }, work, stop),
    status: () => ({ state, pending: looks.pending, waitedMs: looks.waitedMs }),
  };
}
