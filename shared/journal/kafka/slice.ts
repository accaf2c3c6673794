/** What is fetched of a partition, as far as it follows on what came before. Pure. */

import type { Offset } from '../journal.ts';
import type { FetchedMessage } from './record-batch.ts';

/** Messages of one partition from `first` up to but without `next`. */
export type Slice = { readonly first: Offset; readonly next: Offset; readonly messages: readonly FetchedMessage[] };

/**
 * The messages at `at` and behind, if they are whole: control records are left out, but must be there to count. A hole is the offset
 * behind it.
 */
export function sliceAt(messages: readonly FetchedMessage[], at: Offset): Slice | { readonly hole: Offset } | undefined {
  let next = at;
  const kept: FetchedMessage[] = [];
  for (const message of messages) {
    const { offset } = message;
    if (offset < at) continue;
    if (offset !== next) return kept.length > 0 ? { first: at, next, messages: kept } : { hole: offset };
    next = offset + 1;
    if (message.isControlRecord !== true) kept.push(message);
  }
  return next === at ? undefined : { first: at, next, messages: kept };
}
