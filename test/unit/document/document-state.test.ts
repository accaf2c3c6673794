import { describe, expect, test } from 'vitest';
import * as Y from 'yjs';
import { DocumentState, type Judgement } from '#shared/document/document-state.ts';
import { impliedDeletions } from '#shared/document/implied-deletions.ts';
import { storedUpdateLimits } from '#shared/document/limits.ts';
import { scanUpdate } from '#shared/document/scan.ts';
import { StructRun } from '#shared/document/struct-run.ts';
import { bytesOf, hexOf, scan, stateOf, structs, update } from './updates.ts';

/** What somebody types, an update a keystroke. */
function typed(client: number, words: readonly string[], document = new Y.Doc()): { document: Y.Doc; updates: Uint8Array[] } {
  document.clientID = client;
  const updates: Uint8Array[] = [];
  document.on('update', (bytes, origin) => {
    if (origin !== 'remote') updates.push(bytes);
  });
  for (const word of words) document.getText('t').insert(document.getText('t').length, word);
  return { document, updates };
}

const judge = (state: DocumentState, bytes: Uint8Array): Judgement => state.judge(scan(bytes));

function fresh(state: DocumentState, bytes: Uint8Array): Uint8Array {
  const judgement = judge(state, bytes);
  if (judgement.kind !== 'fresh') throw new Error(judgement.kind);
  return judgement.update.bytes;
}

