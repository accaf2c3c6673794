/** Mirrors that can't hold what they should: there is no form for it, or no room. */

import { expect, test } from 'vitest';
import type * as Y from 'yjs';

import { takeEdit } from '#changefeed/translate.ts';
import { refreshMirror } from '#persister/mirror.ts';
import { bytesOfMirror, fitted } from '#shared/mirror/room.ts';
import { createMirrorWork } from '#shared/mirror/work.ts';
import { encodeValue, valueForm } from '#shared/store/mirror-values.ts';
import type { MirrorStore, RefusedEdit } from '#shared/store/mirrors.ts';
import { fullInkstream } from '#test/contract/mirrors.contract.ts';

import { createMirrorWorld, document, textOf } from './mirror-world.ts';

const insert = (text: string) => (doc: Y.Doc) => doc.getText('text').insert(0, text);

/** A document with a mirror in which others have so much that `room.bytes` are left. */
async function crowded(text: string) {
  const world = createMirrorWorld();
  const room = { bytes: Infinity };
  const mirrors: MirrorStore = {
    ...world.mirrors,
    readMirror: async (name) => {
      const mirror = await world.mirrors.readMirror(name);
      return mirror === undefined ? undefined : { ...mirror, roomBytes: room.bytes };
    },
  };
  const rewrite = { ...world.rewriteContext, mirrors };
  const take = { ...world.takeContext, mirrors };
  const store = async (more: string) => {
    await world.type(insert(more));
    await world.flush();
    return refreshMirror(document, rewrite);
  };
  expect(await store(text)).toMatchObject({ kind: 'written' });
  return { world, room, store, take: () => takeEdit(document, take) };
}

test('MI27: a document that the store has no form for as JSON has a mirror without a value, which says why', async () => {
  const world = createMirrorWorld();
  const strict = {
    ...valueForm,
    encode: (value: Parameters<typeof valueForm.encode>[0]) => {
      if (value !== undefined) throw new RangeError('there is no form for it');
      return encodeValue(value);
    },
  };
  await world.type(insert('a'));
  await world.flush();
  const written = await refreshMirror(document, { ...world.rewriteContext, work: createMirrorWork(strict, 1_000_000) });
  expect(written).toMatchObject({ kind: 'written' });
  expect(world.value()).toBeUndefined();
  expect(world.inkstream().omitted).toBe("the document as JSON can't be stored: there is no form for it");
  const broken = { ...strict, encode: () => { throw new TypeError('a mistake'); } }; // prettier-ignore
  const work = createMirrorWork(broken, 1_000_000);
  await expect(work.show({ updates: [], roots: new Map() }), 'a mistake is none of these').rejects.toThrow('a mistake');
});

test('MI28: an edit that could not be kept until it is in the document is put aside, and says so', async () => {
  const { world, room, take } = await crowded('a');
  const long = 'b'.repeat(20_000);
  world.write(textOf(`a${long}`));
  room.bytes = 30_000;
  expect(await take()).toMatchObject({ kind: 'refused', reason: expect.stringContaining('leaves no room') as string });
  expect(await take()).toEqual({ kind: 'clean' });
  expect(world.value(), 'what its author saw is back').toEqual(textOf('a'));
  expect(world.inkstream().refused).toMatchObject([{ value: encodeValue(textOf(`a${long}`)) }]);
  expect(world.updates()).toHaveLength(1);
  world.write(textOf('ab'));
  room.bytes = Infinity;
  expect(await take(), 'and where there is room again it goes on').toMatchObject({ kind: 'taken' });
});

test('MI28: where there is no room for all of a mirror, first the values of edits put aside go, then its own, and it says so', async () => {
  const { world, room, store, take } = await crowded('a');
  const long = 'b'.repeat(20_000);
  world.write(7);
  expect(await take()).toMatchObject({ kind: 'refused' });
  world.write(textOf(`a${long}`));
  room.bytes = 20_000;
  expect(await take()).toMatchObject({ kind: 'refused' });
  expect(world.inkstream().refused.map(({ value }) => value)).toEqual([undefined, undefined]);
  expect(world.value()).toEqual(textOf('a'));
  room.bytes = 4_000;
  expect(await store('c')).toMatchObject({ kind: 'written' });
  expect(world.value()).toBeUndefined();
  expect(world.inkstream()).toMatchObject({ omitted: expect.stringContaining('no room') as string, unrepresented: [] });
  room.bytes = Infinity;
  expect(await store('d')).toMatchObject({ kind: 'written' });
  expect(world.value(), 'with room it is shown when it changes').toEqual(textOf('dca'));
});

test('MI28: what is reckoned for a mirror is no less than it has', () => {
  const value = encodeValue(textOf('a'.repeat(1_000)));
  const full = fullInkstream('one', encodeValue(textOf('b'.repeat(500))));
  const bytes = bytesOfMirror(value, full);
  expect(bytes).toBeGreaterThan(1_500);
  expect(bytes).toBeLessThan(10_000);
  const more = { ...full, unrepresented: ['ä'.repeat(100)], applied: [{ update: new Uint8Array(300), offset: 1 }] };
  expect(bytesOfMirror(value, more)).toBeGreaterThan(bytesOfMirror(value, { ...more, applied: [] }) + 300);
  expect(bytesOfMirror(value, more)).toBeGreaterThan(bytesOfMirror(value, { ...more, unrepresented: [] }) + 200);
  const refused: readonly RefusedEdit[] = [{ reason: 'x', time: 1, value }];
  const shown = { value, omitted: undefined, unrepresented: [] };
  expect(fitted(Infinity, [], { shown, refused }, valueForm)).toEqual({ shown, refused });
});
