/** The frames of the y-websocket door, byte by byte. */

import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cursorOf, isAtEnd, readVarBytes, readVarUint } from '#shared/wire/bytes.ts';
import { malformed, restarting, tooLarge, tryLater, unreadable } from '#shared/wire/close-codes.ts';
import {
  decodeFrame,
  encodeAck,
  encodeAwareness,
  encodeStep1,
  encodeStep2,
  encodeUpdate,
  keepAliveFrame,
} from '#shared/wire/y-websocket.ts';
import { parseServerFrame } from '#test/harness/server-frames.ts';

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
const hexOf = (message: Uint8Array): string => Buffer.from(message).toString('hex');

const clientFrames: readonly (readonly [string, ReturnType<typeof decodeFrame>])[] = [
  ['00 00 01 00', { kind: 'step1', vector: bytes('00') }],
  ['00 01 02 00 00', { kind: 'step2', update: bytes('0000') }],
  ['00 02 02 00 00', { kind: 'update', update: bytes('0000') }],
  ['01 06 01 05 00 02 7b 7d', { kind: 'awareness', awareness: bytes('010500027b7d') }],
  ['03', { kind: 'query-awareness' }],
  ['02 00 00', { kind: 'unknown', type: 2 }],
  ['04', { kind: 'unknown', type: 4 }],
  ['08 05', { kind: 'unknown', type: 8 }],
  ['80 01 ff', { kind: 'unknown', type: 128 }],
];

test.each(clientFrames)('YW1: the client frame %s is read', (hex, frame) => {
  expect(decodeFrame(bytes(hex))).toEqual(frame);
});

const brokenFrames: readonly (readonly [string, string])[] = [
  ['', 'empty'],
  ['80', 'no type'],
  ['ff ff ff ff ff ff ff ff ff ff ff', 'no type'],
  ['00', 'cut short'],
  ['00 00', 'cut short'],
  ['00 00 02 00', 'cut short'],
  ['00 00 01 00 00', 'after its end'],
  ['00 03 01 00', 'unknown step 3'],
  ['00 02 ff ff ff ff ff ff ff 0f 00', 'cut short'],
  ['00 02 ff ff ff ff ff ff ff ff ff ff 01', 'cut short'],
  ['01', 'cut short'],
  ['01 05 00', 'cut short'],
  ['01 01 00 00', 'after its end'],
  ['03 00', 'after its end'],
];

test.each(brokenFrames)('YW2: the frame "%s" is malformed, in words', (hex, words) => {
  const frame = decodeFrame(bytes(hex));
  expect(frame.kind).toBe('malformed');
  expect(frame.kind === 'malformed' && frame.reason).toContain(words);
});

test('YW2: no bytes at all make decoding throw, and what it returns lies within them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (message) => {
      const frame = decodeFrame(message);
      if (frame.kind === 'step2') expect(hexOf(message)).toContain(hexOf(frame.update));
    }),
    { seed: 1, numRuns: 20_000 },
  );
});

// `toEqual` takes seconds for megabytes.
const isSame = (value: unknown, payload: Uint8Array): boolean =>
  value instanceof Uint8Array && Buffer.compare(value, payload) === 0;

const ofSize = (size: number): Uint8Array => new Uint8Array(size).fill(7);

test('YW3: what the server sends has these bytes', () => {
  expect(hexOf(encodeStep1(bytes('00')))).toBe('00000100');
  expect(hexOf(encodeStep2(bytes('0000')))).toBe('0001020000');
  expect(hexOf(encodeUpdate(bytes('0000')))).toBe('0002020000');
  expect(hexOf(encodeAwareness(bytes('010500027b7d')))).toBe('0106010500027b7d');
  expect(hexOf(keepAliveFrame)).toBe('010100');
  expect(hexOf(encodeAck(1))).toBe('0801');
  expect(hexOf(encodeAck(300))).toBe('08ac02');
});

test.each([0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152])('YW3: a payload of %i bytes comes back as it went', (size) => {
  const payload = ofSize(size);
  const carried = [encodeStep1, encodeStep2, encodeUpdate, encodeAwareness].map((encode) => parseServerFrame(encode(payload)));
  expect(carried.map(({ kind }) => kind)).toEqual(['step1', 'step2', 'update', 'awareness']);
  for (const frame of carried) expect(Object.values(frame).some((value) => isSame(value, payload))).toBe(true);
  expect(parseServerFrame(encodeAck(size))).toEqual({ kind: 'ack', frames: size });
});

test('YW4: varUints are read as lib0 reads them, up to 2^53 - 1, and what is more is a failure', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (value) => {
      const encoder = encoding.createEncoder();
      encoding.writeVarUint(encoder, value);
      const written = encoding.toUint8Array(encoder);
      const cursor = cursorOf(written);
      expect(readVarUint(cursor)).toBe(value);
      expect(isAtEnd(cursor)).toBe(true);
      expect(decoding.readVarUint(decoding.createDecoder(written))).toBe(value);
    }),
    { seed: 2, numRuns: 5_000 },
  );
  for (const hex of ['', '80', 'ffffffffffffffff7f', 'ffffffffffffff10', '80808080808080808080808001']) {
    const cursor = cursorOf(bytes(hex));
    expect(readVarUint(cursor)).toBe(0);
    expect(cursor.failed).toBe(true);
    expect(readVarBytes(cursor)).toHaveLength(0);
    expect(isAtEnd(cursor)).toBe(false);
  }
});

test('YW5: only what the same client would run into again is 44xx, and every reason fits into a close frame', () => {
  const makers = { restarting, tryLater, tooLarge, unreadable, malformed };
  const codes = Object.fromEntries(Object.entries(makers).map(([name, make]) => [name, make('why').code]));
  expect(codes).toEqual({ restarting: 1012, tryLater: 1013, tooLarge: 1009, unreadable: 1011, malformed: 4400 });
  for (const letter of ['a', 'ö', '日', '😀']) {
    for (const length of [1, 40, 41, 60, 61, 62, 123, 124, 500]) {
      const { reason } = malformed(letter.repeat(length));
      expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(123);
      expect(reason.isWellFormed()).toBe(true);
      expect(letter.repeat(length).startsWith(reason)).toBe(true);
    }
  }
  expect(malformed('x'.repeat(123)).reason).toHaveLength(123);
});
