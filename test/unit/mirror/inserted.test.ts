/** Mirrors that programs insert: under names that nobody has used, and where people have typed already. */

import { expect, test } from 'vitest';
import * as Y from 'yjs';

import { createClients } from '#changefeed/clients.ts';
import { takeEdit } from '#changefeed/translate.ts';
import { compactDocument } from '#persister/compaction.ts';
import { refreshMirror } from '#persister/mirror.ts';
import type { JsonMap, JsonValue } from '#shared/document/json/value.ts';
import { mirrorLimits } from '#shared/mirror/limits.ts';
import { emptySnapshot } from '#shared/store/mirrors.ts';
import { StoreUnavailable } from '#shared/store/store.ts';

import { createMirrorWorld, document, sentencesIn, textOf, type World } from './mirror-world.ts';

const insert = (text: string) => (doc: Y.Doc) => doc.getText('text').insert(0, text);

/** Somebody has typed `typed.`; by `upTo` that is only in the journal, or stored, or in a snapshot too. */
async function withTyped(upTo: 'journal' | 'segments' | 'snapshot'): Promise<World> {
  const world = createMirrorWorld();
  await world.type(insert('typed.'));
  if (upTo === 'journal') return world;
  await world.flush();
  if (upTo === 'segments') return world;
  await world.refresh();
  const { mirrors, states } = world.mirrors.disk;
  mirrors.clear();
  states.clear();
  return world;
}

async function untilRewritten(world: World): Promise<void> {
  await world.flush();
  expect(await world.refresh()).toMatchObject({ kind: 'written' });
}

test.each(['journal', 'segments', 'snapshot'] as const)(
  'MI30: where people have typed, both remain, and the mirror is written as both: what was typed is in the %s',
  async (upTo) => {
    const world = await withTyped(upTo);
    world.replace(textOf('written.'));
    expect(await world.refresh()).toEqual({ kind: 'not-now', why: 'edited' });
    expect((await world.takeAll()).map(({ kind }) => kind)).toEqual(['taken']);
    expect(sentencesIn(world.json())).toEqual(['typed.', 'written.']);
    const { snapshot, applied } = world.inkstream();
    expect(snapshot).toEqual(emptySnapshot);
    expect(applied).toHaveLength(1);
    expect(world.value(), 'as its author wrote it, until it is written again').toEqual(textOf('written.'));
    await untilRewritten(world);
    expect(world.value()).toEqual(world.json());
    expect(world.inkstream().applied).toEqual([]);
    expect(await world.takeAll()).toEqual([]);
    expect(world.updates()).toHaveLength(2);
  },
);

test('MI30: what is written into it next is compared with what was inserted, whether or not it has our field', async () => {
  for (const next of ['write', 'replace'] as const) {
    const world = await withTyped('segments');
    world.replace(textOf('written.'));
    await world.takeAll();
    world[next](textOf('written. and more.'));
    await world.takeAll();
    await untilRewritten(world);
    world[next](textOf([...sentencesIn(world.json()), 'last.'].join('')));
    await world.takeAll();
    expect(sentencesIn(world.json())).toEqual([' and more.', 'last.', 'typed.', 'written.']);
  }
});

test('MI30: nor is it put in twice, or does it replace anything, where whoever took it in was killed', async () => {
  for (const port of ['writeBookkeeping', 'append', 'applied'] as const) {
    const world = await withTyped('segments');
    world.replace(textOf('written.'));
    const { takeContext: context, mirrors } = world;
    const killed = async (): Promise<never> => {
      throw new StoreUnavailable('killed');
    };
    let states = 0;
    const writeState: typeof mirrors.writeState = (...parameters) =>
      states++ === 0 ? mirrors.writeState(...parameters) : killed();
    const stopped = {
      ...context,
      ...(port === 'append' ? { journal: { ...context.journal, append: killed } } : {}),
      mirrors: {
        ...mirrors,
        ...(port === 'writeBookkeeping' ? { writeBookkeeping: killed } : {}),
        ...(port === 'applied' ? { writeState } : {}),
      },
    };
    await expect(takeEdit(document, stopped)).rejects.toThrow('killed');
    await world.takeAll();
    expect(sentencesIn(world.json()), port).toEqual(['typed.', 'written.']);
    await untilRewritten(world);
    expect(world.value()).toEqual(world.json());
  }
});

/** A persister that is about to write the first mirror, and what happens then, before the mirror is there or after it. */
async function firstWriting(
  world: World,
  when: 'before' | 'after',
  meanwhile: () => void,
): Promise<ReturnType<World['refresh']>> {
  const { mirrors } = world;
  const insertMirror: typeof mirrors.insertMirror = async (...parameters) => {
    if (when === 'before') meanwhile();
    const isWritten = await mirrors.insertMirror(...parameters);
    if (when === 'after') meanwhile();
    return isWritten;
  };
  return refreshMirror(document, { ...world.rewriteContext, mirrors: { ...mirrors, insertMirror } });
}

const kill = (): never => {
  throw new StoreUnavailable('killed');
};

