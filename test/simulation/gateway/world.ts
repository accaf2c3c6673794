/**
 * Many clients, one gateway and one persister in a process that may die, and the disks that outlive it; all of it under one seed and virtual time.
 *
 * A client's link delays messages in both directions and loses what is under way when it breaks. The server hears of that later than the client, as it does in
 * life. What is durable is known from the journal's disk alone, and each acknowledgement is held against it at the moment at which it leaves the server.
 */

import * as Y from 'yjs';
import {
  createJournalDisk,
  createMemoryJournal,
  type JournalDisk,
  type JournalStep,
  type Moment,
} from '#shared/journal/memory.ts';
import { allPartitions } from '#shared/journal/sharing.ts';
import { JournalUnavailable } from '#shared/journal/journal.ts';
import type { Clock } from '#shared/runtime/clock.ts';
import { compact } from '#shared/document/compact.ts';
import { createMemoryStore, createStoreDisk, type StoreDisk, type StoreStep } from '#shared/store/memory.ts';
import { StoreUnavailable } from '#shared/store/store.ts';
import { decodeFrame } from '#shared/wire/y-websocket.ts';
import { BareClient } from '#test/harness/bare-client.ts';
import { fakeConnection, type FakeConnection } from '#test/harness/fake-connection.ts';
import { documentName, memoryGateway, type MemoryGateway, silentLogger } from '#test/harness/memory-gateway.ts';
import { parseServerFrame } from '#test/harness/server-frames.ts';
import { type VirtualClock, virtualClock } from '#test/harness/virtual-clock.ts';
import { compactorOf, smallLimits } from '#test/simulation/persister/world.ts';
import { startPersister } from '#persister/persister.ts';
import { openRoots, undoManagerOf } from '#test/simulation/rooms/editing.ts';
import type { Random } from '#test/simulation/rooms/random.ts';

/** What fails, and how often; the simulation changes it as it goes. */
export type Weather = { journalFails: number; storeFails: number; slowness: number };

type Process = { readonly gateway: MemoryGateway; readonly kill: () => void };

/** Everything that is durable, as a document: what it is given and knows already changes nothing in it. */
function durableDocument(disk: JournalDisk) {
  const doc = new Y.Doc({ gc: false });
  doc.on('afterTransaction', (transaction: Y.Transaction) => {
    transaction._needFormattingCleanup = false;
  });
  let next = 0;
  const catchUp = (document: string): void => {
    for (const batch of disk.partitions[0]?.batches ?? []) {
      if (batch.next <= next) continue;
      for (const entry of batch.records) {
        if ('record' in entry && entry.offset >= next && entry.record.document === document)
          Y.applyUpdate(doc, entry.record.update);
      }
      next = batch.next;
    }
  };
  const has = (update: Uint8Array): boolean => {
    let isNews = false;
    const notice = (): void => {
      isNews = true;
    };
    doc.on('update', notice);
    Y.applyUpdate(doc, update);
    doc.off('update', notice);
    return !isNews && doc.store.pendingStructs === null;
  };
  return { doc, catchUp, has };
}

export type Person = {
  readonly client: BareClient;
  readonly undo: Y.UndoManager;
  readonly isConnected: () => boolean;
  /** Breaks the link; the server hears of it when it pleases. */
  readonly breakLink: () => void;
  readonly stall: (isStalled: boolean) => void;
};

export type SimulatedWorld = {
  readonly clock: VirtualClock;
  readonly weather: Weather;
  readonly people: readonly Person[];
  readonly counts: { acknowledgements: number; crashes: number; closings: number; breaks: number };
  readonly process: () => Process | undefined;
  /** kill -9, and a new process a moment later. */
  readonly crash: () => void;
  /** Kills the process at one of the next effects. */
  readonly crashSoon: (effects: number) => void;
  readonly newcomer: () => Person;
  readonly disks: { readonly journal: JournalDisk; readonly store: StoreDisk };
  readonly end: () => void;
};

const document = 'doc';

