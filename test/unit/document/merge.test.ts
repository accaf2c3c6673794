import { describe, expect, test } from 'vitest';
import * as Y from 'yjs';
import { compact } from '#shared/document/compact.ts';
import { DocumentUnreadable, loadDocumentState } from '#shared/document/load.ts';
import { mergeScanned, mergeUpdates } from '#shared/document/merge.ts';
import { bytesOf, hexOf, scan, structs, update } from './updates.ts';

const read = (...updates: readonly Uint8Array[]): Y.Doc => {
  const document = new Y.Doc();
  for (const bytes of updates) Y.applyUpdate(document, bytes);
  return document;
};

function keystrokes(count: number): Uint8Array[] {
  const document = new Y.Doc();
  document.clientID = 1;
  const updates: Uint8Array[] = [];
  document.on('update', (bytes) => updates.push(bytes));
  for (let i = 0; i < count; i++) {
    if (i % 10 === 9) document.getText('t').delete(0, 2);
    else document.getText('t').insert(i % 3, 'ab😀');
  }
  return updates;
}

const noPause = (): Promise<void> => Promise.resolve();

describe('merging', () => {
  const records = keystrokes(60);
  const whole = Y.encodeStateAsUpdate(read(...records));

  test('DO21: one update comes back as it is, none is empty', () => {
    const [first] = records;
    if (first === undefined) throw new Error('there are some');
    expect(mergeScanned([scan(first)])).toBe(first);
    expect(mergeUpdates([first])).toBe(first);
    expect(hexOf(mergeScanned([]))).toBe('0000');
    expect(hexOf(mergeUpdates([]))).toBe('0000');
  });

  test('DO21: records that overlap and repeat are merged to what Yjs reads in them', () => {
    const overlapping = [
      mergeUpdates(records.slice(0, 20)),
      ...records.slice(10, 30),
      mergeUpdates(records.slice(5, 45)),
      ...records.slice(44),
    ];
    expect(hexOf(Y.encodeStateAsUpdate(read(mergeUpdates(overlapping))))).toBe(hexOf(whole));
    expect(hexOf(Y.encodeStateAsUpdate(read(mergeScanned(records.map(scan)))))).toBe(hexOf(whole));
  });

  test('DO21: records may begin anywhere', () => {
    const later = mergeUpdates(records.slice(30));
    expect(scan(later).sections[0]?.start).toBeGreaterThan(0);
    expect(hexOf(Y.encodeStateAsUpdate(read(mergeUpdates(records.slice(0, 30)), later)))).toBe(hexOf(whole));
  });

  test.each([
    ['a gap', [0, 2]],
    ['an earlier part after a later one', [1, 0, 2]],
    ['a gap that something fills later', [0, 2, 1]],
  ])('DO21: with %s, it is what Yjs makes of it', (_what, order) => {
    const parts = [0, 1, 2].map((index) => update([[1, index, structs.text('x', index === 0 ? undefined : [1, index - 1])]]));
    const chosen = order.map((index) => parts[index] ?? whole);
    expect(hexOf(mergeUpdates(chosen))).toBe(hexOf(Y.mergeUpdates(chosen)));
  });

  test('DO21: text under a map key is not joined, though no document is there to say what it is', () => {
    const keyed = bytesOf('01010100240101 6d 016b 0161 00');
    expect(scan(mergeUpdates([keyed, update([[1, 1, structs.text('b', [1, 0])]])])).sections).toMatchObject([{ structs: 2 }]);
  });

  test('DO21: a record that is no update is named', () => {
    expect(() => mergeUpdates([whole, bytesOf('0101')])).toThrow(DocumentUnreadable);
    expect(() => mergeUpdates([whole, bytesOf('0101')])).toThrow('update 2 of 2');
    expect(() => mergeUpdates([bytesOf('0101')])).toThrow('update 1 of 1');
    const afterGap = [update([[1, 0, structs.text('x')]]), update([[1, 5, structs.text('x', [1, 4])]]), bytesOf('000101010000')];
    expect(() => mergeUpdates(afterGap)).toThrow('update 3 of 3');
  });
});

