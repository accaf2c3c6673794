/**
 * Leases: of several processes that could do something, one does it.
 *
 * The holder writes now and then that it is still there; when it has not for a while, another one takes over. "For a while" can't be told from a time in the lease: clocks of machines differ, by more than a
 * takeover may take. So there is none in it. A lease has a turn, which grows with each write; whoever waits for it measures by its own monotonic clock how long it has seen the same turn, and takes over by
 * compare-and-set when that was as long as the lease lasts. The holder counts from before its last write, so it gives up before anybody can have waited that long, if all clocks run at the same speed. Two holders at once are
 * possible (a process that was frozen does not know it yet) and have to do no harm.
 *
 * Adapters: memory and MongoDB; one contract suite holds both.
 */

export type Lease = {
  /** Who has it, by a name that no other process ever has; undefined: it was given back. */
  readonly holder: string | undefined;
  /** Grows with each write. */
  readonly turn: number;
  /** How long one turn lasts, in milliseconds: by the holder's word, so that others with other settings wait long enough. */
  readonly lastsMs: number;
};

/** Every method rejects with `StoreUnavailable` where the store is away; a write that rejected may have been made or not. */
export type LeaseStore = {
  /** Undefined where nobody ever had it. */
  readonly readLease: (name: string) => Promise<Lease | undefined>;

  /** Writes `lease` where what is stored is still `seen` (its turn tells); false where it is not. Resolves when durable. */
  readonly writeLease: (name: string, seen: Lease | undefined, lease: Lease) => Promise<boolean>;
};
