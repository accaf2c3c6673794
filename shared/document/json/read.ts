/**
 * A document as JSON.
 *
 * Every root is an entry of one object, by its name, and in it stands what its kind makes of it (`roots.ts`). Nested shared types look like plain values: a map in a map is
 * an object, a text in a map a string (a list of runs where it is formatted), and whether something is shared or plain shows only in what an edit does to it.
 * What JSON has no form for is named in its place (`names.ts`), or left out where it has none, and in both cases said in `unrepresented`.
 */

import * as Y from 'yjs';
import { loadQuietly } from '../quiet-document.ts';
import { currentContent, liveEntries, liveItems, type SharedType } from './items.ts';
import { named, shownKey } from './names.ts';
import { elementForm, fragmentForm, readElement, readNodes } from './nodes.ts';
import { depthMax, inside, rootPlace, saidOf, type Place } from './place.ts';
import { fromPlain, tooDeep, type Note } from './plain.ts';
import { inferredKind, type RootKind } from './roots.ts';
import { isUnformatted, readRuns, runsForm, stringOf, type Reading, type Run } from './runs.ts';
import type { JsonMap, JsonValue } from './value.ts';

export type DocumentJson = {
  /** By root. */
  readonly value: JsonMap;
  /** What is not in the value, or only named there: where and what, in words. The first hundred, then how many more. */
  readonly unrepresented: readonly string[];
};

/**
 * What the document of `updates` says. `roots` names kinds of roots: those are in the value also while they are empty; others are inferred.
 * Costs by the size of the document (a second for several MB): for a worker.
 * @throws whatever Yjs throws: one of the updates can't be read.
 */
export function readDocumentJson(updates: readonly Uint8Array[], roots: ReadonlyMap<string, RootKind>): DocumentJson {
  const document = loadQuietly(updates, { gc: true });
  const notes = gatherNotes();
  const reading = readingWith(notes.note);
  const value = new Map<string, JsonValue>();
  for (const [name, kind] of kindsOf(document, roots)) {
    value.set(shownKey(name), readRoot(rootOf(document, name, kind), kind, roots.has(name), rootPlace(name), reading));
  }
  return { value, unrepresented: notes.lines() };
}

/** The roots that are in the value: those with something in them, and those that are named. */
export function kindsOf(document: Y.Doc, roots: ReadonlyMap<string, RootKind>): ReadonlyMap<string, RootKind> {
  const kinds = new Map<string, RootKind>();
  for (const [name, root] of document.share) {
    const kind = roots.get(name) ?? inferredKind(root);
    if (kind !== undefined) kinds.set(name, kind);
  }
  for (const [name, kind] of roots) kinds.set(name, kind);
  return kinds;
}

/** The root as the type that its kind asks for. */
export function rootOf(document: Y.Doc, name: string, kind: RootKind): SharedType {
  switch (kind) {
    case 'text':
    case 'rich-text':
      return document.getText(name);
    case 'map':
      return document.getMap(name);
    case 'array':
      return document.getArray(name);
    case 'xml':
      return document.getXmlFragment(name);
  }
}

function readRoot(root: SharedType, kind: RootKind, isNamed: boolean, place: Place, reading: Reading): JsonValue {
  if (kind !== 'map')
    for (const [key] of liveEntries(root)) reading.note(place, `the entry ${JSON.stringify(key)} of what is no map`);
  switch (kind) {
    case 'text': {
      const { runs } = readRuns(root, place, reading);
      return isNamed ? onlyText(runs, place, reading.note) : textForm(runs);
    }
    case 'rich-text':
      return runsForm(readRuns(root, place, reading).runs);
    case 'map':
      if (!liveItems(root).next().done) reading.note(place, 'the contents of what is no map');
      return readMap(root, place, reading);
    case 'array':
      return readList(root, place, reading);
    case 'xml':
      return fragmentForm(readNodes(root, inside(place, 'content'), reading));
  }
}

/** A string while nothing is formatted or embedded, else runs. */
function textForm(runs: readonly Run[]): JsonValue {
  return isUnformatted(runs) ? stringOf(runs) : runsForm(runs);
}

