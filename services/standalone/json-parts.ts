/** What the JSON door of standalone consists of, put together. */

import { randomUUID } from 'node:crypto';
import { createClients } from '#changefeed/clients.ts';
import { createDoubts } from '#changefeed/doubts.ts';
import type { Compactor } from '#persister/compaction-thread.ts';
import type { PersisterLimits } from '#persister/limits.ts';
import { refreshMirror } from '#persister/mirror.ts';
import type { Persister } from '#persister/persister.ts';
import type { Journal } from '#shared/journal/journal.ts';
import { hasMirror, mirrorLimitsBy, type MirrorSettings, mirrorThreadLimits, rootKindsBy } from '#shared/mirror/settings.ts';
import { systemClock } from '#shared/runtime/clock.ts';
import type { Environment } from '#shared/runtime/lmdb.ts';
import type { MirrorStore } from '#shared/store/mirrors.ts';
import { partBytesMax, type Store } from '#shared/store/store.ts';

import { createJsonDocuments, type StandaloneDocuments } from './json-documents.ts';
import { createJsonThread } from './json-thread.ts';
import { createShownValues } from './shown-values.ts';

export type JsonParts = StandaloneDocuments & { readonly end: () => Promise<void> };

/** What is remembered of documents that were asked for as JSON, in bytes. */
const shownBytesMax = 32 * 1024 * 1024;

export function startJsonParts(parts: {
  readonly environment: Environment;
  readonly journal: Journal;
  readonly store: Store;
  readonly mirrors: MirrorStore;
  readonly compactor: Compactor;
  readonly persister: Persister;
  readonly config: PersisterLimits & MirrorSettings;
}): JsonParts {
  const { environment, journal, store, mirrors, compactor, persister, config } = parts;
  const mirrorLimits = mirrorLimitsBy(config);
  const thread = createJsonThread(systemClock, mirrorThreadLimits(config), mirrorLimits.valueBytesMax);
  const ending = new AbortController();
  const shared = { mirrors, store, journal, work: thread.work, roots: rootKindsBy(config), makeRev: randomUUID };
  const mirrorContext = {
    ...shared,
    compactor,
    limits: config,
    mirrorLimits,
    partBytes: partBytesMax,
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
    shownValues: createShownValues(shownBytesMax),
    compactedBefore: persister.compactedBefore,
    storeThrough: persister.storeThrough,
    hurry: environment.hurry,
    hasMirror: hasMirror(config),
  });
  return {
    ...documents,
    end: async () => {
      ending.abort();
      await thread.end();
    },
  };
}
