/** Documents that ProseMirror's editors make, by their own binding: what we read of them is what it reads, and what a program makes of that is what it shows. */

import type { Node } from 'prosemirror-model';
import { expect, test } from 'vitest';
import { initProseMirrorDoc, updateYFragment } from 'y-prosemirror';
import * as Y from 'yjs';
import { editOperations } from '#shared/document/json/edit.ts';
import { readDocumentJson } from '#shared/document/json/read.ts';
import { literalOf, valueOf } from '#test/unit/document/json-values.ts';
import { seeded, type Random } from '../rooms/random.ts';
import { changedNode, randomDocument, schema } from './prosemirror-nodes.ts';

const seeds = Number(process.env['JSON_SEEDS'] ?? 300);
/** Seeds of which one failed once. */
const failedOnce = [2_578];
const root = 'prosemirror';

/** What an editor shows that opens the document. */
const shownIn = (document: Y.Doc): ReturnType<typeof initProseMirrorDoc> =>
  initProseMirrorDoc(document.getXmlFragment(root), schema);

/** An editor in which the document becomes `node`. */
function type(document: Y.Doc, node: (shown: Node) => Node): void {
  const { doc, meta } = shownIn(document);
  updateYFragment(document, document.getXmlFragment(root), node(doc), meta);
}

type Said = {
  readonly type: string;
  readonly text?: string;
  readonly marks?: readonly string[];
  readonly content?: readonly Said[];
};

/** Texts that are marked alike are one: ProseMirror keeps those apart whose marks it has in another order. */
function joined(content: readonly Said[]): readonly Said[] {
  const all: Said[] = [];
  for (const node of content) {
    const last = all.at(-1);
    const isSame = last?.text !== undefined && node.text !== undefined && String(last.marks) === String(node.marks);
    if (isSame) all[all.length - 1] = { ...last, text: `${last.text}${node.text}` };
    else all.push(node);
  }
  return all;
}

/** As JSON, the marks of a text in one order: of several of a type Yjs keeps none. */
const saidBy = (node: Node): unknown =>
  JSON.parse(JSON.stringify(node.toJSON()), (key, value: unknown) => {
    if (key === 'marks' && Array.isArray(value)) return value.map((mark) => JSON.stringify(mark)).toSorted();
    return key === 'content' && Array.isArray(value) ? joined(value as readonly Said[]) : value;
  });

/** A document that two people have edited, now and then at the same time. */
function editedDocument(random: Random): Y.Doc {
  const people = [1, 2].map((client) => {
    const document = new Y.Doc();
    document.clientID = client;
    return document;
  });
  const [one = new Y.Doc(), other = new Y.Doc()] = people;
  const meet = (): void => {
    Y.applyUpdate(other, Y.encodeStateAsUpdate(one));
    Y.applyUpdate(one, Y.encodeStateAsUpdate(other));
  };
  type(one, () => randomDocument(random));
  meet();
  for (let edits = random.integer(8); edits > 0; edits--) {
    type(random.pick(people), (shown) => (shown.childCount === 0 ? randomDocument(random) : changedNode(shown, random)));
    if (random.chance(0.6)) meet();
  }
  meet();
  shownIn(one); // whoever opens it takes away what the schema does not allow
  return one;
}

function readIn(document: Y.Doc): object {
  const { value } = readDocumentJson([Y.encodeStateAsUpdate(document)], new Map([[root, 'xml']]));
  return (literalOf(value) as { [root]: object })[root];
}

test('DJ30: what an editor makes is read as its binding reads it, and what a program makes of that is what the editor shows', () => {
  let edits = 0;
  for (const seed of [...failedOnce, ...Array.from({ length: seeds }, (_, index) => index + 1)]) {
    const random = seeded(seed);
    const document = editedDocument(random);
    const before = shownIn(document).doc;
    expect(saidBy(schema.nodeFromJSON(readIn(document))), `seed ${seed}`).toEqual(saidBy(before));
    if (before.childCount === 0) continue;

    let wanted = before;
    for (let changes = 1 + random.integer(3); changes > 0; changes--) wanted = changedNode(wanted, random);
    const value = valueOf({ [root]: wanted.toJSON() });
    const base = Y.encodeStateAsUpdate(document);
    const edit = editOperations([base], value, { client: 9, roots: new Map() });
    expect(edit.kind, `seed ${seed}`).not.toBe('refused');
    if (edit.kind !== 'operations') continue;
    edits++;
    Y.applyUpdate(document, edit.update);
    const after = Y.encodeStateAsUpdate(document);
    expect(saidBy(shownIn(document).doc), `seed ${seed}`).toEqual(saidBy(wanted));
    expect(Buffer.compare(Y.encodeStateAsUpdate(document), after), `seed ${seed}: the editor took something away`).toBe(0);
    expect(editOperations([after], value, { client: 10, roots: new Map() }), `seed ${seed}`).toEqual({ kind: 'nothing' });
  }
  expect(edits).toBeGreaterThan(seeds / 2);
});
