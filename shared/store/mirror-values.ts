/**
 * Values of mirrors as bytes, for stores that have no form of their own for them: memory and LMDB.
 *
 *     0 nothing   1 null   2 false   3 true   4 float64   5 bigint as text   6 text   7 bytes   8 count, entries   9 count, key, entry …
 *
 * Keys stay in their order, whatever they look like. Text is well-formed once it is stored: half of a surrogate pair becomes U+FFFD, as it does in Yjs.
 */

import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import type { JsonMap, JsonValue } from '#shared/document/json/value.ts';
import type { StoredValue, ValueForm } from './mirrors.ts';

const tags = { nothing: 0, null: 1, false: 2, true: 3, number: 4, bigint: 5, text: 6, bytes: 7, array: 8, map: 9 } as const;

function writeValue(encoder: encoding.Encoder, value: JsonValue | undefined): void {
  if (value === undefined) encoding.writeUint8(encoder, tags.nothing);
  else if (value === null) encoding.writeUint8(encoder, tags.null);
  else if (typeof value === 'boolean') encoding.writeUint8(encoder, value ? tags.true : tags.false);
  else if (typeof value === 'number') {
    encoding.writeUint8(encoder, tags.number);
    encoding.writeFloat64(encoder, value);
  } else if (typeof value === 'bigint') {
    encoding.writeUint8(encoder, tags.bigint);
    encoding.writeVarString(encoder, value.toString());
  } else if (typeof value === 'string') {
    encoding.writeUint8(encoder, tags.text);
    encoding.writeVarString(encoder, value.toWellFormed());
  } else if (value instanceof Uint8Array) {
    encoding.writeUint8(encoder, tags.bytes);
    encoding.writeVarUint8Array(encoder, value);
  } else writeContainer(encoder, value);
}

function writeContainer(encoder: encoding.Encoder, value: readonly JsonValue[] | JsonMap): void {
  if (!(value instanceof Map)) {
    const entries = value as readonly JsonValue[];
    encoding.writeUint8(encoder, tags.array);
    encoding.writeVarUint(encoder, entries.length);
    for (const entry of entries) writeValue(encoder, entry);
    return;
  }
  const map = value as JsonMap;
  encoding.writeUint8(encoder, tags.map);
  encoding.writeVarUint(encoder, map.size);
  for (const [key, entry] of map) {
    encoding.writeVarString(encoder, key.toWellFormed());
    writeValue(encoder, entry);
  }
}

function readValue(decoder: decoding.Decoder): JsonValue | undefined {
  const tag = decoding.readUint8(decoder);
  switch (tag) {
    case tags.nothing:
      return undefined;
    case tags.null:
      return null;
    case tags.false:
      return false;
    case tags.true:
      return true;
    case tags.number:
      return decoding.readFloat64(decoder);
    case tags.bigint:
      return BigInt(decoding.readVarString(decoder));
    case tags.text:
      return decoding.readVarString(decoder);
    case tags.bytes:
      return decoding.readVarUint8Array(decoder);
    case tags.array:
      return Array.from({ length: decoding.readVarUint(decoder) }, () => readValue(decoder) ?? null);
    case tags.map:
      return new Map(
        Array.from({ length: decoding.readVarUint(decoder) }, (): [string, JsonValue] => [
          decoding.readVarString(decoder),
          readValue(decoder) ?? null,
        ]),
      );
    default:
      throw new Error(`a stored value has no kind ${tag}`);
  }
}

/** The bytes of a value; undefined is no value at all. */
export const encodeValue = (value: JsonValue | undefined): StoredValue => ({
  bytes: encoding.encode((encoder) => writeValue(encoder, value)),
});

/** @throws Error where the bytes are not what `encodeValue` makes */
export const decodeValue = ({ bytes }: StoredValue): JsonValue | undefined => readValue(decoding.createDecoder(bytes));

export const valueForm: ValueForm = { encode: encodeValue, decode: decodeValue };
