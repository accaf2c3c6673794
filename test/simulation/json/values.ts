/** Random values, and random changes of what a document says: what a program might write that has never heard of Yjs. */

import { isList, isMap, type JsonMap, type JsonValue } from '#shared/document/json/value.ts';
import type { Random } from '../rooms/random.ts';

const words = ['a', 'b', 'xyz ', 'hello ', '😀', '👩‍👩‍👧', 'öü', 'é', '日本', '\n', '\r\n', '\0', '🇩🇪', 'longer text here '];
const keys = [
  'k0',
  'k1',
  'k2',
  '7',
  '12',
  '__proto__',
  'constructor',
  '$set',
  'a.b',
  '',
  '@inkstream:@inkstream',
  '@inkstream:a%00b',
  'é',
];

const scalars: readonly JsonValue[] = [
  null,
  true,
  false,
  0,
  1,
  -7,
  2.5,
  2 ** 40,
  2n ** 60n,
  's',
  '',
  '😀',
  new Uint8Array([1, 2]),
];

/** A plain value, `depth` levels deep at most. */
function randomValue(random: Random, depth = 2): JsonValue {
  if (depth === 0 || random.chance(0.5)) return random.pick(scalars);
  if (random.chance(0.5)) return Array.from({ length: random.integer(4) }, () => randomValue(random, depth - 1));
  return new Map(Array.from({ length: random.integer(4) }, () => [random.pick(keys), randomValue(random, depth - 1)] as const));
}

/** What a document says, changed in a place or two, as its kinds of roots allow it. */
export function changedValue(value: JsonMap, random: Random): JsonMap {
  let changed = value;
  for (let changes = 1 + random.integer(3); changes > 0; changes--) {
    const root = random.pick([...changed.keys()]);
    const before = changed.get(root) ?? null;
    const after = new Map(changed);
    after.set(root, changedRoot(root, before, random));
    changed = after;
  }
  return changed;
}

function changedRoot(name: string, value: JsonValue, random: Random): JsonValue {
  if (typeof value === 'string') return changedText(value, random);
  if (name === 'text' && isList(value)) return changedRuns(value, random);
  if (name === 'array' && isList(value)) return changedList(value, random);
  if (name === 'xml' && isMap(value)) return with_(value, 'content', changedNodes(value.get('content') ?? [], random));
  return isMap(value) ? changedMap(value, random) : value;
}

const with_ = (map: JsonMap, key: string, value: JsonValue): JsonMap => new Map([...map, [key, value]]);

/** Characters as people see them, so that what is made has whole ones. */
const charactersOf = (text: string): string[] => [...new Intl.Segmenter().segment(text)].map(({ segment }) => segment);

function changedText(text: string, random: Random): string {
  const characters = charactersOf(text);
  const from = random.integer(characters.length + 1);
  const gone = random.chance(0.5) ? random.integer(6) : 0;
  const come = random.chance(0.8) ? Array.from({ length: random.integer(4) }, () => random.pick(words)) : [];
  characters.splice(from, gone, ...come);
  return characters.join('');
}

const formats: readonly JsonMap[] = [
  new Map(),
  new Map([['bold', true]]),
  new Map([['em', 1]]),
  new Map<string, JsonValue>([
    ['bold', true],
    ['a', new Map([['href', 'x']])],
  ]),
];

function run(insert: JsonValue, attributes: JsonMap): JsonMap {
  return attributes.size === 0
    ? new Map([['insert', insert]])
    : new Map<string, JsonValue>([
        ['insert', insert],
        ['attributes', attributes],
      ]);
}

function changedRuns(runs: readonly JsonValue[], random: Random): readonly JsonValue[] {
  const changed = [...runs];
  const at = random.integer(changed.length + 1);
  const there = changed[at];
  if (!isMap(there) || random.chance(0.3)) {
    const insert = random.chance(0.8) ? random.pick(words) : new Map([['img', random.integer(3)]]);
    changed.splice(at, 0, run(insert, random.pick(formats)));
  } else if (random.chance(0.25)) changed.splice(at, 1);
  else if (random.chance(0.5)) changed[at] = run(there.get('insert') ?? '', random.pick(formats));
  else {
    const insert = there.get('insert');
    if (typeof insert === 'string') changed[at] = with_(there, 'insert', changedText(insert, random));
    else if (isMap(insert) && insert.has('value')) changed[at] = with_(there, 'insert', changedInset(insert, random));
  }
  return changed;
}

