/** What the JSON door of standalone consists of, put together. */

import { randomUUID } from 'node:crypto';
import { createClients } from '#changefeed/clients.ts';
import { createDoubts } from '#changefeed/doubts.ts';
import type { Compactor } from '#persister/compaction-thread.ts';
import type { PersisterLimits } from '#persister/limits.ts';
import { refreshMirror } from '#persister/mirror.ts';
import type { Persister } from '#persister/persister.ts';
import type { RootKinds } from '#shared/document/json/roots.ts';
import type { Journal } from '#shared/journal/journal.ts';
import { mirrorLimits } from '#shared/mirror/limits.ts';
import { systemClock } from '#shared/runtime/clock.ts';
import type { Environment } from '#shared/runtime/lmdb.ts';
import type { MirrorStore } from '#shared/store/mirrors.ts';
import { partBytesMax, type Store } from '#shared/store/store.ts';

import { createJsonDocuments, type StandaloneDocuments } from './json-documents.ts';
import { createJsonThread } from './json-thread.ts';

export type JsonParts = StandaloneDocuments & { readonly end: () => Promise<void> };

/** What a root is, is told from what is in it. */
const inferred: RootKinds = () => new Map();

export function startJsonParts(parts: {
  readonly environment: Environment;
  readonly journal: Journal;
  readonly store: Store;
  readonly mirrors: MirrorStore;
  readonly compactor: Compactor;
  readonly persister: Persister;
  readonly config: PersisterLimits;
}): JsonParts {
  const { environment, journal, store, mirrors, compactor, persister, config } = parts;
  const limits = { answerMsMax: config.compactionMsMax, heapMbMax: config.compactionHeapMbMax, idleMs: config.compactionIdleMs };
  const thread = createJsonThread(systemClock, limits, mirrorLimits.valueBytesMax);
  const ending = new AbortController();
  const shared = { mirrors, store, journal, work: thread.work, roots: inferred, makeRev: randomUUID };
  const mirrorContext = {
    ...shared,
    compactor,
    limits: config,
    mirrorLimits,
    partBytes: partBytesMax,
    namedSnapshots: mirrors.listNamedSnapshots,
    draining: ending.signal,
  };
  const documents = createJsonDocuments({
    ...shared,
    clock: systemClock,
    limits: mirrorLimits,
    clients: createClients(Math.random),
    doubts: createDoubts(systemClock, mirrorLimits.doubtMs),
    origin: randomUUID(),
    refresh: (document) => refreshMirror(document, mirrorContext),
    storeThrough: persister.storeThrough,
    hurry: environment.hurry,
  });
  return {
    ...documents,
    end: async () => {
      ending.abort();
      await thread.end();
    },
  };
}
