/**
 * How store and journal are doing, as far as a gateway can tell without asking much.
 *
 * A gateway notices that the journal is away when it appends, and that the store is when somebody opens a document: neither may happen for a while, and how
 * far the persisters are behind it does not notice at all. So it looks at one partition after the other, one each interval: its checkpoint in the store, and
 * its end in the journal. A few requests a second for the whole cluster tell it soon enough, since being behind too far takes minutes. Each of the two is
 * remembered by itself: while the store is away its checkpoints stand still, and just then the journal's ends must count.
 */

import type { Journal, Offset, Partition } from '#shared/journal/journal.ts';
import type { Clock } from '#shared/runtime/clock.ts';
import { gaugeFrom, type Registry } from '#shared/runtime/metrics.ts';
import { reasonOf } from '#shared/runtime/reason.ts';
import type { Store } from '#shared/store/store.ts';

export type StorageWatchParts = {
  readonly journal: Pick<Journal, 'identity' | 'highWater'>;
  readonly store: Pick<Store, 'readCheckpoint'>;
  readonly clock: Clock;
  readonly registry: Registry;
};

type Seen = { readonly ok: boolean; readonly reason: string | undefined };

export type StorageWatch = {
  /** As seen last. */
  readonly store: () => Seen;
  readonly reading: () => Seen;
  /** Records that are in the journal and not in the store, over all partitions, each as seen last. */
  readonly behindRecords: () => number;
  readonly stop: () => void;
};

export const watchIntervalMs = 2_000;

const fine: Seen = { ok: true, reason: undefined };

/** What `ask` resolves with and that all is fine; or undefined, and why not. */
const look = <T>(ask: () => Promise<T>): Promise<{ readonly found: T | undefined; readonly seen: Seen }> =>
  ask().then(
    (found) => ({ found, seen: fine }),
    (error: unknown) => ({
      found: undefined,
      seen: { ok: false, reason: reasonOf(error) },
    }),
  );

/** Watches until it is stopped, beginning at once. */
export function watchStorage({ journal, store, clock, registry }: StorageWatchParts): StorageWatch {
  const stored = new Map<Partition, Offset>();
  const ends = new Map<Partition, Offset>();
  let partition: Partition = 0;
  let storeSeen = fine;
  let readingSeen = fine;
  let stopped = false;
  const behindRecords = (): number => [...ends].reduce((sum, [at, end]) => sum + Math.max(0, end - (stored.get(at) ?? end)), 0);

  const lookOnce = async (): Promise<void> => {
    const at = partition;
    partition = (partition + 1) % journal.identity.partitionCount;
    // In this order, so that what is stored is never ahead.
    const checkpoint = await look(() => store.readCheckpoint(at));
    storeSeen = checkpoint.seen;
    if (checkpoint.found !== undefined) stored.set(at, checkpoint.found);
    const highWater = await look(() => journal.highWater(at));
    readingSeen = highWater.seen;
    if (highWater.found !== undefined) ends.set(at, highWater.found);
  };
  const lookLater = (): void => {
    void lookOnce().then(() => {
      if (!stopped) clock.after(watchIntervalMs, lookLater);
    });
  };
  lookLater();

  gaugeFrom(registry, 'inkstream_store_ok', 'Whether the store answered when it was asked last', () => Number(storeSeen.ok));
  gaugeFrom(
    registry,
    'inkstream_store_behind_records',
    'Records that are not in the store yet, seen some seconds ago',
    behindRecords,
  );
  return {
    store: () => storeSeen,
    reading: () => readingSeen,
    behindRecords,
    stop: () => {
      stopped = true;
    },
  };
}
