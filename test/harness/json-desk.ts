/** Standalone's documents as JSON on memory adapters: journal, store, mirrors and a persister, without a network and without threads. */

import { createClients } from '#changefeed/clients.ts';
import { createDoubts } from '#changefeed/doubts.ts';
import type { JsonDocuments, JsonOutcome, Precondition } from '#gateway/json-documents.ts';
import { type PersisterLimits, persisterLimits } from '#persister/limits.ts';
import { refreshMirror } from '#persister/mirror.ts';
import { startPersister, type Persister } from '#persister/persister.ts';
import { compact } from '#shared/document/compact.ts';
import type { DocumentName } from '#shared/document/name.ts';
import { createJournalDisk, createMemoryJournal, type MemoryJournal } from '#shared/journal/memory.ts';
import { allPartitions } from '#shared/journal/sharing.ts';
import { mirrorLimits } from '#shared/mirror/limits.ts';
import { createMirrorWork } from '#shared/mirror/work.ts';
import { systemClock } from '#shared/runtime/clock.ts';
import { createMemoryMirrors, createMirrorDisk, type MemoryMirrors } from '#shared/store/memory-mirrors.ts';
import { createMemoryStore, createStoreDisk, type MemoryStore } from '#shared/store/memory.ts';
import { valueForm } from '#shared/store/mirror-values.ts';
import { partBytesMax } from '#shared/store/store.ts';
import { createJsonDocuments } from '#standalone/json-documents.ts';
import { textWork } from '#standalone/json-work.ts';
import { createShownValues } from '#standalone/shown-values.ts';
import { silentLogger } from '#test/harness/memory-gateway.ts';
import { compactorOf } from '#test/simulation/persister/world.ts';

export const createDisks = () => ({ journal: createJournalDisk(), store: createStoreDisk(), mirrors: createMirrorDisk() });
export type Disks = ReturnType<typeof createDisks>;

export type Desk = {
  readonly documents: JsonDocuments;
  readonly finishAll: () => Promise<void>;
  readonly journal: MemoryJournal;
  readonly store: MemoryStore;
  readonly mirrors: MemoryMirrors;
  readonly persister: Persister;
  /** How often a document was compacted. */
  readonly compactions: () => number;
  /** What kill -9 does. */
  readonly crash: () => void;
  readonly stop: () => Promise<void>;
};

export type DeskOptions = {
  readonly disks?: Disks;
  /** Called before and after each write of anything, with its name. */
  readonly step?: (name: string) => void | Promise<void>;
  readonly settle?: () => Promise<void>;
  readonly limits?: Partial<PersisterLimits>;
};

export async function openDesk({
  disks = createDisks(),
  step = () => {},
  settle = async () => {},
  limits: changed,
}: DeskOptions = {}): Promise<Desk> {
  const onStep = (name: string, moment: string): void | Promise<void> => step(`${moment} ${name}`);
  const journal = createMemoryJournal({ disk: disks.journal, step: onStep });
  const store = createMemoryStore({ disk: disks.store, step: onStep });
  const mirrors = createMemoryMirrors({ disk: disks.mirrors, step: onStep });
  let compactions = 0;
  const compactor = compactorOf((updates) => {
    compactions++;
    return compact(updates);
  });
  const persister = startPersister({
    journal,
    store,
    sharePartitions: allPartitions(1),
    clock: systemClock,
    limits: { ...persisterLimits, ...changed },
    logger: silentLogger,
    metrics: { flushed: () => {}, compacted: () => {}, deadLettered: () => {}, failed: () => {} },
    deadLetter: () => {},
    compactor,
    namedSnapshots: mirrors.listNamedSnapshots,
  });
  await persister.started;
  let revs = 0;
  const identity = crypto.randomUUID();
  const shared = {
    mirrors,
    store,
    journal,
    work: { ...createMirrorWork(valueForm, mirrorLimits.valueBytesMax), ...textWork },
    roots: () => new Map(),
    makeRev: () => `${identity}-${revs++}`,
  };
  const draining = new AbortController();
  const rewriting = {
    ...shared,
    compactor,
    limits: persisterLimits,
    mirrorLimits,
    partBytes: partBytesMax,
    draining: draining.signal,
  };
  const documents = createJsonDocuments({
    ...shared,
    clock: systemClock,
    limits: mirrorLimits,
    clients: createClients(Math.random),
    doubts: createDoubts(systemClock, 0),
    origin: identity,
    refresh: (document) => refreshMirror(document, rewriting),
    shownValues: createShownValues(64 * 1024),
    compactedBefore: persister.compactedBefore,
    storeThrough: persister.storeThrough,
    hurry: () => () => {},
    hasMirror: (document) => !document.startsWith('drafts/'),
  });
  return {
    documents: documents.open(settle),
    finishAll: documents.finishAll,
    journal,
    store,
    mirrors,
    persister,
    compactions: () => compactions,
    crash: () => {
      journal.crash();
      store.crash();
      mirrors.crash();
      void persister.stop();
    },
    stop: async () => {
      draining.abort();
      await persister.stop();
    },
  };
}

const always: Precondition = () => true;
const bytesOf = (value: unknown): Uint8Array => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));

/** Where `value` is a string it is JSON text already. */
export const put = (desk: Desk, document: DocumentName, value: unknown, precondition = always): Promise<JsonOutcome> =>
  desk.documents.change(document, { kind: 'replace', body: bytesOf(value) }, precondition);

export const patch = (desk: Desk, document: DocumentName, value: unknown, precondition = always): Promise<JsonOutcome> =>
  desk.documents.change(document, { kind: 'merge', body: bytesOf(value) }, precondition);

/** The JSON of a document, parsed, and its ETag; undefined where there is none. */
export async function get(
  desk: Desk,
  document: DocumentName,
): Promise<{ readonly value: unknown; readonly etag: string } | undefined> {
  const look = await desk.documents.look(document);
  if (look.kind !== 'found') return undefined;
  const { text, etag } = look.representation;
  return { value: JSON.parse(new TextDecoder().decode(text)) as unknown, etag };
}
