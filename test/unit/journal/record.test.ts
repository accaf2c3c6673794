import { describe, expect, test } from 'vitest';
import type { JournalRecord } from '#shared/journal/journal.ts';
import { decodeRecord, encodeRecord } from '#shared/journal/record.ts';
import { decodeBatch, decodeIdentity, decodeMark, encodeBatch, encodeIdentity, encodeMark } from '#shared/journal/values.ts';
import { recordOf } from '#test/contract/journal.contract.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));

const full: JournalRecord = { ...recordOf('team-7/ä🦊', Uint8Array.of(0, 0), 1_700_000_000_123) };
const bare: JournalRecord = { ...recordOf('a', new Uint8Array(0), 0), origin: '', author: '' };
const fullHex = 'f601010d7465616d2d372fc3a4f09fa68a09676174657761792d6103616461fbd095ffbc31020000';
const bareHex = 'f60101016100000000';

describe('JR13: golden vectors', () => {
  test.each([
    [full, fullHex],
    [bare, bareHex],
  ])('a record, $1', (record, golden) => {
    expect(hex(encodeRecord(record))).toBe(golden);
    expect(decodeRecord(bytes(golden))).toEqual({ kind: 'decoded', value: record });
  });

  test('a batch', () => {
    const golden = `f61001020928${bareHex}${fullHex}`;
    expect(hex(encodeBatch([bare, full]))).toBe(golden);
    const records = [
      { offset: 7, record: bare },
      { offset: 8, record: full },
    ];
    expect(decodeBatch(bytes(golden), 7)).toEqual({ records });
  });

  test('the identity of a journal', () => {
    const identity = { id: 'j-1', partitionCount: 300 };
    expect(hex(encodeIdentity(identity))).toBe('f61101036a2d31ac02');
    expect(decodeIdentity(bytes('f61101036a2d31ac02'))).toEqual({ kind: 'decoded', value: identity });
  });

  test('a high-water mark', () => {
    expect(hex(encodeMark(2 ** 40))).toBe('f61201808080808020');
    expect(decodeMark(bytes('f61201808080808020'))).toEqual({ kind: 'decoded', value: 2 ** 40 });
  });
});

describe('JR14: what does not decode', () => {
  test.each([
    ['a version to come', 'f60102016100000000', 'update record, version 2'],
    ['a kind to come', 'f602010161', 'kind 2, version 1'],
    ['a kind and version to come, and nothing behind', 'f6e80703', 'kind 1000, version 3'],
  ])('%s is newer, whatever follows', (_, text, found) => {
    expect(decodeRecord(bytes(text))).toEqual({ kind: 'newer-version', found });
  });

  test.each([
    ['nothing', ''],
    ['text', hex(Buffer.from('{"update":1}'))],
    ['another kind of ours', 'f61201808080808020'],
    ['a version that never was', 'f60100016100000000'],
    ['bytes left over', `${bareHex}00`],
    ['an empty name', 'f601010000000000'],
    ['a name with a control character', 'f60101010900000000'],
    ['a name that is no UTF-8', 'f6010101ff00000000'],
    ['a length past the end', 'f6010101610000ff7f'],
    ['a number past all bounds', 'f60101016100ffffffffffffffffffff'],
  ])('%s is unreadable', (_, text) => {
    expect(decodeRecord(bytes(text))).toMatchObject({ kind: 'unreadable' });
  });

  test('no cut and no flipped bit makes it throw, and no cut decodes', () => {
    const whole = encodeRecord(full);
    for (let length = 0; length < whole.byteLength; length++) {
      expect(decodeRecord(whole.subarray(0, length))).toMatchObject({ kind: 'unreadable' });
      for (let bit = 0; bit < 8; bit++) {
        const flipped = whole.slice();
        flipped[length] = (flipped[length] ?? 0) ^ (1 << bit);
        expect(['decoded', 'newer-version', 'unreadable']).toContain(decodeRecord(flipped).kind);
      }
    }
  });

  test('in a batch: unreadable ones are passed on among the others, a newer one ends it', () => {
    const slots = [bareHex, '6162', bareHex, 'f602010161', bareHex];
    const lengths = slots.map((slot) => (slot.length / 2).toString(16).padStart(2, '0'));
    const batch = bytes(`f6100105${lengths.join('')}${slots.join('')}`);
    expect(decodeBatch(batch, 100)).toEqual({
      records: [
        { offset: 100, record: bare },
        {
          offset: 101,
          unreadable: expect.stringContaining('does not begin like anything of ours') as string,
          bytes: bytes('6162'),
        },
        { offset: 102, record: bare },
      ],
      end: { kind: 'newer-version', offset: 103, found: 'kind 2, version 1' },
    });
  });

  test('a batch that can not be read is one unreadable record, and one of a newer version ends the reading', () => {
    expect(decodeBatch(bytes('616263'), 5).records).toMatchObject([{ offset: 5, bytes: bytes('616263') }]);
    expect(decodeBatch(bytes('f6100201'), 5)).toEqual({
      records: [],
      end: { kind: 'newer-version', offset: 5, found: 'journal batch, version 2' },
    });
  });

  test('a decoded update does not hold on to the bytes that it came in', () => {
    for (const record of [full, { ...full, update: new Uint8Array(2_000).fill(7) }]) {
      const source = new Uint8Array(encodeRecord(record));
      const decoded = decodeRecord(source);
      source.fill(0);
      expect(decoded).toEqual({ kind: 'decoded', value: record });
      expect(decoded.kind === 'decoded' && decoded.value.update.buffer).not.toBe(source.buffer);
    }
  });
});
