/**
 * Many clients, some gateways and a persister in processes that may die, and the disks that outlive them; all of it under one seed and virtual time.
 *
 * What is durable is known from the journal's disk alone. Without further options there is one gateway, with the persister in its process;
 * where there are more, the persister is in that of the first.
 */

import { type BroadcastStep, createBroadcastBus } from '#shared/journal/broadcast-memory.ts';
import { JournalUnavailable } from '#shared/journal/journal.ts';
import { createJournalDisk, type JournalStep, type Moment } from '#shared/journal/memory.ts';
import { partitionByName } from '#shared/journal/partition.ts';
import { createStoreDisk, type StoreStep } from '#shared/store/memory.ts';
import { StoreUnavailable } from '#shared/store/store.ts';
import { type VirtualClock, virtualClock } from '#test/harness/virtual-clock.ts';
import type { Random } from '#test/simulation/rooms/random.ts';
import { durableDocument } from './durable.ts';
import { arrive, type Person } from './person.ts';
import { type Server, startServer } from './server.ts';

/** What fails, and how often; the simulation changes it as it goes. */
export type Weather = { journalFails: number; storeFails: number; broadcastFails: number; slowness: number };

export type WorldOptions = {
  readonly gateways?: number;
  readonly partitions?: number;
  readonly documents?: readonly string[];
};

export type SimulatedWorld = {
  readonly clock: VirtualClock;
  readonly weather: Weather;
  readonly people: readonly Person[];
  readonly counts: {
    acknowledgements: number;
    crashes: number;
    closings: number;
    breaks: number;
    freezes: number;
    drains: number;
  };
  /** kill -9 of a gateway, and a new process a moment later. */
  readonly crash: (place?: number) => void;
  /** Kills the process that has the last of so many effects, in the middle of it. */
  readonly crashSoon: (effects: number) => void;
  /** Stops a gateway (SIGSTOP). Some of its clients find it dead soon, all of them after 30 s. */
  readonly freeze: (place: number) => void;
  readonly thaw: (place: number) => void;
  /** Stops a gateway in good order, and a new process comes a moment later. */
  readonly drain: (place: number) => void;
  readonly newcomer: () => Person;
  readonly leave: (person: Person) => void;
  readonly end: () => void;
};

/** When a client that hears nothing gives its server up. */
const watchdogMs = 30_000;

export function simulatedWorld(random: Random, peopleCount: number, options: WorldOptions = {}): SimulatedWorld {
  const { gateways = 1, partitions = 1, documents = ['doc'] } = options;
  const clock = virtualClock();
  const disks = {
    journal: createJournalDisk({ id: 'simulated', partitionCount: partitions }),
    store: createStoreDisk(),
    bus: createBroadcastBus(partitions),
  };
  const durables = new Map(
    documents.map((document) => [
      document,
      durableDocument(disks.journal, partitionByName(document as never, partitions), document),
    ]),
  );
  const weather: Weather = { journalFails: 0, storeFails: 0, broadcastFails: 0, slowness: 5 };
  const counts = { acknowledgements: 0, crashes: 0, closings: 0, breaks: 0, freezes: 0, drains: 0 };
  const servers: (Server | undefined)[] = Array.from({ length: gateways }, () => undefined);
  const latest: number[] = [];
  let effectsLeft = Infinity;
  let generations = 0;
  let clients = 0;
  let people: readonly Person[] = [];

  const wait = (ms: number): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve));
  const stepOf =
    (isMine: () => boolean, die: () => void) =>
    async (name: JournalStep | StoreStep, moment: Moment): Promise<void> => {
      if (name === 'trim' && moment === 'before') for (const durable of durables.values()) durable.catchUp();
      if (--effectsLeft <= 0 && isMine()) die();
      const isOfJournal = name === 'append' || name === 'read' || name === 'high-water' || name === 'trim';
      if (name !== 'read' && random.chance(0.5)) await wait(random.integer(weather.slowness + 1));
      if (name === 'read' || !random.chance(isOfJournal ? weather.journalFails : weather.storeFails)) return;
      throw isOfJournal ? new JournalUnavailable('bad weather') : new StoreUnavailable('bad weather');
    };
  const broadcastStep = async (name: BroadcastStep): Promise<void> => {
    if (random.chance(0.3)) await wait(random.integer(Math.min(weather.slowness, 50) + 1));
    while (name === 'listen' && random.chance(weather.broadcastFails)) await wait(500);
    if (name !== 'listen' && random.chance(weather.broadcastFails)) throw new Error('bad weather');
  };

  function start(place: number): void {
    const mine = ++generations;
    latest[place] = mine;
    servers[place] = startServer({
      name: `process ${mine}`,
      clock,
      disks,
      random,
      hasPersister: place === 0,
      step: stepOf(
        () => latest[place] === mine,
        () => crash(place),
      ),
      broadcastStep,
    });
  }

  function end(place: number): void {
    const server = servers[place];
    if (server === undefined) return;
    server.kill();
    servers[place] = undefined;
    for (const person of people) person.loseServer(server);
    clock.after(50 + random.integer(1_000), () => start(place));
  }

  function crash(place = random.integer(gateways)): void {
    if (servers[place] === undefined) return;
    counts.crashes++;
    effectsLeft = Infinity;
    end(place);
  }

  const freeze = (place: number): void => {
    const server = servers[place];
    if (server?.takesClients() !== true) return;
    counts.freezes++;
    server.freeze();
    for (const person of people) {
      clock.after(random.chance(0.3) ? random.integer(watchdogMs) : watchdogMs, () => {
        if (server.isFrozen()) person.loseServer(server);
      });
    }
  };

  const drain = (place: number): void => {
    const server = servers[place];
    if (server?.takesClients() !== true) return;
    counts.drains++;
    server.drain();
    clock.after(1_000 + random.integer(1_000), () => {
      if (servers[place] === server) end(place);
    });
  };

  const newcomer = (): Person => {
    const document = random.pick(documents);
    const durable = durables.get(document);
    if (durable === undefined) throw new Error(`nobody keeps ${document}`);
    const person = arrive({
      id: 1_000 + clients++,
      document,
      clock,
      random,
      durable,
      counts,
      findServer: () => {
        const server = servers[random.integer(gateways)];
        return server?.takesClients() === true ? server : undefined;
      },
      isAlive: (server) => servers.includes(server),
    });
    people = [...people, person];
    return person;
  };
  for (const place of servers.keys()) start(place);
  for (let i = 0; i < peopleCount; i++) newcomer();
  return {
    clock,
    weather,
    get people() {
      return people;
    },
    counts,
    crash,
    crashSoon: (effects) => {
      effectsLeft = effects;
    },
    freeze,
    thaw: (place) => {
      if (servers[place]?.isFrozen() === true) servers[place].thaw();
    },
    drain,
    newcomer,
    leave: (person) => {
      people = people.filter((other) => other !== person);
      person.leave();
    },
    end: () => {
      for (const server of servers) server?.kill();
      for (const { client } of people) client.destroy();
      for (const { doc } of durables.values()) doc.destroy();
    },
  };
}
