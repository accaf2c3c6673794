import { expect, test } from 'vitest';
import * as Y from 'yjs';
import { editOperations } from '#shared/document/json/edit.ts';
import { readDocumentJson } from '#shared/document/json/read.ts';
import { isList, isMap, type JsonMap, type JsonValue } from '#shared/document/json/value.ts';
import { normalDocument } from './normal.ts';
import { seeded, type Random } from '../rooms/random.ts';

const seeds = Number(process.env['JSON_SEEDS'] ?? 300);
const roots = new Map([['text', 'rich-text']] as const);
/** Seeds of which one failed once. */
const failedOnce = [19_804];

/** Characters that nobody else types, each once. */
function markers(): () => string {
  let next = 0x4e00;
  return () => String.fromCodePoint(next++);
}

function world(random: Random, marker: () => string): Y.Doc {
  const document = new Y.Doc();
  document.clientID = 1;
  document.getText('text').insert(0, 'the quick brown fox jumps over the lazy dog', {});
  document.getText('text').format(4, 5, { bold: true });
  const map = document.getMap('map');
  for (let i = 0; i < 6; i++)
    map.set(
      `k${i}`,
      random.chance(0.5)
        ? i
        : new Y.Map([
            ['title', new Y.Text('title')],
            ['n', i],
          ]),
    );
  document.getArray('array').insert(0, [1, new Y.Map([['n', 1]]), 'three', new Y.Map([['n', 2]]), 5]);
  const paragraphs = Array.from({ length: 5 }, () => {
    const paragraph = new Y.XmlElement('paragraph');
    paragraph.insert(0, [new Y.XmlText(`${marker()} some words of a paragraph`)]);
    return paragraph;
  });
  document.getXmlFragment('xml').insert(0, paragraphs);
  return document;
}

/** What people put into a document, and how to find it there again. */
type Kept = { readonly text: string[]; readonly entries: Map<string, number>; readonly bold: string[] };

const people: readonly ((document: Y.Doc, random: Random, marker: () => string, kept: Kept) => void)[] = [
  (document, random, marker, kept) => {
    const text = document.getText('text');
    const typed = marker();
    const isBold = random.chance(0.3);
    text.insert(random.integer(text.length + 1), typed, isBold ? { bold: true } : {});
    (isBold ? kept.bold : kept.text).push(typed);
  },
  (document, random, _marker, kept) => {
    const key = `k${random.integer(9)}`;
    const value = 1000 + random.integer(1000);
    document.getMap('map').set(key, value);
    kept.entries.set(key, value);
  },
  (document, random, marker, kept) => {
    const array = document.getArray('array');
    const entry = marker();
    array.insert(random.integer(array.length + 1), [entry]);
    kept.text.push(entry);
  },
  (document, random, marker, kept) => {
    const paragraph = document.getXmlFragment('xml').get(random.integer(document.getXmlFragment('xml').length));
    const text = (paragraph as Y.XmlElement).get(0) as Y.XmlText;
    const typed = marker();
    text.insert(random.integer(text.length + 1), typed);
    kept.text.push(typed);
  },
  (document, random, marker, kept) => {
    const paragraph = new Y.XmlElement('paragraph');
    const typed = marker();
    paragraph.insert(0, [new Y.XmlText(typed)]);
    const xml = document.getXmlFragment('xml');
    xml.insert(random.integer(xml.length + 1), [paragraph]);
    kept.text.push(typed);
  },
];

const put = (map: JsonMap, key: string, value: JsonValue): JsonMap => new Map([...map, [key, value]]);
const mapAt = (map: JsonMap, key: string): JsonMap => {
  const inner = map.get(key);
  return isMap(inner) ? inner : new Map();
};
const listAt = (map: JsonMap, key: string): readonly JsonValue[] => {
  const inner = map.get(key);
  return isList(inner) ? inner : [];
};

const stringAt = (map: JsonMap, key: string): string => {
  const inner = map.get(key);
  return typeof inner === 'string' ? inner : '';
};

type OutsideEdit = (value: JsonMap, random: Random, typed: string, touched: Set<string>) => JsonMap;

/** Edits that take away characters and entries, and no paragraph, and put `typed` in; `touched` gets the keys of the map that they change. */
const outsideEdits: readonly OutsideEdit[] = [
  (value, random, typed) => {
    const runs = [...listAt(value, 'text')];
    const at = random.integer(runs.length);
    const run = runs[at];
    if (!isMap(run)) return value;
    const insert = stringAt(run, 'insert');
    const from = random.integer(insert.length + 1);
    runs[at] = put(run, 'insert', insert.slice(0, from) + typed + insert.slice(from + random.integer(9)));
    return put(value, 'text', runs);
  },
  (value, random, typed, touched) => {
    const key = `k${random.integer(9)}`;
    const map = new Map(mapAt(value, 'map'));
    const there = map.get(key);
    if (isMap(there) && random.chance(0.5)) map.set(key, put(there, 'title', typed));
    else if (random.chance(0.3)) map.delete(key);
    else map.set(key, random.integer(100));
    touched.add(key);
    return put(value, 'map', map);
  },
  (value, random, typed) => {
    const array = [...listAt(value, 'array')];
    array.splice(random.integer(array.length + 1), random.integer(2), typed);
    return put(value, 'array', array);
  },
  (value, random, typed) => {
    const nodes = [...listAt(mapAt(value, 'xml'), 'content')];
    const text = new Map([
      ['type', 'text'],
      ['text', typed],
    ]);
    const paragraph: JsonMap = new Map<string, JsonValue>([
      ['type', 'paragraph'],
      ['content', [text]],
    ]);
    nodes.splice(random.integer(nodes.length + 1), 0, paragraph);
    return put(value, 'xml', put(mapAt(value, 'xml'), 'content', nodes));
  },
  (value, random, typed) => {
    const nodes = [...listAt(mapAt(value, 'xml'), 'content')];
    const at = random.integer(nodes.length);
    const paragraph = nodes[at];
    const [text] = isMap(paragraph) ? listAt(paragraph, 'content') : [];
    if (!isMap(paragraph) || !isMap(text)) return value;
    const said = stringAt(text, 'text').replace('some words', random.pick(['some', 'words', 'some few words']));
    nodes[at] = put(put(paragraph, 'content', [put(text, 'text', said + typed)]), 'attrs', new Map([['align', typed]]));
    return put(value, 'xml', put(mapAt(value, 'xml'), 'content', nodes));
  },
];

