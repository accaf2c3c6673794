/**
 * What a value in a mirror says.
 *
 * A program may write any of BSON's types into a mirror, and a document knows those of JSON, bytes and long integers. What becomes of the others has to be stable: it is what people see in their
 * editors, and it is written back as that when the mirror is written next.
 *
 *     int32, int64, double    number; an int64 that no number holds exactly: bigint
 *     decimal128              the number or bigint that says the same; where none does: its digits as text, without zeros behind them
 *     binary                  bytes, whatever the subtype; a UUID: its text
 *     date                    ISO 8601 in UTC, with milliseconds; outside of the years 0 to 9999: milliseconds since 1970
 *     ObjectId                hex        regular expression   /pattern/options        code, symbol   their text
 *     timestamp               Timestamp(t, i), as mongosh writes it        undefined   null
 *     MinKey, MaxKey, DBPointer    their names; DBPointer with collection and id
 *
 * Whatever MongoDB's `$eq` takes for equal has to say the same here, since our compare-and-set does not tell it apart (`mirrors.ts`): 1, 1.0, NumberLong(1) and NumberDecimal("1.00") are one
 * number, a symbol is its text. That is why decimals go by what they are worth.
 */

import type { JsonValue } from '#shared/document/json/value.ts';
import type { StoredValue, ValueForm } from '../mirrors.ts';
import { bsonTypes, bufferOf, elementsOf, type BsonElement } from './bson.ts';
import { writeValue } from './bson-writer.ts';

const uuidSubtype = 4;
const uuidBytes = 16;
const oldBinarySubtype = 2;
/** Of decimal128: its digits, what its power of ten is stored with, and what its combination field says. */
const digitsMax = 34;
const powerBias = 6176;
const [largeSignificand, infinity, notANumber] = [0x18, 0x1e, 0x1f];

/** By a number where one holds it exactly. */
const integerOf = (value: bigint): number | bigint => (Number.isSafeInteger(Number(value)) ? Number(value) : value);

const textAt = (bytes: Buffer, start: number): string => {
  const length = bytes.readInt32LE(start);
  return bytes.toString('utf8', start + 4, start + 4 + length - 1);
};

/** Digits without zeros before or behind them, sign and exponent: one text for each value. */
function settledDigits(text: string): string {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = /^([+-]?)(\d*)\.?(\d*)(?:e([+-]?\d+))?$/iu.exec(text) ?? [];
  const digits = `${whole}${fraction}`.replace(/^0+/u, '');
  const settled = digits.replace(/0+$/u, '');
  if (settled === '') return '0';
  const power = Number(exponent) - fraction.length + digits.length - settled.length;
  return `${sign === '-' ? '-' : ''}${settled}${power === 0 ? '' : `E${power > 0 ? '+' : ''}${power}`}`;
}

/** The value of a decimal as digits and a power of ten: IEEE 754-2008, binary integer significand. A significand of more than 34 digits stands for 0. */
function decimalAt(bytes: Buffer, start: number): JsonValue {
  const high = bytes.readBigUInt64LE(start + 8);
  const sign = high >> 63n === 0n ? '' : '-';
  const combination = Number((high >> 58n) & 0x1fn);
  if (combination === infinity) return Number(`${sign}Infinity`);
  if (combination === notANumber) return Number.NaN;
  const isLarge = combination >= largeSignificand;
  const power = Number((high >> (isLarge ? 47n : 49n)) & 0x3fffn) - powerBias;
  const significand = ((high & 0x1_ffff_ffff_ffffn) << 64n) | bytes.readBigUInt64LE(start);
  const digits = isLarge || significand >= 10n ** BigInt(digitsMax) ? '0' : significand.toString();
  return numberOrDigits(settledDigits(`${sign}${digits}E${power}`));
}

