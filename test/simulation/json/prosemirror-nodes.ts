/** Random documents of a ProseMirror schema with all that makes trouble, and random changes of them that the schema allows. */

import { type Node, Schema } from 'prosemirror-model';
import type { Random } from '../rooms/random.ts';

/** A node as ProseMirror's `toJSON` has it. */
export type NodeJson = {
  type: string;
  attrs?: Record<string, unknown>;
  content?: NodeJson[];
  marks?: { type: string; attrs?: object }[];
  text?: string;
};

export const schema = new Schema({
  nodes: {
    doc: { content: 'block+' },
    paragraph: { group: 'block', content: 'inline*', attrs: { align: { default: null }, id: { default: null } } },
    heading: { group: 'block', content: 'inline*', attrs: { level: { default: 1 } } },
    blockquote: { group: 'block', content: 'block+' },
    code: { group: 'block', content: 'text*', marks: '', attrs: { language: { default: '' } } },
    rule: { group: 'block' },
    list: { group: 'block', content: 'item+' },
    item: { content: 'paragraph block*' },
    table: { group: 'block', content: 'row+' },
    row: { content: 'cell+' },
    cell: { content: 'block+', attrs: { colspan: { default: 1 }, widths: { default: null }, colour: { default: null } } },
    image: { group: 'inline', inline: true, attrs: { src: {}, alt: { default: null }, size: { default: null } } },
    break: { group: 'inline', inline: true },
    text: { group: 'inline' },
  },
  marks: {
    strong: {},
    em: {},
    link: { attrs: { href: {}, title: { default: null } } },
    comment: { attrs: { id: {} }, excludes: '' },
  },
});

const words = ['the ', 'quick ', 'brown', ' fox', '😀', 'é', ' ', 'jumps over', '👩‍👩‍👧', '日本', 'a', 'b'];

/** One to four of something. */
const some = <T>(random: Random, least: number, make: () => T): T[] =>
  Array.from({ length: least + random.integer(4 - least) }, make);

function randomMarks(random: Random): NonNullable<NodeJson['marks']> {
  const marks: NonNullable<NodeJson['marks']> = [];
  if (random.chance(0.2)) marks.push({ type: 'strong' });
  if (random.chance(0.2)) marks.push({ type: 'em' });
  if (random.chance(0.15))
    marks.push({ type: 'link', attrs: { href: random.pick(['x', 'y']), title: random.pick([null, 't']) } });
  // At most two of one type, in one order: of marks that overlap themselves, Yjs keeps none.
  if (random.chance(0.25)) marks.push({ type: 'comment', attrs: { id: random.integer(3) } });
  if (random.chance(0.15)) marks.push({ type: 'comment', attrs: { id: 10 + random.integer(3) } });
  return marks;
}

function randomInline(random: Random): NodeJson {
  if (random.chance(0.75)) return { type: 'text', text: random.pick(words) + random.pick(words), marks: randomMarks(random) };
  if (random.chance(0.5)) return { type: 'break' };
  return {
    type: 'image',
    attrs: { src: 'a', alt: random.pick([null, 'alt']), size: random.pick([null, { w: 1, of: [1, null] }]) },
  };
}

const paragraph = (random: Random): NodeJson => ({
  type: 'paragraph',
  attrs: { align: random.pick([null, 'left']), id: random.pick([null, 'one', 'two']) },
  content: some(random, 0, () => randomInline(random)),
});

function randomBlock(random: Random, depth: number): NodeJson {
  const inner = <T>(make: (random: Random, depth: number) => T): T[] => some(random, 1, () => make(random, depth - 1));
  switch (random.integer(depth > 0 ? 10 : 7)) {
    case 4:
      return { type: 'heading', attrs: { level: 1 + random.integer(3) }, content: some(random, 0, () => randomInline(random)) };
    case 5:
      return { type: 'rule' };
    case 6:
      return {
        type: 'code',
        attrs: { language: random.pick(['', 'js']) },
        content: [{ type: 'text', text: `${random.pick(words)}\n` }],
      };
    case 7:
      return { type: 'blockquote', content: inner(randomBlock) };
    case 8:
      return { type: 'list', content: inner(randomItem) };
    case 9:
      return { type: 'table', content: inner(randomRow) };
    default:
      return paragraph(random);
  }
}

const randomItem = (random: Random, depth: number): NodeJson => ({
  type: 'item',
  content: [paragraph(random), ...(random.chance(0.3) ? [randomBlock(random, depth)] : [])],
});

const randomRow = (random: Random, depth: number): NodeJson => ({
  type: 'row',
  content: some(random, 1, () => randomCell(random, depth)),
});

const randomCell = (random: Random, depth: number): NodeJson => ({
  type: 'cell',
  attrs: { colspan: 1 + random.integer(2), widths: random.pick([null, [100]]), colour: null },
  content: some(random, 1, () => randomBlock(random, Math.max(0, depth - 1))),
});

/** What may stand in a node. */
const inside: Readonly<Record<string, (random: Random) => NodeJson>> = {
  doc: (random) => randomBlock(random, 2),
  blockquote: (random) => randomBlock(random, 1),
  cell: (random) => randomBlock(random, 0),
  list: (random) => randomItem(random, 0),
  item: (random) => randomBlock(random, 0),
  table: (random) => randomRow(random, 0),
  row: (random) => randomCell(random, 0),
  paragraph: randomInline,
  heading: randomInline,
};

const attributes: Readonly<Record<string, readonly [string, readonly unknown[]]>> = {
  paragraph: ['align', [null, 'left', 'right']],
  heading: ['level', [1, 2, 3]],
  image: ['alt', [null, 'other']],
  cell: ['colour', [null, 'red', { of: 1 }]],
};

export const randomDocument = (random: Random): Node =>
  schema.nodeFromJSON({ type: 'doc', content: some(random, 1, () => randomBlock(random, 2)) });

/** One change: characters, marks, an attribute, or a child that comes, goes, moves or is another one. The node itself where the schema forbids it. */
export function changedNode(node: Node, random: Random): Node {
  const changed = node.toJSON() as NodeJson;
  const all: NodeJson[] = [];
  const gather = (inner: NodeJson): void => {
    all.push(inner);
    for (const child of inner.content ?? []) gather(child);
  };
  gather(changed);
  changeIn(random.pick(all), random);
  try {
    const made = schema.nodeFromJSON(changed);
    made.check();
    return made;
  } catch {
    return node;
  }
}

function changeIn(node: NodeJson, random: Random): void {
  const attribute = attributes[node.type];
  if (node.text !== undefined) {
    const characters = [...node.text];
    if (random.chance(0.4)) node.marks = randomMarks(random);
    else characters.splice(random.integer(characters.length + 1), random.integer(3), random.pick(words));
    node.text = characters.join('');
  } else if (attribute !== undefined && random.chance(0.3)) {
    const [key, values] = attribute;
    node.attrs = { ...node.attrs, [key]: random.pick(values) };
  } else changeChildren(node, random);
}

function changeChildren(node: NodeJson, random: Random): void {
  const make = inside[node.type];
  if (make === undefined) return;
  const children = (node.content ??= []);
  const at = random.integer(children.length + 1);
  switch (random.integer(4)) {
    case 0:
      children.splice(at, 0, make(random));
      return;
    case 1:
      children.splice(at, 1);
      return;
    case 2:
      children.splice(random.integer(children.length + 1), 0, ...children.splice(at, 1));
      return;
    default:
      children.splice(at, 1, make(random));
  }
}
