/**
 * XML as ProseMirror's nodes: `{"type", "attrs", "content"}`, y-prosemirror's reading of it, so what TipTap's `getJSON` says of a document is what stands in its mirror.
 *
 *     Y.XmlFragment    {"type": "doc", "content": [nodes]}
 *     Y.XmlElement     {"type": its name, "attrs": {…}, "content": [nodes]}            without attrs or content where it has none
 *     Y.XmlText        {"type": "text", "text": …, "marks": [{"type", "attrs"}]}        one for each run; marks where it has some
 *
 * Texts that stand beside each other are one, as they are in ProseMirror, and marks are shown without what Yjs has behind their names (`marks.ts`). What TipTap writes otherwise is taken as the same: marks without attrs, attrs that are null, empty lists.
 */

import * as Y from 'yjs';
import { currentContent, liveEntries, liveItems, type SharedType } from './items.ts';
import { joinAlike, marksForm, marksText, parseMarks, sameMarks } from './marks.ts';
import { nameOf, named, shownKey } from './names.ts';
import { fromPlain, tooDeep } from './plain.ts';
import { depthMax, inside, type Place } from './place.ts';
import { appendRun, readRuns, type Reading, type Run } from './runs.ts';
import { canonicalText, equalJson, equalMaps, isList, isMap, noEntries, type JsonMap, type JsonValue } from './value.ts';

export type XmlElementNode = {
  readonly kind: 'element';
  readonly name: string;
  readonly attributes: JsonMap;
  readonly children: readonly XmlNode[];
  /** The element, where it is in a document. */
  readonly element: Y.XmlElement | undefined;
};

export type XmlTextNode = {
  readonly kind: 'text';
  /** Not empty, but for a text of the document with nothing in it. */
  readonly runs: readonly Run[];
  /** The texts that it is made of, where they are in a document. */
  readonly texts: readonly Y.XmlText[];
  readonly strangers: number;
};

/** What is no node. Kept or deleted, never made. */
export type XmlOtherNode = { readonly kind: 'other'; readonly form: JsonValue };

export type XmlNode = XmlElementNode | XmlTextNode | XmlOtherNode;

/** The children of a fragment or an element. Texts beside each other are one node. */
export function readNodes(parent: SharedType, place: Place, reading: Reading): readonly XmlNode[] {
  const nodes: XmlNode[] = [];
  let open: OpenText | undefined;
  for (const item of liveItems(parent)) {
    if (!item.countable) continue;
    for (const child of item.content.getContent() as unknown[]) {
      const here = inside(place, nodes.length, 2);
      if (child instanceof Y.XmlText) {
        if (open === undefined) nodes.push((open = openText()));
        readText(open, child, here, reading);
      } else {
        open = undefined;
        const isElement = child instanceof Y.XmlElement && here.depth < depthMax;
        nodes.push(
          isElement
            ? readElement(child as Y.XmlElement, here, reading)
            : { kind: 'other', form: otherForm(child, here, reading) },
        );
      }
    }
  }
  return nodes;
}

/** A text to which others are joined. */
type OpenText = { readonly kind: 'text'; readonly runs: Run[]; readonly texts: Y.XmlText[]; strangers: number };

const openText = (): OpenText => ({ kind: 'text', runs: [], texts: [], strangers: 0 });

export function readElement(element: Y.XmlElement, place: Place, reading: Reading): XmlElementNode {
  const attributes = new Map<string, JsonValue>();
  for (const [key, item] of liveEntries(element)) {
    const value = reading.content(currentContent(item), inside(place, key, 2));
    if (value !== undefined) attributes.set(shownKey(key), value);
  }
  const children = readNodes(element, place, reading);
  return { kind: 'element', name: element.nodeName, attributes, children, element };
}

function readText(open: OpenText, text: Y.XmlText, place: Place, reading: Reading): void {
  for (const [key] of liveEntries(text)) reading.note(place, `the attribute ${JSON.stringify(key)} of a text`);
  const { runs, strangers } = readRuns(text, place, reading);
  for (const run of runs) appendRun(open.runs, run);
  open.texts.push(text);
  open.strangers += strangers;
}

function otherForm(child: unknown, place: Place, reading: Reading): JsonValue {
  if (place.depth >= depthMax) return tooDeep(place, reading.note);
  if (child instanceof Y.XmlHook || child instanceof Y.Doc) return reading.content(child, place) ?? null;
  reading.note(place, 'a value where only nodes belong');
  const value =
    child instanceof Y.AbstractType ? reading.content(child, inside(place, 'value')) : fromPlain(child, place, reading.note);
  return named('value', [['value', value ?? null]]);
}

/** The list that stands for nodes in a value. */
function nodesForm(nodes: readonly XmlNode[]): readonly JsonValue[] {
  return nodes.flatMap((node) => {
    if (node.kind === 'text') return joinAlike(node.runs).map(textForm);
    return [node.kind === 'element' ? elementForm(node) : node.form];
  });
}

export function elementForm({ name, attributes, children }: XmlElementNode): JsonValue {
  const form = new Map<string, JsonValue>([['type', name]]);
  if (attributes.size > 0) form.set('attrs', attributes);
  const content = nodesForm(children);
  if (content.length > 0) form.set('content', content);
  return form;
}

export function fragmentForm(nodes: readonly XmlNode[]): JsonValue {
  return new Map<string, JsonValue>([
    ['type', 'doc'],
    ['content', nodesForm(nodes)],
  ]);
}

function textForm({ insert, attributes }: Run): JsonValue {
  const form = new Map<string, JsonValue>([
    ['type', 'text'],
    ['text', typeof insert === 'string' ? insert : insert.form],
  ]);
  if (attributes.size > 0) form.set('marks', marksForm(attributes));
  return form;
}

