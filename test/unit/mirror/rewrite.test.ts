import { expect, test } from 'vitest';
import type * as Y from 'yjs';

import { takeEdit } from '#changefeed/translate.ts';
import { hasCovered, retireCovered } from '#persister/compaction.ts';
import { type MirrorAge, type MirrorIntervals, nextMirrorMs, refreshMirror } from '#persister/mirror.ts';

import { JournalUnavailable } from '#shared/journal/journal.ts';
import { mirrorLimits } from '#shared/mirror/limits.ts';
import { StoreUnavailable } from '#shared/store/store.ts';

import { createMirrorWorld, document, sentencesIn, textIn, type World } from './mirror-world.ts';

const insert = (text: string) => (doc: Y.Doc) => doc.getText('text').insert(0, text);

test('MI12: snapshots that a mirror or its state names outlive the head that covers them, and the others do not', async () => {
  const world = createMirrorWorld({ historySnapshotsMax: 3 });
  const { store, mirrors } = world;
  const retire = async (): Promise<readonly number[]> => {
    const head = await store.readHead(document);
    if (head === undefined) throw new Error('there is no head');
    await retireCovered(document, head, store, mirrors.listNamedSnapshots);
    expect(await hasCovered(document, head, store, mirrors.listNamedSnapshots)).toBe(false);
    return (await store.listSnapshots(document)).map(({ upto }) => upto);
  };
  const kept: (readonly number[])[] = [];
  for (const text of ['a', 'b', 'c', 'd', 'e']) {
    await world.type(insert(text));
    await world.flush();
    await world.refresh();
    kept.push(await retire());
  }
  expect(kept).toEqual([[1], [1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5]]);
  expect(await retire()).toEqual([3, 4, 5]);
});

test('MI12: a mirror is not written from a snapshot that stopped being the head while it was named', async () => {
  const world = createMirrorWorld();
  await world.type(insert('a'));
  await world.flush();
  await world.refresh();
  await world.type(insert('b'));
  await world.flush();
  const { mirrors, store } = world;
  let asked = 0;
  const overtaking = {
    ...store,
    readHead: async (name: typeof document) => {
      asked++;
      const head = await store.readHead(name);
      return head === undefined || asked < 3 ? head : { ...head, sha256: 'another' };
    },
  };
  const before = await mirrors.readMirror(document);
  expect(await refreshMirror(document, { ...world.rewriteContext, store: overtaking })).toEqual({
    kind: 'not-now',
    why: 'overtaken',
  });
  expect(await mirrors.readMirror(document)).toEqual(before);
  const state = await mirrors.readState(document);
  expect(state?.next, 'and it is said that what was there before stands').toEqual(state?.before);
});

test('MI3: a mirror that is up to date is left alone, and a deleted one is written again', async () => {
  const world = createMirrorWorld();
  expect(await world.refresh()).toEqual({ kind: 'not-now', why: 'no-head' });
  await world.type(insert('a'));
  await world.flush();
  await world.refresh();
  const { rev } = world.inkstream();
  expect(await world.refresh()).toEqual({ kind: 'current' });
  expect(world.inkstream().rev).toBe(rev);
  world.mirrors.disk.mirrors.delete(document);
  expect(await world.refresh()).toMatchObject({ kind: 'written' });
  expect(world.value()).toEqual(new Map([['text', 'a']]));
});

type Mirrors = World['mirrors'];

/** Somebody types at the beginning, and it is stored. */
async function typed(world: World, text: string): Promise<void> {
  await world.type(insert(text));
  await world.flush();
}

/** A program puts its own mirror in the place of what stands, without our field, and that is taken in, doubtful or not. */
async function replaced(world: World, text: string): Promise<void> {
  world.replace(new Map([['text', text]]));
  await world.takeAll();
  await world.clock.advance(mirrorLimits.doubtMs);
  await world.takeAll();
}

