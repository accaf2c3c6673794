/**
 * Telling the other gateways what is not worth keeping: presence.
 *
 * Who is here and where their cursors are changes many times a second and is worthless a minute later, so it has no place in the
 * journal. It still has to reach every gateway that has the document open and no other, in one order for all. So it goes by
 * partitions as records do, but nobody waits for it to be durable, it may get lost, and it is read from now on, never from before.
 * What is said here must be such that losing it is made good by what is said later.
 *
 * Adapters: memory and Kafka (`inkstream.presence`, short retention, `acks=1`).
 */

import type { DocumentName } from '#shared/document/name.ts';
import type { Partition } from './journal.ts';

export type BroadcastListener = {
  /** A message, this process's own among them, in the partition's order. A view that must not be kept or written to. Must not throw. */
  readonly onMessage: (message: Uint8Array) => void;
  /** Messages may have been missed. Called before the next message, any number of times. */
  readonly onGap: () => void;
};

export type Listening = {
  /** Resolves when whatever is sent from now on will be heard. Rejects never; pending while the network is away. */
  readonly ready: Promise<void>;
  /** Nothing is heard after the call. */
  readonly stop: () => void;
};

export type Broadcast = {
  /** The same as the journal's. */
  readonly partitionOf: (document: DocumentName) => Partition;

  /** The longest message, in bytes. A longer one is a mistake of the caller. */
  readonly messageBytesMax: number;

  /**
   * Sends `message`, which is not written to afterwards. What is sent in one tick goes together; messages of one process and
   * partition keep their order, and may be lost. What can't be sent for a while is dropped, never queued without bound.
   */
  readonly send: (partition: Partition, message: Uint8Array) => void;

  /** Hears what is sent to a partition from now on, until it is stopped. One listener a partition. */
  readonly listen: (partition: Partition, listener: BroadcastListener) => Listening;
};
