import { expect, test } from 'vitest';
import * as Y from 'yjs';
import { stateVectorEntriesMax } from '#shared/document/limits.ts';
import { encodeStateVector, parseStateVector } from '#shared/document/state-vector.ts';
import { bytesOf, hexOf } from './updates.ts';

test.each([
  ['empty', ''],
  ['cut', '01'],
  ['cut in a number', 'ff'],
  ['a clock missing', '0101'],
  ['a count without entries', 'ffffffffffffff7f'],
  ['one of two entries', '020105'],
  ['bytes after the end', '0000'],
  ['a clock past 2^31', '0101818080800800'.slice(0, 14)],
  ['a client twice', '0201050106'],
  ['a count written long', '81000105'],
  ['a client written long', '01810005'],
  ['a clock written long', '0101858000'],
])('DO17: a state vector that does not parse is refused: %s', (_what, hex) => {
  expect(parseStateVector(bytesOf(hex))).toMatchObject({ refused: expect.stringContaining('state vector') as string });
});

test('DO17: a state vector of too many clients is refused by its count, before anything is read', () => {
  const vectorOf = (count: number): Uint8Array =>
    Y.encodeStateVector(new Map(Array.from({ length: count }, (_, client) => [client, 1])));
  expect(parseStateVector(vectorOf(stateVectorEntriesMax))).toHaveProperty('size', stateVectorEntriesMax);
  const broken = vectorOf(stateVectorEntriesMax + 1).fill(255, 3);
  expect(parseStateVector(broken)).toEqual({ refused: 'broken state vector: it names too many clients' });
  expect(parseStateVector(bytesOf('020101'))).toEqual({ refused: 'broken state vector: it ends early' });
});

test('DO17: state vectors are read and written as Yjs does', () => {
  const vector = new Map([
    [1, 5],
    [4_294_967_295, 70_000],
    [200, 0],
    [2 ** 40, 2 ** 31],
  ]);
  expect(parseStateVector(Y.encodeStateVector(vector))).toEqual(vector);
  expect(hexOf(encodeStateVector(vector))).toBe(hexOf(Y.encodeStateVector(vector)));
  expect(hexOf(encodeStateVector(new Map()))).toBe('00');
});
