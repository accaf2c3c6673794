/** Values of mirrors as BSON, beside the driver's own reading and writing of it. */

import * as fc from 'fast-check';
import {
  BSON,
  BSONRegExp,
  BSONSymbol,
  Binary,
  Code,
  Decimal128,
  Double,
  Int32,
  Long,
  MaxKey,
  MinKey,
  ObjectId,
  Timestamp,
  UUID,
} from 'mongodb';
import { expect, test } from 'vitest';
import { canonicalText, equalJson, type JsonValue } from '#shared/document/json/value.ts';
import { bsonForm } from '#shared/store/mongo/bson-form.ts';
import { elementsOf } from '#shared/store/mongo/bson.ts';
import { fieldsOf } from '#shared/store/mongo/bson-writer.ts';
import { writeStatement } from '#shared/store/mongo/raw-writes.ts';
import type { StoredValue } from '#shared/store/mirrors.ts';

/** A value as the driver would store it. */
function stored(value: unknown): StoredValue {
  const bytes = BSON.serialize(new Map([['', value]]), { ignoreUndefined: false });
  return { bytes: Buffer.concat([bytes.subarray(4, 5), bytes.subarray(6, -1)]) };
}

/** One that the driver can't write: its type, and its bytes in hex. */
const storedAs = (type: number, hex: string): StoredValue => ({
  bytes: Buffer.concat([Buffer.of(type), Buffer.from(hex, 'hex')]),
});

const decimal = (text: string): StoredValue => stored(Decimal128.fromString(text));
const hex = ({ bytes }: StoredValue): string => Buffer.from(bytes).toString('hex');

const anyJson: fc.Arbitrary<JsonValue> = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constant(null),
    fc.boolean(),
    fc.double(),
    fc.integer(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.string({ unit: 'grapheme' }),
    fc.uint8Array({ maxLength: 8 }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc
      .array(
        fc.tuple(
          fc.oneof(fc.constantFrom('2', '10', '1', '$set', 'a.b', '__proto__', ''), fc.string({ unit: 'grapheme' })),
          tie('value'),
        ),
        { maxLength: 5 },
      )
      .map((entries) => new Map(entries.map(([key, value]) => [key.replaceAll('\0', ''), value]))),
  ),
})).value;

test('MS1: what a document says is the same after it was stored, keys in their order, as the bytes that the driver makes of it', () => {
  fc.assert(
    fc.property(anyJson, (value) => {
      const form = bsonForm.encode(value as ReadonlyMap<string, JsonValue>);
      const back = bsonForm.decode(form);
      expect(back === undefined ? undefined : equalJson(back, value)).toBe(true);
      const again = bsonForm.decode(bsonForm.encode(back as ReadonlyMap<string, JsonValue>));
      expect(canonicalText(again ?? null)).toBe(canonicalText(value));
      expect(hex(form)).toBe(hex(stored(value)));
    }),
    { numRuns: 2_000 },
  );
});

const table: readonly (readonly [string, StoredValue, JsonValue | undefined])[] = [
  ['nothing', { bytes: new Uint8Array(0) }, undefined],
  ['int32', stored(new Int32(-7)), -7],
  ['double', stored(new Double(7)), 7],
  ['double, -0', stored(new Double(-0)), -0],
  ['double, NaN with a payload', storedAs(0x01, '010000000000f87f'), Number.NaN],
  ['int64', stored(Long.fromBigInt(5n)), 5],
  ['int64 past 2^53', stored(Long.fromBigInt(2n ** 53n + 1n)), 2n ** 53n + 1n],
  ['decimal', decimal('19.99'), 19.99],
  ['decimal with zeros', decimal('1.500'), 1.5],
  ['decimal past 2^53', decimal('9007199254740993'), 9007199254740993n],
  ['decimal that no number holds', decimal('0.1234567890123456789012345678901234'), '1234567890123456789012345678901234E-34'],
  ['decimal of more than 64 bits', decimal('123456789012345678901234567890'), '12345678901234567890123456789E+1'],
  ['decimal, very large', decimal('1E+6000'), '1E+6000'],
  ['decimal, very small', decimal('-1E-6176'), '-1E-6176'],
  ['decimal, no number', decimal('NaN'), Number.NaN],
  ['decimal, infinite', decimal('-Infinity'), -Infinity],
  ['decimal, 0 with a power', decimal('0E+50'), 0],
  ['decimal with a significand that is too large', storedAs(0x13, 'ffffffffffffffffffffffffffff0f6c'), 0],
  ['date', stored(new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 6))), '2026-01-02T03:04:05.006Z'],
  ['date before our years', stored(new Date(-62_198_755_200_001)), -62_198_755_200_001],
  ['date that no Date holds', storedAs(0x09, 'ffffffffffffff7f'), 2n ** 63n - 1n],
  ['binary', stored(new Binary(Uint8Array.of(1, 2))), Uint8Array.of(1, 2)],
  ['binary, no bytes', stored(new Binary(new Uint8Array(0))), new Uint8Array(0)],
  ['binary of the old subtype', stored(new Binary(Uint8Array.of(1, 2), 2)), Uint8Array.of(1, 2)],
  ['binary of a subtype of their own', stored(new Binary(Uint8Array.of(1, 2), 128)), Uint8Array.of(1, 2)],
  ['UUID', stored(new UUID('3b241101-e2bb-4255-8caf-4136c566a962')), '3b241101-e2bb-4255-8caf-4136c566a962'],
  ['UUID of another length', stored(new Binary(Uint8Array.of(1), 4)), Uint8Array.of(1)],
  ['ObjectId', stored(new ObjectId('65a1b2c3d4e5f60718293a4b')), '65a1b2c3d4e5f60718293a4b'],
  ['regular expression', stored(new BSONRegExp('^a/b', 'im')), '/^a/b/im'],
  ['timestamp', stored(new Timestamp({ t: 5, i: 2 ** 31 })), 'Timestamp(5, 2147483648)'],
  ['code', stored(new Code('f()')), 'f()'],
  ['code with a scope', stored(new Code('f()', { f: 1 })), 'f()'],
  ['symbol', stored(new BSONSymbol('s')), 's'],
  ['MinKey', stored(new MinKey()), 'MinKey'],
  ['MaxKey', stored(new MaxKey()), 'MaxKey'],
  ['undefined', storedAs(0x06, ''), null],
  ['DBPointer', storedAs(0x0c, '02000000630065a1b2c3d4e5f60718293a4b'), 'DBPointer(c, 65a1b2c3d4e5f60718293a4b)'],
  ['text with NUL', stored('a\0b'), 'a\0b'],
  ['text that is no UTF-8', storedAs(0x02, '03000000ff6100'), '\ufffda'],
  ['text with half of a pair', storedAs(0x02, '04000000eda08000'), '\ufffd\ufffd\ufffd'],
  ['keys that look like integers', stored(new Map<string, unknown>([['b', 1], ['2', 2], ['1', new Map([['$set', 'a.b']])]])), new Map<string, JsonValue>([['b', 1], ['2', 2], ['1', new Map([['$set', 'a.b']])]])],
  ['a key twice', storedAs(0x03, '13000000106100010000001061000200000000'), new Map([['a', 2]])],
]; // prettier-ignore

