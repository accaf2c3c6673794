/** Random editing of one document, of every kind that Yjs has, and what the document then says. */

import * as Y from 'yjs';
import type { Random } from './random.ts';

const words = ['a', 'b', 'xyz ', 'hello ', '😀', '👩‍👩‍👧', 'öü', 'é', '日本', '\n', '\uFEFF', 'longer text here '];
const formats = [{ bold: true }, { bold: null }, { em: 1 }, { em: null }, { bold: true, em: 2 }];

/** What people edit: made before anything is read, so that roots have their types in every replica. */
export function openRoots(document: Y.Doc): void {
  document.getText('text');
  document.getMap('map');
  document.getArray('array');
  document.getXmlFragment('xml');
  document.getMap('subdocuments');
}

export function undoManagerOf(document: Y.Doc): Y.UndoManager {
  return new Y.UndoManager([document.getText('text'), document.getMap('map'), document.getXmlFragment('xml')], {
    captureTimeout: 0,
  });
}

type Edit = (document: Y.Doc, random: Random, undo: Y.UndoManager) => void;

/** A place in a text where an editor would put its cursor: not inside a surrogate pair, which tears it, and Yjs leaves some replicas with halves. */
function placeIn(text: Y.Text, random: Random, below = text.length + 1): number {
  return wholeCharacters(text, random.integer(below));
}

function wholeCharacters(text: Y.Text, at: number): number {
  const units = (text.toDelta() as { insert: unknown }[])
    .map(({ insert }) => (typeof insert === 'string' ? insert : ' '))
    .join('');
  return /[\uDC00-\uDFFF]/u.test(units.charAt(at)) && /[\uD800-\uDBFF]/u.test(units.charAt(at - 1)) ? at + 1 : at;
}

const typing: Edit = (document, random) => typeInto(document.getText('text'), random);
const deleting: Edit = (document, random) => deleteFrom(document.getText('text'), random);

const edits: readonly Edit[] = [
  typing,
  typing,
  typing,
  typing,
  deleting,
  deleting,
  (document, random) => format(document.getText('text'), random),
  (document, random) =>
    document
      .getMap('map')
      .set(`k${random.integer(4)}`, random.pick([1, 's', null, { a: [1, { b: 2 }] }, new Uint8Array([1, 2]), 2.5, 2n ** 60n])),
  (document, random) => document.getMap('map').delete(`k${random.integer(4)}`),
  (document, random) => document.getMap('map').set(`k${random.integer(4)}`, new Y.Map([['z', random.integer(9)]])),
  (document, random) => {
    for (const value of document.getMap('map').values())
      if (value instanceof Y.Map) value.set(`y${random.integer(3)}`, random.integer(99));
  },
  (document, random) => {
    const array = document.getArray('array');
    array.insert(random.integer(array.length + 1), [random.integer(9), 'q', { o: 1 }]);
  },
  (document, random) => {
    const array = document.getArray('array');
    if (array.length === 0) return;
    const from = random.integer(array.length);
    array.delete(from, Math.min(array.length - from, 1 + random.integer(3)));
  },
  (document, random) => {
    const array = document.getArray('array');
    array.insert(random.integer(array.length + 1), [Y.Array.from([1, 2, 3])]);
  },
  insertElement,
  insertElement,
  editElement,
  (_document, random, undo) => void (random.chance(0.6) ? undo.undo() : undo.redo()),
  (document, random) => {
    const text = document.getText('text');
    if (random.chance(0.2)) text.insert(placeIn(text, random), 'paste 😀 '.repeat(random.chance(0.2) ? 500 : 20));
    else if (random.chance(0.3)) document.getMap('subdocuments').set(`d${random.integer(2)}`, new Y.Doc());
    else text.insertEmbed(placeIn(text, random), { img: 1 });
  },
  (document, random) =>
    document.transact(() => {
      for (let i = 0; i < 5; i++) {
        typeInto(document.getText('text'), random);
        if (random.chance(0.4)) deleteFrom(document.getText('text'), random);
      }
    }),
  typeOn,
  scatter,
];

/** Keystrokes all over the text, by the hundred: structs that nothing joins, in pages of their own. */
function scatter(document: Y.Doc, random: Random): void {
  if (!random.chance(0.1)) return;
  const text = document.getText('text');
  for (let i = 0; i < 200; i++) text.insert(placeIn(text, random), random.pick(words));
}

