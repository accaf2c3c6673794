/** What is durable, as a document: what it is given and knows already changes nothing in it. */

import * as Y from 'yjs';
import type { Partition } from '#shared/journal/journal.ts';
import type { JournalDisk } from '#shared/journal/memory.ts';

export type DurableDocument = {
  readonly doc: Y.Doc;
  /** Reads on, to the end of the journal. */
  readonly catchUp: () => void;
  /** Whether it has all of an update. */
  readonly has: (update: Uint8Array) => boolean;
};

export function durableDocument(disk: JournalDisk, partition: Partition, document: string): DurableDocument {
  const doc = new Y.Doc({ gc: false, guid: '' });
  doc.on('afterTransaction', (transaction: Y.Transaction) => {
    transaction._needFormattingCleanup = false;
  });
  let next = 0;
  const catchUp = (): void => {
    for (const batch of disk.partitions[partition]?.batches ?? []) {
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
