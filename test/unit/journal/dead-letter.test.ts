import { describe, expect, test } from 'vitest';
import { type DeadLetter, decodeDeadLetter, encodeDeadLetter } from '#shared/journal/dead-letter.ts';
import { nameOf } from '#test/simulation/persister/typing.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));

const record: DeadLetter = {
  partition: 3,
  offset: 300,
  time: 1_700_000_000_123,
  document: undefined,
  reason: 'no record',
  content: 'record',
  bytes: Uint8Array.of(9, 8, 7),
};
const update: DeadLetter = { ...record, document: nameOf('a/ä'), content: 'update', reason: '', bytes: new Uint8Array(0) };
const recordHex = 'f6300103ac02fbd095ffbc310000096e6f207265636f726403090807';
const updateHex = 'f6300103ac02fbd095ffbc310104612fc3a40000';

describe('PS37: a dead letter has the bytes that it always had', () => {
  test.each([
    [record, recordHex],
    [update, updateHex],
  ])('golden vector $1', (letter, golden) => {
    expect(hex(encodeDeadLetter(letter))).toBe(golden);
    expect(decodeDeadLetter(bytes(golden))).toEqual({ kind: 'decoded', value: letter });
  });

  test.each([
    ['a version to come', 'f63002ff', { kind: 'newer-version', found: 'dead letter, version 2' }],
    ['nothing', '', { kind: 'unreadable' }],
    ['bytes left over', `${recordHex}00`, { kind: 'unreadable' }],
    ['a content that there is not', recordHex.replace('0000096e', '0200096e'), { kind: 'unreadable' }],
    ['no name', updateHex.replace('04612fc3a4', '0100'), { kind: 'unreadable' }],
  ])('%s does not decode, and does not throw', (_, text, expected) => {
    expect(decodeDeadLetter(bytes(text))).toMatchObject(expected);
  });
});
