/**
 * Whether a store and a journal belong together.
 *
 * What is stored says "everything below this offset", and an offset means something in one journal alone. A topic that was made anew under
 * the same name begins at 0 again: a persister that carried on would skip everything up to its old checkpoint, and a gateway would show
 * documents without it. Neither would fail. So a store is bound to the journal that it was first used with, and whoever is given the two asks before
 * it touches either.
 *
 * A checkpoint beyond the journal's end says the same of a journal that was cut. But a broker that led a partition and does not know yet that
 * another one leads it now tells an end that is seconds old, and nothing that can't be undone may follow from that: it is asked again for a while.
 */

import type { Journal, JournalIdentity, Offset, Partition } from '#shared/journal/journal.ts';
import type { Clock } from '#shared/runtime/clock.ts';
import { pause } from '#shared/runtime/waiting.ts';
import type { Store } from './store.ts';

/** For so long, in ms, an end below the checkpoint may be an old one. */
export const staleEndMsMax = 3_000;
const staleEndPauseMs = 250;

export type Ends = { readonly checkpoint: Offset; readonly highWater: Offset };

/**
 * Up to where a partition is stored, and where it ends. A checkpoint that is beyond the end is looked at again, together with the end, until
 * `deadlineMs` by the monotonic clock or until `signal` is aborted. Rejects with `JournalUnavailable` or `StoreUnavailable`.
 */
export async function readEnds(
  { journal, store, clock }: { readonly journal: Journal; readonly store: Store; readonly clock: Clock },
  partition: Partition,
  deadlineMs: number,
  signal?: AbortSignal,
): Promise<Ends> {
  for (;;) {
    // In this order: another persister may move the checkpoint in between, but never past the end that is read after it.
    const checkpoint = await store.readCheckpoint(partition);
    const highWater = await journal.highWater(partition);
    if (checkpoint <= highWater || clock.monotonic() >= deadlineMs || signal?.aborted === true) return { checkpoint, highWater };
    await pause(clock, staleEndPauseMs, signal);
  }
}

/**
 * What speaks against putting this store beside this journal, in words; empty where nothing does. Binds a store that is not bound yet.
 * Rejects with `JournalUnavailable` or `StoreUnavailable`.
 */
export async function findMismatch(journal: Journal, store: Store, clock: Clock): Promise<readonly string[]> {
  const bound = await store.bindJournal(journal.identity);
  if (bound.id !== journal.identity.id || bound.partitionCount !== journal.identity.partitionCount) {
    return [
      `the store belongs to ${nameOf(bound)}, and this is ${nameOf(journal.identity)}: use the journal that the store was filled from, or an empty store`,
    ];
  }
  const problems: string[] = [];
  const deadlineMs = clock.monotonic() + staleEndMsMax;
  for (let partition: Partition = 0; partition < bound.partitionCount; partition++) {
    const { checkpoint, highWater } = await readEnds({ journal, store, clock }, partition, deadlineMs);
    if (checkpoint <= highWater) continue;
    problems.push(
      `partition ${partition} is stored up to ${checkpoint}, but the journal ${journal.identity.id} ends at ${highWater}: it was cut or replaced; put it back, or start with a new journal and an empty store`,
    );
  }
  return problems;
}

const nameOf = ({ id, partitionCount }: JournalIdentity): string => `journal ${id} with ${partitionCount} partitions`;
