import { describe, expect, test } from 'vitest';
import * as Y from 'yjs';
import { editOperations, type Edit } from '#shared/document/json/edit.ts';
import { readDocumentJson } from '#shared/document/json/read.ts';
import type { RootKind } from '#shared/document/json/roots.ts';
import type { JsonMap, JsonValue } from '#shared/document/json/value.ts';
import { scan, stateOf } from './updates.ts';
import { literalOf, mapOf, valueOf } from './json-values.ts';

type Roots = Readonly<Record<string, RootKind>>;

const client = 7;

function documentOf(fill: (document: Y.Doc) => void): Y.Doc {
  const document = new Y.Doc();
  document.clientID = 1;
  document.transact(() => fill(document));
  return document;
}

const bytesOf = (document: Y.Doc): Uint8Array => Y.encodeStateAsUpdate(document);

function edited(document: Y.Doc, value: JsonValue, roots: Roots = {}): Edit {
  return editOperations([bytesOf(document)], value, { client, roots: new Map(Object.entries(roots)) });
}

/** The update, where there must be one. */
function updateOf(edit: Edit): Uint8Array {
  if (edit.kind !== 'operations') throw new Error(edit.kind === 'refused' ? edit.reason : 'there is nothing to do');
  return edit.update;
}

/** Makes the edit in the document itself, where what is in it can be looked at; returns the size of the update. */
function editIn(document: Y.Doc, literal: object, roots: Roots = {}): number {
  const update = updateOf(edited(document, valueOf(literal), roots));
  Y.applyUpdate(document, update);
  const { value } = readDocumentJson([bytesOf(document)], new Map(Object.entries(roots)));
  expect(literalOf(value)).toEqual(literal);
  return update.length;
}

function stringIn(value: JsonMap, key: string): string {
  const found = value.get(key);
  return typeof found === 'string' ? found : '';
}

const refusal = (document: Y.Doc, literal: unknown, roots: Roots = {}): string => {
  const edit = edited(document, valueOf(literal), roots);
  return edit.kind === 'refused' ? edit.reason : edit.kind;
};

function element(
  name: string,
  text: string | readonly object[],
  attributes: Readonly<Record<string, string>> = {},
): Y.XmlElement {
  const made = new Y.XmlElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  const inner = new Y.XmlText();
  inner.applyDelta(typeof text === 'string' ? [{ insert: text }] : [...text]);
  made.insert(0, [inner]);
  return made;
}

const node = (type: string, text: string, attrs?: object): object => ({
  type,
  ...(attrs === undefined ? {} : { attrs }),
  content: [{ type: 'text', text }],
});

const doc = (...content: readonly object[]): object => ({ type: 'doc', content });

