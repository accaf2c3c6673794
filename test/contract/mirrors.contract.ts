/** What every store of mirrors holds to, whatever it is kept in. An adapter's test file is a set-up and one call. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { canonicalText, type JsonMap, type JsonValue } from '#shared/document/json/value.ts';
import type { DocumentName } from '#shared/document/name.ts';
import type { Inkstream, Mirror, MirrorState, MirrorStore, StoredValue, Version } from '#shared/store/mirrors.ts';
import { StoreUnavailable } from '#shared/store/store.ts';
import { nameOf } from '#test/contract/store.contract.ts';

export type MirrorsFixture = {
  readonly mirrors: MirrorStore;
  /** Another adapter on the same mirrors, as another process has it. */
  readonly another: () => Promise<MirrorStore>;
  /** What a restart does: closes the store, and opens it again. */
  readonly reopen: () => Promise<MirrorStore>;
  /** What another program does, past all guards: writes a value with our field as it is, without it (`undefined`), or with something else in its place; or deletes the mirror (`value` undefined). */
  readonly outside: (document: DocumentName, value: JsonMap | undefined, inkstream?: 'kept' | 'forged') => Promise<void>;
  readonly dispose: () => Promise<void>;
};

const hex = (digit: string): string => digit.repeat(64);

const versionOf = (rev: string, upto = 7): Version => ({
  rev,
  prev: `before ${rev}`,
  snapshot: { upto, sha256: hex('a') },
  intent: undefined,
  omitted: undefined,
  hash: hex('b'),
  seal: hex('c'),
});

/** Bookkeeping with everything in it that there can be. */
export const fullInkstream = (rev: string, refusedValue: StoredValue | undefined): Inkstream => ({
  ...versionOf(rev),
  intent: { update: Uint8Array.of(0, 255, 1), valueHash: hex('d') },
  omitted: 'too large: "ä 🦊"',
  applied: [
    { update: Uint8Array.of(), offset: 0 },
    { update: Uint8Array.of(1, 2, 3), offset: Number.MAX_SAFE_INTEGER },
  ],
  refused: [
    { reason: 'not an object', time: 1_700_000_000_000, value: refusedValue },
    { reason: 'too large', time: 0, value: undefined },
  ],
  unrepresented: ['map.file: bytes', ''],
});

export const plainInkstream = (rev: string): Inkstream => ({ ...versionOf(rev), applied: [], refused: [], unrepresented: [] });

export const stateOf = (rev: string, next = `${rev} next`): MirrorState => ({
  rev,
  before: versionOf(`${rev} before`),
  next: { ...versionOf(next, 9), intent: { update: Uint8Array.of(9), valueHash: hex('e') } },
  history: [
    { snapshot: { upto: 7, sha256: hex('a') }, applied: [{ update: Uint8Array.of(5), offset: 8 }] },
    { snapshot: { upto: 0, sha256: '' }, applied: [] },
  ],
});

const mapOf = (entries: Readonly<Record<string, JsonValue>>): JsonMap => new Map(Object.entries(entries));

/** Values that adapters change on their way: keys that look like indexes or like operators, text that is no text, numbers of every kind. */
export const oddValues: readonly JsonMap[] = [
  new Map(),
  new Map<string, JsonValue>([
    ['b', 1],
    ['2', 'two'],
    ['1', 'one'],
    ['a', null],
    ['', 'no key'],
  ]),
  new Map<string, JsonValue>([
    ['__proto__', mapOf({ constructor: 'x' })],
    ['$set', mapOf({ $gt: '' })],
    ['a.b', 'dotted'],
    ['$', '$'],
  ]),
  mapOf({ lone: 'a\ud800b\udfff', nul: 'a\0b', pair: '🦊', empty: '' }),
  mapOf({ int: 5, double: 5.5, negative: -0, big: 2 ** 53 + 2, long: 9_007_199_254_740_993n, tiny: 5e-324, huge: 1e308 }),
  mapOf({ yes: true, no: false, none: null, bytes: Uint8Array.of(0, 128, 255), list: [1, [2, [mapOf({ three: 3 })]], []] }),
];