test.each(table.slice(1))('MS2: %s is in a filter, and kept aside, as it is stored', (_, value) => {
  const where = fieldsOf({ _id: 'a', value: fieldsOf({ $eq: value }) });
  const statement = Buffer.from(writeStatement({ where, update: fieldsOf({ $set: fieldsOf({ kept: [fieldsOf({ value })] }) }) }));
  const { bytes } = value;
  for (const name of ['$eq', 'value']) {
    const field = Buffer.concat([bytes.subarray(0, 1), Buffer.from(`${name}\0`), bytes.subarray(1)]);
    expect(statement.includes(field)).toBe(true);
  }
});

test.each(table)('MS5: what %s says is told, and says the same when it is written back', (_, value, says) => {
  const read = bsonForm.decode(value);
  expect(read).toEqual(says);
  const again = bsonForm.decode(bsonForm.encode(read as ReadonlyMap<string, JsonValue> | undefined));
  expect(again === undefined || read === undefined ? again === read : equalJson(again, read)).toBe(true);
});

const digitsMax = 34;

/** The same number in every type that holds it, and in every power of ten. */
function numbersLike(value: number): readonly StoredValue[] {
  const forms = [stored(new Double(value))];
  if (Number.isInteger(value) && Math.abs(value) < 2 ** 63) forms.push(stored(Long.fromBigInt(BigInt(value))));
  const digits = value.toPrecision(digitsMax);
  if (Number(digits) === value) forms.push(decimal(digits));
  if (Number.isInteger(value) && Math.abs(value) < 1e30)
    forms.push(decimal(`${BigInt(value)}0E-1`), decimal(`${BigInt(value)}.00`));
  return forms;
}

test('MS4: numbers that MongoDB holds equal say the same, whatever their types', () => {
  const odd = [0, -0, 1, -1, 2 ** 53, 2 ** 53 + 2, 2 ** 62, -(2 ** 63), 2 ** -20, 2 ** -30, 2 ** 70, 0.1, 1e22, 1e23, 5e-324, 1.7976931348623157e308, 123456.789];
  const check = (value: number): void => {
    const said = numbersLike(value).map((form) => canonicalText(bsonForm.decode(form) ?? 'nothing'));
    expect([value, new Set(said).size, said]).toEqual([value, 1, said]);
  };
  for (const value of odd) check(value);
  fc.assert(fc.property(fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.maxSafeInteger()), check), { numRuns: 2_000 });
}); // prettier-ignore

test('MS8: what BSON and MongoDB have no form for is refused, with the reason', () => {
  let deep: JsonValue = 'x';
  for (let level = 0; level < 101; level++) deep = [deep];
  const encode = (value: JsonValue) => () => bsonForm.encode(new Map([['value', value]]));
  expect(encode(deep)).toThrow(/nested more than 100 levels deep/u);
  expect(encode(new Map([['a\0b', 1]]))).toThrow(/no keys with NUL/u);
  expect(encode(2n ** 63n)).toThrow(/more than 64 bits/u);
});

test.each([
  ['a type that there is not', '08000000200061'],
  ['a text without an end', '0900000002610005'],
  ['a value that is longer than its document', '0c00000002610009000000610000'],
])('MS5: %s is an error, and not read past', (_, bytes) => {
  expect(() => [...elementsOf(Buffer.from(bytes, 'hex'))]).toThrow(RangeError);
});