describe('loading', () => {
  test('DO22: gives the document of a snapshot, segments and records, however they overlap', async () => {
    const records = keystrokes(60);
    const stored = [mergeUpdates(records.slice(0, 30)), mergeUpdates(records.slice(20, 50)), ...records.slice(45)];
    const state = await loadDocumentState(stored, noPause);
    expect(hexOf(Y.encodeStateAsUpdate(read(state.encode())))).toBe(hexOf(Y.encodeStateAsUpdate(read(...records))));
    const none = await loadDocumentState([], noPause);
    expect(hexOf(none.encode())).toBe('0000');
  });

  test('DO22: pauses between steps', async () => {
    const large = update([
      [
        1,
        0,
        ...Array.from({ length: 100_000 }, (_, i) =>
          structs.text('twenty letters here.', i === 0 ? undefined : [1, i * 20 - 1], undefined),
        ),
      ],
    ]);
    let pauses = 0;
    const state = await loadDocumentState([large], async () => void pauses++);
    expect(large.length).toBeGreaterThan(2_500_000);
    expect(pauses).toBeGreaterThanOrEqual(9);
    expect(state.vectorMap.get(1)).toBe(2_000_000);
  });

  test.each([
    ['broken bytes', ['0101'], 'ends early'],
    ['a gap', ['01010105040101740161 00'], 'clock 4 of client 1'],
    ['a deletion of what is not there', ['000101010001'], 'clock 0 of client 1'],
  ])('DO22: %s is an error, never an empty or partial document', async (_what, hexes, message) => {
    const stored = [update([[2, 0, structs.text('kept')]]), ...hexes.map(bytesOf)];
    const loading = loadDocumentState(stored, noPause);
    await expect(loading).rejects.toThrow(DocumentUnreadable);
    await expect(loading).rejects.toThrow(message);
    await expect(loading).rejects.toThrow('update 2 of 2');
  });
});

describe('compaction', () => {
  test('DO23: forgets deleted content', () => {
    const document = new Y.Doc({ gc: false });
    document.clientID = 1;
    document.getText('t').insert(0, 'kept, and a long text that goes away');
    document.getText('t').delete(4, 32);
    const compacted = compact([Y.encodeStateAsUpdate(document)]);
    expect(Buffer.from(compacted).toString('latin1')).not.toContain('goes away');
    expect(read(compacted).getText('t').toString()).toBe('kept');
  });

  test('DO23: emits no operations of its own, where a reader would tidy formats up', () => {
    const textOf = (document: Y.Doc): Y.XmlText => document.getXmlFragment('x').get(0) as Y.XmlText;
    const [first, second] = [new Y.Doc(), new Y.Doc()];
    [first.clientID, second.clientID] = [1, 2];
    first.getXmlFragment('x').insert(0, [new Y.XmlText('abc')]);
    Y.applyUpdate(second, Y.encodeStateAsUpdate(first));
    textOf(first).format(0, 3, { bold: true });
    textOf(second).format(0, 3, { bold: true });
    const updates = [Y.encodeStateAsUpdate(first), Y.encodeStateAsUpdate(second)];
    const stated = scan(mergeUpdates(updates)).deletions;
    expect(scan(compact(updates)).deletions).toEqual(stated);
    expect(scan(Y.encodeStateAsUpdate(read(...updates))).deletions).not.toEqual(stated);
  });

  test('DO23: keeps what waits for something missing', () => {
    const first = update([[1, 0, structs.text('a')]]);
    const third = update([[1, 2, structs.text('c', [1, 1])]]);
    const second = update([[1, 1, structs.text('b', [1, 0])]]);
    const document = read(compact([first, third]), second);
    expect(document.getText('t').toString()).toBe('abc');
  });

  test('DO23: throws where Yjs does', () => {
    expect(() => compact([bytesOf('010101000401017402616200'), bytesOf('0101')])).toThrow('Unexpected end of array');
  });
});