export function mirrorsContract(adapter: string, makeMirrors: () => Promise<MirrorsFixture>): void {
  describe(`mirrors: ${adapter}`, () => {
    let fixture: MirrorsFixture;
    let mirrors: MirrorStore;
    const document = nameOf('team-7/plan');
    const other = nameOf('team-7/plan2');
    const value = (letter: string): StoredValue => mirrors.form.encode(mapOf({ text: letter }));
    beforeEach(async () => {
      fixture = await makeMirrors();
      ({ mirrors } = fixture);
    });
    afterEach(() => fixture.dispose());

    const read = async (from: MirrorStore = mirrors, name = document): Promise<Mirror> => {
      const mirror = await from.readMirror(name);
      if (mirror === undefined) throw new Error('there is no mirror');
      return mirror;
    };

    test('MI20: a state is written where the stored one has the expected rev, and read back as it was', async () => {
      expect(await mirrors.readState(document)).toBeUndefined();
      expect(await mirrors.writeState(document, 'one', stateOf('two'))).toBe(false);
      expect(await mirrors.writeState(document, undefined, stateOf('one'))).toBe(true);
      expect(await mirrors.writeState(document, undefined, stateOf('two'))).toBe(false);
      expect(await mirrors.readState(document)).toEqual(stateOf('one'));
      expect(await mirrors.writeState(document, 'one', stateOf('two'))).toBe(true);
      expect(await mirrors.writeState(document, 'one', stateOf('three'))).toBe(false);
      expect(await (await fixture.reopen()).readState(document)).toEqual(stateOf('two'));
    });

    test('MI20: a mirror is inserted where there is none, and read back as it was, with all of our bookkeeping', async () => {
      const inkstream = fullInkstream('one', value('refused'));
      expect(await mirrors.readMirror(document)).toBeUndefined();
      expect(await mirrors.insertMirror(document, { value: value('a'), inkstream })).toBe(true);
      expect(await mirrors.insertMirror(document, { value: value('b'), inkstream })).toBe(false);
      const again = await fixture.reopen();
      const mirror = await read(again);
      expect(mirror).toEqual({
        value: value('a'),
        inkstream,
        guard: { kind: 'rev', rev: 'one' },
        roomBytes: expect.any(Number) as number,
      });
    });

    test('MI21: bookkeeping is written where the guard holds, whatever the value is meanwhile', async () => {
      await mirrors.insertMirror(document, { value: value('a'), inkstream: plainInkstream('one') });
      const { guard } = await read();
      await fixture.outside(document, mapOf({ text: 'b' }), 'kept');
      expect(await mirrors.writeBookkeeping(document, guard, plainInkstream('two'))).toBe(true);
      expect(await read()).toMatchObject({ value: value('b'), inkstream: plainInkstream('two') });
      expect(await mirrors.writeBookkeeping(document, guard, plainInkstream('three'))).toBe(false);
      expect(await mirrors.writeBookkeeping(other, guard, plainInkstream('three'))).toBe(false);
      expect(await mirrors.readMirror(other)).toBeUndefined();
    });

    test('MI21: a missing field and one that is none of ours are guarded too', async () => {
      await fixture.outside(document, mapOf({ text: 'a' }));
      const missing = await read();
      expect(missing).toMatchObject({ inkstream: undefined, guard: { kind: 'missing' } });
      await fixture.outside(document, mapOf({ text: 'a' }), 'forged');
      const forged = await read();
      expect(forged).toMatchObject({ inkstream: undefined, guard: { kind: 'unreadable' } });
      expect(await mirrors.writeBookkeeping(document, missing.guard, plainInkstream('one'))).toBe(false);
      expect(await mirrors.writeBookkeeping(document, forged.guard, plainInkstream('one'))).toBe(true);
      expect(await mirrors.writeBookkeeping(document, forged.guard, plainInkstream('two'))).toBe(false);
      await fixture.outside(document, mapOf({ text: 'b' }));
      expect(await mirrors.writeBookkeeping(document, missing.guard, plainInkstream('three'))).toBe(true);
      expect((await read()).inkstream).toEqual(plainInkstream('three'));
    });

    test('MI21: a whole mirror is replaced where the guard holds and the value is exactly what was read', async () => {
      await mirrors.insertMirror(document, { value: value('a'), inkstream: plainInkstream('one') });
      const seen = await read();
      const contents = { value: value('new'), inkstream: plainInkstream('two') };
      await fixture.outside(document, mapOf({ text: 'edited' }), 'kept');
      expect(await mirrors.replaceMirror(document, seen.guard, seen.value, contents)).toBe(false);
      await fixture.outside(document, mapOf({ text: 'a' }), 'kept');
      expect(await mirrors.replaceMirror(document, seen.guard, seen.value, contents)).toBe(true);
      expect(await read()).toMatchObject(contents);
      expect(await mirrors.replaceMirror(document, seen.guard, contents.value, contents)).toBe(false);
      await fixture.outside(document, undefined);
      expect(await mirrors.replaceMirror(document, seen.guard, seen.value, contents)).toBe(false);
      expect(await mirrors.readMirror(document)).toBeUndefined();
    });

    test('MI22: values are read back byte for byte, whatever is in them, and are themselves to every comparison', async () => {
      for (const [index, odd] of oddValues.entries()) {
        const name = nameOf(`odd ${index}`);
        const stored = mirrors.form.encode(odd);
        await mirrors.insertMirror(name, { value: stored, inkstream: plainInkstream('one') });
        const mirror = await read(await fixture.another(), name);
        expect(mirror.value).toEqual(stored);
        const found = mirrors.form.decode(mirror.value) ?? null;
        expect(mirrors.form.encode(found as JsonMap), 'what is read says the same').toEqual(stored);
        expect(canonicalText(found)).toEqual(canonicalText(mirrors.form.decode(stored) ?? null));
        const contents = { value: value('new'), inkstream: plainInkstream('two') };
        expect(await mirrors.replaceMirror(name, mirror.guard, mirror.value, contents), `value ${index}`).toBe(true);
      }
    });

    test('MI22: no value at all is a value like any other', async () => {
      const none = mirrors.form.encode(undefined);
      expect(mirrors.form.decode(none)).toBeUndefined();
      await mirrors.insertMirror(document, { value: none, inkstream: plainInkstream('one') });
      const seen = await read();
      expect(seen.value).toEqual(none);
      const contents = { value: value('a'), inkstream: plainInkstream('two') };
      expect(await mirrors.replaceMirror(document, seen.guard, value('b'), contents)).toBe(false);
      expect(await mirrors.replaceMirror(document, seen.guard, none, contents)).toBe(true);
      const nothingAgain = { value: none, inkstream: plainInkstream('three') };
      expect(await mirrors.replaceMirror(document, { kind: 'rev', rev: 'two' }, contents.value, nothingAgain)).toBe(true);
      expect((await read()).value).toEqual(none);
    });

    test('MI23: a door of ours edits the value alone, where nothing was changed since it was read', async () => {
      expect(await mirrors.editValue(document, undefined, value('a'))).toBe(true);
      expect(await mirrors.editValue(document, undefined, value('b'))).toBe(false);
      expect(await read()).toMatchObject({ value: value('a'), inkstream: undefined, guard: { kind: 'missing' } });
      await mirrors.writeBookkeeping(document, { kind: 'missing' }, plainInkstream('one'));
      const seen = await read();
      expect(await mirrors.editValue(document, seen, value('c'))).toBe(true);
      expect(await mirrors.editValue(document, seen, value('d'))).toBe(false);
      expect(await read()).toMatchObject({ value: value('c'), inkstream: plainInkstream('one') });
      expect(await mirrors.editValue(other, seen, value('d'))).toBe(false);
    });

    test('MI24: the snapshots that a mirror and its state name are listed', async () => {
      expect(await mirrors.listNamedSnapshots(document)).toEqual([]);
      await mirrors.insertMirror(document, {
        value: value('a'),
        inkstream: { ...plainInkstream('one'), snapshot: { upto: 3, sha256: hex('f') } },
      });
      await mirrors.writeState(document, undefined, stateOf('one'));
      const named = await mirrors.listNamedSnapshots(document);
      expect(new Set(named.map(({ upto }) => upto))).toEqual(new Set([0, 3, 7, 9]));
      await fixture.outside(document, mapOf({ text: 'a' }), 'forged');
      expect(new Set((await mirrors.listNamedSnapshots(document)).map(({ upto }) => upto))).toEqual(new Set([0, 7, 9]));
    });

    test('MI24: names that have a mirror or a state are listed, each once, some at a time', async () => {
      const names = Array.from({ length: 25 }, (_, index) => nameOf(`document ${index} ä🦊`));
      for (const [index, name] of names.entries()) {
        if (index % 3 !== 0) await mirrors.writeState(name, undefined, stateOf('one'));
        if (index % 3 !== 1) await mirrors.insertMirror(name, { value: value('a'), inkstream: plainInkstream('one') });
      }
      const found: DocumentName[] = [];
      for (;;) {
        const some = await mirrors.listDocuments(found.at(-1), 4);
        found.push(...some);
        if (some.length < 4) break;
      }
      expect(found.toSorted()).toEqual(names.toSorted());
    });

    test('MI20: of several writers at once one is first', async () => {
      const second = await fixture.another();
      const writers = [mirrors, second, mirrors, second];
      const states = await Promise.all(writers.map((one, i) => one.writeState(document, undefined, stateOf(`${i}`))));
      expect(states.filter(Boolean)).toHaveLength(1);
      const inserted = await Promise.all(
        writers.map((one, i) => one.insertMirror(document, { value: value(`${i}`), inkstream: plainInkstream(`${i}`) })),
      );
      expect(inserted.filter(Boolean)).toHaveLength(1);
      const { guard } = await read();
      const written = await Promise.all(
        writers.map((one, i) => one.writeBookkeeping(document, guard, plainInkstream(`next ${i}`))),
      );
      expect(written.filter(Boolean)).toHaveLength(1);
      expect((await read()).inkstream?.rev).toBe(`next ${written.indexOf(true)}`);
    });

    test('MI20: a closed store says so', async () => {
      await mirrors.close();
      const contents = { value: value('a'), inkstream: plainInkstream('one') };
      const calls = [
        () => mirrors.readState(document),
        () => mirrors.writeState(document, undefined, stateOf('one')),
        () => mirrors.readMirror(document),
        () => mirrors.writeBookkeeping(document, { kind: 'missing' }, contents.inkstream),
        () => mirrors.replaceMirror(document, { kind: 'missing' }, contents.value, contents),
        () => mirrors.insertMirror(document, contents),
        () => mirrors.editValue(document, undefined, contents.value),
        () => mirrors.listNamedSnapshots(document),
        () => mirrors.listDocuments(undefined, 1),
      ];
      for (const call of calls) await expect(call()).rejects.toBeInstanceOf(StoreUnavailable);
    });
  });
}