describe('what an edit is', () => {
  test('DJ10: a value that says what the document says is no edit, however it is written', () => {
    const document = documentOf((made) => {
      made.getMap('map').set('a', 1);
      made.getMap('map').set('b', 2 ** 40);
      made.getText('rich').insert(0, 'bold', { bold: true });
      made.getText('plain').insert(0, 'plain');
      const paragraph = element('p', [{ insert: 'text', attributes: { bold: {}, em: {} } }]);
      made.getXmlFragment('xml').insert(0, [paragraph]);
    });
    const text = { type: 'text', text: 'te', marks: [{ type: 'em' }, { type: 'bold', attrs: {} }] };
    const same = {
      xml: {
        ...doc({ type: 'p', attrs: { align: null }, marks: [], content: [text, { ...text, text: 'xt' }] }),
        attrs: { language: null },
      },
      plain: [{ insert: 'pl' }, { insert: 'ain', attributes: {} }],
      rich: [{ insert: 'bold', attributes: { bold: true, em: null } }],
      map: { b: BigInt(2 ** 40), a: 1n },
      nothing: '',
      none: null,
      empty: {},
    };
    expect(edited(document, valueOf(same))).toEqual({ kind: 'nothing' });
  });

  test('DJ11: a changed word in 100,000 characters costs the word', () => {
    const words = Array.from({ length: 16_000 }, (_, i) => `word${i % 97}`);
    const before = words.join(' ');
    words[8_000] = 'changed';
    const plain = documentOf((made) => made.getText('t').insert(0, before));
    expect(editIn(plain, { t: words.join(' ') })).toBeLessThan(50);
    const rich = documentOf((made) => {
      made.getText('t').insert(0, before);
      made.getText('t').format(100, 50, { bold: true });
    });
    const { value } = readDocumentJson([bytesOf(rich)], new Map());
    const [first, bold, rest] = literalOf(value.get('t') ?? null) as { insert: string }[];
    const changed = { t: [first, bold, { insert: rest?.insert.replace('word50 ', 'changed ') }] };
    expect(editIn(rich, changed)).toBeLessThan(50);
  });

  test('DJ11: many changes far apart cost what changed', () => {
    const words = Array.from({ length: 20_000 }, (_, i) => `word${i}`);
    const document = documentOf((made) => made.getText('t').insert(0, words.join(' ')));
    for (let i = 0; i < words.length; i += 200) words[i] = 'x';
    expect(editIn(document, { t: words.join(' ') })).toBeLessThan(100 * 60);
  });

  test('DJ32: thousands of changes far apart cost what changed, in a text and in a list', () => {
    const words = Array.from({ length: 40_000 }, (_, i) => `word${i % 997}`);
    const entries = Array.from({ length: 10_000 }, (_, i) => `entry ${i % 100}`);
    const document = documentOf((made) => {
      made.getText('t').insert(0, words.join(' '));
      made.getArray('l').insert(0, entries);
    });
    let changes = 1;
    for (let i = 5; i < words.length; i += 20, changes++) words[i] = 'x';
    for (let i = 5; i < entries.length; i += 10, changes++) entries[i] = `changed ${i}`;
    expect(editIn(document, { t: words.join(' '), l: ['new', ...entries] })).toBeLessThan(changes * 50);
  });

  test('DJ34: of a text that is another one no scattered letters stay', () => {
    const words = (from: number): string => Array.from({ length: 30 }, (_, i) => `${(from + i * 7919) % 5003}`).join(' ');
    const document = documentOf((made) =>
      made.getXmlFragment('x').insert(
        0,
        Array.from({ length: 100 }, (_, i) => element('p', words(i * 31))),
      ),
    );
    const wanted = Array.from({ length: 100 }, (_, i) => words(2_000 + i * 37));
    const bytes = editIn(document, { x: doc(...wanted.map((text) => node('p', text))) });
    expect(bytes).toBeLessThan(wanted.join('').length + wanted.length * 40);
  });

  test.each([
    ['an emoji of the same pair of surrogates', 'a😀b', 'a😁b', 'a\u{1F603}b'],
    ['a family', 'x👩‍👩‍👧y', 'x👩‍👩‍👦y', 'x👨‍👩‍👧y'],
    ['an accent that is put on', 'cafe!', 'cafe\u0301!', 'cafe\u0300!'],
    ['a flag', '🇩🇪🇫🇷', '🇩🇰🇫🇷', '🇪🇸🇫🇷'],
    ['a line end', 'a\r\nb', 'a\nb', 'a\rb'],
  ])('DJ12: no character is torn: %s', (_, before, after, meanwhile) => {
    const document = documentOf((made) => made.getText('t').insert(0, before));
    const one = updateOf(edited(document, valueOf({ t: after })));
    const other = editOperations([bytesOf(document)], valueOf({ t: meanwhile }), { client: 8, roots: new Map() });
    const { value } = readDocumentJson([bytesOf(document), one, updateOf(other)], new Map());
    const characters = (text: string): string[] => [...new Intl.Segmenter().segment(text)].map(({ segment }) => segment);
    const known = new Set([before, after, meanwhile].flatMap(characters));
    // Two people who replace one character get two of them, each whole.
    for (const character of characters(stringIn(value, 't')).filter((found) => found !== '\r\n')) {
      expect(
        [...known].some((whole) => character.includes(whole) || whole === character),
        character,
      ).toBe(true);
    }
    expect(stringIn(value, 't')).not.toContain('\uFFFD');
    expect(literalOf(readDocumentJson([bytesOf(document), one], new Map()).value)).toEqual({ t: after });
  });

  test('DJ13: two texts with nothing in common are replaced after a bounded number of steps, always alike', () => {
    const letters = (seed: number): string =>
      Array.from({ length: 100_000 }, (_, i) => String.fromCharCode(97 + (((i * seed) ^ (i >> 3)) % 26))).join('');
    const document = documentOf((made) => made.getText('t').insert(0, letters(7919)));
    const value = valueOf({ t: letters(104_729) });
    const [one, other] = [updateOf(edited(document, value)), updateOf(edited(document, value))];
    expect(Buffer.compare(one, other)).toBe(0);
    Y.applyUpdate(document, one);
    expect(document.getText('t').toJSON()).toBe(letters(104_729));
  });
});