describe('waits', () => {
  const a = update([[1, 0, structs.text('a')]]);

  test.each([
    ['its section starts later', update([[1, 1, structs.text('b', [1, 0])]]), [1, 0]],
    ['its origin is missing', update([[2, 0, structs.text('b', [1, 0])]]), [1, 0]],
    ['its right origin is missing', update([[2, 0, structs.text('b', undefined, [1, 0])]]), [1, 0]],
    ['its parent is missing', bytesOf('0101020004000100016200'), [1, 0]],
    ['what it deletes is missing', update([], [[1, 0, 1]]), [1, 0]],
  ])('DO12: an update waits while %s, and says for what', (_why, bytes, [client, clock]) => {
    const state = new DocumentState();
    expect(judge(state, bytes)).toEqual({ kind: 'waiting', missing: { client, clock } });
    expect(state.version).toBe(0);
    state.take(scan(a));
    expect(judge(state, bytes).kind).toBe('fresh');
  });

  test('DO12: a gap in a merged flush, and the deletion of what is not written yet', () => {
    expect(judge(new DocumentState(), bytesOf('02010900840300016201030504010174017800'))).toMatchObject({ kind: 'waiting' });
    expect(judge(new DocumentState(), bytesOf('0001010100ffffffff07'))).toEqual({
      kind: 'waiting',
      missing: { client: 1, clock: 2 ** 31 - 2 },
    });
  });

  test('DO12: an update that skips clocks waits, and one that skips what is there does not', () => {
    const skipping = update([[1, 0, structs.text('a'), (encoder) => structs.skip(encoder, 1), structs.text('c', [1, 1])]]);
    expect(judge(new DocumentState(), skipping)).toEqual({ kind: 'waiting', missing: { client: 1, clock: 1 } });
    const state = stateOf(update([[1, 0, structs.text('ab')]]));
    expect(hexOf(fresh(state, skipping))).toBe(hexOf(update([[1, 2, structs.text('c', [1, 1])]])));
  });

  test('DO12: what goes out skips nothing', () => {
    const state = stateOf(update([[1, 0, structs.text('ab')]]));
    const skip = (encoder: Parameters<typeof structs.skip>[0]): void => structs.skip(encoder, 2);
    const only = hexOf(update([[1, 2, structs.text('c', [1, 1])]]));
    expect(hexOf(fresh(state, update([[1, 0, skip, structs.text('c', [1, 1])]])))).toBe(only);
    expect(hexOf(fresh(state, update([[1, 2, structs.text('c', [1, 1]), skip]])))).toBe(only);
    const other = update([
      [9, 0, skip],
      [1, 2, structs.text('c', [1, 1])],
    ]);
    expect(hexOf(fresh(state, other))).toBe(only);
  });

  test('DO12: one in a long section waits as well, whatever came before it', () => {
    const filler = Array.from({ length: 12 }, (_, index) => structs.text('x', index === 0 ? undefined : [1, index - 1], [9, 0]));
    const bytes = update([[1, 0, ...filler, structs.text('y', [1, 11], [9, 5])]]);
    const state = stateOf(update([[9, 0, structs.text('z')]]));
    expect(judge(state, bytes)).toEqual({ kind: 'waiting', missing: { client: 9, clock: 5 } });
    expect(state.split(scan(bytes)).ready?.sections).toMatchObject([{ start: 0, end: 12 }]);
  });

  test('DO13: sections that wait for each other are never taken', () => {
    const cycle = bytesOf('020102008401000161010100840200016200');
    const state = new DocumentState();
    expect(judge(state, cycle).kind).toBe('waiting');
    expect(state.split(scan(cycle)).ready).toBeUndefined();
  });

  test('DO13: sections that need each other in turns are ready', () => {
    const turns = update([
      [3, 0, structs.text('a', [1, 0]), structs.text('b', [2, 1])],
      [2, 0, structs.text('c', [3, 0]), structs.text('d', [1, 1])],
      [1, 0, structs.text('e'), structs.text('f', [2, 0])],
    ]);
    const state = stateOf(turns);
    const document = new Y.Doc();
    Y.applyUpdate(document, state.encode());
    expect(document.store.pendingStructs).toBeNull();
    expect(document.getText('t').length).toBe(6);
  });

  test('DO14: a waiting update is taken apart into what is ready and what is not', () => {
    const mixed = update(
      [
        [2, 0, structs.text('x'), structs.text('y', [9, 4]), structs.text('z', [2, 1])],
        [1, 0, structs.text('a'), structs.text('b', [2, 0]), structs.text('c', [2, 1])],
      ],
      [
        [2, 0, 3],
        [1, 0, 1],
      ],
    );
    const state = new DocumentState();
    const { ready, rest } = state.split(scan(mixed));
    if (ready === undefined || rest === undefined) throw new Error('it has both');
    expect(ready.sections.map(({ client, start, end }) => [client, start, end])).toEqual([
      [2, 0, 1],
      [1, 0, 2],
    ]);
    expect(ready.deletions).toEqual([2, 0, 1, 1, 0, 1]);
    expect(rest.sections.map(({ client, start, end }) => [client, start, end])).toEqual([
      [2, 1, 3],
      [1, 2, 3],
    ]);
    expect(rest.deletions).toEqual([2, 1, 3]);
    expect(state.judge(ready).kind).toBe('fresh');
    state.take(ready);
    expect(state.judge(rest)).toEqual({ kind: 'waiting', missing: { client: 9, clock: 4 } });
  });
});

