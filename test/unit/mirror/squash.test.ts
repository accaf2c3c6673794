/** Edits that were made one while somebody is killed, comes back with a copy from before, or has begun with nothing. */

import { describe, expect, test } from 'vitest';
import type * as Y from 'yjs';

import { createClients } from '#changefeed/clients.ts';
import type { TakeContext } from '#changefeed/take-context.ts';
import { takeEdit } from '#changefeed/translate.ts';
import type { JsonMap, JsonValue } from '#shared/document/json/value.ts';
import { appliedTo } from '#shared/mirror/history.ts';
import { encodeValue } from '#shared/store/mirror-values.ts';
import { emptySnapshot, type Inkstream } from '#shared/store/mirrors.ts';
import { StoreUnavailable } from '#shared/store/store.ts';

import { createMirrorWorld, document, readSlowly, sentencesIn, textIn, textOf, type World } from './mirror-world.ts';

const appliedMax = 3;

const typing = (text: string) => (doc: Y.Doc) => doc.getText('text').insert(0, text);

/** How many edits the state has on top of the snapshot that the mirror was made from. */
async function editsKept({ mirrors }: World): Promise<number> {
  const state = await mirrors.readState(document);
  return state === undefined ? 0 : (appliedTo(state, state.next.snapshot)?.length ?? 0);
}

/** The mirror with so many edits taken in that the next one makes them one: `people.1.2.3.` */
async function withFullList(): Promise<World> {
  const world = createMirrorWorld({ appliedMax });
  await world.type(typing('people.'));
  await world.flush();
  await world.refresh();
  for (let edit = 1; edit <= appliedMax; edit++) {
    world.write(textOf(`${textIn(world.value())}${edit}.`));
    expect(await world.takeAll()).toMatchObject([{ kind: 'taken' }]);
  }
  expect(await editsKept(world)).toBe(appliedMax);
  return world;
}

/** What a program does that has kept our field from before, and writes all of the mirror with it. */
const putBack = ({ mirrors }: World, text: string, inkstream: Inkstream): void =>
  void mirrors.disk.mirrors.set(document, { value: encodeValue(textOf(text)), inkstream });

async function expectRewritten(world: World): Promise<void> {
  await world.flush();
  expect(await world.refresh()).toMatchObject({ kind: 'written' });
  expect(world.value()).toEqual(world.json());
  expect(world.inkstream().applied).toEqual([]);
  expect(await world.takeAll()).toEqual([]);
}

describe('a copy of the mirror from before its edits were made one', () => {
  test('MI35: is compared with all of them, each time it is written again with one more', async () => {
    const world = await withFullList();
    const copy = world.inkstream();
    const kept: number[] = [];
    let text = textIn(world.value());
    for (let edit = appliedMax + 1; edit <= 4 * appliedMax; edit++) {
      await world.type(typing(`typed ${edit}.`));
      text += `${edit}.`;
      putBack(world, text, copy);
      expect(await world.takeAll()).toMatchObject([{ kind: 'taken' }]);
      kept.push(await editsKept(world));
    }
    expect(copy.applied).toHaveLength(appliedMax);
    expect(kept, 'they are made one again and again').toEqual([2, 3, 2, 3, 2, 3, 2, 3, 2]);
    const typed = Array.from({ length: 3 * appliedMax }, (_, index) => `typed ${index + appliedMax + 1}.`);
    expect(sentencesIn(world.json())).toEqual([...text.split(/(?<=\.)/u), ...typed].toSorted());
    expect(world.updates(), 'one record for each').toHaveLength(1 + appliedMax + 2 * 3 * appliedMax);
    await expectRewritten(world);
  });

  test('MI35, MI7: takes back what it lacks of what programs wrote since, and nothing that was typed', async () => {
    const world = await withFullList();
    const copy = world.inkstream();
    for (const edit of [4, 5]) {
      world.write(textOf(`${textIn(world.value())}${edit}.`));
      await world.type(typing(`typed ${edit}.`));
      await world.takeAll();
    }
    putBack(world, 'people.1.2.3.last.', copy);
    expect(await world.takeAll()).toMatchObject([{ kind: 'taken' }]);
    expect(sentencesIn(world.json())).toEqual(['1.', '2.', '3.', 'last.', 'people.', 'typed 4.', 'typed 5.']);
    await expectRewritten(world);
  });

  test('MI35: is written anew where it is put back as it was, and nothing is lost', async () => {
    const world = await withFullList();
    const copy = world.inkstream();
    const text = textIn(world.value());
    for (const edit of [4, 5]) {
      world.write(textOf(`${textIn(world.value())}${edit}.`));
      await world.takeAll();
    }
    expect(await editsKept(world)).toBe(3);
    putBack(world, text, copy);
    expect(await world.takeAll()).toEqual([]);
    expect(sentencesIn(world.json())).toEqual(['1.', '2.', '3.', '4.', '5.', 'people.']);
    await expectRewritten(world);
  });
});

