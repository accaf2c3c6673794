/** People who edit documents: real Yjs clients that see some of each other's edits, some late, and what they write as journal records. */

import * as Y from 'yjs';

import { type DocumentName, parseDocumentName } from '#shared/document/name.ts';
import type { UpdateRecord } from '#shared/journal/journal.ts';

/** Numbers in 0 ≤ x < 1, the same ones for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function nameOf(text: string): DocumentName {
  const parsed = parseDocumentName(text);
  if ('refusal' in parsed) throw new Error(parsed.refusal);
  return parsed.name;
}

export const recordOf = (document: DocumentName, update: Uint8Array, time = 1_700_000_000_000): UpdateRecord => ({
  kind: 'update',
  document,
  update,
  origin: 'test',
  author: '',
  time,
});

/** The next `count` edits of a few people in a few documents, as records in an order in which they may be appended. */
export function typists(seed: number, documents: readonly DocumentName[], clientsEach = 3): (count: number) => UpdateRecord[] {
  const random = randomOf(seed);
  const below = (bound: number): number => Math.floor(random() * bound);
  const desks = documents.map((document, index) => ({
    document,
    written: [] as Uint8Array[],
    clients: Array.from({ length: clientsEach }, (_, number) => {
      const doc = new Y.Doc({ guid: '' });
      doc.clientID = seed * 10_000 + index * 100 + number;
      return { doc, seen: 0 };
    }),
  }));

  const edit = (doc: Y.Doc): void => {
    const text = doc.getText('text');
    const at = below(text.length + 1);
    const length = Math.min(text.length - at, 1 + below(6));
    const kind = below(10);
    if (kind < 4) text.insert(at, ['a', 'word ', 'längere Worte ', '😀'][below(4)] ?? '');
    else if (kind < 5) text.insert(at, 'bold', { bold: true });
    else if (kind < 6 && length > 0) text.delete(at, length);
    else if (kind < 7 && length > 0) text.format(at, length, random() < 0.5 ? { bold: true } : { bold: null });
    else if (kind < 8) doc.getMap('map').set(`key${below(4)}`, below(100));
    else if (kind < 9) doc.getArray('array').insert(below(doc.getArray('array').length + 1), [below(100)]);
    else doc.getXmlFragment('xml').insert(0, [new Y.XmlElement('p')]);
  };

  return (count) => {
    const records: UpdateRecord[] = [];
    while (records.length < count) {
      const desk = desks[below(desks.length)];
      const client = desk?.clients[below(clientsEach)];
      if (desk === undefined || client === undefined) throw new Error('nobody is here');
      const { doc } = client;
      // Sees everything, or stops somewhere on the way.
      const until = random() < 0.7 ? desk.written.length : client.seen + below(desk.written.length - client.seen + 1);
      for (; client.seen < until; client.seen++) Y.applyUpdate(doc, desk.written[client.seen] ?? new Uint8Array(), 'others');
      const mine: Uint8Array[] = [];
      const collect = (update: Uint8Array, origin: unknown): void => void (origin === 'mine' && mine.push(update));
      doc.on('update', collect);
      doc.transact(() => edit(doc), 'mine');
      doc.off('update', collect);
      for (const update of mine) {
        desk.written.push(update);
        records.push(recordOf(desk.document, update));
      }
    }
    return records;
  };
}

/** What a reader sees who applies these updates in this order, and which operations it knows. */
export function contentOf(updates: readonly Uint8Array[]): unknown {
  const doc = new Y.Doc({ guid: '' });
  for (const update of updates) Y.applyUpdate(doc, update);
  return {
    text: doc.getText('text').toDelta() as unknown,
    map: doc.getMap('map').toJSON(),
    array: doc.getArray('array').toJSON(),
    xml: doc.getXmlFragment('xml').toJSON(),
    vector: [...Y.decodeStateVector(Y.encodeStateVector(doc))].toSorted(([a], [b]) => a - b),
    pending: doc.store.pendingStructs !== null || doc.store.pendingDs !== null,
  };
}
