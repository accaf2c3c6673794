/** Rules of the protocol that matter at moments which random schedules hardly ever meet: each is led there by hand. */

import { expect, test } from 'vitest';

import { takeEdit } from '#changefeed/translate.ts';
import { refreshMirror } from '#persister/mirror.ts';
import { mirrorLimits } from '#shared/mirror/limits.ts';
import { hashOfValue, sealed, versionOf } from '#shared/mirror/bookkeeping.ts';
import { encodeValue } from '#shared/store/mirror-values.ts';
import type { Bookkeeping, MirrorState } from '#shared/store/mirrors.ts';
import { StoreUnavailable } from '#shared/store/store.ts';

import { createMirrorWorld, document, textOf, type World } from './mirror-world.ts';

/** People make `now` of a text that was `was`, and a persister is killed while it rewrites the mirror: `before` or `after` the mirror itself was written. */
async function killedWhileRewriting(was: string, now: string, when: 'before' | 'after'): Promise<World> {
  const world = createMirrorWorld();
  await world.type((doc) => doc.getText('text').insert(0, was));
  await world.flush();
  await world.refresh();
  await world.type((doc) => {
    doc.getText('text').delete(0, was.length);
    doc.getText('text').insert(0, now);
  });
  await world.flush();
  const { mirrors } = world;
  const replaceMirror: typeof mirrors.replaceMirror = async (...parameters) => {
    if (when === 'after') await mirrors.replaceMirror(...parameters);
    throw new StoreUnavailable('killed');
  };
  await expect(refreshMirror(document, { ...world.rewriteContext, mirrors: { ...mirrors, replaceMirror } })).rejects.toThrow(
    'killed',
  );
  return world;
}

const takeAfterDoubt = async (world: World): Promise<void> => {
  expect(await world.takeAll(), 'for a while it is waited for').toEqual([{ kind: 'wait', why: 'doubt' }]);
  await world.clock.advance(mirrorLimits.doubtMs - 1);
  expect(await world.takeAll()).toEqual([{ kind: 'wait', why: 'doubt' }]);
  await world.clock.advance(1);
  await world.takeAll();
};

test('MI6: of two states that an author may have seen it is the one from which fewer letters are put in, though more are taken out', async () => {
  const world = await killedWhileRewriting('abcdefgh', 'x', 'before');
  world.replace(textOf('ab')); // from abcdefgh, taking out six; from x it would be two in and one out
  await takeAfterDoubt(world);
  expect(world.json()).toEqual(textOf('x'));
});

test('MI6: on a tie it is the one before', async () => {
  const world = await killedWhileRewriting('a', 'x', 'before');
  world.replace(textOf('c'));
  await takeAfterDoubt(world);
  const [, text] = [...world.json()][0] ?? [];
  expect(typeof text === 'string' ? [...text].toSorted() : text).toEqual(['c', 'x']);
});

test('MI6: and where a mirror was written but nobody said so, the one that was written, if the edit has what only that one had', async () => {
  const world = await killedWhileRewriting('abc', 'one two three', 'after');
  world.replace(textOf('one three'));
  await takeAfterDoubt(world);
  expect(world.json()).toEqual(textOf('one three'));
});

test('MI6: what people typed is not deleted by an edit that has letters of it at most', async () => {
  const world = await killedWhileRewriting('Agenda. ', 'Agenda. Please do not forget the budget. ', 'before');
  world.replace(textOf('Agenda. the end of it all'));
  await takeAfterDoubt(world);
  const text = world.json().get('text');
  for (const sentence of ['Please do not forget the budget. ', 'the end of it all']) expect(text).toContain(sentence);
});

test('MI6: whoever has written a mirror says so, and then there is no doubt', async () => {
  const world = createMirrorWorld();
  for (const text of ['a', 'b']) {
    await world.type((doc) => doc.getText('text').insert(0, text));
    await world.flush();
    await world.refresh();
  }
  const state = await world.mirrors.readState(document);
  expect(state?.before).toEqual(state?.next);
  world.replace(textOf('b'));
  expect(await world.takeAll()).toMatchObject([{ kind: 'taken' }]);
  expect(world.json()).toEqual(textOf('b'));
});

test('MI11: after a write that missed an edit is made anew, and under another client', async () => {
  const world = createMirrorWorld();
  await world.type((doc) => doc.getText('text').insert(0, 'a'));
  await world.flush();
  await world.refresh();
  world.write(textOf('ab'));
  const { takeContext: context } = world;
  const missing = { ...context, mirrors: { ...world.mirrors, writeState: async () => false } };
  expect(await takeEdit(document, missing)).toEqual({ kind: 'again' });
  expect(await world.takeAll()).toMatchObject([{ kind: 'taken' }]);
  world.write(textOf('abc'));
  const away = async (): Promise<never> => {
    throw new StoreUnavailable('away');
  };
  await expect(takeEdit(document, { ...context, mirrors: { ...world.mirrors, writeState: away } })).rejects.toThrow('away');
  expect(await world.takeAll()).toMatchObject([{ kind: 'taken' }]);
  const [first, second, third, fourth] = world.madeUnder;
  expect(second).not.toBe(first);
  expect(third, 'nothing had missed').toBe(second);
  expect(fourth).not.toBe(third);
});

