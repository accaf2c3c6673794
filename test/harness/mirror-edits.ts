/**
 * Edits that can be counted: what people write into a document, and what a program does to it in MongoDB meanwhile.
 *
 * Whether nothing was lost is easily asked of each edit; whether none is there twice, or in pieces, is not. So each leaves something of its own behind. People write words, `<a0>`, and a
 * program puts marks between them, `[7]`: the whole text is words and marks, in whatever order they were merged. Its other edits leave a field with a number, or an
 * entry of a list. Nobody takes out what somebody else has written, so in the end everything has to be there, once, and nothing else.
 */

import { isDeepStrictEqual } from 'node:util';
import type * as Y from 'yjs';
import type { ChangeText, MirrorDocument, MirrorProgram } from '#test/harness/mirror-program.ts';
import type { Client } from '#test/harness/y-websocket-client.ts';

/** What has to be known of documents that are edited like this, as `MIRROR_ROOTS` takes it. */
export const editedRoots = { text: 'text', fields: 'map', list: 'array' } as const;

/** Behind a `>` and not before a `[`: so no two edits say the same. */
const mark = (index: number): string => `[${index}]`;

const withMark =
  (index: number): ChangeText =>
  (text) => {
    if (text.includes(mark(index))) return text;
    const places = [...text.matchAll(/>(?!\[)/gu)].map(({ index: at }) => at + 1);
    const at = places[(index * 7919) % Math.max(1, places.length)];
    return at === undefined ? undefined : text.slice(0, at) + mark(index) + text.slice(at);
  };

const withoutMark =
  (index: number): ChangeText =>
  (text) =>
    text.replace(mark(index), '');

export type Writing = {
  /** What is in the text of it, in the end: whoever changes a word in the document does so here as well. */
  readonly typed: string[];
  /** Rejects where a word is not saved. */
  readonly ended: Promise<void>;
  /** Resolves when the last word is saved. */
  readonly stop: () => Promise<void>;
};

/** Types one word after the other at random places between words, each when the one before is saved. `pace` is waited for after each. */
export function startWriting(client: Client, name: string, pace: () => Promise<void> = async () => {}): Writing {
  const typed: string[] = [];
  let isOver = false;
  const write = async (): Promise<void> => {
    while (!isOver) {
      const word = `<${name}${typed.length}>`;
      const places = [...client.text.toJSON().matchAll(/[>\]]/gu)].map(({ index }) => index + 1);
      client.text.insert(places[(typed.length * 7919) % Math.max(1, places.length)] ?? 0, word);
      typed.push(word);
      await client.saved();
      await pace();
    }
  };
  const ended = write();
  return {
    typed,
    ended,
    stop: () => {
      isOver = true;
      return ended;
    },
  };
}

export const editKinds = [
  'field',
  'text',
  'entry',
  'whole',
  'whole without our field',
  'deleted and inserted',
  'in, out and in again',
  'a field to and fro',
  'what was just typed',
  'copied',
] as const;

export type EditKind = (typeof editKinds)[number];

const marked: ReadonlySet<EditKind> = new Set([
  'text',
  'whole',
  'whole without our field',
  'deleted and inserted',
  'in, out and in again',
] as const);

/** What was done to one document. */
export type Edits = {
  /** What the program did, in order. */
  readonly made: readonly EditKind[];
  /** Everything that people wrote, as it is now. Undefined where others write in it as well: then nothing is said of the text. */
  readonly typed: readonly string[] | undefined;
};

const indicesOf = (made: readonly EditKind[], isMeant: (kind: EditKind) => boolean): readonly number[] =>
  [...made.keys()].filter((index) => isMeant(made[index] ?? 'copied'));

/** The copies that were made, by name, and what they were made of. */
export type Copies = Map<string, MirrorDocument['value']>;

export type Step = { readonly document: string; readonly index: number; readonly kind: EditKind };

