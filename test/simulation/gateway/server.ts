/**
 * A simulated process: a gateway, and maybe a persister, that can be killed, frozen and drained, on disks and a bus that outlive it.
 */

import { startPersister } from '#persister/persister.ts';
import { compact } from '#shared/document/compact.ts';
import { type BroadcastBus, type BroadcastStep, createMemoryBroadcast } from '#shared/journal/broadcast-memory.ts';
import { createMemoryJournal, type JournalDisk, type JournalStep, type Moment } from '#shared/journal/memory.ts';
import { allPartitions } from '#shared/journal/sharing.ts';
import { createMemoryStore, type StoreDisk, type StoreStep } from '#shared/store/memory.ts';
import { restarting } from '#shared/wire/close-codes.ts';
import type { YWebsocketSession } from '#gateway/doors/y-websocket.ts';
import { freezingClock } from '#test/harness/freezing-clock.ts';
import { memoryGateway, type MemoryGateway, silentLogger } from '#test/harness/memory-gateway.ts';
import type { VirtualClock } from '#test/harness/virtual-clock.ts';
import { compactorOf, smallLimits } from '#test/simulation/persister/world.ts';
import type { Random } from '#test/simulation/rooms/random.ts';

export type Disks = { readonly journal: JournalDisk; readonly store: StoreDisk; readonly bus: BroadcastBus };

export type Server = {
  readonly gateway: MemoryGateway;
  /** Its own: stands still while it is frozen, and calls nobody once it is dead. */
  readonly clock: VirtualClock;
  readonly sessions: Set<YWebsocketSession>;
  readonly takesClients: () => boolean;
  readonly isFrozen: () => boolean;
  readonly freeze: () => void;
  readonly thaw: () => void;
  /** Sends everybody away, says goodbye, and takes nobody in any more. */
  readonly drain: () => void;
  readonly kill: () => void;
};

export type ServerParts = {
  readonly name: string;
  readonly clock: VirtualClock;
  readonly disks: Disks;
  readonly random: Random;
  readonly hasPersister: boolean;
  /** Called with each effect before and after it; may take its time, throw, or kill. */
  readonly step: (name: JournalStep | StoreStep, moment: Moment) => Promise<void>;
  readonly broadcastStep: (name: BroadcastStep) => Promise<void>;
};

export function startServer({ name, clock, disks, random, hasPersister, step, broadcastStep }: ServerParts): Server {
  const process = freezingClock(clock);
  const sessions = new Set<YWebsocketSession>();
  let isDraining = false;
  const atStep = async (effect: JournalStep | StoreStep, moment: Moment): Promise<void> => {
    while (process.isFrozen()) await new Promise<void>((resolve) => void process.clock.after(0, resolve));
    await step(effect, moment);
  };
  const journal = createMemoryJournal({ disk: disks.journal, step: atStep });
  const store = createMemoryStore({ disk: disks.store, step: atStep, segmentBytesMax: 4_000 });
  const broadcast = createMemoryBroadcast({ bus: disks.bus, step: broadcastStep, messageBytesMax: random.pick([400, 10_000]) });
  const gateway = memoryGateway({
    journal,
    store,
    broadcast,
    clock: process.clock,
    origin: name,
    random: random.number,
    limits: {
      unsavedMsMax: 3_000,
      roomIdleMs: 500,
      outboxHighWaterBytes: 1_000,
      fragmentBytes: 200,
      missedBytesMax: random.pick([0, 300, 5_000]),
      tailBytesMax: random.pick([500, 5_000, 1_000_000]),
    },
  });
  if (hasPersister) {
    startPersister({
      journal,
      store,
      sharePartitions: allPartitions(disks.journal.identity.partitionCount),
      clock: process.clock,
      limits: smallLimits,
      logger: silentLogger,
      metrics: { flushed: () => {}, compacted: () => {}, deadLettered: () => {}, failed: () => {} },
      deadLetter: ({ reason }) => {
        throw new Error(`a record was set aside: ${reason}`);
      },
      compactor: compactorOf(compact),
      random: random.number,
      partBytes: 500,
    });
  }
  return {
    gateway,
    clock: process.clock,
    sessions,
    takesClients: () => !isDraining && !process.isFrozen(),
    isFrozen: process.isFrozen,
    freeze: () => {
      process.freeze();
      broadcast.hold();
    },
    thaw: () => {
      const what = random.pick(['hears-all', 'missed-all'] as const);
      const isHeardFirst = random.chance(0.5);
      if (isHeardFirst) broadcast.release(what);
      process.thaw();
      if (!isHeardFirst) broadcast.release(what);
    },
    drain: () => {
      isDraining = true;
      gateway.rooms.stop();
      for (const session of [...sessions]) session.close(restarting('the server is stopping'));
      gateway.schedule.run();
      gateway.exchange?.leave();
    },
    kill: () => {
      process.kill();
      journal.crash();
      store.crash();
      broadcast.crash();
    },
  };
}
