/**
 * The state is read before the mirror. The other way round, what was written between the two reads would give an old mirror with a new state: the write to the state would not miss, the one to the mirror would, and
 * the state would say that what stands is what stood before.
 */

import { expect, test } from 'vitest';

import { takeEdit } from '#changefeed/translate.ts';
import { refreshMirror } from '#persister/mirror.ts';

import { createMirrorWorld, document, readSlowly, textOf, type World } from './mirror-world.ts';

async function typed(world: World, text: string): Promise<void> {
  await world.type((doc) => doc.getText('text').insert(doc.getText('text').length, text));
  await world.flush();
}

/** A program replaces what the mirror shows now, without our field, and that is taken in. */
async function replaced(world: World): Promise<void> {
  const shown = world.value();
  const text = shown instanceof Map ? String(shown.get('text')) : '';
  world.replace(textOf(`${text}, and more`));
  await world.takeAll();
  expect(world.json()).toEqual(textOf(`${text}, and more`));
}

test('MI34: a persister that is overtaken between its two reads says nothing about what stands', async () => {
  const world = createMirrorWorld();
  await typed(world, 'one');
  await world.refresh();
  await typed(world, ' two');
  const mirrors = readSlowly(world.mirrors, world.refresh);
  expect(await refreshMirror(document, { ...world.rewriteContext, mirrors })).toEqual({ kind: 'not-now', why: 'overtaken' });
  expect(world.value()).toEqual(textOf('one two'));
  await replaced(world);
});

test('MI8: nor does a changefeed', async () => {
  const world = createMirrorWorld();
  await typed(world, 'one');
  await world.refresh();
  world.write(textOf('one and'));
  const mirrors = readSlowly(world.mirrors, async () => {
    await world.takeAll();
    await typed(world, ' two');
    await world.refresh();
  });
  await takeEdit(document, { ...world.takeContext, mirrors });
  await replaced(world);
});
