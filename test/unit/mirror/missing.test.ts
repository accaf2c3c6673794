/** Mirrors that a program has deleted, and documents that have none. */

import { expect, test } from 'vitest';
import type * as Y from 'yjs';

import { createRestore } from '#changefeed/missing-mirrors.ts';
import { createTakeIn } from '#changefeed/taking-in.ts';
import { takeEdit } from '#changefeed/translate.ts';
import { refreshMirror } from '#persister/mirror.ts';
import { mirrorLimits } from '#shared/mirror/limits.ts';
import { silentLogger } from '#test/harness/memory-gateway.ts';

import { createMirrorWorld, document, textOf } from './mirror-world.ts';

const insert = (text: string) => (doc: Y.Doc) => doc.getText('text').insert(0, text);

async function withMirror(text: string) {
  const world = createMirrorWorld();
  await world.type(insert(text));
  await world.flush();
  await world.refresh();
  const context = world.takeContext;
  const takeIn = createTakeIn((name) => takeEdit(name, context), {
    hasMirror: () => true,
    restore: createRestore(context),
    logger: silentLogger,
    metrics: { taken: () => {}, refused: () => {}, waited: () => {} },
  });
  const deleteMirror = (): boolean => world.mirrors.disk.mirrors.delete(document);
  return { world, deleteMirror, look: () => takeIn(document) };
}

test('MI26: a mirror that was deleted is written again when it has been missing for a while, by whoever is told of it', async () => {
  const { world, deleteMirror, look } = await withMirror('a');
  deleteMirror();
  expect(await look()).toBe('again');
  await world.clock.advance(mirrorLimits.missingMs - 1);
  expect(await look()).toBe('again');
  expect(world.value(), 'who has deleted it may be about to insert it').toBeUndefined();
  await world.clock.advance(1);
  expect(await look()).toBe('done');
  expect(world.value()).toEqual(textOf('a'));
  expect(await look()).toBe('done');
  expect(world.updates()).toHaveLength(1);
  world.write(textOf('ab'));
  expect(await look(), 'and an edit in it is one').toBe('done');
  expect(world.json()).toEqual(textOf('ab'));
});

test('MI26: who inserts another one in its place finds the place free', async () => {
  const { world, deleteMirror, look } = await withMirror('a');
  deleteMirror();
  expect(await look()).toBe('again');
  await world.clock.advance(mirrorLimits.missingMs / 2);
  world.replace(textOf('abc'));
  expect(await look()).toBe('done');
  expect(world.json()).toEqual(textOf('abc'));
});

test('MI26: one that would lack an edit that was taken in waits until that is stored', async () => {
  const { world, deleteMirror, look } = await withMirror('a');
  world.write(textOf('ab'));
  await look();
  deleteMirror();
  expect(await look()).toBe('again');
  await world.clock.advance(mirrorLimits.missingMs);
  expect(await look()).toBe('again');
  expect(world.value()).toBeUndefined();
  await world.flush();
  expect(await world.refresh(), 'by the persister, to which the edit is a change').toMatchObject({ kind: 'written' });
  expect(await look()).toBe('done');
  expect(world.value()).toEqual(textOf('ab'));
});

test('PS63: a mirror is made of the snapshot that was just made for it, which is not read back', async () => {
  const world = createMirrorWorld();
  const { store } = world;
  const read: number[] = [];
  const counting = {
    ...store,
    readSnapshotPart: (...[snapshot, part]: Parameters<typeof store.readSnapshotPart>) => {
      read.push(snapshot.upto);
      return store.readSnapshotPart(snapshot, part);
    },
  };
  for (const text of ['a', 'b']) {
    await world.type(insert(text));
    await world.flush();
    expect(await refreshMirror(document, { ...world.rewriteContext, store: counting })).toMatchObject({ kind: 'written' });
  }
  expect(world.value()).toEqual(textOf('ba'));
  expect(read, 'the old one, to compact it').toEqual([1]);
});