test('DJ22: merged with what people did meanwhile, nothing of theirs that the edit did not touch is lost, and neither is the edit', () => {
  for (const seed of [...failedOnce, ...Array.from({ length: seeds }, (_, index) => index + 1)]) {
    const random = seeded(seed);
    const marker = markers();
    const theirs = world(random, marker);
    const base = Y.encodeStateAsUpdate(theirs);
    const kept: Kept = { text: [], entries: new Map(), bold: [] };
    for (let i = random.integer(12); i > 0; i--) random.pick(people)(theirs, random, marker, kept);
    const touched = new Set<string>();
    let value = readDocumentJson([base], roots).value;
    const outside = Array.from({ length: 1 + random.integer(3) }, marker);
    for (const typed of outside) value = random.pick(outsideEdits)(value, random, typed, touched);
    const edit = editOperations([base], value, { client: 9, roots });
    if (edit.kind === 'refused') throw new Error(`seed ${seed}: ${edit.reason}`);
    const both = [Y.encodeStateAsUpdate(theirs), ...(edit.kind === 'operations' ? [edit.update] : [])];
    const merged = readDocumentJson(both, roots).value;
    const said = JSON.stringify([...merged].map(([name, root]) => (name === 'map' ? '' : plain(root))));
    const again = readDocumentJson(both.toReversed(), roots).value;
    expect(plain(again), `seed ${seed}`).toEqual(plain(merged));
    for (const typed of [...kept.text, ...kept.bold]) expect(said.split(typed).length - 1, `seed ${seed}: ${typed}`).toBe(1);
    // Who deletes all of a formatted word deletes its format with it, in any editor: what was typed into it meanwhile is there, and plain.
    const isWordLeft = /[quick]/u.test(boldText(value));
    for (const typed of isWordLeft ? kept.bold : []) expect(boldText(merged), `seed ${seed}: ${typed}`).toContain(typed);
    for (const [key, entry] of kept.entries) {
      if (!touched.has(key)) expect(mapAt(merged, 'map').get(key), `seed ${seed}: ${key}`).toBe(entry);
    }
    const wanted = JSON.stringify([...value].map(([name, root]) => (name === 'map' ? '' : plain(root))));
    for (const typed of outside.filter((typed) => wanted.includes(typed))) {
      expect(said, `seed ${seed}: ${typed}`).toContain(typed);
    }
  }
});

test('DJ33: what a person undoes after the merge is their own: what is left is what the edit made', () => {
  for (let seed = 1; seed <= seeds; seed++) {
    const random = seeded(seed);
    const marker = markers();
    const theirs = world(random, marker);
    const base = Y.encodeStateAsUpdate(theirs);
    const undo = new Y.UndoManager([theirs.getText('text'), theirs.getArray('array'), theirs.getXmlFragment('xml')]);
    for (let i = 1 + random.integer(12); i > 0; i--)
      random.pick(people)(theirs, random, marker, { text: [], entries: new Map(), bold: [] });
    let value = readDocumentJson([base], roots).value;
    for (let edits = 1 + random.integer(3); edits > 0; edits--)
      value = random.pick(outsideEdits)(value, random, marker(), new Set());
    const edit = editOperations([base], value, { client: 9, roots });
    if (edit.kind === 'operations') Y.applyUpdate(theirs, edit.update, 'provider');
    while (undo.canUndo()) undo.undo();
    const left = readDocumentJson([Y.encodeStateAsUpdate(theirs)], roots).value;
    const withoutMap = (all: JsonMap): JsonMap => new Map([...all].filter(([name]) => name !== 'map'));
    expect(normalDocument(withoutMap(left)), `seed ${seed}`).toBe(normalDocument(withoutMap(value)));
  }
});

function boldText(value: JsonMap): string {
  return listAt(value, 'text')
    .map((run) => (isMap(run) && mapAt(run, 'attributes').get('bold') === true ? stringAt(run, 'insert') : ''))
    .join('');
}

function plain(value: JsonValue): unknown {
  if (isList(value)) return value.map(plain);
  if (!isMap(value)) return value;
  const keys = [...value.keys()].toSorted((one, other) => (one < other ? -1 : 1));
  return Object.fromEntries(keys.map((key) => [key, plain(value.get(key) ?? null)]));
}