function onlyText(runs: readonly Run[], place: Place, note: Note): string {
  const insets = runs.filter(({ insert }) => typeof insert !== 'string').length;
  if (insets > 0) note(place, `${insets} embeds: the text is named a plain one`);
  if (runs.some(({ attributes }) => attributes.size > 0)) note(place, 'formatting: the text is named a plain one');
  return stringOf(runs);
}

/** Reads shared types and plain values, wherever they are nested. */
export function readingWith(note: Note): Reading {
  const reading: Reading = {
    note,
    content: (content, place) => {
      if (content instanceof Y.AbstractType) return readShared(content, place, reading);
      if (!(content instanceof Y.Doc)) return fromPlain(content, place, note);
      note(place, `the subdocument ${content.guid}: it is a document of its own`);
      return named('subdocument', [['guid', content.guid]]);
    },
    inset: (type, place) => readInset(type, place, reading),
  };
  return reading;
}

function readShared(type: SharedType, place: Place, reading: Reading): JsonValue {
  if (place.depth >= depthMax) return tooDeep(place, reading.note);
  if (type instanceof Y.XmlHook) {
    reading.note(place, 'a hook');
    return named('hook', [['name', type.hookName]]);
  }
  if (type instanceof Y.Text) {
    for (const [key] of liveEntries(type)) reading.note(place, `the attribute ${JSON.stringify(key)} of a text`);
    return textForm(readRuns(type, place, reading).runs);
  }
  if (type instanceof Y.XmlElement) return elementForm(readElement(type as Y.XmlElement, place, reading));
  if (type instanceof Y.XmlFragment) return fragmentForm(readNodes(type, inside(place, 'content'), reading));
  return type instanceof Y.Array ? readList(type, place, reading) : readMap(type, place, reading);
}

function readMap(map: SharedType, place: Place, reading: Reading): JsonMap {
  const entries = new Map<string, JsonValue>();
  for (const [key, item] of liveEntries(map)) {
    const value = reading.content(currentContent(item), inside(place, key));
    if (value !== undefined) entries.set(shownKey(key), value);
  }
  return entries;
}

function readList(list: SharedType, place: Place, reading: Reading): readonly JsonValue[] {
  const values: JsonValue[] = [];
  for (const item of liveItems(list)) {
    if (!item.countable) continue;
    for (const content of item.content.getContent() as unknown[]) {
      values.push(reading.content(content, inside(place, values.length)) ?? null);
    }
  }
  return values;
}

/** The name of a shared type among characters. */
export function insetKind(type: SharedType): string {
  if (type instanceof Y.XmlText) return 'xml-text';
  if (type instanceof Y.Text) return 'text';
  if (type instanceof Y.XmlElement) return 'xml-element';
  if (type instanceof Y.XmlFragment) return 'xml-fragment';
  return type instanceof Y.Array ? 'array' : 'map';
}

function readInset(type: SharedType, place: Place, reading: Reading): JsonValue {
  if (place.depth >= depthMax) return tooDeep(place, reading.note);
  if (type instanceof Y.XmlHook) return readShared(type, place, reading);
  const inner = inside(place, 'value');
  if (!(type instanceof Y.Text)) return named(insetKind(type), [['value', readShared(type, inner, reading)]]);
  const value = textForm(readRuns(type, inner, reading).runs);
  const attributes = readMap(type, inside(place, 'attributes'), reading);
  return named(
    insetKind(type),
    attributes.size > 0
      ? [
          ['attributes', attributes],
          ['value', value],
        ]
      : [['value', value]],
  );
}

const notesMax = 100;

function gatherNotes(): { readonly note: Note; readonly lines: () => readonly string[] } {
  const lines: string[] = [];
  let more = 0;
  return {
    note: (place, what) => {
      if (lines.length < notesMax) lines.push(saidOf(place, what));
      else more++;
    },
    lines: () => (more > 0 ? [...lines, `and ${more} more`] : lines),
  };
}