describe('cuts what overlaps', () => {
  test('DO15: an item over a GC range leaves only what is not there', () => {
    const state = stateOf(bytesOf('01010100000100'));
    const rest = fresh(state, bytesOf('010101000401017402616200'));
    const document = new Y.Doc();
    Y.applyUpdate(document, bytesOf('01010100000100'));
    Y.applyUpdate(document, rest);
    expect(hexOf(rest)).toBe('01010101840100016200');
    expect(hexOf(Y.encodeStateVector(document))).toBe(hexOf(Y.encodeStateVector(new Map([[1, 2]]))));
  });

  test.each([
    ['text', structs.text('abcdef', undefined)],
    ['text beyond ASCII', structs.text('aé日ö日b')],
    ['a GC range', (encoder: Parameters<typeof structs.gc>[0]) => structs.gc(encoder, 6)],
  ])('DO15: %s is cut at any clock as Yjs cuts it', (_what, write) => {
    const whole = update([[1, 0, write]]);
    for (let have = 1; have < 6; have++) {
      const state = stateOf(update([[1, 0, (encoder) => structs.gc(encoder, have)]]));
      expect(hexOf(fresh(state, whole))).toBe(hexOf(Y.diffUpdate(whole, Y.encodeStateVector(new Map([[1, have]])))));
    }
  });

  test('DO15: arrays, old arrays and deleted contents are cut as Yjs cuts them', () => {
    const document = new Y.Doc();
    document.clientID = 1;
    document.getArray('a').insert(0, [1, { b: 'x' }, null, 'five', [5]]);
    const json = bytesOf('01010100020101 74 03 0131 0132 09756e646566696e6564 00');
    const deleted = bytesOf('010101000101017405 0101010005');
    for (const whole of [Y.encodeStateAsUpdate(document), json, deleted]) {
      const length = scan(whole).sections[0]?.end ?? 0;
      for (let have = 1; have < length; have++) {
        const state = stateOf(update([[1, 0, (encoder) => structs.gc(encoder, have)]]));
        const ours = scan(fresh(state, whole));
        const theirs = scan(Y.diffUpdate(whole, Y.encodeStateVector(new Map([[1, have]]))));
        expect(hexOf(ours.bytes.subarray(0, ours.sections[0]?.to))).toBe(hexOf(theirs.bytes.subarray(0, theirs.sections[0]?.to)));
      }
    }
  });

  test('DO15: deletions that are known are left out of what is recorded', () => {
    const { document, updates } = typed(1, ['hello', ' world']);
    document.getText('t').delete(0, 2);
    const state = stateOf(...updates);
    document.getText('t').insert(0, '!');
    const step2 = Y.encodeStateAsUpdate(document, state.vector);
    expect(scan(step2).deletions).toEqual([1, 0, 2]);
    expect(scan(fresh(state, step2)).deletions).toEqual([]);
  });
});

describe('nothing new', () => {
  test('DO16: neither structs nor deletions beyond what is there', () => {
    const { document, updates } = typed(1, ['hello', ' world']);
    document.getText('t').delete(0, 2);
    const state = stateOf(...updates);
    expect(judge(state, Y.encodeStateAsUpdate(document)).kind).toBe('nothing-new');
    expect(judge(state, Y.encodeStateAsUpdate(new Y.Doc())).kind).toBe('nothing-new');
    document.getText('t').delete(0, 1);
    expect(judge(state, Y.encodeStateAsUpdate(document, state.vector))).toMatchObject({ kind: 'fresh', deletionsOnly: true });
  });

  test('DO16: what came as a GC range or as deleted contents counts as deleted', () => {
    const document = new Y.Doc();
    document.clientID = 1;
    document.getXmlFragment('x').insert(0, [new Y.XmlElement('p'), new Y.XmlText('in it')]);
    document.getXmlFragment('x').delete(0, 2);
    const whole = Y.encodeStateAsUpdate(document);
    const { sections, bytes } = scan(whole);
    const withoutDeletions = new Uint8Array([...bytes.subarray(0, sections[0]?.to), 0]);
    expect(scan(withoutDeletions).gone.length).toBeGreaterThan(0);
    expect(judge(stateOf(withoutDeletions), whole).kind).toBe('nothing-new');
  });

  test.each([
    [
      'two people set one map key',
      (first: Y.Doc, second: Y.Doc) => {
        first.getMap('m').set('k', 1);
        second.getMap('m').set('k', 2);
      },
    ],
    [
      'somebody types into a deleted element',
      (first: Y.Doc, second: Y.Doc) => {
        first.getXmlFragment('x').insert(0, [new Y.XmlElement('p')]);
        Y.applyUpdate(second, Y.encodeStateAsUpdate(first), 'remote');
        first.getXmlFragment('x').delete(0, 1);
        (second.getXmlFragment('x').get(0) as Y.XmlElement).insert(0, [new Y.XmlText('hi')]);
      },
    ],
  ])('DO16: what Yjs deletes by itself is not new once the implied deletions are noted: %s', (_case, act) => {
    const first = typed(1, []);
    const second = typed(2, []);
    act(first.document, second.document);
    const all = [...first.updates, ...second.updates];
    const state = stateOf(...all);
    const reader = new Y.Doc();
    for (const bytes of all) Y.applyUpdate(reader, bytes);
    const step2 = Y.encodeStateAsUpdate(reader, state.vector);
    expect(judge(state, step2)).toMatchObject({ kind: 'fresh', deletionsOnly: true });
    state.noteDeleted(scan(impliedDeletions(state.encode())));
    expect(judge(state, step2).kind).toBe('nothing-new');
  });
});

