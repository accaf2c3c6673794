/** Leases in memory, for tests and simulations. */

import type { Lease, LeaseStore } from './leases.ts';
import { StoreUnavailable } from './store.ts';

export type MemoryLeases = LeaseStore & {
  /** Whether calls reject. */
  readonly setAway: (isAway: boolean) => void;
};

/** Adapters on the same `leases` see what each other writes. */
export function createMemoryLeases(leases: Map<string, Lease> = new Map()): MemoryLeases {
  let isAway = false;
  const present = (): void => {
    if (isAway) throw new StoreUnavailable('leases in memory are away');
  };
  return {
    readLease: async (name) => {
      present();
      return leases.get(name);
    },
    writeLease: async (name, seen, lease) => {
      present();
      if (leases.get(name)?.turn !== seen?.turn) return false;
      leases.set(name, lease);
      return true;
    },
    setAway: (nowAway) => {
      isAway = nowAway;
    },
  };
}
