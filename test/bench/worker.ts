/** A load generator: a process that opens its share of the clients and types with them, as it is told (plan.ts). */

import { makeBase } from './edits.ts';
import { outgoing } from './dialects.ts';
import {
  emptyTally,
  makeWriter,
  closeClient,
  openClient,
  sendFrame,
  until,
  type Client,
  type Fleet,
  type Room,
  type Writer,
} from './clients.ts';
import {
  documentName,
  monotonicMs,
  workerOf,
  type FromWorker,
  type Opened,
  type Plan,
  type ToWorker,
  type Typed,
} from './plan.ts';
import { drawSchedule, runSchedule } from './typing.ts';

const drainMsMax = 10_000;

const tell = (message: FromWorker): void => void process.send?.(message);
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));

type Generator = Fleet & {
  readonly clients: readonly Client[];
  readonly base: Uint8Array;
  readonly writers: Map<number, Writer>;
};

function makeGenerator(plan: Plan): Generator {
  const base = makeBase(plan.baseCharacters);
  const writers = new Map<number, Writer>();
  const clients: Client[] = [];
  for (let document = 0; document < plan.documents; document++) {
    const room: Room = { document, frames: outgoing(plan.dialect, documentName(document)) };
    for (let index = 0; index < plan.clientsPerDocument; index++) {
      if (workerOf(plan, document, index) !== plan.worker) continue;
      const writer = index < plan.writersPerDocument ? makeWriter(plan, room, index, base) : undefined;
      if (writer !== undefined) writers.set(document * plan.writersPerDocument + index, writer);
      const received = new Float64Array(plan.writersPerDocument);
      const state = {
        connection: undefined,
        synced: false,
        framesSent: 0,
        framesSettled: 0,
        updatesIn: 0,
        onProgress: undefined,
      };
      clients.push({ room, index, received, writer, ...state });
    }
  }
  return { plan, base, writers, clients, tally: emptyTally(), onFailure: (reason) => tell({ kind: 'failed', reason }) };
}

async function inLanes(clients: readonly Client[], lanes: number, work: (client: Client) => Promise<void>): Promise<void> {
  const queue = clients.values();
  const lane = async (): Promise<void> => {
    for (const client of queue) await work(client);
  };
  await Promise.all(Array.from({ length: Math.min(lanes, clients.length) }, lane));
}

async function open(generator: Generator, client: Client): Promise<void> {
  openClient(generator, client);
  await until(client, () => client.synced);
}

async function seed(generator: Generator): Promise<void> {
  const first = generator.clients.filter((client) => client.index === 0);
  await inLanes(first, generator.plan.openingMax, async (client) => {
    await open(generator, client);
    sendFrame(client, client.room.frames.update(generator.base));
    client.connection?.writeFrame(client.room.frames.ask);
    await until(client, () => client.updatesIn > 0);
  });
}

async function openAll(generator: Generator, at: number): Promise<Opened> {
  const { clients, tally, plan } = generator;
  const closed = clients.filter((client) => client.connection === undefined);
  await wait(at - monotonicMs());
  await inLanes(closed, plan.openingMax, (client) => open(generator, client));
  return { clients: closed.length, opening: tally.opening, bytesMin: tally.openingBytesMin };
}

/** Waits until every edit has reached every client of this process and is settled, or for as long as anyone would. */
async function drain(generator: Generator, pairsExpected: number, settles: boolean): Promise<void> {
  const deadline = monotonicMs() + drainMsMax;
  const isSettled = (client: Client): boolean =>
    client.writer === undefined || !settles || client.framesSettled >= client.framesSent;
  while (monotonicMs() < deadline) {
    if (generator.tally.pairsReceived >= pairsExpected && generator.clients.every(isSettled)) return;
    await wait(20);
  }
}

async function type(generator: Generator, at: number, from: number, to: number): Promise<Typed> {
  const { plan, tally, clients } = generator;
  const typists = clients.filter((client) => client.writer !== undefined);
  for (const { writer, framesSent } of typists) if (writer !== undefined) writer.framesBefore = framesSent;
  tally.windowFrom = from;
  tally.windowTo = to;
  const schedule = drawSchedule(typists.length, plan.editsPerWriter, 1_000 / plan.editsPerSecond, plan.seed + plan.worker);
  const cpu = (async () => {
    await wait(from - monotonicMs());
    const before = process.cpuUsage();
    await wait(to - monotonicMs());
    const used = process.cpuUsage(before);
    return (used.user + used.system) / 1_000;
  })();
  const lateness = await runSchedule(schedule, typists, at, { from, to });
  const cpuMs = await cpu;
  const othersOf = (client: Client): number => plan.writersPerDocument - (client.writer === undefined ? 0 : 1);
  const pairsExpected = clients.reduce((sum, client) => sum + othersOf(client) * plan.editsPerWriter, 0);
  const settles = typists.some((client) => client.framesSettled > 0);
  await drain(generator, pairsExpected, settles);
  return {
    pairsInWindow: tally.pairsInWindow,
    latency: tally.latency,
    latencyAcross: tally.latencyAcross,
    settling: tally.settling,
    lateness,
    cpuMs,
    framesIn: tally.framesIn,
    missing: pairsExpected - tally.pairsReceived,
    gaps: tally.gaps,
    settledExpected: settles ? typists.reduce((sum, client) => sum + client.framesSent, 0) : 0,
    settled: settles ? typists.reduce((sum, client) => sum + client.framesSettled, 0) : 0,
  };
}

let current: Generator | undefined;

async function obey(message: ToWorker): Promise<void> {
  if (message.kind === 'plan') {
    current = makeGenerator(message.plan);
    return tell({ kind: 'ready' });
  }
  if (current === undefined) throw new Error('there is no plan yet');
  switch (message.kind) {
    case 'seed':
      await seed(current);
      return tell({ kind: 'seeded' });
    case 'open':
      return tell({ kind: 'opened', opened: await openAll(current, message.at) });
    case 'type':
      return tell({ kind: 'typed', typed: await type(current, message.at, message.windowFrom, message.windowTo) });
    case 'quit':
      current.clients.forEach(closeClient);
      process.disconnect();
  }
}

process.on('message', (message: ToWorker) => {
  obey(message).catch((error: unknown) =>
    tell({ kind: 'failed', reason: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  );
});
