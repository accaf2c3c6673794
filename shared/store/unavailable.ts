/** What is away now and may be back later: whoever needs it waits, or tells whoever asked to come again. */

import { JournalUnavailable } from '#shared/journal/journal.ts';
import { StoreUnavailable } from './store.ts';

export type Unavailable = StoreUnavailable | JournalUnavailable;

export const isUnavailable = (error: unknown): error is Unavailable =>
  error instanceof StoreUnavailable || error instanceof JournalUnavailable;