describe('what stays what it is', () => {
  test('DJ14: paragraphs that are not touched keep their identity and their cursors; those that are changed too', () => {
    const document = documentOf((made) =>
      made.getXmlFragment('x').insert(
        0,
        ['one', 'two words', 'three'].map((text) => element('p', text)),
      ),
    );
    const before = document.getXmlFragment('x').toArray();
    const text = (before[2] as Y.XmlElement).get(0) as Y.XmlText;
    const cursor = Y.createRelativePositionFromTypeIndex(text, 3);
    const changed = [node('p', 'new'), node('p', 'one'), node('p', 'two other words', { align: 'left' }), node('p', 'three')];
    editIn(document, { x: doc(...changed) });
    expect(document.getXmlFragment('x').toArray().slice(1)).toEqual(before);
    expect(
      document
        .getXmlFragment('x')
        .toArray()
        .slice(1)
        .every((child, i) => child === before[i]),
    ).toBe(true);
    expect(Y.createAbsolutePositionFromRelativePosition(cursor, document)).toMatchObject({ type: text, index: 3 });
  });

  test('DJ14: of several changed paragraphs each is the one that is most like it', () => {
    const said = ['the first one says this', 'a second tells of that', 'another speaks of something'];
    const document = documentOf((made) =>
      made.getXmlFragment('x').insert(
        0,
        said.map((text) => element('p', text)),
      ),
    );
    const [, second, third] = document.getXmlFragment('x').toArray();
    editIn(document, { x: doc(node('p', 'a second tells all of that'), node('p', 'another speaks of something else')) });
    expect(
      document
        .getXmlFragment('x')
        .toArray()
        .map((child) => child === second || child === third),
    ).toEqual([true, true]);
  });

  test('DJ31: of hundreds that all changed, each is the one that it was, also where others came before and between them', () => {
    const said = (i: number, name: string): string => `${name} spoke in meeting ${i} of what all of them know`;
    const document = documentOf((made) =>
      made.getXmlFragment('x').insert(
        0,
        Array.from({ length: 300 }, (_, i) => element('p', said(i, 'Ann'))),
      ),
    );
    const before = document.getXmlFragment('x').toArray();
    const wanted = before.map((_, i) => node('p', said(i, 'Bob')));
    wanted.splice(150, 3, node('p', 'between them'));
    editIn(document, { x: doc(node('p', 'before all of them'), ...wanted) });
    const kept = before.filter((_, i) => i < 150 || i >= 153);
    const after = document.getXmlFragment('x').toArray();
    expect(kept.every((child, i) => after[i < 150 ? i + 1 : i + 2] === child)).toBe(true);
  });

  test('DJ14: an empty text stays, and one that is emptied', () => {
    const document = documentOf((made) => made.getXmlFragment('x').insert(0, [element('p', 'gone')]));
    const text = (document.getXmlFragment('x').get(0) as Y.XmlElement).get(0) as Y.XmlText;
    editIn(document, { x: doc({ type: 'p' }) });
    expect(text._item?.deleted).toBe(false);
    editIn(document, { x: doc(node('p', 'again')) });
    expect(text.toJSON()).toBe('again');
  });

  test('DJ14: a text in which nothing stands yet is not taken away with what stands beside it', () => {
    const document = documentOf((made) => {
      const paragraph = element('p', 'gone');
      paragraph.insert(1, [new Y.XmlElement('br'), new Y.XmlText(), new Y.XmlElement('hr')]);
      made.getXmlFragment('x').insert(0, [paragraph]);
    });
    const empty = (document.getXmlFragment('x').get(0) as Y.XmlElement).get(2) as Y.XmlText;
    editIn(document, { x: doc({ type: 'p', content: [{ type: 'image' }] }) });
    expect(empty._item?.deleted).toBe(false);
  });

  test('DJ14: texts beside each other are edited as the one that they are', () => {
    const document = documentOf((made) => {
      const paragraph = element('p', 'one ');
      paragraph.insert(1, [new Y.XmlText('two '), new Y.XmlText('three')]);
      made.getXmlFragment('x').insert(0, [paragraph]);
    });
    editIn(document, { x: doc(node('p', 'one and two and threes')) });
    expect((document.getXmlFragment('x').get(0) as Y.XmlElement).toArray().map(String)).toEqual([
      'one and ',
      'two and ',
      'threes',
    ]);
  });

  test('DJ15: shared types in maps are edited in place, by key; plain values are replaced', () => {
    const document = documentOf((made) => {
      made.getMap('m').set(
        'map',
        new Y.Map<unknown>([
          ['title', new Y.Text('title')],
          ['kept', 1],
          ['gone', 2],
        ]),
      );
      made.getMap('m').set('plain', { a: 1, b: 2 });
    });
    const map = document.getMap('m').get('map') as Y.Map<unknown>;
    const title = map.get('title');
    editIn(document, { m: { map: { title: 'a title', kept: 1, come: [3] }, plain: { a: 1, b: 3 } } });
    expect(document.getMap('m').get('map')).toBe(map);
    expect(map.get('title')).toBe(title);
    editIn(document, {
      m: { map: { title: [{ insert: 'a ' }, { insert: 'title', attributes: { bold: true } }], kept: 1, come: [3] }, plain: 0 },
    });
    expect(map.get('title')).toBe(title);
    editIn(document, { m: { map: 'no map any more', plain: 0 } });
  });

  test('DJ16: of lists the longest common part stays; a move is a deletion and an insertion', () => {
    const document = documentOf((made) =>
      made.getArray('l').insert(0, ['a', new Y.Map([['n', 1]]), 'b', 'c', 'd', new Y.Map([['n', 2]])]),
    );
    const [one, two] = [document.getArray('l').get(1), document.getArray('l').get(5)];
    editIn(document, { l: ['x', 'a', { n: 1 }, 'c', 'd', 'b', { n: 3 }] });
    expect(document.getArray('l').get(2)).toBe(one);
    expect(document.getArray('l').get(6)).toBe(two);
  });

  test('DJ17: what is new is shaped like its siblings', () => {
    const task = (title: string): Y.Map<unknown> =>
      new Y.Map<unknown>([
        ['title', new Y.Text(title)],
        ['tags', Y.Array.from(['t'])],
        ['place', { x: 1 }],
      ]);
    const document = documentOf((made) => {
      made.getArray('tasks').insert(0, [task('one'), task('two')]);
      made.getArray('plain').insert(0, [{ a: 1 }]);
      made.getMap('by id').set('1', task('three'));
    });
    const fresh = { title: 'new', tags: ['u'], place: { x: 2 }, more: 'plain' };
    const { value } = readDocumentJson([bytesOf(document)], new Map());
    const old = literalOf(value) as { tasks: object[]; plain: object[]; 'by id': object };
    editIn(document, { tasks: [...old.tasks, fresh], plain: [...old.plain, { a: 2 }], 'by id': { ...old['by id'], 2: fresh } });
    for (const made of [document.getArray('tasks').get(2), document.getMap('by id').get('2')] as Y.Map<unknown>[]) {
      expect(made).toBeInstanceOf(Y.Map);
      expect(made.get('title')).toBeInstanceOf(Y.Text);
      expect(made.get('tags')).toBeInstanceOf(Y.Array);
      expect(made.get('place')).toEqual({ x: 2 });
      expect(made.get('more')).toBe('plain');
    }
    expect(document.getArray('plain').get(1)).toEqual({ a: 2 });
  });

  test('DJ18: a string for a text that is named plain leaves its formats and embeds; runs change formats alone', () => {
    const document = documentOf((made) => {
      made
        .getText('t')
        .applyDelta([
          { insert: 'plain ' },
          { insert: 'bold', attributes: { bold: true } },
          { insert: { image: 1 } },
          { insert: ' end' },
        ]);
    });
    editIn(document, { t: 'plain bolder, the end' }, { t: 'text' });
    expect(document.getText('t').toDelta()).toEqual([
      { insert: 'plain ' },
      { insert: expect.stringMatching(/^bolder/u), attributes: { bold: true } },
      { insert: { image: 1 } },
      { insert: expect.stringMatching(/end$/u) },
    ]);
    const clock = Y.getState(document.store, client);
    editIn(document, { t: [{ insert: 'bold', attributes: { bold: true } }, { insert: 'er' }] }, { t: 'rich-text' });
    editIn(document, { t: [{ insert: 'bolder', attributes: { em: true } }] }, { t: 'rich-text' });
    // Nothing was typed again: formats only.
    expect(Y.getState(document.store, client) - clock).toBeLessThanOrEqual(6);
  });

  test('DJ19: shared types among the characters of a text are edited, made and deleted', () => {
    const document = documentOf((made) => {
      const root = made.get('root', Y.XmlText);
      for (const [i, text] of ['first line', 'second line'].entries()) {
        const line = new Y.XmlText(text);
        root.insertEmbed(i, line);
        line.setAttribute('__type', 'paragraph');
      }
    });
    const root = document.get('root', Y.XmlText);
    const line = (value: string, type: string): object => ({
      insert: { '@inkstream': 'xml-text', attributes: { __type: type }, value },
    });
    const second = (root.toDelta() as { insert: unknown }[])[1]?.insert;
    editIn(document, { root: [line('new', 'heading'), line('second longer line', 'quote')] });
    const lines = (root.toDelta() as { insert: Y.XmlText }[]).map(({ insert }) => insert);
    expect(lines[1]).toBe(second);
    expect(lines.map((made) => [made.constructor.name, String(made.getAttribute('__type'))])).toEqual([
      [Y.XmlText.name, 'heading'],
      [Y.XmlText.name, 'quote'],
    ]);
  });

  test('DJ19: the characters around them are edited as ever', () => {
    const document = documentOf((made) => {
      const text = made.getText('t');
      text.insert(0, 'before between after');
      text.insertEmbed(15, new Y.Map([['n', 2]]));
      text.insertEmbed(7, new Y.Map([['n', 1]]));
    });
    const shared = (): unknown[] =>
      (document.getText('t').toDelta() as { insert: unknown }[])
        .map(({ insert }) => insert)
        .filter((insert) => insert instanceof Y.Map);
    const kept = shared();
    const map = (n: number): object => ({ insert: { '@inkstream': 'map', value: { n } } });
    editIn(document, { t: [{ insert: 'ahead' }, map(5), { insert: 'amid' }, map(6), { insert: 'after' }, map(7)] });
    expect(
      shared()
        .slice(0, 2)
        .map((made, i) => made === kept[i]),
    ).toEqual([true, true]);
    editIn(document, { t: [{ insert: 'x' }, map(6)] }, { t: 'rich-text' });
    expect(shared()[0]).toBe(kept[1]);
  });

  test("DJ20: marks that overlap themselves keep their formats, and new ones get y-prosemirror's", () => {
    const document = documentOf((made) => {
      const runs = [{ insert: 'some', attributes: { 'comment--AAAAAAAA': { id: 1 } } }, { insert: ' text' }];
      const paragraph = element('p', runs);
      made.getXmlFragment('x').insert(0, [paragraph]);
    });
    const comment = (id: number): object => ({ type: 'comment', attrs: { id } });
    const runs = [
      { type: 'text', text: 'some', marks: [comment(1)] },
      { type: 'text', text: ' long', marks: [comment(2)] },
      { type: 'text', text: ' text' },
    ];
    editIn(document, { x: doc({ type: 'p', content: runs }) });
    const text = (document.getXmlFragment('x').get(0) as Y.XmlElement).get(0) as Y.XmlText;
    const formats = (text.toDelta() as { attributes?: object }[]).map(({ attributes = {} }) => Object.keys(attributes));
    const [first, second, ...rest] = new Set(formats.map(String));
    expect([first, ...rest]).toEqual(['comment--AAAAAAAA', '']);
    expect(second).toMatch(/^comment--[a-zA-Z0-9+/]{8}$/u);
  });

  const comment = (id: number): object => ({ type: 'comment', attrs: { id } });
  const commented = (text: string, ...ids: readonly number[]): object =>
    ids.length === 0 ? { type: 'text', text } : { type: 'text', text, marks: ids.map(comment) };

  test('DJ29: two marks of a type that came without a hash, each in its place, stay two where they overlap', () => {
    const document = documentOf(() => undefined);
    editIn(document, { x: doc({ type: 'p', content: [commented('one ', 1), commented('and '), commented('two', 2)] }) });
    const text = (document.getXmlFragment('x').get(0) as Y.XmlElement).get(0) as Y.XmlText;
    const before = Y.getState(document.store, client);
    editIn(document, { x: doc({ type: 'p', content: [commented('one ', 1), commented('and ', 1, 2), commented('two', 2)] }) });
    const formats = (text.toDelta() as { attributes?: object }[]).map(({ attributes = {} }) => Object.keys(attributes));
    expect(formats).toEqual([['comment'], ['comment', expect.stringMatching(/^comment--/u)], ['comment']]);
    expect(Y.getState(document.store, client) - before).toBeLessThanOrEqual(6);
  });

  test('DJ29: a character that has one mark by two formats shows it once, and keeps both', () => {
    const document = documentOf((made) => {
      const attributes = { comment: { id: 1 }, 'comment--AAAAAAAA': { id: 1 } };
      made.getXmlFragment('x').insert(0, [element('p', [{ insert: 'some', attributes }])]);
    });
    const value = { x: doc({ type: 'p', content: [commented('some', 1)] }) };
    expect(literalOf(readDocumentJson([bytesOf(document)], new Map()).value)).toEqual(value);
    expect(edited(document, valueOf(value))).toEqual({ kind: 'nothing' });
  });

  test('DJ29: a mark that has two formats in one text is one, for the reader and for an edit', () => {
    const mark = { id: 1 };
    const document = documentOf((made) => {
      const runs = [
        { insert: 'so', attributes: { comment: mark } },
        { insert: 'me', attributes: { 'comment--AAAAAAAA': mark } },
      ];
      made.getXmlFragment('x').insert(0, [element('p', [...runs, { insert: ' text' }])]);
    });
    const value = { x: doc({ type: 'p', content: [commented('some', 1), commented(' text')] }) };
    expect(literalOf(readDocumentJson([bytesOf(document)], new Map()).value)).toEqual(value);
    expect(edited(document, valueOf(value))).toEqual({ kind: 'nothing' });
    editIn(document, { x: doc({ type: 'p', content: [commented('some', 1), commented(' texts')] }) });
    const text = (document.getXmlFragment('x').get(0) as Y.XmlElement).get(0) as Y.XmlText;
    const formats = (text.toDelta() as { attributes?: object }[]).map(({ attributes = {} }) => Object.keys(attributes));
    expect(formats).toEqual([['comment'], ['comment--AAAAAAAA'], []]);
  });
});

