/**
 * BSON as bytes.
 *
 * The driver turns BSON into JavaScript objects, and then it is no longer what was stored: integer-like keys come first, an integer may have become a double, of two keys with one name
 * one is gone, and what is no UTF-8 was replaced. Compared with what is stored, or written back, that would be an edit that nobody made. So mirrors are read and written as they are: a value is the byte
 * of its type with the bytes behind its name (`StoredValue`), and nothing here but `bson-form.ts` asks what it means.
 *
 *     document  int32 length, element …, 0        element  type, name, 0, value        (bsonspec.org, 1.1)
 */

export const bsonTypes = {
  double: 0x01, string: 0x02, document: 0x03, array: 0x04, binary: 0x05, undefined: 0x06, objectId: 0x07, boolean: 0x08, date: 0x09, null: 0x0a, regex: 0x0b,
  pointer: 0x0c, code: 0x0d, symbol: 0x0e, codeWithScope: 0x0f, int32: 0x10, timestamp: 0x11, int64: 0x12, decimal: 0x13, maxKey: 0x7f, minKey: 0xff,
} as const; // prettier-ignore

/** One element of a document or an array: its value is the bytes from `start` to `end`. */
export type BsonElement = { readonly type: number; readonly name: string; readonly start: number; readonly end: number };

/** How many levels of documents and arrays in one another MongoDB's manual allows. */
export const nestingMax = 100;

const afterZero = (bytes: Buffer, at: number): number => {
  const zero = bytes.indexOf(0, at);
  if (zero === -1) throw new RangeError('BSON: a text does not end');
  return zero + 1;
};

/** Where a value that begins at `at` ends. */
function endOf(bytes: Buffer, type: number, at: number): number {
  switch (type) {
    case bsonTypes.undefined:
    case bsonTypes.null:
    case bsonTypes.minKey:
    case bsonTypes.maxKey:
      return at;
    case bsonTypes.boolean:
      return at + 1;
    case bsonTypes.int32:
      return at + 4;
    case bsonTypes.double:
    case bsonTypes.date:
    case bsonTypes.timestamp:
    case bsonTypes.int64:
      return at + 8;
    case bsonTypes.objectId:
      return at + 12;
    case bsonTypes.decimal:
      return at + 16;
    case bsonTypes.string:
    case bsonTypes.code:
    case bsonTypes.symbol:
      return at + 4 + bytes.readInt32LE(at);
    case bsonTypes.pointer:
      return at + 4 + bytes.readInt32LE(at) + 12;
    case bsonTypes.binary:
      return at + 5 + bytes.readInt32LE(at);
    case bsonTypes.document:
    case bsonTypes.array:
    case bsonTypes.codeWithScope:
      return at + bytes.readInt32LE(at);
    case bsonTypes.regex:
      return afterZero(bytes, afterZero(bytes, at));
    default:
      throw new RangeError(`BSON: there is no type ${type}`);
  }
}

/** The elements of the document or array that begins at `at`, in their order. @throws RangeError where the bytes are no BSON */
export function* elementsOf(bytes: Buffer, at = 0): Generator<BsonElement> {
  const last = at + bytes.readInt32LE(at) - 1;
  let next = at + 4;
  while (next < last) {
    const type = bytes.readUInt8(next);
    const start = afterZero(bytes, next + 1);
    const end = endOf(bytes, type, start);
    if (end > last) throw new RangeError('BSON: a value is longer than what it is in');
    yield { type, name: bytes.toString('utf8', next + 1, start - 1), start, end };
    next = end;
  }
}

/** The bytes as a Buffer, which shares them. */
export const bufferOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
