/**
 * Formatted text as runs: `{"insert": "text", "attributes": {"bold": true}}`, Quill's delta without its name.
 *
 * Yjs' `toDelta` makes objects with prototypes, cuts runs where formats change and change back, and drops what it does not know. Here neighbours of equal attributes
 * are one run, and an inset (an embed, or a shared type among the characters) knows which type it stands for.
 */

import * as Y from 'yjs';
import { liveItems, type SharedType } from './items.ts';
import { nameOf, named, shownKey } from './names.ts';
import { fromPlain, type Note } from './plain.ts';
import { inside, type Place } from './place.ts';
import { equalMaps, isList, isMap, noEntries, type JsonMap, type JsonValue } from './value.ts';

/** Something other than characters in a text: it takes one place. */
export type Inset = {
  /** What stands for it in the value. */
  readonly form: JsonValue;
  /** The type, where it is one and in the document. */
  readonly shared: SharedType | undefined;
};

export type Run = { readonly insert: string | Inset; readonly attributes: JsonMap };

/** How nested shared types are read, and where to say what can't be represented. */
export type Reading = {
  readonly note: Note;
  /** What Yjs holds under a key or in a list, as a value; undefined for `undefined`. */
  readonly content: (content: unknown, place: Place) => JsonValue | undefined;
  /** A shared type among the characters of a text. */
  readonly inset: (type: SharedType, place: Place) => JsonValue;
};

export type Runs = {
  readonly runs: readonly Run[];
  /** What it holds that no editor puts into a text: then it can be read and not edited. */
  readonly strangers: number;
};

/** What a text says. Neighbouring runs have different attributes. */
export function readRuns(text: SharedType, place: Place, reading: Reading): Runs {
  const found: Found[] = [];
  const formats = new Map<string, unknown>();
  let attributes = noEntries;
  let changed = false;
  let strangers = 0;
  for (const { content } of liveItems(text)) {
    if (content instanceof Y.ContentFormat) {
      if (content.value === null) formats.delete(content.key);
      else formats.set(content.key, content.value);
      changed = true;
      continue;
    }
    const here = inside(place, found.length, 2);
    if (changed) attributes = readFormats(formats, attributes, here, reading.note);
    changed = false;
    if (content instanceof Y.ContentString) addText(found, content.str, attributes);
    else if (content instanceof Y.ContentEmbed) found.push({ insert: embedInset(content.embed, here, reading.note), attributes });
    else if (content instanceof Y.ContentType) {
      const shared = content.type;
      found.push({ insert: { form: reading.inset(shared, here), shared }, attributes });
    } else strangers++;
  }
  if (strangers > 0) reading.note(place, `${strangers} things that belong into no text`);
  const runs = found.map(({ insert, attributes }) => ({ insert: Array.isArray(insert) ? insert.join('') : insert, attributes }));
  return { runs, strangers };
}

/** A run of which the text is still in pieces: putting each item to the ones before it would leave a rope that the first look into it has to flatten. */
type Found = { readonly insert: string[] | Inset; readonly attributes: JsonMap };

function addText(found: Found[], text: string, attributes: JsonMap): void {
  if (text === '') return;
  const last = found.at(-1);
  if (Array.isArray(last?.insert) && last.attributes === attributes) last.insert.push(text);
  else found.push({ insert: [text], attributes });
}

/** The same map as before where nothing has changed after all. */
function readFormats(formats: ReadonlyMap<string, unknown>, before: JsonMap, place: Place, note: Note): JsonMap {
  const attributes = new Map<string, JsonValue>();
  for (const [key, value] of formats) {
    const read = fromPlain(value, inside(place, key), note);
    if (read !== undefined) attributes.set(shownKey(key), read);
  }
  return equalMaps(attributes, before) ? before : attributes;
}

function embedInset(embed: unknown, place: Place, note: Note): Inset {
  const value = fromPlain(embed, place, note) ?? null;
  if (isMap(value)) return { form: value, shared: undefined };
  note(place, 'an embed that is no object');
  return { form: named('embed', [['value', value]]), shared: undefined };
}

/** Whether a text is a string and nothing else. */
export function isUnformatted(runs: readonly Run[]): boolean {
  return runs.every(({ insert, attributes }) => typeof insert === 'string' && attributes.size === 0);
}

/** Its characters alone. */
export function stringOf(runs: readonly Run[]): string {
  return runs.map(({ insert }) => (typeof insert === 'string' ? insert : '')).join('');
}

export function runsForm(runs: readonly Run[]): JsonValue {
  return runs.map(({ insert, attributes }) => {
    const form = new Map<string, JsonValue>([['insert', typeof insert === 'string' ? insert : insert.form]]);
    if (attributes.size > 0) form.set('attributes', attributes);
    return form;
  });
}

/** Runs out of a value, joined where their attributes are equal; or what is wrong with it, in words. */
export function parseRuns(value: JsonValue): readonly Run[] | { readonly wrong: string; readonly at: number } {
  if (typeof value === 'string') return value === '' ? [] : [{ insert: value, attributes: noEntries }];
  if (!isList(value)) return { wrong: 'a text is a string or a list of runs', at: -1 };
  const runs: Run[] = [];
  for (const [at, entry] of value.entries()) {
    const run = parseRun(entry);
    if (typeof run === 'string') return { wrong: run, at };
    if (run.insert !== '') appendRun(runs, run);
  }
  return runs;
}

/** Adds a run, or to the last one where that has equal attributes. */
export function appendRun(runs: Run[], run: Run): void {
  const last = runs.at(-1);
  if (typeof last?.insert === 'string' && typeof run.insert === 'string' && equalMaps(last.attributes, run.attributes)) {
    runs[runs.length - 1] = { insert: last.insert + run.insert, attributes: last.attributes };
  } else runs.push(run);
}

const aRun = 'a run is {"insert": a text or an object, "attributes": an object}';

function parseRun(entry: JsonValue): Run | string {
  if (!isMap(entry)) return aRun;
  const insert = entry.get('insert');
  const attributes = entry.get('attributes') ?? noEntries;
  if (!isMap(attributes) || nameOf(attributes) !== undefined) return aRun;
  for (const key of entry.keys())
    if (key !== 'insert' && key !== 'attributes') return `${aRun}, and nothing else (${JSON.stringify(key)})`;
  if (typeof insert !== 'string' && !isMap(insert)) return aRun;
  return {
    insert: typeof insert === 'string' ? insert : { form: insert, shared: undefined },
    attributes: withoutNulls(attributes),
  };
}

/** In a format null says that there is none. */
function withoutNulls(attributes: JsonMap): JsonMap {
  for (const value of attributes.values()) {
    if (value === null) return new Map([...attributes].filter(([, kept]) => kept !== null));
  }
  return attributes;
}