test('MI31: what is inserted before the first mirror of ours is put beside what was typed', async () => {
  const world = await withTyped('segments');
  const written = await firstWriting(world, 'before', () => world.replace(textOf('written.')));
  expect(written).toEqual({ kind: 'not-now', why: 'overtaken' });
  await world.takeAll();
  expect(sentencesIn(world.json())).toEqual(['typed.', 'written.']);
  await untilRewritten(world);
  expect(world.value()).toEqual(world.json());
});

const afterDoubt = async (world: World): Promise<void> => {
  expect(await world.takeAll()).toEqual([{ kind: 'wait', why: 'doubt' }]);
  await world.clock.advance(mirrorLimits.doubtMs);
  await world.takeAll();
};

test('MI31: also where the persister was killed then, and another one had no mirror to write over', async () => {
  const world = await withTyped('segments');
  await expect(firstWriting(world, 'before', kill)).rejects.toThrow('killed');
  await expect(firstWriting(world, 'before', kill)).rejects.toThrow('killed');
  world.replace(textOf('how?')); // which has none of its letters
  await afterDoubt(world);
  expect(world.json()).toEqual(textOf('how?typed.'));
});

test('MI31: and what replaces the first mirror, of which nobody has said that it was written, is compared with that', async () => {
  const world = await withTyped('segments');
  await expect(firstWriting(world, 'after', kill)).rejects.toThrow('killed');
  world.replace(textOf('typed. and more.'));
  await afterDoubt(world);
  expect(world.json()).toEqual(textOf('typed. and more.'));
});

test('MI31: a persister that finds a mirror of which nobody has said that it was written says so', async () => {
  const world = await withTyped('segments');
  await expect(firstWriting(world, 'after', kill)).rejects.toThrow('killed');
  expect(await world.refresh()).toEqual({ kind: 'current' });
  world.replace(textOf('how?'));
  expect(await world.takeAll(), 'and then there is no doubt').toMatchObject([{ kind: 'taken' }]);
  expect(world.json()).toEqual(textOf('how?'));
});

test('MI32: what people have in a map, and what they deleted there, stays; what they do not have comes', async () => {
  const world = createMirrorWorld();
  await world.type((doc) => {
    const map = doc.getMap('map');
    map.set('title', 'typed');
    map.set('gone', 1);
    map.delete('gone');
  });
  await world.flush();
  const entries: JsonMap = new Map<string, JsonValue>([['title', 'written'], ['gone', 2], ['new', 3]]); // prettier-ignore
  world.replace(new Map([['map', entries]]));
  await world.takeAll();
  expect(world.json().get('map')).toEqual(new Map<string, JsonValue>([['title', 'typed'], ['new', 3]])); // prettier-ignore
});

test('MI32: also where nothing of it is stored yet, nearly always', async () => {
  const world = createMirrorWorld();
  world.replace(textOf('written.'));
  await world.takeAll();
  world.write(textOf('written. and more.'));
  await takeEdit(document, { ...world.takeContext, clients: createClients(() => 0.999) });
  expect(world.updates()).toHaveLength(2);
  const clients = world.updates().flatMap((update) => Y.decodeUpdate(update).structs.map(({ id }) => id.client));
  for (const client of clients) expect(client).toBeLessThan(2 ** 20);
});

test('MI32: a root that is something else in the document is a reason to put the insertion aside', async () => {
  const world = createMirrorWorld();
  await world.type((doc) => doc.getMap('body').set('title', 'typed'));
  await world.flush();
  world.replace(new Map([['body', 'a text']]));
  expect(await world.takeAll()).toMatchObject([{ kind: 'refused', reason: expect.stringContaining('body') }]);
  expect(world.updates()).toHaveLength(1);
  await untilRewritten(world);
  expect(world.value()).toEqual(world.json());
  expect(world.inkstream().refused).toHaveLength(1);
});

test('MI33: an edit of which no snapshot is left is compared with the document, once it has all that was taken in', async () => {
  const world = createMirrorWorld();
  await world.type(insert('typed.'));
  await world.flush();
  await world.refresh();
  await world.type((doc) => doc.getMap('map').set('title', 'typed'));
  await world.flush();
  await compactDocument(document, world.rewriteContext, 0);
  world.write(textOf('typed. One.'));
  await world.takeAll();
  const snapshots = world.store.disk.documents.get(document)?.snapshots;
  for (const first of [...(snapshots?.keys() ?? [])].slice(0, 1)) snapshots?.delete(first);
  world.write(textOf('typed. One. Two.'));
  await expect(world.takeAll()).resolves.toEqual([{ kind: 'wait', why: 'no-snapshot' }]);
  await world.flush();
  expect(await world.takeAll(), 'nobody has made one').toEqual([{ kind: 'wait', why: 'no-snapshot' }]);
  expect(await world.refresh()).toEqual({ kind: 'not-now', why: 'edited' });
  expect(await world.takeAll()).toMatchObject([{ kind: 'taken' }]);
  expect(world.json().get('text')).toBe('typed. One. Two.');
});
