/**
 * The partitions that are ours to persist, each with a persister of its own.
 *
 * A share changes while work is under way: another process joins, leaves or dies. The obvious thing is to drop a partition the moment that
 * it is taken away. What was gathered of it would be read again by its next owner, which is harmless, but each rebalance would cost
 * everybody a second's work and the reading of it. So a partition that leaves drains: what was gathered is flushed once more, under a
 * checkpoint that moves forward only, and whatever its next owner does meanwhile is the same work done twice. A partition that comes back while it
 * still drains begins when it has: there is never more than one persister of a partition in a process.
 */

import type { Partition } from '#shared/journal/journal.ts';

import type { PartitionPersister } from './partition.ts';

type Held = { readonly persister: PartitionPersister; readonly leaving: AbortController; readonly ended: Promise<void> };

export class Share {
  readonly #create: (partition: Partition, draining: AbortSignal) => PartitionPersister;
  readonly #held = new Map<Partition, Held>();
  #partitions: ReadonlySet<Partition> | undefined;
  #draining = false;

  /** `create` makes the persister of a partition, which drains when the signal is aborted. */
  constructor(create: (partition: Partition, draining: AbortSignal) => PartitionPersister) {
    this.#create = create;
  }

  /** Undefined until it was told for the first time. */
  get partitions(): ReadonlySet<Partition> | undefined {
    return this.#partitions;
  }

  /** Those of our partitions, lowest first; not of those that have left and still drain. */
  get persisters(): readonly PartitionPersister[] {
    return [...this.#held]
      .filter(
        ([partition, { leaving }]) => this.#partitions?.has(partition) === true && (this.#draining || !leaving.signal.aborted),
      )
      .toSorted(([a], [b]) => a - b)
      .map(([, { persister }]) => persister);
  }

  /** These are ours from now on, and no others. */
  take(partitions: ReadonlySet<Partition>): void {
    if (this.#draining) return;
    this.#partitions = partitions;
    for (const [partition, held] of this.#held) if (!partitions.has(partition)) this.#leave(partition, held);
    for (const partition of partitions) if (!this.#held.has(partition)) this.#begin(partition);
  }

  /** Drains all of them, for good. */
  async drain(): Promise<void> {
    this.#draining = true;
    for (const { leaving } of this.#held.values()) leaving.abort();
    await Promise.all([...this.#held.values()].map(({ ended }) => ended));
  }

  #begin(partition: Partition): void {
    const leaving = new AbortController();
    const persister = this.#create(partition, leaving.signal);
    this.#held.set(partition, { persister, leaving, ended: persister.run() });
  }

  #leave(partition: Partition, { leaving, ended }: Held): void {
    if (leaving.signal.aborted) return;
    leaving.abort();
    void ended.then(() => {
      if (this.#draining) return;
      this.#held.delete(partition);
      if (this.#partitions?.has(partition) === true) this.#begin(partition);
    });
  }
}