/** A mirror of `a`, and a state in which an intent is open that makes `b` of it: the mirror does not have it yet. */
async function withOpenIntent(): Promise<{ readonly world: World; readonly own: Bookkeeping }> {
  const world = createMirrorWorld();
  await world.type((doc) => doc.getText('text').insert(0, 'a'));
  await world.flush();
  await world.refresh();
  const { refused: _, unrepresented: __, ...own } = world.inkstream();
  world.write(textOf('b'));
  const stopped = async (): Promise<never> => {
    throw new StoreUnavailable('killed');
  };
  const killed = { ...world.takeContext, mirrors: { ...world.mirrors, writeBookkeeping: stopped } };
  await expect(takeEdit(document, killed)).rejects.toThrow('killed');
  return { world, own };
}

const intentIn = (state: MirrorState | undefined) => state?.next.intent;

test('MI5: a mirror is not written over an open intent, though its value is back at what it was', async () => {
  const { world } = await withOpenIntent();
  world.write(textOf('a'));
  await world.type((doc) => doc.getText('text').insert(0, 'x'));
  await world.flush();
  expect(await world.refresh()).toEqual({ kind: 'not-now', why: 'edited' });
  expect(intentIn(await world.mirrors.readState(document))).toBeDefined();
  await world.takeAll();
  await world.flush();
  expect(await world.refresh()).toMatchObject({ kind: 'written' });
  expect(world.value()).toEqual(textOf('xa'));
});

test('MI5: an intent is dropped where a rewrite came first, onto a value that was back at what it had been', async () => {
  const { world, own } = await withOpenIntent();
  const value = encodeValue(textOf('a'));
  const rewritten = sealed(document, { ...own, rev: 'rewritten', prev: own.rev }, hashOfValue(value));
  world.mirrors.disk.mirrors.set(document, { value, inkstream: { ...rewritten, refused: [], unrepresented: [] } });
  expect(await world.takeAll()).toEqual([{ kind: 'again' }]);
  expect(world.updates(), 'nothing was appended').toHaveLength(1);
  expect(await world.mirrors.readState(document)).toMatchObject({ before: versionOf(rewritten), next: versionOf(rewritten) });
});

test('MI8: an open intent is finished before anything else, also where the value is none by then', async () => {
  const { world } = await withOpenIntent();
  world.write(7);
  const said = await world.takeAll();
  expect(said.map(({ kind }) => kind)).toEqual(['again', 'taken', 'refused']);
  expect(world.json()).toEqual(textOf('b'));
  expect(world.value()).toEqual(textOf('b'));
});

test('MI8: an edit that was taken in, which its mirror does not say yet, is not refused for what the document has with it', async () => {
  const world = createMirrorWorld({ appliedBytesMax: 10 }); // the last one may go over
  await world.type((doc) => doc.getText('text').insert(0, 'a'));
  await world.flush();
  await world.refresh();
  const more = textOf(`a${'b'.repeat(50)}`);
  world.write(more);
  let written = 0;
  const writeBookkeeping: typeof world.mirrors.writeBookkeeping = async (...parameters) => {
    if (++written > 1) throw new StoreUnavailable('killed'); // the intent is there, and what became of it is not
    return world.mirrors.writeBookkeeping(...parameters);
  };
  const killed = { ...world.takeContext, mirrors: { ...world.mirrors, writeBookkeeping } };
  await expect(takeEdit(document, killed)).rejects.toThrow('killed');
  expect(await world.takeAll()).toEqual([{ kind: 'again' }]);
  expect(world.inkstream().refused).toEqual([]);
  expect(world.json()).toEqual(more);
});

test('MI7: an old copy that is put back is compared with all that was taken in since, though it says that nothing was', async () => {
  const world = createMirrorWorld();
  await world.type((doc) => doc.getText('text').insert(0, 'a'));
  await world.flush();
  await world.refresh();
  const inkstream = world.inkstream();
  world.write(textOf('ab'));
  await world.takeAll();
  expect(world.json()).toEqual(textOf('ab'));
  world.mirrors.disk.mirrors.set(document, { value: encodeValue(textOf('ac')), inkstream });
  await world.takeAll();
  expect(world.json()).toEqual(textOf('ac'));
});

test('MI36: what replaces an old copy that was put back as it was is compared with that copy, and takes nothing back that was typed since', async () => {
  const world = createMirrorWorld();
  await world.type((doc) => doc.getText('text').insert(0, 'a.'));
  await world.flush();
  await world.refresh();
  const copy = { value: encodeValue(world.value()), inkstream: world.inkstream() };
  await world.type((doc) => doc.getText('text').insert(2, 'typed.'));
  await world.flush();
  await world.refresh();
  world.mirrors.disk.mirrors.set(document, copy);
  expect(await world.takeAll(), 'nobody has edited it').toEqual([]);
  const state = await world.mirrors.readState(document);
  expect(await world.takeAll()).toEqual([]);
  expect(await world.mirrors.readState(document), 'it is said once').toEqual(state);
  world.replace(textOf('a.written.'));
  expect(await world.takeAll()).toMatchObject([{ kind: 'taken' }]);
  for (const sentence of ['a.', 'typed.', 'written.']) expect(world.json().get('text')).toContain(sentence);
});
