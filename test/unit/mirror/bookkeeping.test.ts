import { expect, test } from 'vitest';

import { hashOfValue, isClean, ownBookkeeping, sealed, type Unsealed } from '#shared/mirror/bookkeeping.ts';
import { nextState, reachOf } from '#shared/mirror/history.ts';
import { encodeValue } from '#shared/store/mirror-values.ts';
import type { Bookkeeping, Mirror } from '#shared/store/mirrors.ts';
import { nameOf } from '#test/contract/store.contract.ts';

const document = nameOf('a');
const value = encodeValue(new Map([['text', 'b']]));
const unsealed: Unsealed = {
  rev: 'two',
  prev: 'one',
  snapshot: { upto: 7, sha256: 'abc' },
  applied: [{ update: Uint8Array.of(1, 2), offset: 9 }],
  intent: undefined,
  omitted: undefined,
};
const asMirror = (bookkeeping: Bookkeeping): Mirror => ({
  value,
  inkstream: { ...bookkeeping, refused: [], unrepresented: [] },
  guard: { kind: 'rev', rev: bookkeeping.rev },
  roomBytes: Infinity,
});

test('MI14: a hash covers everything of a mirror, and a seal all but the value', () => {
  const signed = sealed(document, unsealed, hashOfValue(value));
  const mirror = asMirror(signed);
  expect(ownBookkeeping(document, mirror)).toEqual(signed);
  expect(isClean(document, mirror, signed)).toBe(true);
  expect(isClean(document, { ...mirror, value: encodeValue(new Map([['text', 'c']])) }, signed)).toBe(false);
  expect(ownBookkeeping(nameOf('another'), mirror)).toBeUndefined();
  const changes: readonly Partial<Bookkeeping>[] = [
    { rev: 'three' },
    { prev: '' },
    { snapshot: { upto: 8, sha256: 'abc' } },
    { snapshot: { upto: 7, sha256: 'abd' } },
    { applied: [] },
    { applied: [{ update: Uint8Array.of(1, 2), offset: 10 }] },
    { applied: [{ update: Uint8Array.of(1, 3), offset: 9 }] },
    { intent: { update: Uint8Array.of(), valueHash: '' } },
    { omitted: '' },
    { hash: 'another' },
  ];
  for (const change of changes)
    expect(ownBookkeeping(document, asMirror({ ...signed, ...change })), JSON.stringify(change)).toBeUndefined();
});

test('MI14: a mirror with an open intent is not clean, whatever its value', () => {
  const valueHash = hashOfValue(value);
  const open = sealed(document, { ...unsealed, intent: { update: Uint8Array.of(5), valueHash } }, valueHash);
  expect(ownBookkeeping(document, asMirror(open))).toEqual(open);
  expect(isClean(document, asMirror(open), open)).toBe(false);
});

test('MI14: bookkeeping is signed as it always was', () => {
  const { hash, seal } = sealed(document, unsealed, hashOfValue(value));
  expect(hash).toBe('6887f813b4632ea9c4ef01f2396e003f19a635dddb0aa504108483b6ed272cde');
  expect(seal).toBe('2192b9090c7ef2e87717716c5cd0beb0b5798eea51e406e3c2b7164f1109a3fe');
});

test('MI15: what was taken in is remembered for the last few snapshots, and always for those before and after the latest write', () => {
  const at = (upto: number, bytes = 1, rev = `at ${upto}`): Bookkeeping =>
    sealed(
      document,
      { ...unsealed, rev, snapshot: { upto, sha256: 's' }, applied: [{ update: new Uint8Array(bytes), offset: upto }] },
      '',
    );
  const limits = { historySnapshotsMax: 3, historyBytesMax: 10 };
  let state = nextState(undefined, 'state', at(1), at(1), limits);
  const remembered = (): readonly number[] => state.history.map(({ snapshot }) => snapshot.upto);
  for (const upto of [2, 3, 4]) state = nextState(state, 'state', at(upto - 1), at(upto), limits);
  expect(remembered()).toEqual([2, 3, 4]);
  state = nextState(state, 'state', at(2), at(2), limits);
  expect(remembered(), 'the one that was used last comes last').toEqual([3, 4, 2]);
  expect(reachOf(state, undefined)).toBe(5);
  state = nextState(state, 'state', at(2), at(5, 9), limits);
  expect(remembered(), 'of bytes too').toEqual([2, 5]);
  expect(reachOf(state, at(9))).toBe(10);
});
