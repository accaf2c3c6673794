import { describe, expect, test } from 'vitest';
import * as Y from 'yjs';

import { squash } from '#shared/document/squash.ts';

/** The updates of what `edits` do to a document under client 7, one each. */
function typed(base: Y.Doc, edits: readonly ((doc: Y.Doc) => void)[]): readonly Uint8Array[] {
  const doc = new Y.Doc();
  Y.applyUpdate(doc, Y.encodeStateAsUpdate(base));
  doc.clientID = 7;
  const updates: Uint8Array[] = [];
  doc.on('update', (update: Uint8Array) => updates.push(update));
  for (const edit of edits) doc.transact(() => edit(doc));
  return updates;
}

function documentOf(updates: readonly Uint8Array[]): Y.Doc {
  const doc = new Y.Doc();
  for (const update of updates) Y.applyUpdate(doc, update);
  return doc;
}

/** Base and updates lead where base and the one update lead: in content, in clocks, and in what is deleted. */
function expectSame(base: readonly Uint8Array[], updates: readonly Uint8Array[]): Uint8Array {
  const one = squash(base, updates);
  if (one === undefined) throw new Error('nothing came of it');
  const [many, squashed] = [documentOf([...base, ...updates]), documentOf([...base, one])];
  for (const doc of [many, squashed]) doc.getText('text');
  expect(squashed.getMap('map').toJSON()).toEqual(many.getMap('map').toJSON());
  expect(squashed.getText('text').toDelta()).toEqual(many.getText('text').toDelta());
  expect(Y.encodeStateVector(squashed)).toEqual(Y.encodeStateVector(many));
  expect(Y.equalSnapshots(Y.snapshot(squashed), Y.snapshot(many))).toBe(true);
  return one;
}

const setting = (count: number): readonly ((doc: Y.Doc) => void)[] =>
  Array.from({ length: count }, (_, value) => (doc: Y.Doc) => void doc.getMap('map').set('count', value));

describe('MI35: many updates as one', () => {
  test('of one field, on nothing and on what the same client had written before', () => {
    const updates = typed(new Y.Doc(), setting(500));
    expect(expectSame([], updates).byteLength).toBeLessThan(100);
    expect(expectSame(updates.slice(0, 200), updates.slice(200)).byteLength).toBeLessThan(100);
    // From a later state too: of somebody who has some of them.
    const one = squash(updates.slice(0, 200), updates.slice(200));
    expect(
      documentOf([...updates.slice(0, 300), one ?? new Uint8Array()])
        .getMap('map')
        .get('count'),
    ).toBe(499);
  });

  test('with text, formats, and what was nested and deleted', () => {
    const base = new Y.Doc();
    base.getText('text').insert(0, 'What people wrote.');
    base.getMap('map').set('list', new Y.Array());
    const updates = typed(base, [
      (doc) => doc.getText('text').insert(4, ' some'),
      (doc) => doc.getText('text').format(0, 9, { bold: true }),
      (doc) => doc.getText('text').delete(2, 5),
      (doc) => (doc.getMap('map').get('list') as Y.Array<unknown>).push([new Y.Map([['a', 1]]), 'b']),
      (doc) => (doc.getMap('map').get('list') as Y.Array<unknown>).delete(0),
      (doc) => doc.getMap('map').delete('list'),
      (doc) => doc.getMap('map').set('list', 'none'),
    ]);
    expectSame([Y.encodeStateAsUpdate(base)], updates);
  });

  test('is short however much was deleted in the document before', () => {
    const base = new Y.Doc();
    const text = base.getText('text');
    for (let at = 0; at < 2_000; at++) text.insert(at, 'ab');
    for (let at = 0; at < 2_000; at++) text.delete(at, 1);
    const stored = Y.encodeStateAsUpdate(base);
    expect(expectSame([stored], typed(base, setting(100))).byteLength).toBeLessThan(200);
  });

  test('is none where something is missing', () => {
    const updates = typed(new Y.Doc(), setting(3));
    expect(squash([], updates.slice(1))).toBeUndefined();
  });
});
