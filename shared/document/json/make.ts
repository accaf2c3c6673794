/**
 * New contents.
 *
 * JSON does not say whether an object is to be a plain value or a Y.Map, and both read the same. But the program whose document it is calls `get` on the entries of its list,
 * and throws on one that is a plain object. So what is new is shaped like its siblings: an object among maps is a map, its title a text where theirs are, and so on further in; among
 * plain values, and where there are no siblings, it is plain.
 */

import * as Y from 'yjs';
import { insertAll, setEntry } from './contents.ts';
import { asWritten, DeltaWriter } from './delta.ts';
import { currentContent, type SharedType } from './items.ts';
import { formatsIn, type Formats } from './marks.ts';
import { nameOf, storedKey } from './names.ts';
import { parseElement, parseFragment, type XmlElementNode, type XmlNode } from './nodes.ts';
import { inside, type Place } from './place.ts';
import { losesKeys, toPlain, whyNotPlain } from './plain.ts';
import { refuse, type Made, type Planning } from './planning.ts';
import { parseRuns, type Run } from './runs.ts';
import { isList, isMap, noEntries, type JsonMap, type JsonValue } from './value.ts';

const nothingToFill = (): void => undefined;

/** How many siblings are looked at. */
const siblingsMax = 50;

export function make(value: JsonValue, siblings: readonly unknown[], place: Place, planning: Planning): Made {
  const alike = siblings.slice(0, siblingsMax);
  if (isMap(value) && nameOf(value) === undefined) {
    const objects = alike.filter(isObject);
    const maps = objects.filter(isSharedMap);
    if (maps.length > 0 && maps.length === objects.length) return makeMap(value, maps, place, planning);
    if (objects.length > 0 && objects.every((content) => content instanceof Y.XmlElement)) {
      const node = parseElement(value, place);
      if (!('wrong' in node)) return makeElement(node, place, planning);
    }
    if (losesKeys(value)) return makeMap(value, [], place, planning);
  }
  if (isList(value)) {
    const lists = alike.filter((content) => content instanceof Y.Array || content instanceof Y.Text || Array.isArray(content));
    if (lists.length > 0 && lists.every((content) => content instanceof Y.Array)) return makeList(value, lists, place, planning);
    if (lists.length > 0 && lists.every((content) => content instanceof Y.Text) && value.length > 0) {
      const runs = parseRuns(value);
      if (!('wrong' in runs)) return makeText(new Y.Text(), runs, place, planning);
    }
    if (losesKeys(value)) return makeList(value, [], place, planning);
  }
  if (typeof value === 'string') {
    const texts = alike.filter((content) => content instanceof Y.Text || typeof content === 'string');
    if (texts.length > 0 && texts.every((content) => content instanceof Y.Text)) {
      return makeText(new Y.Text(), stringRuns(value), place, planning);
    }
  }
  return makePlain(value, place, planning);
}

const isSharedMap = (content: unknown): content is Y.Map<unknown> => content instanceof Y.Map && !(content instanceof Y.XmlHook);

function isObject(content: unknown): boolean {
  if (content instanceof Y.Text || content instanceof Y.Array || content instanceof Y.Doc) return false;
  return typeof content === 'object' && content !== null && !Array.isArray(content) && !(content instanceof Uint8Array);
}

const stringRuns = (text: string): readonly Run[] => (text === '' ? [] : [{ insert: text, attributes: noEntries }]);

function makePlain(value: JsonValue, place: Place, planning: Planning): Made {
  const reason = whyNotPlain(value, 'any');
  if (reason !== undefined) refuse(planning, place, reason);
  return { content: reason === undefined ? toPlain(value) : null, fill: nothingToFill };
}

function makeMap(value: JsonMap, siblings: readonly SharedType[], place: Place, planning: Planning): Made {
  const map = new Y.Map<unknown>();
  const entries = [...value].map(([shown, entry]) => {
    const key = storedKey(shown);
    return [
      key,
      planning.make(
        entry,
        siblings.flatMap((sibling) => currentOf(sibling, key)),
        inside(place, shown),
      ),
    ] as const;
  });
  return { content: map, fill: () => fillEntries(map, entries) };
}

