/**
 * Who is here through the other gateways.
 *
 * People of one document sit on several gateways. What each of them says of its own people goes by partitions, as records do, and a gateway
 * listens to those of which it has rooms. What is said, and how what gets lost is made good, is in `presence-partition.ts`; here
 * is which partitions there are, and their common clock.
 */

import { PresencePartition, type PresencePartitionParts, presenceTickMs, type SharedRoom } from '#gateway/presence-partition.ts';
import type { DocumentName } from '#shared/document/name.ts';
import type { Partition } from '#shared/journal/journal.ts';
import type { Clock } from '#shared/runtime/clock.ts';

export type PresenceExchangeParts = Omit<PresencePartitionParts, 'names'> & {
  readonly clock: Pick<Clock, 'after' | 'monotonic'>;
};

/** A tick that comes after so many times `presenceTickMs` says that the process did not run. */
const lateFactor = 3;

export class PresenceExchange {
  readonly #parts: PresenceExchangeParts;
  readonly #names = { taken: 0 };
  readonly #partitions = new Map<Partition, PresencePartition>();
  #hasLeft = false;

  constructor(parts: PresenceExchangeParts) {
    this.#parts = parts;
    this.#tickLater();
  }

  /** How many other gateways are known to have people on documents that are open here. */
  get gateways(): number {
    const names = [...this.#partitions.values()].flatMap(({ gateways }) => [...gateways]);
    return new Set(names.map((name) => name.slice(0, name.lastIndexOf('/')))).size;
  }

  /** A room opened: from now on it is told who is on its document elsewhere, and the others what `tell` finds in it. */
  open(room: SharedRoom): void {
    if (this.#hasLeft) return;
    const at = this.#parts.broadcast.partitionOf(room.document);
    const partition = this.#partitions.get(at) ?? new PresencePartition({ ...this.#parts, names: this.#names }, at);
    this.#partitions.set(at, partition);
    partition.open(room);
  }

  /** The room is gone, and nobody is here through it any more. */
  close(document: DocumentName): void {
    const at = this.#parts.broadcast.partitionOf(document);
    const partition = this.#partitions.get(at);
    partition?.close(document);
    if (partition?.isEmpty !== true) return;
    partition.leave();
    this.#partitions.delete(at);
  }

  /** Tells the other gateways what changed in a room, before its changes are taken. */
  tell(document: DocumentName): void {
    this.#partitions.get(this.#parts.broadcast.partitionOf(document))?.tell(document);
  }

  /** Says goodbye: nobody is here any more. Nothing is said or heard afterwards. */
  leave(): void {
    this.#hasLeft = true;
    for (const partition of this.#partitions.values()) partition.leave();
    this.#partitions.clear();
  }

  #tickLater(): void {
    const { clock } = this.#parts;
    const begun = clock.monotonic();
    clock.after(presenceTickMs, () => {
      if (this.#hasLeft) return;
      const isLate = clock.monotonic() - begun > lateFactor * presenceTickMs;
      for (const partition of this.#partitions.values()) partition.tick(isLate);
      this.#tickLater();
    });
  }
}
