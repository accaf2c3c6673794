import { describe, expect, test } from 'vitest';
import * as Y from 'yjs';

import { createClients } from '#changefeed/clients.ts';
import type { JsonValue } from '#shared/document/json/value.ts';
import { mirrorLimits } from '#shared/mirror/limits.ts';
import { encodeValue } from '#shared/store/mirror-values.ts';

import { createMirrorWorld, document, textOf } from './mirror-world.ts';

/** A document that says `text`, with its mirror. */
async function withText(text: string, ...options: Parameters<typeof createMirrorWorld>) {
  const world = createMirrorWorld(...options);
  await world.type((doc) => doc.getText('text').insert(0, text));
  await world.flush();
  expect(await world.refresh()).toMatchObject({ kind: 'written' });
  return world;
}

describe('an edit', () => {
  test('MI1: is merged with what was typed after its author had read', async () => {
    const world = await withText('Hello world');
    await world.type((doc) => doc.getText('text').insert(11, ', people'));
    world.write(textOf('Goodbye world'));
    expect(await world.takeAll()).toMatchObject([{ kind: 'taken', offset: 2 }]);
    expect(world.json()).toEqual(textOf('Goodbye world, people'));
    expect(world.value()).toEqual(textOf('Goodbye world'));
    await world.flush();
    expect(await world.refresh()).toMatchObject({ kind: 'written' });
    expect(world.value()).toEqual(textOf('Goodbye world, people'));
    expect(await world.takeAll()).toEqual([]);
    expect(world.updates()).toHaveLength(3);
  });

  test('MI6: of a name that has neither a mirror nor a document makes one', async () => {
    const world = createMirrorWorld();
    world.write(textOf('new'));
    await world.takeAll();
    expect(world.json()).toEqual(textOf('new'));
    await world.flush();
    expect(await world.refresh()).toMatchObject({ kind: 'written' });
    expect(world.inkstream().applied).toEqual([]);
  });

  test('MI3: that changes nothing but how the value is stored is taken in without a record', async () => {
    const world = await withText('a');
    world.write(new Map<string, JsonValue>([['text', 'a']]));
    expect(await world.takeAll()).toEqual([]);
    await world.type((doc) => doc.getMap('numbers').set('one', 1));
    await world.flush();
    await world.refresh();
    world.write(new Map<string, JsonValue>([['numbers', new Map([['one', 1n]])], ['text', 'a']])); // prettier-ignore
    expect(await world.takeAll()).toEqual([{ kind: 'again' }]);
    expect(world.updates()).toHaveLength(2);
    expect(await world.take()).toEqual({ kind: 'clean' });
  });
});

describe('MI9: what can not be taken in is kept aside with its reason, and what its author saw is written back', () => {
  test.each([
    ['a number', 7],
    ['nothing', undefined],
    ['a list', ['a']],
  ] satisfies readonly (readonly [string, JsonValue | undefined])[])('%s', async (_, value) => {
    const world = await withText('kept');
    world.write(value);
    const [said, ...more] = await world.takeAll();
    expect(said?.kind).toBe('refused');
    expect(more).toEqual([]);
    expect(world.value()).toEqual(textOf('kept'));
    expect(world.inkstream().refused).toEqual([
      { reason: said?.kind === 'refused' ? said.reason : '', time: world.clock.now(), value: encodeValue(value) },
    ]);
    expect(world.updates()).toHaveLength(1);
  });

  test('a value that is too large, of which only the reason is kept if it does not fit there either', async () => {
    const world = await withText('kept', { valueBytesMax: 100, refusedBytesMax: 300 });
    world.write(textOf('x'.repeat(200)));
    expect(await world.takeAll()).toMatchObject([{ kind: 'refused', reason: expect.stringContaining('at most 100') }]);
    world.write(textOf('y'.repeat(400)));
    await world.takeAll();
    expect(world.inkstream().refused.map(({ value }) => value?.bytes.byteLength)).toEqual([undefined, undefined]);
    expect(world.value()).toEqual(textOf('kept'));
  });

  test('the last few are kept', async () => {
    const world = await withText('kept', { refusedMax: 2 });
    for (const number of [1, 2, 3]) {
      world.write(number);
      await world.takeAll();
    }
    expect(world.inkstream().refused.map(({ value }) => value)).toEqual([2, 3].map((number) => encodeValue(number)));
  });

  test('an edit that makes a record which the journal does not take', async () => {
    const world = await withText('kept', {}, 100);
    world.write(textOf('x'.repeat(200)));
    expect(await world.takeAll()).toMatchObject([{ kind: 'refused', reason: expect.stringContaining('at most 100') }]);
    expect(world.json()).toEqual(textOf('kept'));
  });

  test('one that the journal says it takes, and then does not', async () => {
    const world = await withText('kept', {}, 100, 1_000);
    world.write(textOf('x'.repeat(200)));
    expect(await world.takeAll()).toMatchObject([{ kind: 'refused', reason: expect.stringContaining('that large') }]);
    expect(world.value()).toEqual(textOf('kept'));
    world.write(textOf('kept x'));
    expect(await world.takeAll()).toMatchObject([{ kind: 'taken' }]);
    expect(world.json()).toEqual(textOf('kept x'));
  });

  test('edits past what can be remembered until the mirror is written again', async () => {
    const world = await withText('', { appliedBytesMax: 100 });
    world.write(textOf('x'.repeat(150)));
    await world.takeAll();
    world.write(textOf('y'));
    expect(await world.takeAll()).toMatchObject([{ kind: 'refused', reason: expect.stringContaining('written again') }]);
    await world.flush();
    await world.refresh();
    world.write(textOf('y'));
    expect(await world.takeAll()).toMatchObject([{ kind: 'taken' }]);
    expect(world.json()).toEqual(textOf('y'));
  });
});