/** One edit, as one or more transactions. */
export function edit(document: Y.Doc, random: Random, undo: Y.UndoManager): void {
  random.pick(edits)(document, random, undo);
}

function typeInto(text: Y.Text, random: Random): void {
  const at = placeIn(text, random);
  if (random.chance(0.3)) text.insert(at, random.pick(words), random.chance(0.5) ? { bold: true } : { em: random.integer(3) });
  else text.insert(at, random.pick(words));
}

/** Keystrokes one after the other, each its own update: what is joined. */
function typeOn(document: Y.Doc, random: Random): void {
  const text = document.getText('text');
  let at = placeIn(text, random);
  for (let i = 2 + random.integer(12); i > 0; i--) {
    const word = random.pick(words);
    text.insert(at, word);
    at += word.length;
  }
}

function deleteFrom(text: Y.Text, random: Random): void {
  if (text.length === 0) return;
  const at = placeIn(text, random, text.length);
  text.delete(at, wholeCharacters(text, Math.min(text.length, at + 1 + random.integer(8))) - at);
}

function format(text: Y.Text, random: Random): void {
  if (text.length === 0) return;
  const at = placeIn(text, random, text.length);
  text.format(at, wholeCharacters(text, Math.min(text.length, at + 1 + random.integer(8))) - at, random.pick(formats));
}

function someElement(document: Y.Doc, random: Random): Y.XmlFragment {
  let element: Y.XmlFragment = document.getXmlFragment('xml');
  for (let depth = 0; depth < 4; depth++) {
    const inner = element.toArray().filter((child) => child instanceof Y.XmlElement);
    if (inner.length === 0 || random.chance(0.4)) break;
    element = random.pick(inner);
  }
  return element;
}

function insertElement(document: Y.Doc, random: Random): void {
  const parent = someElement(document, random);
  const element = new Y.XmlElement(random.pick(['p', 'ul', 'li']));
  const text = new Y.XmlText();
  text.insert(0, random.pick(words));
  element.insert(0, [text]);
  parent.insert(random.integer(parent.length + 1), [element]);
  if (parent instanceof Y.XmlElement) parent.setAttribute('width', String(random.integer(5)));
}

function editElement(document: Y.Doc, random: Random): void {
  const parent = someElement(document, random);
  if (parent.length === 0) return;
  const child = parent.get(random.integer(parent.length));
  if (child instanceof Y.XmlText) random.pick([typeInto, deleteFrom, format])(child, random);
  else if (random.chance(0.5)) parent.delete(random.integer(parent.length), 1);
}

/** All that a document says, in one string. */
export function contentOf(document: Y.Doc): string {
  const roots = [document.getText('text'), document.getMap('map'), document.getArray('array'), document.getXmlFragment('xml')];
  return JSON.stringify([...roots, document.getMap('subdocuments')].map(said));
}

/** The same for where pairs may have been torn: replicas that tore one have two replacement characters for it, others the whole. */
export function contentWithoutPairs(document: Y.Doc): string {
  return contentOf(document).replaceAll(/[\u{10000}-\u{10FFFF}]/gu, '\uFFFD\uFFFD');
}

// Not Yjs' own `toJSON`: that of an XML fragment throws on contents that no editor puts there.
function said(value: unknown): unknown {
  if (value instanceof Y.Text) {
    return (value.toDelta() as { insert: unknown }[]).map((piece) => ({ ...piece, insert: said(piece.insert) }));
  }
  if (value instanceof Y.XmlElement) {
    return {
      name: value.nodeName,
      attributes: entriesSaid(Object.entries(value.getAttributes())),
      children: value.toArray().map(said),
    };
  }
  if (value instanceof Y.XmlFragment || value instanceof Y.Array) return value.toArray().map(said);
  if (value instanceof Y.Map) return entriesSaid(value.entries());
  if (value instanceof Y.Doc) return `document ${value.guid}`;
  if (typeof value === 'bigint') return `${value}n`;
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return value;
  return Array.isArray(value) ? value.map(said) : entriesSaid(Object.entries(value));
}

function entriesSaid(entries: Iterable<[string, unknown]>): unknown {
  return [...entries].map(([key, value]) => [key, said(value)] as const).toSorted(([a], [b]) => (a < b ? -1 : 1));
}
