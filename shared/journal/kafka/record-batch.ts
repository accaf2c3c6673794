/**
 * Batches of records as Kafka keeps them (magic 2, KIP-98), in both directions.
 *
 *     batch    base offset 8, length 4, leader epoch 4, magic 1, CRC-32C 4, attributes 2, last offset delta 4, base time 8, latest time 8,
 *              producer 8 + 2 + 4, record count 4, records
 *     record   length, attributes 1, time delta, offset delta, key, value, headers        all lengths and deltas are zigzag varints
 *
 * kafkajs has this too, for batches of any kind. But it writes each record into half a kilobyte of its own, which is then copied six times, and counts in
 * BigInt: ten microseconds for a record of a hundred bytes, and the garbage of it. Here a batch is written into one piece of memory, once, for a
 * tenth of that, and read as views of what came. What nobody here writes (headers, transactions, idempotence) is read past.
 */

import crc32c from 'kafkajs/src/protocol/recordBatch/crc32C/index.js';
import { Buffer } from 'node:buffer';
import { gunzipSync } from 'node:zlib';
import { varUintBytes, writeVarUint } from '#shared/document/varint.ts';

/** `timestamp` in milliseconds since 1970. */
export type Message = { readonly key: Uint8Array | null; readonly value: Uint8Array; readonly timestamp: number };

/** `value` is a view of the response. Control records (transaction markers) have offsets, and nothing for us in them. */
export type FetchedMessage = {
  readonly offset: number;
  readonly value: Buffer | null;
  readonly isControlRecord?: boolean;
};

/** Where the fields of a batch are, in bytes from its beginning. */
const field = {
  length: 8,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTime: 27,
  latestTime: 35,
  producerId: 43,
  producerEpoch: 51,
  firstSequence: 53,
  count: 57,
  records: 61,
} as const;

const magic = 2;
const none = -1;
const attribute = { compression: 0x07, control: 0x20 } as const;
const codecs = { none: 0, gzip: 1 } as const;

const zigzag = (value: number): number => (value < 0 ? -2 * value - 1 : 2 * value);
const unzigzag = (value: number): number => (value % 2 === 0 ? value / 2 : -(value + 1) / 2);

const bytesWithLength = (bytes: Uint8Array | null): number =>
  bytes === null ? 1 : varUintBytes(zigzag(bytes.length)) + bytes.length;

/** What a record has besides its key, its value and its two deltas: attributes and the count of headers. */
const recordFixedBytes = 2;

const recordBytes = ({ key, value }: Message, timeDelta: number, offsetDelta: number): number =>
  recordFixedBytes +
  varUintBytes(zigzag(timeDelta)) +
  varUintBytes(zigzag(offsetDelta)) +
  bytesWithLength(key) +
  bytesWithLength(value);

function writeBytes(batch: Buffer, at: number, bytes: Uint8Array | null): number {
  if (bytes === null) return writeVarUint(batch, at, zigzag(none));
  const from = writeVarUint(batch, at, zigzag(bytes.length));
  batch.set(bytes, from);
  return from + bytes.length;
}

/** One batch of all `messages`, of which there is one at least. */
export function encodeBatch(messages: readonly Message[]): Buffer {
  const baseTime = messages[0]?.timestamp ?? 0;
  const sizes = messages.map((message, index) => recordBytes(message, message.timestamp - baseTime, index));
  const recordsBytes = sizes.reduce((sum, size) => sum + varUintBytes(zigzag(size)) + size, 0);
  const batch = Buffer.alloc(field.records + recordsBytes);
  let at: number = field.records;
  for (const [index, { key, value, timestamp }] of messages.entries()) {
    at = writeVarUint(batch, at, zigzag(sizes[index] ?? 0));
    at++; // attributes
    at = writeVarUint(batch, at, zigzag(timestamp - baseTime));
    at = writeVarUint(batch, at, zigzag(index));
    at = writeBytes(batch, at, key);
    at = writeBytes(batch, at, value);
    at++; // no headers
  }
  batch.writeInt32BE(batch.length - field.length - 4, field.length);
  batch[field.magic] = magic;
  batch.writeInt32BE(messages.length - 1, field.lastOffsetDelta);
  batch.writeBigInt64BE(BigInt(baseTime), field.baseTime);
  batch.writeBigInt64BE(
    BigInt(messages.reduce((latest, { timestamp }) => Math.max(latest, timestamp), baseTime)),
    field.latestTime,
  );
  batch.writeBigInt64BE(BigInt(none), field.producerId);
  batch.writeInt16BE(none, field.producerEpoch);
  batch.writeInt32BE(none, field.firstSequence);
  batch.writeInt32BE(messages.length, field.count);
  batch.writeUInt32BE(crc32c(batch.subarray(field.attributes)), field.crc);
  return batch;
}

/** 64 bits, as far as they are a number. */
export const readInt64 = (bytes: Buffer, at: number): number => bytes.readInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);

/** The messages of the whole batches in `bytes`, in order. Brokers cut the last one where a limit was reached. */
export function decodeBatches(bytes: Buffer): readonly FetchedMessage[] {
  const messages: FetchedMessage[] = [];
  let from = 0;
  while (from + field.records <= bytes.length) {
    const end = from + field.length + 4 + bytes.readInt32BE(from + field.length);
    if (end > bytes.length) break;
    decodeBatch(bytes.subarray(from, end), messages);
    from = end;
  }
  return messages;
}

function decodeBatch(batch: Buffer, into: FetchedMessage[]): void {
  if (batch[field.magic] !== magic) throw new Error(`a batch of records has the format ${batch[field.magic]}, and not ${magic}`);
  const attributes = batch.readInt16BE(field.attributes);
  const baseOffset = readInt64(batch, 0);
  const isControlRecord = (attributes & attribute.control) !== 0;
  const reader = new RecordReader(uncompressed(batch.subarray(field.records), attributes & attribute.compression));
  for (let left = batch.readInt32BE(field.count); left > 0; left--) into.push(reader.next(baseOffset, isControlRecord));
}

/** A topic may be set to compress what it is given. */
function uncompressed(records: Buffer, codec: number): Buffer {
  if (codec === codecs.none) return records;
  if (codec === codecs.gzip) return gunzipSync(records);
  throw new Error(
    `records are compressed in a way that is not read here (${codec}): set compression.type=producer for the topic`,
  );
}

class RecordReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  next(baseOffset: number, isControlRecord: boolean): FetchedMessage {
    const length = this.#varint();
    const end = this.#at + length;
    if (length <= 0 || end > this.#bytes.length) throw new Error('a batch of records ends in the middle of one');
    this.#at++; // attributes
    this.#varint(); // time delta
    const offset = baseOffset + this.#varint();
    const keyBytes = this.#varint();
    this.#at += Math.max(0, keyBytes);
    const valueBytes = this.#varint();
    const value = valueBytes < 0 ? null : this.#bytes.subarray(this.#at, this.#at + valueBytes);
    this.#at = end;
    return { offset, value, isControlRecord };
  }

  #varint(): number {
    let value = 0;
    let scale = 1;
    let byte: number;
    do {
      byte = this.#bytes[this.#at++] ?? 0;
      value += (byte & 127) * scale;
      scale *= 128;
    } while (byte > 127);
    return unzigzag(value);
  }
}