describe('what is refused', () => {
  const document = documentOf((made) => {
    made.getMap('map').set('sub', new Y.Doc({ guid: 'g' }));
    made.getText('text').insert(0, 'text');
    made.getXmlFragment('xml').insert(0, [element('p', 'p')]);
    made.getArray('list').insert(0, [1]);
  });
  const { value } = readDocumentJson([bytesOf(document)], new Map());
  const same = literalOf(value) as Record<string, object>;
  const nested = (levels: number): object => Array.from({ length: levels }).reduce<object>((inner) => [inner], []);

  test.each([
    ['a list', [1], "the value is a list; it must be an object that has the document's roots by their names"],
    ['null', null, 'the value is null; it must be'],
    ['a root that is a number', { ...same, n: 5 }, 'n: a root is a text, a list or an object, and this is the number 5'],
    ['a list for a map', { ...same, map: [] }, 'map: it is a map, and a list can not be put there'],
    ['a text for a list', { ...same, list: 'x' }, 'list: it is a list, and a text can not be put there'],
    ['an object for a text', { ...same, text: {} }, 'text: a text is a string or a list of runs'],
    ['what is no run', { ...same, text: [{ insert: 'a' }, 5] }, 'text[1]: a run is'],
    [
      'another subdocument',
      { ...same, map: { sub: { '@inkstream': 'subdocument', guid: 'h' } } },
      'map.sub: {"@inkstream": "subdocument"} names what can\'t be made',
    ],
    ['a node without a type', { ...same, xml: doc({ content: [] }) }, 'xml.content[0]: a node is'],
    [
      'a node with marks',
      { ...same, xml: doc({ type: 'p', marks: [{ type: 'b' }] }) },
      'xml.content[0].marks: only "type", "attrs" and "content"',
    ],
    ['no XML', { ...same, xml: { p: 1 } }, 'xml.p: XML is {"type": "doc", "content": […]}'],
    ['an attribute of a root', { ...same, xml: { ...same['xml'], attrs: { a: 1 } } }, 'xml.attrs: XML is {"type": "doc"'],
    ['too many levels', { ...same, list: nested(100) }, 'it is nested more than 90 levels deep'],
    ['too many levels for a plain value', { ...same, list: nested(70) }, 'list[0]: it is nested more than 60 levels deep'],
    ['an integer of 65 bits', { ...same, list: [2n ** 64n] }, 'list[0]: an integer has more than 64 bits'],
    [
      'an infinite format',
      { ...same, text: [{ insert: 'a', attributes: { x: Infinity } }] },
      'text.x: Infinity does not fit into a format',
    ],
  ])('DJ23: %s is refused in words that say where', (_, literal, reason) => {
    expect(refusal(document, literal)).toContain(reason);
  });

  test('DJ35: the reason is short, however long the names in it are', () => {
    const long = 'k'.repeat(1_000_000);
    const reason = refusal(document, { ...same, text: [{ insert: 'a', [long]: 1 }] });
    expect(reason).toMatch(/^text\[0\]: a run is .* \("k+…$/u);
    expect(reason.length).toBeLessThan(1_100);
  });

  test('DJ23: what can not be made may stay, and may go', () => {
    expect(refusal(document, { ...same, list: [1, 2] })).toBe('operations');
    expect(refusal(document, { ...same, map: {} })).toBe('operations');
  });

  test('DJ23: another value than a string is refused for a text that is named plain', () => {
    expect(refusal(document, { ...same, text: [] }, { text: 'text' })).toContain(
      'text: it is a plain text, and a list can not be put there',
    );
  });
});

describe('what Yjs is asked to store', () => {
  test('DJ24: a lone surrogate and a key that is written in two ways become harmless, and are not seen again', () => {
    const document = documentOf(() => undefined);
    const value = mapOf({ m: { ['\uD800k']: 'a\uDC00b', ['nul\0']: '\0', list: ['\uD83D'] }, t: 'x\uD83D' });
    const update = updateOf(edited(document, value));
    Y.applyUpdate(document, update);
    expect(edited(document, value)).toEqual({ kind: 'nothing' });
    expect(document.getMap('m').toJSON()).toEqual({ '\uFFFDk': 'a\uFFFDb', 'nul\0': '\0', list: ['\uFFFD'] });
    expect(document.getText('t').toJSON()).toBe('x\uFFFD');
  });

  test('DJ5: any key can be edited, plain and shared', () => {
    const document = documentOf((made) => made.getMap('m').set('k', 1));
    const keys = [
      '__proto__',
      'constructor',
      'toString',
      '10',
      '9',
      '$set',
      'a.b',
      '',
      '@inkstream:nul%00',
      '@inkstream:@inkstream',
    ];
    const entries = new Map<string, JsonValue>(keys.map((key, i) => [key, i]));
    const value = new Map<string, JsonValue>([
      ['m', new Map<string, JsonValue>([...entries, ['plain', entries], ['list', [entries, 5n, 2n ** 60n, entries]]])],
    ]);
    Y.applyUpdate(document, updateOf(edited(document, value)));
    expect(edited(document, value)).toEqual({ kind: 'nothing' });
    expect(document.getMap('m').get('nul\0')).toBe(8);
  });

  test('DJ7: numbers are stored as what they are worth', () => {
    const document = documentOf(() => undefined);
    const numbers = [0, -0, 1, -1, 2 ** 31, 2 ** 53, 0.1, 1e300, NaN, Infinity, -Infinity, 5n, 2n ** 60n, -(2n ** 63n)];
    const value = valueOf({ l: numbers, m: { big: 2n ** 60n, nested: { big: 2n ** 60n } } });
    Y.applyUpdate(document, updateOf(edited(document, value)));
    expect(edited(document, value)).toEqual({ kind: 'nothing' });
    expect(document.getArray('l').toArray()).toEqual([...numbers.slice(0, 11), 5, ...numbers.slice(12)]);
  });

  test('DJ7: bytes are stored as bytes, whatever kind of array they come in', () => {
    const document = documentOf(() => undefined);
    const bytes = Buffer.from([1, 2]);
    const value = valueOf({ l: [1, bytes, { nested: bytes }], m: { bytes } });
    Y.applyUpdate(document, updateOf(edited(document, value)));
    expect(edited(document, value)).toEqual({ kind: 'nothing' });
    expect(document.getMap('m').get('bytes')).toEqual(new Uint8Array([1, 2]));
  });

  test('DJ21: an edit is one update of one client, which a gateway admits', () => {
    const document = documentOf((made) => made.getText('t').insert(0, 'text'));
    const edit = edited(document, valueOf({ t: 'next', m: { k: [1, { a: 1 }] }, x: doc(node('p', 'p', { a: 1 })) }));
    const update = updateOf(edit);
    const scanned = scan(update);
    expect(scanned.sections.map((section) => [section.client, section.start])).toEqual([[client, 0]]);
    expect(edit).toMatchObject({ clockAfter: scanned.sections[0]?.end });
    expect(stateOf(bytesOf(document)).judge(scanned).kind).toBe('fresh');
    Y.applyUpdate(document, update);
    const more = edited(document, valueOf({ t: 'next one', m: { k: [1, { a: 1 }] }, x: doc(node('p', 'p', { a: 1 })) }));
    expect(scan(updateOf(more)).sections.map((section) => section.start)).toEqual([scanned.sections[0]?.end]);
  });

  test("DJ25: an edit brings no formatting operations of Yjs' own", () => {
    const document = documentOf((made) => {
      const text = made.getText('t');
      text.insert(0, 'a long text');
      for (let i = 0; i < 5; i++) {
        text.format(2, 4, { bold: true });
        text.format(2, 4, { bold: null });
      }
      text.format(7, 4, { em: true });
    });
    const other = documentOf((made) => made.getText('t').insert(0, 'xx', { bold: true }));
    other.clientID = 2;
    const base = [bytesOf(document), bytesOf(other)];
    const { value } = readDocumentJson(base, new Map());
    const map = mapOf({ k: 1 });
    const scanned = scan(updateOf(editOperations(base, new Map([...value, ['m', map]]), { client, roots: new Map() })));
    expect(scanned.deletions).toEqual([]);
    expect(scanned.sections).toHaveLength(1);
  });

  test('DJ26: five thousand edits of one field leave a small document', () => {
    const document = documentOf((made) => made.getMap('m').set('k', 'begin'));
    for (let i = 0; i < 5_000; i++) Y.applyUpdate(document, updateOf(edited(document, valueOf({ m: { k: `value ${i}` } }))));
    expect(bytesOf(document).length).toBeLessThan(200);
  });
});