/** A persister that is slow: it says what it is about to write, and writes it when it is let go; and then it is `killed`, or not. */
function slowPersister(world: World, end?: 'killed') {
  const { mirrors } = world;
  let hasSaid = (): void => {};
  let goOn = (): void => {};
  const said = new Promise<void>((resolve) => (hasSaid = resolve));
  const isLetGo = new Promise<void>((resolve) => (goOn = resolve));
  const late = async <T>(write: () => Promise<T>): Promise<T> => {
    hasSaid();
    await isLetGo;
    const written = await write();
    if (end === 'killed') throw new StoreUnavailable('killed');
    return written;
  };
  const slow: Mirrors = {
    ...mirrors,
    insertMirror: (...parameters) => late(() => mirrors.insertMirror(...parameters)),
    replaceMirror: (...parameters) => late(() => mirrors.replaceMirror(...parameters)),
  };
  const done = refreshMirror(document, { ...world.rewriteContext, mirrors: slow });
  return { said, goOn, done };
}

test('MI34: who comes too late with a mirror writes nothing, and says nothing about what stands', async () => {
  const world = createMirrorWorld();
  await typed(world, 'a');
  const slow = slowPersister(world);
  await slow.said;
  await typed(world, 'b');
  expect(await world.refresh()).toMatchObject({ kind: 'written' });
  const state = await world.mirrors.readState(document);
  slow.goOn();
  expect(await slow.done).toEqual({ kind: 'not-now', why: 'overtaken' });
  expect(textIn(world.value())).toBe('ba');
  expect(await world.mirrors.readState(document)).toEqual(state);
});

test('MI34: nor does it count what somebody says of a mirror that was deleted and put there again meanwhile', async () => {
  const world = createMirrorWorld();
  const { mirrors } = world;
  await typed(world, 'typed');
  const written = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const slow: Mirrors = {
    ...mirrors,
    insertMirror: async (...parameters) => {
      const isWritten = await mirrors.insertMirror(...parameters);
      written.resolve();
      await goOn.promise;
      return isWritten;
    },
  };
  const done = refreshMirror(document, { ...world.rewriteContext, mirrors: slow });
  await written.promise;
  mirrors.disk.mirrors.delete(document);
  const killed: Mirrors = {
    ...mirrors,
    insertMirror: async (...parameters) => {
      await mirrors.insertMirror(...parameters);
      throw new StoreUnavailable('killed');
    },
  };
  await expect(refreshMirror(document, { ...world.rewriteContext, mirrors: killed })).rejects.toThrow('killed');
  goOn.resolve();
  await done;
  await replaced(world, 'of a program');
  for (const text of ['typed', 'of a program']) expect(textIn(world.json())).toContain(text);
});

test.each(['the first', 'a later', 'a deleted'] as const)(
  'MI34: %s mirror that was about to be written is not written any more once another persister has begun, and what is put in its place is compared with what stood there',
  async (which) => {
    const world = createMirrorWorld();
    await typed(world, 'a.');
    if (which !== 'the first') {
      await world.refresh();
      await typed(world, 'b.');
    }
    const shown = world.value();
    if (which === 'a deleted') world.mirrors.disk.mirrors.delete(document);
    const slow = slowPersister(world);
    await slow.said;
    const second = slowPersister(world);
    await second.said;
    if (which !== 'a deleted') {
      slow.goOn();
      await slow.done;
    }
    const seen = which === 'a deleted' ? shown : world.value();
    world.replace(new Map([['text', `${textIn(seen)}written.`]]));
    second.goOn();
    await second.done;
    await world.takeAll();
    await world.clock.advance(mirrorLimits.doubtMs);
    await world.takeAll();
    expect(sentencesIn(world.json())).toEqual(which === 'the first' ? ['a.', 'written.'] : ['a.', 'b.', 'written.']);
  },
);

test.each(['a rewrite, after a fence', 'a rewrite, after another rewrite', 'a fence'] as const)(
  'MI34: %s that comes when what stood there is deleted says that it stands now, and what is put in its place is compared with it',
  async (which) => {
    const world = createMirrorWorld();
    const { mirrors, store } = world;
    await typed(world, 'a.');
    if (which === 'a fence') {
      await world.refresh();
      await typed(world, 'b.');
      mirrors.disk.mirrors.delete(document);
    }
    const first = slowPersister(world);
    await first.said;
    const slow = which === 'a fence' ? slowPersister(world) : first;
    await slow.said;
    if (which === 'a rewrite, after a fence') {
      const killed = { ...store, readPosition: () => Promise.reject(new StoreUnavailable('killed')) };
      await expect(refreshMirror(document, { ...world.rewriteContext, store: killed })).rejects.toThrow('killed');
    } else {
      if (which !== 'a fence') await typed(world, 'b.');
      expect(await world.refresh()).toMatchObject({ kind: 'written' });
    }
    mirrors.disk.mirrors.delete(document);
    slow.goOn();
    expect(await slow.done).toEqual({ kind: 'not-now', why: 'overtaken' });
    await replaced(world, `${textIn(world.value())}written.`);
    expect(sentencesIn(world.json())).toEqual(
      which === 'a rewrite, after a fence' ? ['a.', 'written.'] : ['a.', 'b.', 'written.'],
    );
  },
);