describe('typed text', () => {
  test('DO18: is one struct, and reads as the identical document', () => {
    const words = Array.from({ length: 500 }, (_, index) => (index % 7 === 0 ? '😀' : index % 5 === 0 ? 'é' : 'x'));
    const { document, updates } = typed(1, words);
    const state = stateOf(...updates);
    expect(scan(state.encode()).sections).toMatchObject([{ structs: 1 }]);
    const reader = new Y.Doc();
    Y.applyUpdate(reader, state.encode());
    expect(hexOf(Y.encodeStateAsUpdate(reader))).toBe(hexOf(Y.encodeStateAsUpdate(document)));
  });

  test('DO18: 20,000 keystrokes are held in little more than their letters', () => {
    const { updates } = typed(
      123_456_789,
      Array.from({ length: 20_000 }, () => 'x'),
    );
    const state = stateOf(...updates);
    expect(updates.reduce((sum, { length }) => sum + length, 0)).toBeGreaterThan(350_000);
    expect(state.bytes).toBeLessThan(26_000);
    expect(state.encode().length).toBeLessThan(20_300);
  });

  test.each([
    ['it continues nothing', update([[1, 1, structs.text('b')]])],
    ['somebody else wrote what is before it', update([[1, 1, structs.text('b', [2, 0])]])],
    ['nothing is to its right any more', update([[1, 1, structs.text('b', [1, 0])]])],
    ['another clock is to its right', update([[1, 1, structs.text('b', [1, 0], [2, 1])]])],
    ['it is no text', update([[1, 1, (encoder) => structs.gc(encoder, 1)]])],
  ])('DO18: a struct stays one of its own where %s', (_why, next) => {
    for (const first of [structs.text('a'), structs.text('a', undefined, [2, 0])]) {
      const state = stateOf(update([[2, 0, structs.text('zz')]]), update([[1, 0, first]]), next);
      const reader = new Y.Doc();
      Y.applyUpdate(reader, state.encode());
      const oneByOne = new Y.Doc();
      for (const bytes of [update([[2, 0, structs.text('zz')]]), update([[1, 0, first]]), next]) Y.applyUpdate(oneByOne, bytes);
      expect(hexOf(Y.encodeStateAsUpdate(reader))).toBe(hexOf(Y.encodeStateAsUpdate(oneByOne)));
    }
    const state = stateOf(update([[2, 0, structs.text('zz')]]), update([[1, 0, structs.text('a', undefined, [2, 0])]]), next);
    expect(scan(state.encode()).sections).toMatchObject([{ client: 2 }, { client: 1, structs: 2 }]);
  });

  test('DO18: a text whose length is written long, which could not be grown in place, never comes into it', () => {
    const long = bytesOf('01 01 01 00 04 01 01 74 8100 61 00');
    expect(scanUpdate(long, storedUpdateLimits)).toMatchObject({ refused: expect.stringContaining('longer') as string });
    const section = { client: 1, start: 0, end: 1, structs: 1, from: 4, to: 11, last: 4, lastClock: 0, marks: [] };
    const run = new StructRun(1, 0);
    expect(() => run.append(long, section, 'copy')).toThrow('longer');
  });

  test('DO18: what is under a map key is not joined, since each replaces the one before', () => {
    const keyed = bytesOf('01010100240101 6d 016b 0161 00');
    const state = stateOf(keyed, update([[1, 1, structs.text('b', [1, 0])]]));
    expect(scan(state.encode()).sections).toMatchObject([{ structs: 2 }]);
  });
});