test('MI35, MI9: edits stay one where the next one is put aside, and the mirror is written anew from what has all of them', async () => {
  const world = await withFullList();
  world.write(7);
  expect(await world.takeAll()).toMatchObject([{ kind: 'refused' }]);
  expect(await editsKept(world)).toBe(1);
  expect(textIn(world.value())).toBe('people.1.2.3.');
  await world.flush(appliedMax); // of what was typed and the edits all but the last one
  expect(await world.refresh()).toEqual({ kind: 'not-now', why: 'behind' });
  await expectRewritten(world);
  expect(sentencesIn(world.json())).toEqual(['1.', '2.', '3.', 'people.']);
});

const killed = async (): Promise<never> => {
  throw new StoreUnavailable('killed');
};

/** Somebody who takes the edit in, until he is killed at his write with this `number` to the mirror, which may be made after all, `late`. */
function killedAtMirror({ mirrors, takeContext }: World, number: number) {
  let writes = 0;
  let late = async (): Promise<boolean> => false;
  const writeBookkeeping: typeof mirrors.writeBookkeeping = async (...parameters) => {
    if (++writes < number) return mirrors.writeBookkeeping(...parameters);
    late = () => mirrors.writeBookkeeping(...parameters);
    return killed();
  };
  const context: TakeContext = { ...takeContext, mirrors: { ...mirrors, writeBookkeeping } };
  return { context, writeLate: () => late() };
}

/** Until he has the intent in the mirror; or until the journal has the edit. */
const killedAtAppend = ({ takeContext }: World): TakeContext => ({
  ...takeContext,
  journal: { ...takeContext.journal, append: killed },
});
const killedBehindAppend = ({ takeContext }: World): TakeContext => ({
  ...takeContext,
  journal: { ...takeContext.journal, append: async (records) => (await takeContext.journal.append(records), killed()) },
});

/** The next process takes everything in. `first`: the mirrors as it sees them in its first look. */
async function takeAllAnew(world: World, first: TakeContext['mirrors'] = world.mirrors): Promise<void> {
  const context = { ...world.takeContext, clients: createClients(() => 0.5) };
  await takeEdit(document, { ...context, mirrors: first });
  for (let step = 0; step < 10; step++) await takeEdit(document, context);
}

/** What programs have done to the mirror by then. */
const meanwhile: readonly (readonly [string, (world: World, copy: Inkstream) => void])[] = [
  ['nobody edits it', () => {}],
  ['a program edits it once more', (world) => world.write(textOf(`${textIn(world.value())}5.`))],
  ['a program replaces it without our field', (world) => world.replace(textOf(`${textIn(world.value())}5.`))],
  ['a program puts our field back from before', (world, copy) => putBack(world, `${textIn(world.value())}5.`, copy)],
];

/** A mirror with an edit that nobody has taken in, and with which those before are made one: `people.1.2.3.4.` What has to be in the document, whoever is killed, when programs have done `what` meanwhile. */
async function withDueEdit(what: string) {
  const world = await withFullList();
  const copy = world.inkstream();
  await world.type(typing('typed.'));
  world.write(textOf('people.1.2.3.4.'));
  const sentences = ['1.', '2.', '3.', '4.', ...(what === 'nobody edits it' ? [] : ['5.']), 'people.', 'typed.'];
  return { world, copy, sentences };
}

