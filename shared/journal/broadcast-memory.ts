/**
 * Telling other gateways, in memory: the ground that simulations and unit tests stand on.
 *
 * Several processes share a `BroadcastBus`, each through an adapter of its own. As with the journal in memory nothing happens by itself or
 * by chance: before each thing that a network does `step` is called and waited for, and may take its time or throw. What it throws
 * at `send` loses the message, at `hear` makes its adapter miss it, and hear of a gap instead. An adapter can be held: a frozen
 * process, or one that is cut off, which later hears everything, or nothing of it. What `step` throws at `listen` leaves it deaf.
 */

import type { DocumentName } from '#shared/document/name.ts';
import type { Broadcast, BroadcastListener, Listening } from './broadcast.ts';
import type { Partition } from './journal.ts';
import { partitionByName } from './partition.ts';

export type BroadcastStep = 'listen' | 'send' | 'hear';

/** Who listens, and where. */
export type BroadcastBus = {
  readonly partitionCount: number;
  readonly ears: Set<{ readonly partition: Partition; readonly hear: (message: Uint8Array) => void }>;
};

export const createBroadcastBus = (partitionCount = 1): BroadcastBus => ({ partitionCount, ears: new Set() });

export type MemoryBroadcastOptions = {
  readonly bus: BroadcastBus;
  readonly messageBytesMax?: number;
  readonly partitionOf?: (document: DocumentName) => Partition;
  readonly step?: (step: BroadcastStep, partition: Partition) => void | Promise<void>;
};

export type MemoryBroadcast = Broadcast & {
  /** From now on nothing is heard, until `release`. */
  readonly hold: () => void;
  /** What was held comes now, in its order; or is lost, and told as a gap. */
  readonly release: (what: 'hears-all' | 'missed-all') => void;
  /** What kill -9 does: nothing is sent or heard any more. */
  readonly crash: () => void;
};

const never = new Promise<never>(() => {});

/** One after the other; what throws does not stop the next. */
function inTurn(): (run: () => Promise<void>) => void {
  let last: Promise<void> = Promise.resolve();
  return (run) => {
    last = last.then(run).catch(() => {});
  };
}

type Ear = Listening & { readonly missed: () => void };

/** Hears what is sent on the bus. `deliver` runs what it is given when the process does; `step` may take its time or throw. */
function listenOn(
  bus: BroadcastBus,
  partition: Partition,
  listener: BroadcastListener,
  deliver: (run: () => void) => void,
  step: (step: BroadcastStep, partition: Partition) => Promise<void>,
): Ear {
  let stopped = false;
  const hearInTurn = inTurn();
  const deliverWhileListening = (run: () => void): void =>
    deliver(() => {
      if (!stopped) run();
    });
  const ear = {
    partition,
    hear: (message: Uint8Array): void =>
      hearInTurn(async () => {
        try {
          await step('hear', partition);
          deliverWhileListening(() => listener.onMessage(message));
        } catch {
          deliverWhileListening(() => listener.onGap());
        }
      }),
  };
  const begin = async (): Promise<void> => {
    await step('listen', partition);
    if (!stopped) bus.ears.add(ear);
  };
  return {
    ready: begin().catch(() => never),
    stop: () => {
      stopped = true;
      bus.ears.delete(ear);
    },
    missed: () => deliverWhileListening(() => listener.onGap()),
  };
}

export function createMemoryBroadcast(options: MemoryBroadcastOptions): MemoryBroadcast {
  const { bus, messageBytesMax = 1_000_000 } = options;
  let crashed = false;
  let held: (() => void)[] | undefined;
  const ears: Ear[] = [];
  const senders = new Map<Partition, ReturnType<typeof inTurn>>();
  const step = async (name: BroadcastStep, partition: Partition): Promise<void> => options.step?.(name, partition);
  const deliver = (run: () => void): void => {
    if (held === undefined) run();
    else held.push(run);
  };
  const carry = async (partition: Partition, message: Uint8Array): Promise<void> => {
    if (crashed) return;
    await step('send', partition);
    if (crashed) return;
    for (const ear of bus.ears) if (ear.partition === partition) ear.hear(message);
  };

  return {
    messageBytesMax,
    partitionOf: options.partitionOf ?? ((document) => partitionByName(document, bus.partitionCount)),
    send: (partition, message) => {
      if (message.length > messageBytesMax) throw new RangeError(`a message has at most ${messageBytesMax} bytes`);
      const sendInTurn = senders.get(partition) ?? inTurn();
      senders.set(partition, sendInTurn);
      sendInTurn(() => carry(partition, message));
    },
    listen: (partition, listener) => {
      const ear = listenOn(bus, partition, listener, deliver, step);
      ears.push(ear);
      return ear;
    },
    hold: () => {
      held ??= [];
    },
    release: (what) => {
      const waiting = held ?? [];
      held = undefined;
      if (what === 'hears-all') for (const run of waiting) run();
      else for (const ear of ears) ear.missed();
    },
    crash: () => {
      crashed = true;
      for (const ear of ears) ear.stop();
    },
  };
}