test('MI10: a document that is too large for a mirror has none of its value there, and that is said; what is written there is refused', async () => {
  const world = await withText('short', { valueBytesMax: 100 });
  await world.type((doc) => doc.getText('text').insert(0, 'x'.repeat(200)));
  await world.flush();
  await world.refresh();
  expect(world.value()).toBeUndefined();
  expect(world.inkstream().omitted).toContain('at most 100');
  world.write(textOf('instead'));
  expect(await world.takeAll()).toMatchObject([{ kind: 'refused' }]);
  expect(world.value()).toBeUndefined();
  expect(world.updates()).toHaveLength(2);
  await world.type((doc) => doc.getText('text').delete(0, 200));
  await world.flush();
  await world.refresh();
  expect(world.value()).toEqual(textOf('short'));
  expect(world.inkstream()).toMatchObject({ omitted: undefined, refused: [{ value: encodeValue(textOf('instead')) }] });
});

test('MI11: hundreds of edits of one field are under one client, and leave the document small', async () => {
  const world = await withText('text');
  for (let edit = 0; edit < 400; edit++) {
    world.write(textOf(`version ${edit}`));
    await world.takeAll();
    if (edit % 50 !== 0) continue;
    await world.flush();
    await world.refresh();
  }
  const doc = new Y.Doc();
  for (const update of world.updates()) Y.applyUpdate(doc, update);
  expect(doc.store.clients.size).toBe(2);
  const { snapshot } = world.inkstream();
  const bytes = await world.store.readSnapshotPart({ document, ...snapshot }, 0);
  expect(bytes?.byteLength).toBeLessThan(3_000);
});

describe('MI35: edits without a pause, so that the mirror is never written anew', () => {
  test('leave a short list behind, are each there once, and are what the next one is compared with', async () => {
    const world = await withText('text');
    const lengths: number[] = [];
    for (let edit = 0; edit < 300; edit++) {
      world.write(textOf(`version ${edit}`));
      await world.type((doc) => doc.getMap('typed').set(`${edit % 7}`, edit));
      expect(await world.takeAll()).toMatchObject([{ kind: 'taken' }]);
      lengths.push(world.inkstream().applied.length);
      expect(world.inkstream().applied.at(-1)?.offset).toBe(world.updates().length - 1);
    }
    expect(Math.max(...lengths)).toBe(mirrorLimits.appliedMax);
    expect(new Set(world.madeUnder).size, 'under one client').toBe(1);
    expect(world.json()?.get('text')).toBe('version 299');
    await world.flush();
    expect(await world.refresh()).toMatchObject({ kind: 'written' });
    expect(world.inkstream().applied).toEqual([]);
    expect(world.value()).toEqual(world.json());
  });

  test('are taken in past the bytes that are kept of them, where they come to less', async () => {
    const world = await withText('text', { appliedBytesMax: 2_000 });
    for (let edit = 0; edit < 50; edit++) {
      world.write(textOf(`${edit} `.repeat(100)));
      expect(await world.takeAll()).toMatchObject([{ kind: 'taken' }]);
    }
    expect(world.value()).toEqual(textOf('49 '.repeat(100)));
    expect(world.json()).toEqual(world.value());
  });

  test('are taken in where it is too much work to make them one', async () => {
    const world = await withText('text', { appliedMax: 2 });
    Object.assign(world.takeContext, { work: { ...world.takeContext.work, squash: async () => undefined } });
    for (const edit of ['one', 'two', 'three', 'four']) {
      world.write(textOf(edit));
      expect(await world.takeAll()).toMatchObject([{ kind: 'taken' }]);
    }
    expect(world.inkstream().applied).toHaveLength(4);
    expect(world.json()).toEqual(textOf('four'));
  });

  test('are put aside where they come to more than is kept', async () => {
    const world = await withText('text', { appliedBytesMax: 2_000 });
    world.write(textOf('a'.repeat(3_000)));
    expect(await world.takeAll()).toMatchObject([{ kind: 'taken' }]);
    world.write(textOf('b'));
    expect(await world.takeAll()).toMatchObject([
      { kind: 'refused', reason: expect.stringContaining('once it is written again') },
    ]);
  });
});

test('MI11: a client is used on until it is forgotten, and the longest unused ones are', () => {
  let drawn = 0;
  const clients = createClients(() => ++drawn / 2 ** 32, 1);
  expect(clients.choose(document)).toEqual({ used: undefined, fresh: 1 });
  clients.made(document, 1, 5);
  expect(clients.choose(document)).toEqual({ used: { client: 1, clock: 5 }, fresh: 2 });
  clients.forget(document);
  expect(clients.choose(document).used).toBeUndefined();
});
