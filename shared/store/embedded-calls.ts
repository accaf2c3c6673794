/** What every call on something that is kept in an LMDB environment goes through. */

import { EnvironmentUnavailable } from '#shared/runtime/lmdb.ts';
import { StoreUnavailable } from './store.ts';

export type EmbeddedCalls = {
  /** Rejects with `StoreUnavailable` where the environment is not to be used, or calls were closed. */
  readonly attempt: <T>(work: () => T | Promise<T>) => Promise<T>;
  /** Ends these calls; the environment stays open. */
  readonly close: () => Promise<void>;
};

/** `closedReason`: what a call after `close` is told. */
export function createEmbeddedCalls(closedReason: string): EmbeddedCalls {
  let closed = false;
  return {
    attempt: async (work) => {
      if (closed) throw new StoreUnavailable(closedReason);
      try {
        return await work();
      } catch (error) {
        throw error instanceof EnvironmentUnavailable ? new StoreUnavailable(error.message, { cause: error }) : error;
      }
    },
    close: async () => {
      closed = true;
    },
  };
}
