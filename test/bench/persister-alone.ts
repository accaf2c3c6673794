/**
 * The persister alone: one process, started before a topic that is full, until all of it is in the store.
 *
 * A record is what a gateway makes of a moment in which three people typed a character each in one document: some 60 bytes of update. The documents are
 * independent of one another, so that all of them may hold the same text, and a thousand updates make a million records. They come in the order in which people
 * type, each document in its turn. At the end a gateway reads documents back.
 */

import { setTimeout as wait } from 'node:timers/promises';
import * as Y from 'yjs';
import { parseDocumentName } from '#shared/document/name.ts';
import { openKafka } from '#shared/journal/kafka.ts';
import { systemClock } from '#shared/runtime/clock.ts';
import { createLogger } from '#shared/runtime/telemetry.ts';
import { storedBy } from '#test/harness/checkpoints.ts';
import { placeSettings, startPersister, urlOf } from './clusters.ts';
import { makeBase, makeKeystrokes } from './edits.ts';
import type { Engines, Place } from './engines.ts';
import { holdsState } from './fresh-client.ts';
import { documentName, monotonicMs } from './plan.ts';
import { treeCpuMs } from './processes.ts';
import { startProcess } from './server-process.ts';
import { traitsOf, type ServerKind } from './servers.ts';

const documents = 1_000;
const writers = 3;
const baseCharacters = 30;
const recordsPerAppend = 20_000;
const pollMs = 50;
const storedMsMax = 300_000;
const documentsChecked = 10;

export type PersisterMeasurement = {
  readonly records: number;
  readonly documents: number;
  /** Of an update, in bytes. */
  readonly updateBytes: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** CPU of the broker and of the database meanwhile, in seconds. */
  readonly besideCpuSeconds: Readonly<Record<string, number>>;
  /** What went wrong. */
  readonly complaints: readonly string[];
};

/** One document's updates, each of `writers` keystrokes, the first with the text that they type into. */
export function makeMergedKeystrokes(count: number): readonly Uint8Array[] {
  const base = makeBase(baseCharacters);
  const typed = Array.from({ length: writers }, (_, writer) => makeKeystrokes(base, writer, writer * 10, count));
  return Array.from({ length: count }, (_, at) =>
    Y.mergeUpdates([...(at === 0 ? [base] : []), ...typed.flatMap((updates) => updates[at] ?? [])]),
  );
}

/** Appends all updates to all documents, as a gateway does. */
async function fill(place: Place, updates: readonly Uint8Array[]): Promise<void> {
  const connection = { brokers: [place.brokers], topicPrefix: place.topicPrefix, clientId: 'bench' };
  const kafka = await openKafka(connection, { clock: systemClock, logger: createLogger('bench', 'error') });
  const names = Array.from({ length: documents }, (_, document) => {
    const parsed = parseDocumentName(documentName(document));
    if ('refusal' in parsed) throw new Error(parsed.refusal);
    return parsed.name;
  });
  const origin = '00000000-0000-0000-0000-000000000000';
  let waiting: Parameters<typeof kafka.journal.append>[0][number][] = [];
  const append = async (): Promise<void> => {
    const outcomes = await kafka.journal.append(waiting);
    if (outcomes.some(({ kind }) => kind !== 'appended')) throw new Error('a record was not appended');
    waiting = [];
  };
  for (const update of updates) {
    for (const document of names) {
      waiting.push({ kind: 'update', document, origin, author: '', time: systemClock.now(), update });
      if (waiting.length >= recordsPerAppend) await append();
    }
  }
  await append();
  await kafka.close();
}

/** What does not read back through a gateway. */
async function findUnstored(place: Place, updates: readonly Uint8Array[]): Promise<string[]> {
  const environment = placeSettings(place);
  const gateway = await startProcess({ name: 'gateway', entry: 'services/gateway/main.ts', environment, instrumented: false });
  const kind: ServerKind = { ...traitsOf.inkstream, title: 'Inkstream', start: () => Promise.reject(new Error('it runs')) };
  const { pid, port = 0, ask, stop } = gateway;
  const server = { kind, ports: [port], pids: [pid], beside: {}, ask, stop };
  const whole = Y.mergeUpdates([...updates]);
  const complaints: string[] = [];
  try {
    for (let document = 0; document < documents; document += documents / documentsChecked)
      if (!(await holdsState(server, document, whole))) complaints.push(`${documentName(document)} reads back as something else`);
  } finally {
    await stop();
  }
  return complaints;
}

/** Fills a topic with `records` records over 1,000 documents and lets one persister store them. */
export async function measurePersister(engines: Engines, records: number): Promise<PersisterMeasurement> {
  const place = await engines.newPlace();
  const updates = makeMergedKeystrokes(Math.ceil(records / documents));
  await fill(place, updates);
  const all = updates.length * documents;

  const begun = monotonicMs();
  const persister = await startPersister(place);
  const cpu = () => ({
    persister: treeCpuMs(persister.pid),
    Kafka: treeCpuMs(engines.pids.kafka),
    MongoDB: treeCpuMs(engines.pids.mongodb),
  });
  const stored = (): Promise<number> => storedBy({ url: urlOf(persister) });
  try {
    const before = { at: monotonicMs(), cpu: cpu(), records: await stored() };
    while ((await stored()) < all) {
      if (monotonicMs() - begun > storedMsMax) throw new Error(`${await stored()} of ${all} records were stored in 5 minutes`);
      await wait(pollMs);
    }
    const after = { at: monotonicMs(), cpu: cpu() };
    const seconds = (name: 'persister' | 'Kafka' | 'MongoDB'): number => (after.cpu[name] - before.cpu[name]) / 1_000;
    return {
      records: all - before.records,
      documents,
      updateBytes: updates.at(-1)?.length ?? 0,
      seconds: (after.at - before.at) / 1_000,
      cpuSeconds: seconds('persister'),
      besideCpuSeconds: { Kafka: seconds('Kafka'), MongoDB: seconds('MongoDB') },
      complaints: await findUnstored(place, updates),
    };
  } finally {
    await persister.stop();
    await place.remove();
  }
}