describe('MI35, MI8: the edit with which those before are made one is in the document once', () => {
  const writes = ['the intent', 'what became of it'];
  const eachWrite = writes.flatMap((write, index) => meanwhile.map(([what, edit]) => [write, what, edit, index + 1] as const));

  test.each(eachWrite)('where the next one finds %s in the state, and not in the mirror: %s', async (_, what, edit, number) => {
    const { world, copy, sentences } = await withDueEdit(what);
    const { context, writeLate } = killedAtMirror(world, number);
    await expect(takeEdit(document, context)).rejects.toThrow('killed');
    expect(await editsKept(world)).toBe(number);
    expect(world.inkstream().intent === undefined).toBe(number === 1);
    edit(world, copy);
    await takeAllAnew(world);
    expect(sentencesIn(world.json())).toEqual(sentences);
    await writeLate();
    await takeAllAnew(world);
    expect(sentencesIn(world.json())).toEqual(sentences);
    await expectRewritten(world);
  });

  test.each(eachWrite)('where he finds %s in the mirror, and has read the state before: %s', async (_, what, edit, number) => {
    const { world, copy, sentences } = await withDueEdit(what);
    const first = number === 1 ? killedAtAppend(world) : world.takeContext;
    const mirrors = readSlowly(world.mirrors, async () => {
      await takeEdit(document, first).catch(() => {});
      expect(world.inkstream().intent === undefined).toBe(number === 2);
      edit(world, copy);
    });
    await takeAllAnew(world, mirrors);
    expect(sentencesIn(world.json())).toEqual(sentences);
    await expectRewritten(world);
  });

  test.each(meanwhile)('where it is in the journal, and nobody has said so: %s', async (what, edit) => {
    const { world, copy, sentences } = await withDueEdit(what);
    await expect(takeEdit(document, killedBehindAppend(world))).rejects.toThrow('killed');
    edit(world, copy);
    await takeAllAnew(world);
    expect(sentencesIn(world.json())).toEqual(sentences);
    await expectRewritten(world);
  });
});

describe('MI35, MI30, MI32: a mirror that was inserted where people have typed, and is edited without a pause', () => {
  test.each(['write', 'replace'] as const)('has each edit once, beside what they typed (%s)', async (how) => {
    const world = createMirrorWorld({ appliedMax });
    await world.type((doc) => {
      typing('typed.')(doc);
      doc.getMap('map').set('title', 'typed');
    });
    await world.flush();
    const valueOf = (text: string, count: number): JsonMap =>
      new Map<string, JsonValue>([...textOf(text), ['map', new Map<string, JsonValue>([['title', 'written'], ['count', count]])]]); // prettier-ignore
    let text = 'written.';
    world.replace(valueOf(text, 0));
    await world.takeAll();
    const kept: number[] = [];
    for (let edit = 1; edit <= 4 * appliedMax; edit++) {
      await world.type(typing(`typed ${edit}.`));
      text += `${edit}.`;
      world[how](valueOf(text, edit));
      if (edit % 5 === 0) world.takeContext.clients.forget(document); // as a process that has just begun
      expect(await world.takeAll()).toMatchObject([{ kind: 'taken' }]);
      kept.push(await editsKept(world));
    }
    expect(kept, 'they are made one again and again').toEqual([2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3]);
    expect(world.inkstream().snapshot, 'and it was never written anew').toEqual(emptySnapshot);
    const typed = Array.from({ length: 4 * appliedMax }, (_, index) => `typed ${index + 1}.`);
    expect(sentencesIn(world.json())).toEqual(['typed.', ...typed, ...text.split(/(?<=\.)/u)].toSorted());
    expect(world.json().get('map')).toEqual(new Map<string, JsonValue>([['title', 'typed'], ['count', 4 * appliedMax]])); // prettier-ignore
    await expectRewritten(world);
    world[how](valueOf(`${textIn(world.value())}last.`, 0));
    await world.takeAll();
    expect(sentencesIn(world.json())).toEqual(['last.', 'typed.', ...typed, ...text.split(/(?<=\.)/u)].toSorted());
  });
});
