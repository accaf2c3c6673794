import { describe, expect, test } from 'vitest';
import type { Decoded } from '#shared/runtime/stored-kind.ts';
import { NewerVersion, StoreCorrupt } from '#shared/store/store.ts';
import {
  decodeCheckpoint,
  decodeHead,
  decodeJournalBinding,
  decodeSegment,
  decodeSnapshotPart,
  encodeCheckpoint,
  encodeHead,
  encodeJournalBinding,
  encodeSegment,
  encodeSnapshotPart,
  expectDecoded,
} from '#shared/store/values.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));

type Case = {
  readonly name: string;
  readonly encoded: Uint8Array;
  readonly golden: string;
  readonly value: unknown;
  readonly decode: (bytes: Uint8Array) => Decoded<unknown>;
};

const head = { upto: 120, sha256: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', parts: 2 };
const binding = { id: 'j-1', partitionCount: 12 };
const cases: readonly Case[] = [
  {
    name: 'segment',
    encoded: encodeSegment(Uint8Array.of(1, 2, 3)),
    golden: 'f6200103010203',
    value: Uint8Array.of(1, 2, 3),
    decode: decodeSegment,
  },
  {
    name: 'snapshot part',
    encoded: encodeSnapshotPart(new Uint8Array(0)),
    golden: 'f6210100',
    value: new Uint8Array(0),
    decode: decodeSnapshotPart,
  },
  {
    name: 'head',
    encoded: encodeHead(head),
    golden: `f622017840${hex(Buffer.from(head.sha256))}02`,
    value: head,
    decode: decodeHead,
  },
  {
    name: 'checkpoint',
    encoded: encodeCheckpoint(2 ** 40),
    golden: 'f62301808080808020',
    value: 2 ** 40,
    decode: decodeCheckpoint,
  },
  {
    name: 'journal binding',
    encoded: encodeJournalBinding(binding),
    golden: 'f62401036a2d310c',
    value: binding,
    decode: decodeJournalBinding,
  },
];

describe.each(cases)('ST15: $name', ({ encoded, golden, value, decode, name }) => {
  test('has the bytes that it always had', () => {
    expect(hex(encoded)).toBe(golden);
    expect(decode(bytes(golden))).toEqual({ kind: 'decoded', value });
  });

  test('of a newer version stops; broken is corrupt', () => {
    const newer = bytes(golden);
    newer[2] = 2;
    expect(decode(newer)).toEqual({ kind: 'newer-version', found: `${name}, version 2` });
    expect(() => expectDecoded(decode(newer), 'it')).toThrow(NewerVersion);
    for (let length = 0; length < encoded.byteLength; length++) {
      expect(decode(encoded.subarray(0, length)).kind).toBe('unreadable');
    }
    expect(() => expectDecoded(decode(bytes(`${golden}00`)), 'it')).toThrow(StoreCorrupt);
    expect(expectDecoded(decode(encoded), 'it')).toEqual(value);
  });
});