/** What the program does in one step; resolves with how many of its writes change the document. `person` is one of those who write in it, if any do. */
export async function makeEdit(
  program: MirrorProgram,
  { document, index, kind }: Step,
  person: Writing | undefined,
  copies: Copies,
): Promise<number> {
  const change = withMark(index);
  switch (kind) {
    case 'field':
      await program.setField(document, `field${index}`, index);
      return 1;
    case 'text':
      await program.setText(document, change);
      return 1;
    case 'entry':
      await program.push(document, `entry ${index}`);
      return 1;
    case 'whole':
      await program.replace(document, change, 'kept');
      return 1;
    case 'whole without our field':
      await program.replace(document, change, 'left out');
      return 1;
    case 'deleted and inserted':
      await program.deleteAndInsert(document, change);
      return 1;
    case 'in, out and in again':
      for (const step of [change, withoutMark(index), change]) await program.setText(document, step);
      return 3;
    case 'a field to and fro':
      for (const value of ['a', 'b', 'a', `end ${index}`]) await program.setField(document, 'toggled', value);
      return 4;
    case 'what was just typed': {
      const at = (person?.typed.length ?? 0) - 1;
      const word = person?.typed[at];
      if (person === undefined || word === undefined) return 0;
      const louder = word.toUpperCase();
      await program.setText(document, (text) =>
        text.includes(louder) ? text : text.includes(word) ? text.replace(word, louder) : undefined,
      );
      person.typed[at] = louder;
      return 1;
    }
    case 'copied': {
      const name = `${document}-copy-${index}`;
      copies.set(name, await program.copy(document, name));
      return 0;
    }
  }
}

/** A value for people, of which a test that fails shows no more than this. */
export const inShort = (value: unknown): string => (JSON.stringify(value) ?? 'nothing').slice(0, 1_000);

function complaintsAboutText(text: string, expected: readonly string[]): readonly string[] {
  const times = new Map<string, number>();
  for (const [word] of text.matchAll(/<[^<>[\]]*>|\[\d+\]/gu)) times.set(word, (times.get(word) ?? 0) + 1);
  const { length } = expected.join('');
  return [
    ...expected.filter((word) => times.get(word) !== 1).map((word) => `${word} is there ${times.get(word) ?? 0} times`),
    ...(text.length === length ? [] : [`the text has ${text.length} characters instead of ${length}`]),
  ];
}

/** What is wrong with a document in which everything has to be there once. */
export function complaintsAbout(doc: Y.Doc, { made, typed }: Edits): readonly string[] {
  const marks = indicesOf(made, (kind) => marked.has(kind)).map(mark);
  const fields = Object.fromEntries(indicesOf(made, (kind) => kind === 'field').map((index) => [`field${index}`, index]));
  const lastToggle = indicesOf(made, (kind) => kind === 'a field to and fro').at(-1);
  const toggled = lastToggle === undefined ? {} : { toggled: `end ${lastToggle}` };
  const found = { fields: doc.getMap('fields').toJSON(), list: doc.getArray('list').toJSON() };
  const expected = {
    fields: { ...fields, ...toggled },
    list: indicesOf(made, (kind) => kind === 'entry').map((index) => `entry ${index}`),
  };
  return [
    ...(typed === undefined ? [] : complaintsAboutText(doc.getText('text').toJSON(), [...marks, ...typed])),
    ...(['fields', 'list'] as const)
      .filter((root) => !isDeepStrictEqual(found[root], expected[root]))
      .map((root) => `${root}: ${inShort(found[root])} instead of ${inShort(expected[root])}`),
  ];
}

/** Whether a step is in a document. Of a word that was changed, or a mark that went and came back, that can't be told. */
export function isStepIn(doc: Y.Doc, kind: EditKind, index: number): boolean {
  if (marked.has(kind)) return doc.getText('text').toJSON().includes(mark(index));
  if (kind === 'field') return doc.getMap('fields').get(`field${index}`) === index;
  if (kind === 'entry') return doc.getArray('list').toArray().includes(`entry ${index}`);
  return kind !== 'a field to and fro' || doc.getMap('fields').get('toggled') === `end ${index}`;
}

/** The number of the latest step that left a field or an entry in a document; -1 where none has. */
export function latestStepIn(doc: Y.Doc): number {
  const places = [...doc.getMap('fields').keys(), ...doc.getArray('list').toArray().map(String)];
  const numbers = places.map((place) => Number(/^(?:field|entry )(\d+)$/u.exec(place)?.[1] ?? -1));
  return Math.max(-1, ...numbers);
}
