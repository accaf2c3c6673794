/** One form for values that say the same of a document: what an edit must reach exactly. */

import { canonicalText, isList, isMap, noEntries, type JsonMap, type JsonValue } from '#shared/document/json/value.ts';

/** Roots by their names, those without contents left out. */
export function normalDocument(value: JsonMap): string {
  const roots = new Map<string, JsonValue>();
  for (const [name, root] of value) {
    const normal = normalRoot(root);
    if (!isEmpty(normal)) roots.set(name, normal);
  }
  return canonicalText(roots);
}

const isEmpty = (value: JsonValue): boolean =>
  value === '' || (isList(value) && value.length === 0) || (isMap(value) && value.size === 0);

function normalRoot(value: JsonValue): JsonValue {
  return isMap(value) && value.get('type') === 'doc' ? normalNodes(value.get('content') ?? []) : normalValue(value);
}

/** Texts and elements may stand anywhere; what is none and looks like one has the same normal form on both sides. */
function normalValue(value: JsonValue): JsonValue {
  if (isList(value))
    return value.length > 0 && value.every(isRun) ? normalRuns(value as readonly JsonMap[]) : value.map(normalValue);
  if (!isMap(value)) return value;
  const content = value.get('content');
  if (value.has('type') && (isList(content) || content === null)) return normalNode(value);
  return new Map([...value].map(([key, inner]) => [key, normalValue(inner)]));
}

const isRun = (value: JsonValue): boolean =>
  isMap(value) && value.has('insert') && [...value.keys()].every((key) => key === 'insert' || key === 'attributes');

function normalRuns(runs: readonly JsonMap[]): JsonValue {
  const inner = runs.map(normalRun);
  const joined = joinedBy(inner, 'insert', (run) => canonicalText(run.get('attributes') ?? noEntries));
  const [only] = joined;
  if (joined.length === 0) return '';
  const insert = only?.get('insert');
  return joined.length === 1 && typeof insert === 'string' && only?.has('attributes') === false ? insert : joined;
}

/** A format that is null is none. */
function normalRun(run: JsonMap): JsonMap {
  const normal = new Map([...run, ['insert', normalValue(run.get('insert') ?? null)] as const]);
  const attributes = run.get('attributes');
  if (isMap(attributes)) normal.set('attributes', new Map([...attributes].filter(([, format]) => format !== null)));
  return normal;
}

/** Neighbours whose `key` is a text and that are alike otherwise are one; those with an empty text are none. */
function joinedBy(entries: readonly JsonMap[], key: string, likeness: (entry: JsonMap) => string): readonly JsonMap[] {
  const joined: JsonMap[] = [];
  for (const entry of entries) {
    const last = joined.at(-1);
    const [before, text] = [last?.get(key), entry.get(key)];
    if (text === '') continue;
    if (last !== undefined && typeof before === 'string' && typeof text === 'string' && likeness(last) === likeness(entry)) {
      joined[joined.length - 1] = new Map([...last, [key, before + text]]);
    } else joined.push(entry);
  }
  return joined;
}

function normalNodes(content: JsonValue): JsonValue {
  const nodes = (isList(content) ? content : []).map((node) => (isMap(node) ? normalNode(node) : new Map()));
  return joinedBy(nodes, 'text', (node) => canonicalText(node.get('marks') ?? []));
}

function normalNode(node: JsonMap): JsonMap {
  const normal = new Map([...node].map(([key, value]) => [key, key === 'attrs' ? normalValue(value) : value] as const));
  const marks = node.get('marks');
  if (isList(marks))
    normal.set(
      'marks',
      marks.toSorted((a, b) => (canonicalText(a) < canonicalText(b) ? -1 : 1)),
    );
  const content = node.get('content');
  if (content !== undefined) normal.set('content', normalNodes(content));
  if (isList(normal.get('content')) && (normal.get('content') as readonly JsonValue[]).length === 0) normal.delete('content');
  return normal;
}
