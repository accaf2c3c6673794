/**
 * From what a document says to what it shall say: Yjs' operations.
 *
 * The author of an edit saw a document as JSON and wrote other JSON. What he did to it is not known, so it is taken for the least that leads from one to the other: a changed
 * word costs that word, and whatever is the same on both sides is not touched, so that it keeps its identity, the cursors in it, and what others do to it meanwhile.
 * What is missing was taken away: a root that is not in the value is emptied, for roots can't go.
 *
 * The operations are those of one client, in one update. Computing them is the same for the same base, value and client, whoever does it, and bounded: where two values are too
 * different to be compared closely, they are compared coarsely.
 */

import * as Y from 'yjs';
import { loadQuietly } from '../quiet-document.ts';
import { isEditable, planShared, planText } from './edit-shared.ts';
import { storedKey } from './names.ts';
import { make, makeInset } from './make.ts';
import { rootPlace, type Place } from './place.ts';
import { refuse, type Planning } from './planning.ts';
import { kindsOf, readingWith, rootOf } from './read.ts';
import { kindOfValue, type RootKind } from './roots.ts';
import { isWrong, settle } from './settle.ts';
import { isList, isMap, noEntries, type JsonMap, type JsonValue } from './value.ts';

export type Edit =
  | {
      readonly kind: 'operations';
      /** Update v1, of one client. */
      readonly update: Uint8Array;
      /** The first clock of the client that is free after it. */
      readonly clockAfter: number;
    }
  /** The value says what the base says. */
  | { readonly kind: 'nothing' }
  /** It can't be made: where and why, in words for the author. */
  | { readonly kind: 'refused'; readonly reason: string };

export type EditOptions = {
  /** The client whose operations they are. Whoever asks makes sure that nobody else is it. */
  readonly client: number;
  readonly roots: ReadonlyMap<string, RootKind>;
  /** What there is of the document beside `base`, and its author did not see. It counts for what the roots are: nothing is put into one of another kind. */
  readonly beside?: readonly Uint8Array[];
};

/**
 * The operations that make the document of `base` say `value`. Costs by the size of the document: for a worker.
 * @throws whatever Yjs throws: one of the updates can't be read.
 */
export function editOperations(base: readonly Uint8Array[], value: JsonValue, options: EditOptions): Edit {
  const { client, roots, beside = [] } = options;
  const document = loadQuietly(base, { gc: true });
  const kinds = kindsOf(beside.length === 0 ? document : loadQuietly([...base, ...beside], { gc: true }), roots);
  const planning = planEdit(document, value, roots, kinds);
  if (planning.refused !== '') return { kind: 'refused', reason: planning.refused };
  if (planning.changes.length === 0) return { kind: 'nothing' };
  document.clientID = client;
  const updates: Uint8Array[] = [];
  document.on('update', (update: Uint8Array) => updates.push(update));
  document.transact(() => {
    for (const change of planning.changes) change();
  });
  const [update] = updates;
  if (update === undefined) return { kind: 'nothing' };
  return { kind: 'operations', update, clockAfter: Y.getState(document.store, client) };
}

/** Steps for all differences of one edit. With what is compared besides, the worst that we know takes six seconds: 4 MB of paragraphs of which nothing is left. */
const stepsMax = 40_000_000;

function startPlanning(): Planning {
  const planning: Planning = {
    budget: { steps: stepsMax },
    reading: readingWith(() => undefined),
    changes: [],
    refused: '',
    overlapping: new Set(),
    editable: isEditable,
    edit: (type, value, place) => planShared(type, value, place, planning),
    make: (value, siblings, place) => make(value, siblings, place, planning),
    makeInset: (form, place) => makeInset(form, place, planning),
  };
  return planning;
}

function planEdit(
  document: Y.Doc,
  value: JsonValue,
  roots: ReadonlyMap<string, RootKind>,
  kinds = kindsOf(document, roots),
): Planning {
  const planning = startPlanning();
  if (!isMap(value)) {
    planning.refused = `the value is ${wordFor(value)}; it must be an object that has the document's roots by their names`;
    return planning;
  }
  const settled = settle(value, { within: undefined, step: 'value', depth: 0 });
  if (isWrong(settled)) refuse(planning, settled.place, settled.wrong);
  else planRoots(document, settled as JsonMap, roots, kinds, planning);
  return planning;
}

function planRoots(
  document: Y.Doc,
  value: JsonMap,
  roots: ReadonlyMap<string, RootKind>,
  kinds: ReadonlyMap<string, RootKind>,
  planning: Planning,
): void {
  const wanted = new Map([...value].map(([shown, root]) => [storedKey(shown), root] as const));
  for (const name of new Set([...kinds.keys(), ...wanted.keys()])) {
    const place = rootPlace(name);
    const root = wanted.get(name) ?? null;
    const kind = kinds.get(name) ?? (root === null ? undefined : kindOfValue(root));
    if (kind !== undefined) planRoot(document, name, kind, roots.has(name), root, place, planning);
    else if (root !== null) refuse(planning, place, `a root is a text, a list or an object, and this is ${wordFor(root)}`);
  }
}

function planRoot(
  document: Y.Doc,
  name: string,
  kind: RootKind,
  isNamed: boolean,
  value: JsonValue,
  place: Place,
  planning: Planning,
): void {
  const root = rootOf(document, name, kind);
  const wrong = (wanted: string): void => refuse(planning, place, `it is ${wanted}, and ${wordFor(value)} can not be put there`);
  switch (kind) {
    case 'text':
      if (isNamed && typeof (value ?? '') !== 'string') return wrong('a plain text');
      return planText(root as Y.Text, isNamed ? 'plain' : 'rich', value ?? '', place, planning);
    case 'rich-text':
      return planText(root as Y.Text, 'rich', value ?? '', place, planning);
    case 'map':
      return isMap(value) || value === null ? planShared(root, value ?? noEntries, place, planning) : wrong('a map');
    case 'array':
      return isList(value) || value === null ? planShared(root, value ?? [], place, planning) : wrong('a list');
    case 'xml':
      if (value === null) return planShared(root, emptyXml, place, planning);
      return isMap(value) ? planShared(root, value, place, planning) : wrong('XML, {"type": "doc", "content": […]}');
  }
}

const emptyXml: JsonMap = new Map([['type', 'doc']]);

function wordFor(value: JsonValue): string {
  if (value === null) return 'null';
  if (isList(value)) return 'a list';
  if (isMap(value)) return 'an object';
  if (value instanceof Uint8Array) return 'bytes';
  return typeof value === 'string' ? 'a text' : `the ${typeof value} ${String(value)}`;
}
