/**
 * A document out of MongoDB alone, as somebody finds it who has lost everything else.
 */

import * as Y from 'yjs';
import { parseDocumentName } from '#shared/document/name.ts';
import { openKafka } from '#shared/journal/kafka.ts';
import type { KafkaConnection } from '#shared/journal/kafka/connection.ts';
import { systemClock } from '#shared/runtime/clock.ts';
import { readDocument } from '#shared/store/load.ts';
import { openMongoStore } from '#shared/store/mongo.ts';
import { silentLogger } from '#test/harness/memory-gateway.ts';

/**
 * Waits until the persisters have stored everything that is in the journal now, and reads `documents` out of the store. Nothing of the journal is in what is
 * returned.
 */
export async function readFromStoreAlone(
  connection: KafkaConnection,
  mongodbUrl: string,
  documents: readonly string[],
): Promise<ReadonlyMap<string, Y.Doc>> {
  const parts = { clock: systemClock, logger: silentLogger };
  const kafka = await openKafka(connection, parts);
  const store = await openMongoStore({ url: mongodbUrl, ...parts });
  try {
    const { partitionCount } = kafka.journal.identity;
    for (let partition = 0; partition < partitionCount; partition++) {
      const end = await kafka.journal.highWater(partition);
      while ((await store.readCheckpoint(partition)) < end);
    }
    const found = new Map<string, Y.Doc>();
    for (const name of documents) {
      const parsed = parseDocumentName(name);
      if ('refusal' in parsed) throw new Error(parsed.refusal);
      const doc = new Y.Doc();
      const { updates } = await readDocument(store, parsed.name);
      for (const update of updates) Y.applyUpdate(doc, update);
      found.set(name, doc);
    }
    return found;
  } finally {
    await kafka.close();
    await store.close();
  }
}