describe('map entries', () => {
  /** A map as an item of its own: client 1, clock 0. */
  const map = bytesOf('01 01 01 00 07 01 01 74 01 00');
  const keyed = (client: number, hex: string): Uint8Array => bytesOf(`01 01 0${client} 00 28 00 01 00 01 6b ${hex} 00`);
  const poison = keyed(2, '03 7d01 7d02 7d03');
  const poisonUnflagged = bytesOf('01 01 03 00 88 02 00 03 7d01 7d02 7d03 00');
  const single = keyed(2, '01 7d01');
  const tearing = (client: number): Uint8Array => bytesOf(`01 01 05 00 88 0${client} 01 01 7d09 00`);
  const deleteMap = bytesOf('00 01 01 01 00 01');

  const throwsNowhere = (updates: readonly Uint8Array[]): void => {
    const state = new DocumentState();
    const reader = new Y.Doc();
    for (const bytes of updates) {
      const judgement = judge(state, bytes);
      if (judgement.kind !== 'fresh') throw new Error(judgement.kind);
      state.take(judgement.update);
      Y.applyUpdate(reader, judgement.update.bytes);
    }
    expect(reader.store.pendingStructs).toBeNull();
    Y.applyUpdate(new Y.Doc(), state.encode());
  };

  test('DO25: an entry of several clocks, torn and then deleted, makes every reader of its bytes throw', () => {
    const reader = new Y.Doc();
    for (const bytes of [map, poison, tearing(2)]) Y.applyUpdate(reader, bytes);
    expect(() => Y.applyUpdate(reader, deleteMap)).toThrow('Unexpected case');
  });

  test.each([
    ['that says so', [map, poison, tearing(2), deleteMap]],
    ['that does not', [map, single, poisonUnflagged, tearing(3), deleteMap]],
    ['that does not, all in one', [Y.mergeUpdates([map, single, poisonUnflagged]), tearing(3), deleteMap]],
  ])('DO25: but not what is taken of one %s', (_how, updates) => throwsNowhere(updates));

  test('DO25: a flag that is missing is put right, one that is wrong is taken away, and text typed there stays', () => {
    const state = stateOf(map, single, bytesOf('01 01 03 00 88 02 00 01 7d01 00'));
    expect(hexOf(state.encode())).toContain('a8020001');
    const text = stateOf(update([[1, 0, structs.text('a')]]));
    const lying = fresh(text, bytesOf('01 01 02 00 a4 01 00 01 62 00'));
    expect(hexOf(lying)).toBe('0101020084010001 6200'.replace(' ', ''));
    text.take(scan(lying));
    const after = update([[3, 0, structs.text('a long paste', [2, 0])]]);
    expect(hexOf(fresh(text, after))).toBe(hexOf(after));
  });

  test('DO25: entries that Yjs joined, deleted already, are taken as they are', () => {
    const document = new Y.Doc({ gc: false });
    document.clientID = 1;
    for (let i = 0; i < 5; i++) document.getMap('m').set('k', i);
    const whole = Y.encodeStateAsUpdate(document);
    expect(scan(whole).replaced).toEqual([1, 0, 3]);
    expect(fresh(new DocumentState(), whole)).toBe(whole);
  });
});

