/** BSON out of values whose keys keep their order, with what is stored already put in as it is. */

import type { StoredValue } from '../mirrors.ts';
import { bsonTypes, nestingMax } from './bson.ts';

/** A document by its fields. */
export type BsonFields = ReadonlyMap<string, BsonValue>;

/** `undefined`, and a `StoredValue` that is none, leave the field out. */
export type BsonValue =
  | undefined
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Date
  | StoredValue
  | readonly BsonValue[]
  | BsonFields;

/** Fields that have no integer-like names, in the order in which they are written down. */
export const fieldsOf = (fields: { readonly [name: string]: BsonValue }): BsonFields => new Map(Object.entries(fields));

type Output = { bytes: Buffer; length: number };

const firstBytes = 1024;
const int32Min = -(2 ** 31);
const int32Max = 2 ** 31 - 1;

/** Makes room for so many more bytes; returns where they begin. */
function extend(output: Output, bytes: number): number {
  const at = output.length;
  output.length += bytes;
  if (output.length > output.bytes.byteLength) {
    const larger = Buffer.allocUnsafe(Math.max(output.length, output.bytes.byteLength * 2));
    output.bytes.copy(larger, 0, 0, at);
    output.bytes = larger;
  }
  return at;
}

function putByte(output: Output, byte: number): void {
  const at = extend(output, 1);
  output.bytes[at] = byte;
}

function putInt32(output: Output, value: number): void {
  const at = extend(output, 4);
  output.bytes.writeInt32LE(value, at);
}

function putBytes(output: Output, bytes: Uint8Array): void {
  const at = extend(output, bytes.byteLength);
  output.bytes.set(bytes, at);
}

/** In UTF-8, with the zero behind it. Half of a surrogate pair becomes U+FFFD. Returns its bytes. */
function putText(output: Output, text: string): number {
  const bytes = Buffer.byteLength(text, 'utf8');
  const at = extend(output, bytes + 1);
  output.bytes.write(text, at, 'utf8');
  output.bytes[at + bytes] = 0;
  return bytes + 1;
}

function putName(output: Output, type: number, name: string): void {
  if (name.includes('\0')) throw new RangeError(`BSON has no keys with NUL in them: ${JSON.stringify(name)}`);
  putByte(output, type);
  putText(output, name);
}

function putString(output: Output, text: string): void {
  const length = extend(output, 4);
  const bytes = putText(output, text);
  output.bytes.writeInt32LE(bytes, length);
}

function putNumber(output: Output, name: string, value: number): void {
  if (Number.isInteger(value) && value >= int32Min && value <= int32Max && !Object.is(value, -0)) {
    putName(output, bsonTypes.int32, name);
    putInt32(output, value);
    return;
  }
  putName(output, bsonTypes.double, name);
  const at = extend(output, 8);
  output.bytes.writeDoubleLE(value, at);
}

function putLong(output: Output, type: number, name: string, value: bigint): void {
  if (BigInt.asIntN(64, value) !== value) throw new RangeError(`BSON has no integers of more than 64 bits: ${value}`);
  putName(output, type, name);
  const at = extend(output, 8);
  output.bytes.writeBigInt64LE(value, at);
}

function putBinary(output: Output, name: string, bytes: Uint8Array): void {
  putName(output, bsonTypes.binary, name);
  putInt32(output, bytes.byteLength);
  putByte(output, 0);
  putBytes(output, bytes);
}

const isStored = (value: object): value is StoredValue => 'bytes' in value;

function putElement(output: Output, name: string, value: BsonValue, depth: number): void {
  if (value === undefined) return;
  if (value === null) putName(output, bsonTypes.null, name);
  else if (typeof value === 'string') {
    putName(output, bsonTypes.string, name);
    putString(output, value);
  } else if (typeof value === 'number') putNumber(output, name, value);
  else if (typeof value === 'bigint') putLong(output, bsonTypes.int64, name, value);
  else if (typeof value === 'boolean') {
    putName(output, bsonTypes.boolean, name);
    putByte(output, value ? 1 : 0);
  } else if (value instanceof Uint8Array) putBinary(output, name, value);
  else if (value instanceof Date) putLong(output, bsonTypes.date, name, BigInt(value.getTime()));
  else if (isStored(value)) putStored(output, name, value);
  else putContainer(output, name, value, depth);
}

function putStored(output: Output, name: string, { bytes }: StoredValue): void {
  const [type] = bytes;
  if (type === undefined) return;
  putName(output, type, name);
  putBytes(output, bytes.subarray(1));
}

function putContainer(output: Output, name: string, value: readonly BsonValue[] | BsonFields, depth: number): void {
  if (depth > nestingMax)
    throw new RangeError(`a value is nested more than ${nestingMax} levels deep, which MongoDB does not store`);
  const isFields = value instanceof Map;
  putName(output, isFields ? bsonTypes.document : bsonTypes.array, name);
  putDocument(output, isFields ? (value as BsonFields) : (value as readonly BsonValue[]).entries(), depth);
}

function putDocument(output: Output, entries: Iterable<readonly [string | number, BsonValue]>, depth: number): void {
  const at = extend(output, 4);
  for (const [name, value] of entries) putElement(output, String(name), value, depth + 1);
  putByte(output, 0);
  output.bytes.writeInt32LE(output.length - at, at);
}

/** A copy of what was written from `from` on: what was made room for is twice as long. */
const finished = ({ bytes, length }: Output, from: number): Uint8Array => new Uint8Array(bytes.subarray(from, length));

/** A document. @throws RangeError where BSON or MongoDB has no form for it: NUL in a key, an integer of more than 64 bits, more than `nestingMax` levels */
export function writeDocument(fields: BsonFields): Uint8Array {
  const output: Output = { bytes: Buffer.allocUnsafe(firstBytes), length: 0 };
  putDocument(output, fields, 1);
  return finished(output, 0);
}

/** A value as the field of a document holds it. @throws RangeError as `writeDocument` does */
export function writeValue(value: BsonValue): StoredValue {
  const output: Output = { bytes: Buffer.allocUnsafe(firstBytes), length: 0 };
  putElement(output, '', value, 1);
  if (output.length === 0) return { bytes: new Uint8Array(0) };
  // The empty name behind the type goes.
  const bytes = finished(output, 1);
  bytes[0] = output.bytes[0] ?? 0;
  return { bytes };
}
