/**
 * Whether a store and a journal belong together.
 *
 * What is stored says "everything below this offset", and an offset means something in one journal alone. A topic that was made anew under
 * the same name begins at 0 again: a persister that carried on would skip everything up to its old checkpoint, and a gateway would show
 * documents without it. Neither would fail. So a store is bound to the journal that it was first used with, and whoever is given the two asks before
 * it touches either.
 */

import type { Journal, JournalIdentity, Partition } from '#shared/journal/journal.ts';
import type { Store } from './store.ts';

/**
 * What speaks against putting this store beside this journal, in words; empty where nothing does. Binds a store that is not bound yet.
 * Rejects with `JournalUnavailable` or `StoreUnavailable`.
 */
export async function findMismatch(journal: Journal, store: Store): Promise<readonly string[]> {
  const bound = await store.bindJournal(journal.identity);
  if (bound.id !== journal.identity.id || bound.partitionCount !== journal.identity.partitionCount) {
    return [
      `the store belongs to ${nameOf(bound)}, and this is ${nameOf(journal.identity)}: use the journal that the store was filled from, or an empty store`,
    ];
  }
  const problems: string[] = [];
  for (let partition: Partition = 0; partition < bound.partitionCount; partition++) {
    // In this order: another persister may move the checkpoint in between, but never past the end that is read after it.
    const checkpoint = await store.readCheckpoint(partition);
    const highWater = await journal.highWater(partition);
    if (checkpoint <= highWater) continue;
    problems.push(
      `partition ${partition} is stored up to ${checkpoint}, but the journal ${journal.identity.id} ends at ${highWater}: it was cut or replaced; put it back, or start with a new journal and an empty store`,
    );
  }
  return problems;
}

const nameOf = ({ id, partitionCount }: JournalIdentity): string => `journal ${id} with ${partitionCount} partitions`;
