/** On the engines of standalone: LMDB, the real clock and a real thread. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { persisterLimits } from '#persister/limits.ts';
import { startPersister } from '#persister/persister.ts';
import type { PersisterMetrics } from '#persister/reporting.ts';
import { openEmbeddedJournal } from '#shared/journal/embedded.ts';
import { allPartitions } from '#shared/journal/sharing.ts';
import { systemClock } from '#shared/runtime/clock.ts';
import { openEnvironment } from '#shared/runtime/lmdb.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import { openEmbeddedStore } from '#shared/store/embedded.ts';
import { readDocument } from '#shared/store/load.ts';
import { contentOf, nameOf, typists } from '#test/simulation/persister/typing.ts';

const documents = ['a', 'b/c'].map(nameOf);
const limits = { ...persisterLimits, flushIntervalMs: 20, compactionSegmentsMin: 4, retireAfterMs: 50 };

/** Calls `reached` after each event of the persister, and resolves when it says so. */
function watch() {
  let reached = (): boolean => false;
  let resolve = (): void => {};
  const letters: unknown[] = [];
  const errors: string[] = [];
  let compactions = 0;
  let records = 0;
  const look = (): void => void (reached() && resolve());
  const metrics: PersisterMetrics = {
    flushed: (flush) => {
      records += flush.records;
      look();
    },
    compacted: () => {
      compactions++;
      look();
    },
    deadLettered: () => {},
    failed: (error) => void errors.push(error),
  };
  return {
    metrics,
    letters,
    errors,
    compactions: () => compactions,
    records: () => records,
    until: (condition: () => boolean) =>
      new Promise<void>((done) => {
        reached = condition;
        resolve = done;
        look();
      }),
  };
}

test('PS1, PS25: on LMDB what is stored, and what is left in the journal, is everything; after a restart too', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'persister-'));
  const silent = (): void => {};
  const logger: Logger = { debug: silent, info: silent, warn: silent, error: silent, fatal: silent };
  const type = typists(11, documents);
  const typed = new Map(documents.map((document) => [document, [] as Uint8Array[]]));
  try {
    for (let life = 1; life <= 3; life++) {
      const environment = await openEnvironment({ directory, commitIntervalMs: 1 });
      const journal = await openEmbeddedJournal(environment);
      const store = openEmbeddedStore(environment);
      const events = watch();
      const sharePartitions = allPartitions(journal.identity.partitionCount);
      const parts = { journal, store, sharePartitions, clock: systemClock, limits, logger, metrics: events.metrics };
      const persister = startPersister({ ...parts, deadLetter: (letter) => void events.letters.push(letter) });
      expect(await persister.started).toEqual({ kind: 'started' });
      let rounds = 0;
      while (events.compactions() < 2 * documents.length && rounds < 200) {
        rounds++;
        const records = type(6);
        await journal.append(records);
        for (const { document, update } of records) typed.get(document)?.push(update);
        await events.until(() => events.records() >= 6 * rounds);
      }
      expect(events.compactions()).toBeGreaterThanOrEqual(2 * documents.length);
      await persister.stop();
      for (const [document, updates] of typed) {
        const { updates: found } = await readDocument(store, document);
        expect(contentOf(found), `${document} in life ${life}`).toEqual(contentOf(updates));
      }
      expect(events.letters).toEqual([]);
      expect(events.errors).toEqual([]);
      await environment.close();
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