export function simulatedWorld(random: Random, peopleCount: number): SimulatedWorld {
  const clock = virtualClock();
  const disks = { journal: createJournalDisk({ id: 'simulated' }), store: createStoreDisk() };
  const durable = durableDocument(disks.journal);
  const weather: Weather = { journalFails: 0, storeFails: 0, slowness: 5 };
  const counts = { acknowledgements: 0, crashes: 0, closings: 0, breaks: 0 };
  let effectsLeft = Infinity;
  let process: Process | undefined;
  let generation = 0;
  let clients = 0;
  const people: Person[] = [];

  const wait = (ms: number): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve));
  const step =
    (mine: number) =>
    async (name: JournalStep | StoreStep, moment: Moment): Promise<void> => {
      if (name === 'trim' && moment === 'before') durable.catchUp(document);
      if (--effectsLeft <= 0 && mine === generation) crash();
      const isOfJournal = name === 'append' || name === 'read' || name === 'high-water' || name === 'trim';
      if (name !== 'read' && random.chance(0.5)) await wait(random.integer(weather.slowness + 1));
      if (name === 'read' || !random.chance(isOfJournal ? weather.journalFails : weather.storeFails)) return;
      throw isOfJournal ? new JournalUnavailable('bad weather') : new StoreUnavailable('bad weather');
    };

  function startProcess(): void {
    const mine = ++generation;
    let isDead = false;
    // What has died has no timers.
    const own: Clock = { ...clock, after: (ms, run) => clock.after(ms, () => (isDead ? undefined : run())) };
    const journal = createMemoryJournal({ disk: disks.journal, step: step(mine) });
    const store = createMemoryStore({ disk: disks.store, step: step(mine), segmentBytesMax: 4_000 });
    const ownClock: VirtualClock = { ...clock, ...own };
    const gateway = memoryGateway({
      journal,
      store,
      clock: ownClock,
      origin: `process ${mine}`,
      random: random.number,
      limits: {
        unsavedMsMax: 3_000,
        roomIdleMs: 500,
        outboxHighWaterBytes: 1_000,
        fragmentBytes: 200,
        missedBytesMax: random.pick([0, 300, 5_000]),
        tailBytesMax: random.pick([500, 1_000_000]),
      },
    });
    startPersister({
      journal,
      store,
      sharePartitions: allPartitions(journal.identity.partitionCount),
      clock: ownClock,
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
    process = {
      gateway,
      kill: () => {
        isDead = true;
        journal.crash();
        store.crash();
      },
    };
  }

  function crash(): void {
    if (process === undefined) return;
    counts.crashes++;
    effectsLeft = Infinity;
    process.kill();
    process = undefined;
    for (const person of people) person.breakLink();
    clock.after(50 + random.integer(1_000), startProcess);
  }

  function arrive(): Person {
    const client = new BareClient();
    client.keepsFrames = false;
    client.doc.clientID = 1_000 + clients++;
    openRoots(client.doc);
    const undo = undoManagerOf(client.doc);
    let link: { readonly connection: FakeConnection; readonly end: () => void } | undefined;
    let isStalled = false;

    const connect = (): void => {
      if (process === undefined) return retry();
      const { gateway } = process;
      const connection = fakeConnection();
      if (isStalled) connection.stall(true);
      const sent: Uint8Array[] = [];
      let acknowledged = 0;
      let isUp = true;
      let isOpenThere = true;
      /** Runs something after a while, in the order of the calls. */
      const line = () => {
        let last = 0;
        return (run: () => void): void => {
          last = Math.max(last, clock.monotonic() + random.integer(30));
          clock.after(last - clock.monotonic(), run);
        };
      };
      const [there, back] = [line(), line()];
      connection.onMessage = (message) => {
        const frame = parseServerFrame(message);
        if (frame.kind === 'ack') {
          durable.catchUp(document);
          for (const update of sent.slice(acknowledged, frame.frames)) {
            if (!durable.has(update)) throw new Error('something was acknowledged that is not durable');
          }
          counts.acknowledgements += frame.frames - acknowledged;
          acknowledged = frame.frames;
        }
        back(() => void (isUp && client.receive(message)));
      };
      const end = (): void => {
        if (!isUp) return;
        isUp = false;
        link = undefined;
        client.lost();
        retry();
        clock.after(random.integer(2_000), () => {
          if (isOpenThere) session.closed();
          isOpenThere = false;
        });
      };
      const { close } = connection;
      const session = gateway.connect(documentName(document), {
        ...connection,
        close: (closing) => {
          close(closing);
          if (closing.code < 1000 || closing.code >= 4000)
            throw new Error(`an honest client was closed: ${closing.code} ${closing.reason}`);
          counts.closings++;
          isOpenThere = false;
          back(end);
        },
      });
      connection.onDrained = () => session.drained();
      link = { connection, end };
      // The process may have died of this very call.
      if (process?.gateway !== gateway) {
        end();
        return;
      }
      client.open((message) =>
        there(() => {
          // Bytes that arrived are handled even if the client is gone by then.
          const frame = decodeFrame(message);
          if (!isUp && random.chance(0.5)) return;
          if (frame.kind === 'step2' || frame.kind === 'update') sent.push(frame.update);
          if (isOpenThere) session.message(message);
        }),
      );
    };
    const retry = (): void => void clock.after(100 + random.integer(1_000), connect);
    connect();
    return {
      client,
      undo,
      isConnected: () => link !== undefined,
      breakLink: () => {
        counts.breaks++;
        link?.end();
      },
      stall: (stalled) => {
        isStalled = stalled;
        link?.connection.stall(stalled);
      },
    };
  }

  const newcomer = (): Person => {
    const person = arrive();
    people.push(person);
    return person;
  };
  startProcess();
  for (let i = 0; i < peopleCount; i++) newcomer();
  return {
    clock,
    weather,
    people,
    counts,
    process: () => process,
    crash,
    crashSoon: (effects) => {
      effectsLeft = effects;
    },
    newcomer,
    disks,
    end: () => {
      process?.kill();
      for (const { client } of people) client.destroy();
      durable.doc.destroy();
    },
  };
}