describe('a diff', () => {
  const { document, updates } = typed(1, ['hello ', 'wörld ', '日本 ', 'and more']);
  const other = typed(9, [], new Y.Doc());
  Y.applyUpdate(other.document, Y.encodeStateAsUpdate(document), 'remote');
  other.document.getText('t').insert(3, 'between');
  other.document.getText('t').delete(8, 4);
  const state = stateOf(...updates, ...other.updates);

  test('DO19: is what Yjs makes of the whole, for any vector', () => {
    for (let one = 0; one <= 24; one++) {
      for (const nine of [0, 1, 5, 7, 100]) {
        const vector = new Map([[1, one], [9, nine]]); // prettier-ignore
        expect(hexOf(state.diff(vector))).toBe(hexOf(Y.diffUpdate(state.encode(), Y.encodeStateVector(vector))));
      }
    }
    expect(state.diff(new Map())).toBe(state.encode());
  });

  test('DO19: of a long document begins in the page where the vector ends', () => {
    const long = new Y.Doc();
    long.clientID = 5;
    const text = long.getText('t');
    for (let i = 0; i < 3_000; i++) text.insert(i % 2 === 0 ? text.length : 0, `word ${i} `);
    const whole = Y.encodeStateAsUpdate(long);
    const longState = stateOf(whole);
    const end = scan(whole).sections[0]?.end ?? 0;
    for (let clock = 1; clock < end; clock += 97) {
      const vector = new Map([[5, clock]]);
      expect(hexOf(longState.diff(vector))).toBe(hexOf(Y.diffUpdate(whole, Y.encodeStateVector(vector))));
    }
  });

  test('DO19: in parts is the same, and stays as it is whatever is taken later', () => {
    const { updates: keys } = typed(
      3,
      Array.from({ length: 1_200 }, (_, index) => `word ${index} `),
    );
    const growing = stateOf(...keys.slice(0, 1_000));
    const vector = new Map([[3, 20]]);
    const [parts, whole] = [growing.diffParts(vector), growing.diff(vector)];
    expect(parts.length).toBeGreaterThan(3);
    for (const key of keys.slice(1_000)) growing.take(scan(key));
    growing.encode();
    expect(hexOf(Buffer.concat(parts))).toBe(hexOf(whole));
  });

  test('DO19: begins one clock earlier rather than tear a surrogate pair', () => {
    const pairs = stateOf(update([[1, 0, structs.text('a😀b')]]));
    expect(hexOf(pairs.diff(new Map([[1, 2]])))).toBe(hexOf(update([[1, 1, structs.text('😀b', [1, 0])]])));
    expect(hexOf(stateOf(update([[1, 0, structs.text('😀b')]])).diff(new Map([[1, 1]])))).toBe(
      hexOf(update([[1, 0, structs.text('😀b')]])),
    );
  });

  test('DO19: an update that must be cut inside a pair keeps its length, with U+FFFD for the half, as Yjs has it', () => {
    const half = stateOf(update([[1, 0, (encoder) => structs.gc(encoder, 2)]]));
    expect(hexOf(fresh(half, update([[1, 0, structs.text('a😀b')]])))).toBe(hexOf(update([[1, 2, structs.text('�b', [1, 1])]])));
  });
});

describe('the whole', () => {
  test('DO20: is cached until the next take, and what was handed out never changes', () => {
    const { updates } = typed(1, ['a', 'b', 'c']);
    const state = stateOf(...updates.slice(0, 2));
    const [whole, vector, version] = [state.encode(), state.vector, state.version];
    const [wholeHex, vectorHex] = [hexOf(whole), hexOf(vector)];
    expect(state.encode()).toBe(whole);
    expect(state.vector).toBe(vector);
    state.take(scan(updates[2] ?? whole));
    expect(state.version).toBeGreaterThan(version);
    expect(hexOf(state.encode())).not.toBe(wholeHex);
    expect([hexOf(whole), hexOf(vector)]).toEqual([wholeHex, vectorHex]);
    expect(hexOf(state.vector)).toBe(hexOf(Y.encodeStateVector(new Map([[1, 3]]))));
  });

  test('DO20: a part of an update that is mostly something else is copied, so that the rest can go', () => {
    const deletions = Array.from({ length: 5_000 }, (_, index): [number, number, number] => [2, index * 2, 1]);
    const bytes = update([[1, 0, structs.text('x'.repeat(3_000))]], deletions);
    const state = stateOf(update([[2, 0, structs.text('y'.repeat(10_000))]]), bytes);
    bytes.fill(0);
    expect(hexOf(state.encode())).toContain(hexOf(Buffer.from('x'.repeat(3_000))));
  });

  test('DO20: taking an update copies nothing of what is there', () => {
    const large = update([[2, 0, structs.text('x'.repeat(5_000_000))]]);
    const state = stateOf(large);
    const [first, second] = typed(1, ['a', 'b']).updates;
    if (first === undefined || second === undefined) throw new Error('two keystrokes');
    state.take(scan(first));
    const before = state.bytes;
    state.take(scan(second));
    expect(state.bytes - before).toBeLessThan(100);
  });
});
