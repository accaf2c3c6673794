/** Kafka's bytes, in both directions. The golden ones are kafkajs' 2.2.4, which is older than this and works with all brokers. */

import { Buffer } from 'node:buffer';
import { describe, expect, test } from 'vitest';
import { encodeFetch } from '#shared/journal/kafka/fetch-request.ts';
import { decodeFetchResponse } from '#shared/journal/kafka/fetch-response.ts';
import { encodeProduce } from '#shared/journal/kafka/produce-request.ts';
import { decodeProduceResponse } from '#shared/journal/kafka/produce-response.ts';
import { decodeBatches, encodeBatch } from '#shared/journal/kafka/record-batch.ts';

const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');

const time = 1_700_000_000_123;

describe('JR47: what is written', () => {
  test('JR47: a batch, with keys and without, of times that go back and far ahead', () => {
    const batch = encodeBatch([
      { key: Buffer.from('team/é'), value: Uint8Array.of(1, 2, 3), timestamp: time },
      { key: null, value: Uint8Array.of(7), timestamp: time - 23 },
      { key: new Uint8Array(0), value: new Uint8Array(0), timestamp: time + 2 ** 33 },
    ]);
    expect(batch.toString('hex')).toBe(
      '00000000000000000000005500000000029adec3800000000000020000018bcfe5687b0000018dcfe5687bffffffffffffffffffffffffffff00000003' +
        '200000000e7465616d2fc3a906010203000e002d02010207001400808080804004000000',
    );
  });

  test('JR47: a request, for partitions of topics', () => {
    const message = { key: Buffer.from('k'), value: Buffer.from('v'), timestamp: time };
    expect(encodeProduce([{ topic: 't', partition: 3, messages: [message] }], -1, 4_000).toString('hex')).toBe(
      'ffffffff00000fa00000000100017400000001000000030000004600000000000000000000003a0000000002423288da' +
        '0000000000000000018bcfe5687b0000018bcfe5687bffffffffffffffffffffffffffff0000000110000000026b027600',
    );
    const several = [
      { topic: 't', partition: 0, messages: [message] },
      { topic: 'u', partition: 1, messages: [message, message] },
      { topic: 't', partition: 2, messages: [message] },
    ];
    const one = encodeBatch([message]).toString('hex');
    const two = encodeBatch([message, message]).toString('hex');
    const length = (hex: string): string => (hex.length / 2).toString(16).padStart(8, '0');
    expect(encodeProduce(several, 1, 1).toString('hex')).toBe(
      `ffff000100000001000000020001740000000200000000${length(one)}${one}00000002${length(one)}${one}` +
        `0001750000000100000001${length(two)}${two}`,
    );
  });

  test.each([
    [4, '0000000002', '', '', '', ''],
    [5, '0000000002', '', 'ffffffffffffffff', '', ''],
    [7, '0000000000ffffffff00000002', '', 'ffffffffffffffff', '00000000', ''],
    [9, '0000000000ffffffff00000002', 'ffffffff', 'ffffffffffffffff', '00000000', ''],
    [11, '0000000000ffffffff00000002', 'ffffffff', 'ffffffffffffffff', '00000000', '0000'],
  ])('JR47: a request for partitions of topics, version %i', (version, begin, epoch, start, forgotten, rack) => {
    const wanted = [
      { topic: 't', partition: 3, offset: 2 ** 40 + 7, bytesMax: 9 },
      { topic: 'ü', partition: 0, offset: 5, bytesMax: 1 },
      { topic: 't', partition: 4, offset: 0, bytesMax: 9 },
    ];
    expect(encodeFetch(wanted, { waitMs: 250, bytesMax: 2 ** 20 }, version).toString('hex')).toBe(
      `ffffffff000000fa0000000100100000${begin}` +
        `00017400000002` +
        `00000003${epoch}0000010000000007${start}00000009` +
        `00000004${epoch}0000000000000000${start}00000009` +
        `0002c3bc00000001` +
        `00000000${epoch}0000000000000005${start}00000001` +
        `${forgotten}${rack}`,
    );
  });

  test('JR47: what was written is read, whatever the lengths of keys and values', () => {
    const lengths = [0, 1, 63, 64, 127, 128, 8_191, 8_192, 70_000];
    const messages = lengths.map((length) => ({
      key: Buffer.alloc(length),
      value: Buffer.alloc(length, length),
      timestamp: time,
    }));
    expect(decodeBatches(encodeBatch(messages))).toEqual(
      messages.map(({ value }, offset) => ({ offset, value, isControlRecord: false })),
    );
  });
});

