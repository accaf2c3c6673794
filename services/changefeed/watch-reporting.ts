/** What the watch tells the people who run it. */

import type { DocumentName } from '#shared/document/name.ts';

/** Everything that goes wrong here, by kind, for counting. */
export type WatchError =
  /** The database is away for the lease, the announcements or the sweep. */
  | 'unavailable'
  /** A look at a document failed. */
  | 'look-failed'
  /** A document was left to the next sweep. */
  | 'look-given-up'
  /** Announcements broke off, and were begun anew. */
  | 'stream-lost'
  /** The lease was lost while it was held. */
  | 'lease-lost';

/** Called as things happen; must not throw. */
export type WatchMetrics = {
  /** A document was looked at, until nothing was left to do. `ms`: since it was announced, or a sweep came to it. */
  readonly looked: (look: { readonly document: DocumentName; readonly ms: number }) => void;
  /** A sweep has come to all. */
  readonly swept: (sweep: { readonly documents: number; readonly ms: number }) => void;
  readonly failed: (error: WatchError) => void;
};

export const noWatchMetrics: WatchMetrics = { looked: () => {}, swept: () => {}, failed: () => {} };

export type WatchState =
  /** Another process has the lease, or the database is away. */
  | 'waiting'
  /** It has the lease, and is about to hear of changes. */
  | 'starting'
  | 'following'
  /** The database announces nothing. */
  | 'sweeping-alone';

export type WatchStatus = {
  readonly state: WatchState;
  /** Documents that are to be looked at, or are being looked at. */
  readonly pending: number;
  /** How long the one among them that has waited longest has, in milliseconds; 0 where there is none. */
  readonly waitedMs: number;
};