test('MI34: what yet another one is about to write by then may come as well', async () => {
  const world = createMirrorWorld();
  const { mirrors } = world;
  await typed(world, 'a.');
  const slow = slowPersister(world);
  await slow.said;
  await typed(world, 'b.');
  expect(await world.refresh()).toMatchObject({ kind: 'written' });
  mirrors.disk.mirrors.delete(document);
  await typed(world, 'c.');
  const another = slowPersister(world, 'killed');
  await another.said;
  slow.goOn();
  await slow.done;
  expect(textIn(world.value())).toBe('a.');
  mirrors.disk.mirrors.delete(document);
  another.goOn();
  await expect(another.done).rejects.toThrow('killed');
  await replaced(world, `${textIn(world.value())}written.`);
  expect(textIn(world.json())).toBe('c.b.a.written.');
});

test('MI34: an edit that is being taken in when one comes too late is taken in', async () => {
  const world = createMirrorWorld();
  const { mirrors, journal } = world;
  await typed(world, 'a.');
  const slow = slowPersister(world);
  await slow.said;
  await typed(world, 'b.');
  expect(await world.refresh()).toMatchObject({ kind: 'written' });
  world.write(new Map([['text', 'b.a.written.']]));
  const killed = { ...journal, append: () => Promise.reject(new JournalUnavailable('killed')) };
  await expect(takeEdit(document, { ...world.takeContext, journal: killed })).rejects.toThrow('killed');
  mirrors.disk.mirrors.delete(document);
  slow.goOn();
  await slow.done;
  expect(textIn(world.value())).toBe('a.');
  await world.takeAll();
  expect(textIn(world.json())).toBe('b.a.written.');
});

test('MI36: that one came too late and was killed before it could say so is said by the changefeed', async () => {
  const world = createMirrorWorld();
  await typed(world, 'a.');
  const slow = slowPersister(world, 'killed');
  await slow.said;
  await typed(world, 'b.');
  expect(await world.refresh()).toMatchObject({ kind: 'written' });
  world.mirrors.disk.mirrors.delete(document);
  slow.goOn();
  await expect(slow.done).rejects.toThrow('killed');
  expect(await world.takeAll()).toEqual([]);
  await replaced(world, `${textIn(world.value())}written.`);
  expect(sentencesIn(world.json())).toEqual(['a.', 'b.', 'written.']);
});

const intervals: MirrorIntervals = {
  mirrorSettleMs: 200,
  mirrorIntervalMsMin: 1_000,
  mirrorBytesPerMs: 100,
  mirrorIntervalMsMax: 30_000,
};

test.each([
  ['a pause in the typing is waited for', { firstChangeMs: 0, lastChangeMs: 50, writtenMs: undefined, valueBytes: 0 }, 250],
  ['but not for longer than the interval', { firstChangeMs: 0, lastChangeMs: 990, writtenMs: undefined, valueBytes: 0 }, 1_000],
  ['nor sooner after the last time', { firstChangeMs: 5_000, lastChangeMs: 5_000, writtenMs: 4_900, valueBytes: 0 }, 5_900],
  ['larger ones wait longer', { firstChangeMs: 5_000, lastChangeMs: 5_000, writtenMs: 4_900, valueBytes: 400_000 }, 9_900],
  ['up to a bound', { firstChangeMs: 5_000, lastChangeMs: 5_000, writtenMs: 4_900, valueBytes: 40_000_000 }, 34_900],
] satisfies readonly (readonly [string, MirrorAge, number])[])('MI13: %s', (_, age, expected) => {
  expect(nextMirrorMs(age, intervals)).toBe(expected);
});
