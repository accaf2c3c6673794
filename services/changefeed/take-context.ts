/** What it takes to take edits in. */

import type { RootKinds } from '#shared/document/json/roots.ts';
import type { Journal } from '#shared/journal/journal.ts';
import type { MirrorLimits } from '#shared/mirror/limits.ts';
import type { MirrorWork } from '#shared/mirror/work.ts';
import type { Clock } from '#shared/runtime/clock.ts';
import type { MirrorStore, Rev } from '#shared/store/mirrors.ts';
import type { Store } from '#shared/store/store.ts';

import type { Clients } from './clients.ts';
import type { Doubts } from './doubts.ts';

export type TakeContext = {
  readonly mirrors: MirrorStore;
  readonly store: Store;
  readonly journal: Journal;
  readonly work: MirrorWork;
  readonly roots: RootKinds;
  readonly clock: Clock;
  readonly limits: MirrorLimits;
  readonly clients: Clients;
  readonly doubts: Doubts;
  /** Of the records: random per process. */
  readonly origin: string;
  /** A new one with each call: random, so that no other process ever makes the same. */
  readonly makeRev: () => Rev;
};