/** Whether two nodes say the same, however it was written. */
export function equalNodes(one: XmlNode, other: XmlNode): boolean {
  if (one.kind === 'element') {
    if (other.kind !== 'element' || one.name !== other.name || one.children.length !== other.children.length) return false;
    if (!equalMaps(one.attributes, other.attributes)) return false;
    return one.children.every((child, i) => {
      const there = other.children[i];
      return there !== undefined && equalNodes(child, there);
    });
  }
  if (one.kind === 'other') return other.kind === 'other' && equalJson(one.form, other.form);
  return other.kind === 'text' && equalTexts(joinAlike(one.runs), joinAlike(other.runs));
}

const equalTexts = (one: readonly Run[], other: readonly Run[]): boolean =>
  one.length === other.length && one.every((run, i) => equalRuns(run, other[i]));

function equalRuns(one: Run, other: Run | undefined): boolean {
  if (other === undefined) return false;
  if (typeof one.insert === 'string' || typeof other.insert === 'string') {
    if (one.insert !== other.insert) return false;
  } else if (!equalJson(one.insert.form, other.insert.form)) return false;
  return sameMarks(one.attributes, other.attributes);
}

/** One text for all nodes that say the same: what stands for them where many are compared. */
export function nodeText(node: XmlNode): string {
  if (node.kind === 'other') return `?${canonicalText(node.form)}`;
  if (node.kind === 'text') return joinAlike(node.runs).map(runText).join('');
  const children = node.children.map(nodeText).join(',');
  return `<${JSON.stringify(node.name)}${node.attributes.size > 0 ? canonicalText(node.attributes) : ''}>${children}</>`;
}

function runText({ insert, attributes }: Run): string {
  const text = typeof insert === 'string' ? JSON.stringify(insert) : canonicalText(insert.form);
  return attributes.size === 0 ? text : text + marksText(attributes);
}

/** What is wrong with a value, and where. */
export type Wrong = { readonly place: Place; readonly wrong: string };

const aNode =
  'a node is {"type", "attrs", "content"}, a text {"type": "text", "text", "marks"}, with "type" a text, "attrs" an object and the others lists';

/** Nodes out of a value. Texts beside each other are one. */
function parseNodes(value: JsonValue | undefined, place: Place): readonly XmlNode[] | Wrong {
  if (value === undefined || value === null) return [];
  if (!isList(value)) return { place, wrong: 'the content of a node is a list of nodes' };
  const nodes: XmlNode[] = [];
  let open: OpenText | undefined;
  for (const [at, entry] of value.entries()) {
    const here = inside(place, at);
    if (here.depth > depthMax) return { place: here, wrong: 'it is nested too deeply' };
    if (isMap(entry) && entry.get('type') === 'text' && entry.has('text')) {
      const run = parseText(entry, here);
      if ('wrong' in run) return run;
      if (run.insert === '') continue;
      if (open === undefined) nodes.push((open = openText()));
      appendRun(open.runs, run);
    } else {
      const node = parseNode(entry, here);
      if ('wrong' in node) return node;
      open = undefined;
      nodes.push(node);
    }
  }
  return nodes;
}

/** The nodes of a fragment out of `{"type": "doc", "content": …}`. */
export function parseFragment(value: JsonMap, place: Place): readonly XmlNode[] | Wrong {
  for (const [key, inner] of value) {
    const known = key === 'content' || (key === 'type' && inner === 'doc') || (key === 'attrs' && saysNothing(inner));
    if (!known)
      return { place: inside(place, key), wrong: 'XML is {"type": "doc", "content": […]}, and nothing else can be kept' };
  }
  return parseNodes(value.get('content'), inside(place, 'content'));
}

/** Attributes of a root, which has none in Yjs: those of an editor whose schema has some are null. */
const saysNothing = (attrs: JsonValue): boolean =>
  attrs === null || (isMap(attrs) && [...attrs.values()].every((value) => value === null));

function parseNode(entry: JsonValue, place: Place): XmlNode | Wrong {
  if (!isMap(entry)) return { place, wrong: aNode };
  return nameOf(entry) === undefined ? parseElement(entry, place) : { kind: 'other', form: entry };
}

export function parseElement(entry: JsonMap, place: Place): XmlElementNode | Wrong {
  const name = entry.get('type');
  const attrs = entry.get('attrs') ?? noEntries;
  if (typeof name !== 'string' || !isMap(attrs)) return { place, wrong: aNode };
  for (const [key, value] of entry) {
    if (key === 'type' || key === 'attrs' || key === 'content' || (key === 'marks' && isList(value) && value.length === 0))
      continue;
    return { place: inside(place, key), wrong: `only "type", "attrs" and "content" of a node can be kept` };
  }
  const children = parseNodes(entry.get('content'), inside(place, 'content'));
  if ('wrong' in children) return children;
  return { kind: 'element', name, attributes: attrs, children, element: undefined };
}

function parseText(entry: JsonMap, place: Place): Run | Wrong {
  const text = entry.get('text');
  const marks = entry.get('marks') ?? [];
  if ((typeof text !== 'string' && !isMap(text)) || !isList(marks)) return { place, wrong: aNode };
  for (const key of entry.keys()) {
    if (key === 'type' || key === 'text' || key === 'marks') continue;
    return { place: inside(place, key), wrong: 'only "text" and "marks" of a text can be kept' };
  }
  const attributes = parseMarks(marks);
  if (attributes === undefined)
    return { place: inside(place, 'marks'), wrong: 'a mark is {"type", "attrs"}, with "type" a text' };
  return { insert: typeof text === 'string' ? text : { form: text, shared: undefined }, attributes };
}