describe('JR47: what is read', () => {
  // Of kafkajs, at the offset 2^40: a record with a header, and one of nulls.
  const plain =
    '0000010000000000000000470000000002e95523960000000000010000018bcfe568000000018bcfe56805ffffffffffffffff000000000000000000021c' +
    '000000026b066f6e6502026102620c000a02010100';
  const gzipped =
    '00000100000000000000005b0000000002c3b6934c0001000000010000018bcfe568000000018bcfe56805ffffffffffffffff00000000000000000002' +
    '1f8b08000000000000039361606060ca66cbcf4b65624a644ae261e0626264640000301cb03f16000000';
  const read = [
    { offset: 2 ** 40, value: Buffer.from('one'), isControlRecord: false },
    { offset: 2 ** 40 + 1, value: null, isControlRecord: false },
  ];
  const changed = (at: number, byte: number): Buffer => Buffer.from(bytes(plain)).fill(byte, at, at + 1);

  test.each([
    ['a batch', plain],
    ['one that the broker compressed', gzipped],
  ])('JR47: %s', (_, hex) => {
    expect(decodeBatches(bytes(hex))).toEqual(read);
  });

  test('JR47: several batches, the last of them cut short by a limit, which is left for the next request', () => {
    for (let cut = 0; cut < plain.length / 2; cut += 5)
      expect(decodeBatches(Buffer.concat([bytes(plain), bytes(gzipped), bytes(plain).subarray(0, cut)]))).toEqual([
        ...read,
        ...read,
      ]);
  });

  test('JR47: control records are told apart', () => {
    expect(decodeBatches(changed(22, 0x30)).map(({ isControlRecord }) => isControlRecord)).toEqual([true, true]);
  });

  test('JR47: what is in another format, compressed in another way, or no batch at all is refused', () => {
    expect(() => decodeBatches(changed(16, 1))).toThrow('format 1');
    expect(() => decodeBatches(changed(22, 4))).toThrow('compression.type=producer');
    expect(() => decodeBatches(changed(60, 3)), 'a record more than there are').toThrow('in the middle');
    expect(() => decodeBatches(changed(61, 0x7e)), 'one that is longer than its batch').toThrow('in the middle');
  });

  test('JR47: a response: partitions with their error codes, aborted transactions among them', () => {
    const response =
      '000000090000000000000000000100017400000002000000030000000000000000004d000000000000004d000000000000000000000001' +
      '00000000000000010000000000000002ffffffff0000004800000000000000050000003c000000000292ac1f14000000000000000001a21503f08f' +
      '000001a21503f08fffffffffffffffff0000000000000000000114000000026b066f6e65000000000400' +
      '01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff';
    const message = { offset: 5, value: Buffer.from('one'), isControlRecord: false };
    expect(decodeFetchResponse(bytes(response), 11)).toEqual({
      clientSideThrottleTime: 9,
      errorCode: 0,
      fetched: [
        { topic: 't', partition: 3, errorCode: 0, highWater: 77, messages: [message] },
        { topic: 't', partition: 4, errorCode: 1, highWater: -1, messages: [] },
      ],
    });
    expect(decodeFetchResponse(bytes('0000000900470000000000000000'), 7)).toEqual({
      clientSideThrottleTime: 0,
      errorCode: 0x47,
      fetched: [],
    });
  });

  test.each([
    [3, '', 0],
    [5, 'ffffffffffffffff', 0],
    [6, '0000000000000001', 9],
  ])('JR47: what became of what was written, version %i', (version, logStart, throttleMs) => {
    const partition = (number: string, code: string, offset: string): string =>
      `${number}${code}${offset}ffffffffffffffff${logStart}`;
    const response =
      `00000002` +
      `00017400000002${partition('00000003', '0000', '0000010000000007')}${partition('00000004', '000a', 'ffffffffffffffff')}` +
      `0002c3bc00000001${partition('00000000', '0000', '0000000000000005')}` +
      `00000009`;
    expect(decodeProduceResponse(bytes(response), version)).toEqual({
      clientSideThrottleTime: throttleMs,
      produced: [
        { topic: 't', partition: 3, errorCode: 0, baseOffset: 2 ** 40 + 7 },
        { topic: 't', partition: 4, errorCode: 10, baseOffset: -1 },
        { topic: 'ü', partition: 0, errorCode: 0, baseOffset: 5 },
      ],
    });
  });

  test('JR47: a response of a broker that knows no sessions yet', () => {
    const response = `000000000000000100017400000001000000030000${'000000000000004d'.repeat(2)}ffffffff00000000`;
    const fetched = [{ topic: 't', partition: 3, errorCode: 0, highWater: 77, messages: [] }];
    expect(decodeFetchResponse(bytes(response), 4)).toEqual({ clientSideThrottleTime: 0, errorCode: 0, fetched });
  });
});