function numberOrDigits(settled: string): JsonValue {
  const nearest = Number(settled);
  const says = (written: string): boolean => settledDigits(written) === settled;
  // As people write the number, or as MongoDB compares it.
  if (Number.isFinite(nearest) && (says(String(nearest)) || says(nearest.toPrecision(digitsMax)))) return nearest;
  const [, digits, power = '0'] = /^(-?\d+)(?:E\+(\d+))?$/u.exec(settled) ?? [];
  if (digits === undefined || Number(power) > digitsMax) return settled;
  const integer = BigInt(digits) * 10n ** BigInt(power);
  return BigInt.asIntN(64, integer) === integer ? integer : settled;
}

function binaryAt(bytes: Buffer, start: number, end: number): JsonValue {
  const subtype = bytes.readUInt8(start + 4);
  // The old subtype has its length once more.
  const first = start + 5 + (subtype === oldBinarySubtype && end - start >= 9 ? 4 : 0);
  const content = bytes.subarray(first, end);
  if (subtype !== uuidSubtype || content.byteLength !== uuidBytes) return new Uint8Array(content);
  const hex = content.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

const dateMsMin = BigInt(Date.parse('0000-01-01T00:00:00.000Z'));
const dateMsMax = BigInt(Date.parse('9999-12-31T23:59:59.999Z'));

function dateAt(bytes: Buffer, start: number): JsonValue {
  const ms = bytes.readBigInt64LE(start);
  return ms >= dateMsMin && ms <= dateMsMax ? new Date(Number(ms)).toISOString() : integerOf(ms);
}

function regexAt(bytes: Buffer, start: number, end: number): string {
  const zero = bytes.indexOf(0, start);
  return `/${bytes.toString('utf8', start, zero)}/${bytes.toString('utf8', zero + 1, end - 1)}`;
}

function pointerAt(bytes: Buffer, start: number, end: number): string {
  return `DBPointer(${textAt(bytes, start)}, ${bytes.toString('hex', end - 12, end)})`;
}

function valueOf(bytes: Buffer, { type, start, end }: BsonElement): JsonValue {
  switch (type) {
    case bsonTypes.string:
    case bsonTypes.symbol:
    case bsonTypes.code:
      return textAt(bytes, start);
    case bsonTypes.codeWithScope:
      return textAt(bytes, start + 4);
    case bsonTypes.int32:
      return bytes.readInt32LE(start);
    case bsonTypes.int64:
      return integerOf(bytes.readBigInt64LE(start));
    case bsonTypes.double:
      return bytes.readDoubleLE(start);
    case bsonTypes.decimal:
      return decimalAt(bytes, start);
    case bsonTypes.boolean:
      return bytes.readUInt8(start) !== 0;
    case bsonTypes.document:
      return new Map(Array.from(elementsOf(bytes, start), (element) => [element.name, valueOf(bytes, element)]));
    case bsonTypes.array:
      return Array.from(elementsOf(bytes, start), (element) => valueOf(bytes, element));
    case bsonTypes.binary:
      return binaryAt(bytes, start, end);
    case bsonTypes.date:
      return dateAt(bytes, start);
    case bsonTypes.objectId:
      return bytes.toString('hex', start, end);
    case bsonTypes.regex:
      return regexAt(bytes, start, end);
    case bsonTypes.timestamp:
      return `Timestamp(${bytes.readUInt32LE(start + 4)}, ${bytes.readUInt32LE(start)})`;
    case bsonTypes.pointer:
      return pointerAt(bytes, start, end);
    case bsonTypes.minKey:
      return 'MinKey';
    case bsonTypes.maxKey:
      return 'MaxKey';
    default:
      return null;
  }
}

/** What a value says; undefined where there is none. */
function decodeStored({ bytes }: StoredValue): JsonValue | undefined {
  const buffer = bufferOf(bytes);
  const [type] = buffer;
  return type === undefined ? undefined : valueOf(buffer, { type, name: '', start: 1, end: buffer.byteLength });
}

/** Values as BSON. @throws RangeError in `encode`, where BSON has no form for a value (`writeValue`) */
export const bsonForm: ValueForm = { encode: writeValue, decode: decodeStored };