function changedInset(inset: JsonMap, random: Random): JsonMap {
  const value = inset.get('value') ?? null;
  if (typeof value === 'string') return with_(inset, 'value', changedText(value, random));
  if (isList(value)) return with_(inset, 'value', changedList(value, random));
  return isMap(value) && inset.get('@inkstream') === 'map' ? with_(inset, 'value', changedMap(value, random)) : inset;
}

function changedList(list: readonly JsonValue[], random: Random): readonly JsonValue[] {
  const changed = [...list];
  const at = random.integer(changed.length + 1);
  const there = changed[at];
  if (there === undefined || random.chance(0.4)) changed.splice(at, 0, randomValue(random));
  else if (random.chance(0.3)) changed.splice(at, 1 + random.integer(3));
  else if (random.chance(0.25)) changed.splice(random.integer(changed.length), 0, ...changed.splice(at, 1));
  else if (isMap(there) && !there.has('@inkstream')) changed[at] = changedMap(there, random);
  else if (isList(there)) changed[at] = changedList(there, random);
  else changed[at] = randomValue(random);
  return changed;
}

function changedMap(map: JsonMap, random: Random): JsonMap {
  const changed = new Map(map);
  const key = random.chance(0.5) && map.size > 0 ? random.pick([...map.keys()]) : random.pick(keys);
  const there = changed.get(key);
  if (isMap(there) && there.has('@inkstream')) changed.delete(key);
  else if (random.chance(0.2)) changed.delete(key);
  else if (isMap(there) && random.chance(0.7)) changed.set(key, changedMap(there, random));
  else if (isList(there) && random.chance(0.7)) changed.set(key, changedList(there, random));
  else changed.set(key, randomValue(random));
  return changed;
}

function randomNode(random: Random, depth = 2): JsonMap {
  if (depth === 0 || random.chance(0.4)) return textNode(random.pick(words), random);
  const node = new Map<string, JsonValue>([['type', random.pick(['p', 'ul', 'li'])]]);
  if (random.chance(0.3)) node.set('attrs', new Map([['level', random.integer(4)]]));
  const content = Array.from({ length: random.integer(3) }, () => randomNode(random, depth - 1));
  if (content.length > 0) node.set('content', content);
  return node;
}

function textNode(text: string, random: Random): JsonMap {
  const node = new Map<string, JsonValue>([
    ['type', 'text'],
    ['text', text],
  ]);
  const marks = random.pick([[], ['bold'], ['em', 'bold']]);
  if (marks.length > 0) {
    node.set(
      'marks',
      marks.map(
        (type) =>
          new Map<string, JsonValue>([
            ['type', type],
            ['attrs', new Map()],
          ]),
      ),
    );
  }
  return node;
}

function changedNodes(nodes: JsonValue, random: Random): readonly JsonValue[] {
  const changed = isList(nodes) ? [...nodes] : [];
  const at = random.integer(changed.length + 1);
  const there = changed[at];
  if (!isMap(there) || random.chance(0.25)) changed.splice(at, 0, randomNode(random));
  else if (random.chance(0.2)) changed.splice(at, 1);
  else if (random.chance(0.1)) changed.splice(random.integer(changed.length), 0, ...changed.splice(at, 1));
  else changed[at] = changedNode(there, random);
  return changed;
}

function changedNode(node: JsonMap, random: Random): JsonMap {
  const text = node.get('text');
  if (typeof text === 'string') {
    return random.chance(0.7) ? with_(node, 'text', changedText(text, random)) : textNode(text, random);
  }
  if (text !== undefined || random.chance(0.7)) return with_(node, 'content', changedNodes(node.get('content') ?? [], random));
  const attrs = node.get('attrs');
  return with_(node, 'attrs', with_(isMap(attrs) ? attrs : new Map(), random.pick(['width', 'level', '7']), random.integer(9)));
}
