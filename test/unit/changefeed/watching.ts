/** What the tests of the watch stand on: everything in memory, by a clock that they turn. */

import type { DocumentName } from '#shared/document/name.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import type { Lease } from '#shared/store/leases.ts';
import { createMemoryChanges, type MemoryChanges } from '#shared/store/memory-changes.ts';
import { createMemoryLeases, type MemoryLeases } from '#shared/store/memory-leases.ts';
import { StoreUnavailable } from '#shared/store/store.ts';
import { virtualClock, type VirtualClock } from '#test/harness/virtual-clock.ts';

import type { TakeIn } from '../../../services/changefeed/looks.ts';
import { createWatch, type Watch } from '../../../services/changefeed/watch.ts';
import { watchSettings, type WatchLimits } from '../../../services/changefeed/watch-limits.ts';
import type { WatchError, WatchMetrics } from '../../../services/changefeed/watch-reporting.ts';

export const watchLimits = Object.fromEntries(
  Object.entries(watchSettings).map(([key, { fallback }]) => [key, fallback]),
) as unknown as WatchLimits;

export type Reported = {
  readonly errors: WatchError[];
  readonly looked: DocumentName[];
  sweeps: number;
  readonly lines: string[];
};

export function reporting(): Reported & { readonly metrics: WatchMetrics; readonly logger: Logger } {
  const reported: Reported = { errors: [], looked: [], sweeps: 0, lines: [] };
  const say = (_: unknown, sentence: string): void => void reported.lines.push(sentence);
  return Object.assign(reported, {
    metrics: {
      looked: ({ document }: { document: DocumentName }) => void reported.looked.push(document),
      swept: () => void reported.sweeps++,
      failed: (error: WatchError) => void reported.errors.push(error),
    },
    logger: { debug: say, info: say, warn: say, error: say, fatal: say },
  });
}

type Outcome = 'done' | 'more' | 'again' | Error;

/** Looks that end when the test says so. */
export function heldLooks(): {
  readonly takeIn: TakeIn;
  readonly under: () => readonly string[];
  readonly end: (document: string, outcome?: Outcome) => void;
  readonly begun: string[];
} {
  const open: { readonly document: DocumentName; readonly settle: (outcome: Outcome) => void }[] = [];
  const begun: string[] = [];
  return {
    begun,
    takeIn: (document) =>
      new Promise((resolve, reject) => {
        begun.push(document);
        open.push({ document, settle: (outcome) => (outcome instanceof Error ? reject(outcome) : resolve(outcome)) });
      }),
    under: () => open.map(({ document }) => document),
    end: (document, outcome = 'done') => {
      const index = open.findIndex((one) => one.document === document);
      if (index === -1) throw new Error(`nobody looks at ${document}`);
      open.splice(index, 1)[0]?.settle(outcome);
    },
  };
}

export type World = {
  readonly clock: VirtualClock;
  readonly changes: MemoryChanges;
  readonly stored: Map<string, Lease>;
  /** The mirrors that there are. */
  readonly names: Set<DocumentName>;
  /** Those with an edit that nobody has taken in. */
  readonly edited: Set<DocumentName>;
  readonly edit: (document: DocumentName, isAnnounced?: boolean) => void;
  readonly setListAway: (isAway: boolean) => void;
  readonly start: (options?: StartOptions) => Running;
};

export type StartOptions = { readonly holder?: string; readonly takeIn?: TakeIn; readonly limits?: Partial<WatchLimits> };

export type Running = Reported & {
  readonly watch: Watch;
  readonly leases: MemoryLeases;
  /** One for each time that it got the lease, aborted when it was lost. */
  readonly held: readonly AbortSignal[];
  readonly stop: () => Promise<void>;
  readonly isOver: () => boolean;
};

export function createWorld(changes: MemoryChanges = createMemoryChanges()): World {
  const clock = virtualClock();
  const stored = new Map<string, Lease>();
  const names = new Set<DocumentName>();
  const edited = new Set<DocumentName>();
  let isListAway = false;
  const listDocuments = async (after: DocumentName | undefined, limit: number): Promise<readonly DocumentName[]> => {
    if (isListAway) throw new StoreUnavailable('names are away');
    return [...names].toSorted().filter((name) => after === undefined || name > after).slice(0, limit);
  }; // prettier-ignore
  const takeThem: TakeIn = async (document) => {
    edited.delete(document);
    return 'done';
  };
  let holders = 0;
  return {
    clock,
    changes,
    stored,
    names,
    edited,
    edit: (document, isAnnounced = true) => {
      names.add(document);
      edited.add(document);
      if (isAnnounced) changes.announce(document);
    },
    setListAway: (isAway) => {
      isListAway = isAway;
    },
    start: ({ holder = `holder ${++holders}`, takeIn = takeThem, limits = {} } = {}) => {
      const reported = reporting();
      const leases = createMemoryLeases(stored);
      const { metrics, logger } = reported;
      const held: AbortSignal[] = [];
      const watch = createWatch({
        changes,
        leases,
        mirrors: { listDocuments },
        takeIn,
        held: (lost) => void held.push(lost),
        holder,
        clock,
        limits: { ...watchLimits, ...limits },
        logger,
        metrics,
      });
      const stopping = new AbortController();
      let isOver = false;
      const running = watch.run(stopping.signal).then(() => void (isOver = true));
      running.catch(() => {}); // the test asks when it stops
      return Object.assign(reported, {
        watch,
        leases,
        held,
        isOver: () => isOver,
        stop: async () => {
          stopping.abort();
          await running;
        },
      });
    },
  };
}