function currentOf(sibling: SharedType, key: string): readonly unknown[] {
  const item = sibling._map.get(key);
  return item === undefined || item.deleted ? [] : [currentContent(item)];
}

function fillEntries(target: Parameters<typeof setEntry>[0], entries: readonly (readonly [string, Made])[]): void {
  for (const [key, made] of entries) setEntry(target, key, made);
}

function makeList(value: readonly JsonValue[], siblings: readonly Y.Array<unknown>[], place: Place, planning: Planning): Made {
  const list = new Y.Array<unknown>();
  const alike = siblings.flatMap((sibling) => sibling.slice(0, siblingsMax));
  const entries = value.map((entry, i) => planning.make(entry, alike, inside(place, i)));
  return { content: list, fill: () => insertAll(list, 0, entries) };
}

function makeText(text: Y.Text, runs: readonly Run[], place: Place, planning: Planning, formats: Formats = asWritten): Made {
  const writer = new DeltaWriter(place, planning, formats);
  for (const run of runs) writer.insert(run);
  return {
    content: text,
    fill: () => {
      text.applyDelta([...writer.delta]);
      for (const fill of writer.fills) fill();
    },
  };
}

function makeElement(node: XmlElementNode, place: Place, planning: Planning): Made {
  const element = new Y.XmlElement(node.name);
  const attrs = inside(place, 'attrs');
  const entries = [...node.attributes]
    .filter(([, value]) => value !== null)
    .map(([shown, value]) => [storedKey(shown), planning.make(value, [], inside(attrs, shown))] as const);
  const children = makeNodes(node.children, inside(place, 'content'), planning);
  return {
    content: element,
    fill: () => {
      fillEntries(element, entries);
      insertAll(element, 0, children);
    },
  };
}

function makeNodes(nodes: readonly XmlNode[], place: Place, planning: Planning): readonly Made[] {
  return nodes.map((node, i) => makeNode(node, inside(place, i), planning));
}

export function makeNode(node: XmlNode, place: Place, planning: Planning): Made {
  switch (node.kind) {
    case 'element':
      return makeElement(node, place, planning);
    case 'text':
      return makeText(new Y.XmlText(), node.runs, place, planning, formatsIn([], planning.overlapping));
    case 'other':
      return makePlain(node.form, place, planning);
  }
}

/** A new shared type among characters, or an embed. */
export function makeInset(form: JsonValue, place: Place, planning: Planning): Made {
  const made = isMap(form) ? makeNamed(nameOf(form), form, inside(place, 'value'), planning) : undefined;
  if (made !== undefined) return made;
  const reason = whyNotPlain(form, 'json');
  if (reason !== undefined) refuse(planning, place, reason);
  return { content: reason === undefined ? toPlain(form) : {}, fill: nothingToFill };
}

function makeNamed(name: string | undefined, form: JsonMap, place: Place, planning: Planning): Made | undefined {
  const value = form.get('value') ?? null;
  if (name === 'map' && isMap(value)) return makeMap(value, [], place, planning);
  if (name === 'array' && isList(value)) return makeList(value, [], place, planning);
  if (name === 'text' || name === 'xml-text') {
    const runs = parseRuns(value);
    const attributes = form.get('attributes') ?? noEntries;
    if ('wrong' in runs || !isMap(attributes)) return undefined;
    const text = name === 'text' ? new Y.Text() : new Y.XmlText();
    const made = makeText(text, runs, place, planning);
    const entries = [...attributes].map(([shown, entry]) => [storedKey(shown), makePlain(entry, place, planning)] as const);
    return {
      content: text,
      fill: () => {
        fillEntries(text, entries);
        made.fill();
      },
    };
  }
  if (name === 'xml-element' && isMap(value)) {
    const node = parseElement(value, place);
    return 'wrong' in node ? undefined : makeElement(node, place, planning);
  }
  if (name !== 'xml-fragment' || !isMap(value)) return undefined;
  const nodes = parseFragment(value, place);
  if ('wrong' in nodes) return undefined;
  const fragment = new Y.XmlFragment();
  const children = makeNodes(nodes, place, planning);
  return { content: fragment, fill: () => insertAll(fragment, 0, children) };
}
