/**
 * The document that is edited: text, formatted text, a map, a text in a map in a map, a list.
 *
 * Each letter that is ever inserted is another one, and each entry of the list is one letter. So a document can be asked which letters it has, and how often.
 */

import * as Y from 'yjs';

import { readDocumentJson } from '#shared/document/json/read.ts';
import type { RootKind } from '#shared/document/json/roots.ts';
import { canonicalText, isList, isMap, type JsonMap, type JsonValue } from '#shared/document/json/value.ts';

export const rootKinds: ReadonlyMap<string, RootKind> = new Map<string, RootKind>([
  ['text', 'text'],
  ['notes', 'rich-text'],
  ['map', 'map'],
  ['list', 'array'],
]);

export const jsonOf = (updates: readonly Uint8Array[]): JsonMap => readDocumentJson(updates, rootKinds).value;

const firstLetter = 0x4e00;
const lastLetter = 0x9fff;

export const letterOf = (number: number): string => String.fromCharCode(firstLetter + number);

/** How often each letter is in a value. */
export function lettersIn(value: JsonValue): Map<string, number> {
  const found = new Map<string, number>();
  for (const letter of canonicalText(value)) {
    const code = letter.charCodeAt(0);
    if (code >= firstLetter && code <= lastLetter) found.set(letter, (found.get(letter) ?? 0) + 1);
  }
  return found;
}

/** The shared types of a document, where a person types. */
export function typesOf(doc: Y.Doc) {
  const map = doc.getMap('map');
  const deep = map.get('deep');
  const inner: unknown = deep instanceof Y.Map ? deep.get('inner') : undefined;
  return {
    text: doc.getText('text'),
    notes: doc.getText('notes'),
    map,
    list: doc.getArray<string>('list'),
    inner: inner instanceof Y.Text ? inner : undefined,
  };
}

/** People's clients begin with it: like most of those that editors draw, they are above those of programs that have seen nothing. */
export const firstClient = 2 ** 31;

/** What everything begins with: a letter or two in each place. */
export function beginning(letter: () => string): Uint8Array {
  const doc = new Y.Doc({ guid: '' });
  doc.clientID = firstClient;
  doc.transact(() => {
    const { text, notes, map, list } = typesOf(doc);
    text.insert(0, letter() + letter());
    notes.insert(0, letter(), { bold: true });
    notes.insert(1, letter(), { bold: null });
    list.insert(0, [letter(), letter()]);
    const deep = new Y.Map<Y.Text>();
    map.set('deep', deep);
    deep.set('inner', new Y.Text(letter()));
  });
  return Y.encodeStateAsUpdate(doc);
}

/** What a program begins a document with. Objects that it writes are plain ones, so there is no text within one. */
export const writtenBeginning = (letter: () => string): JsonMap =>
  new Map<string, JsonValue>([
    ['text', letter() + letter()],
    ['notes', [new Map([['insert', letter()]])]],
    ['map', new Map()],
    ['list', [letter(), letter()]],
  ]);

/** Where a program finds letters in a value: the way to a string, or to a list of letters. */
export type Site = { readonly path: readonly (string | number)[]; readonly letters: readonly string[]; readonly isList: boolean };

export function sitesIn(value: JsonMap): readonly Site[] {
  const sites: Site[] = [];
  const addText = (path: readonly (string | number)[], text: JsonValue | undefined): void => {
    if (typeof text === 'string') sites.push({ path, letters: [...text], isList: false });
  };
  addText(['text'], value.get('text'));
  const notes = value.get('notes');
  if (isList(notes))
    for (const [index, run] of notes.entries()) addText(['notes', index, 'insert'], isMap(run) ? run.get('insert') : '');
  const list = value.get('list');
  if (isList(list)) sites.push({ path: ['list'], letters: list.filter((entry) => typeof entry === 'string'), isList: true });
  const map = value.get('map');
  const deep = isMap(map) ? map.get('deep') : undefined;
  if (isMap(deep)) addText(['map', 'deep', 'inner'], deep.get('inner'));
  return sites;
}

/** The same value with something else at the end of `path`. */
export function withAt(value: JsonValue, path: readonly (string | number)[], leaf: JsonValue): JsonValue {
  const [step, ...rest] = path;
  if (step === undefined) return leaf;
  if (typeof step === 'number') {
    const entries = isList(value) ? value : [];
    return entries.map((entry, index) => (index === step ? withAt(entry, rest, leaf) : entry));
  }
  const map = isMap(value) ? value : new Map<string, JsonValue>();
  return new Map([...map, [step, withAt(map.get(step) ?? null, rest, leaf)]]);
}

/** The same value with other letters at a site. A run of a formatted text that has none left goes. */
export function withLetters(value: JsonMap, { path, isList: isListed }: Site, letters: readonly string[]): JsonMap {
  const [root, index] = path;
  const notes = value.get('notes');
  if (root === 'notes' && letters.length === 0 && isList(notes)) {
    return withAt(
      value,
      ['notes'],
      notes.filter((_, place) => place !== index),
    ) as JsonMap;
  }
  return withAt(value, path, isListed ? letters : letters.join('')) as JsonMap;
}
