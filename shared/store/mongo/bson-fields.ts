/** Fields of documents that we wrote, out of BSON that anybody may have changed since: each is what it should be, or an error. */

import type { StoredValue } from '../mirrors.ts';
import { bsonTypes, elementsOf, type BsonElement } from './bson.ts';

/** A document, or one in it. */
export type StoredFields = { readonly bytes: Buffer; readonly elements: ReadonlyMap<string, BsonElement> };

export const fieldsAt = (bytes: Buffer, at = 0): StoredFields => ({
  bytes,
  elements: new Map(Array.from(elementsOf(bytes, at), (element) => [element.name, element])),
});

export const hasField = ({ elements }: StoredFields, name: string): boolean => elements.has(name);

function elementOf({ elements }: StoredFields, name: string, ...types: readonly number[]): BsonElement {
  const element = elements.get(name);
  if (element === undefined) throw new Error(`there is no "${name}"`);
  if (!types.includes(element.type)) throw new Error(`"${name}" is of another type`);
  return element;
}

export function textOf(fields: StoredFields, name: string): string {
  const { start, end } = elementOf(fields, name, bsonTypes.string);
  return fields.bytes.toString('utf8', start + 4, end - 1);
}

/** A whole number from 0 on, whichever of the types for numbers it has by now. */
export function numberOf(fields: StoredFields, name: string): number {
  const { type, start } = elementOf(fields, name, bsonTypes.int32, bsonTypes.double, bsonTypes.int64);
  const value =
    type === bsonTypes.int32
      ? fields.bytes.readInt32LE(start)
      : type === bsonTypes.double
        ? fields.bytes.readDoubleLE(start)
        : Number(fields.bytes.readBigInt64LE(start));
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`"${name}" is no number from 0 on`);
  return value;
}

/** Milliseconds since 1970. */
export function dateOf(fields: StoredFields, name: string): number {
  const { start } = elementOf(fields, name, bsonTypes.date);
  return Number(fields.bytes.readBigInt64LE(start));
}

/** A copy. */
export function bytesOf(fields: StoredFields, name: string): Uint8Array {
  const { start, end } = elementOf(fields, name, bsonTypes.binary);
  return new Uint8Array(fields.bytes.subarray(start + 5, end));
}

export function documentOf(fields: StoredFields, name: string): StoredFields {
  return fieldsAt(fields.bytes, elementOf(fields, name, bsonTypes.document).start);
}

/** The documents of a list. */
export function documentsOf(fields: StoredFields, name: string): readonly StoredFields[] {
  const { start } = elementOf(fields, name, bsonTypes.array);
  const entries = fieldsAt(fields.bytes, start);
  return [...entries.elements.keys()].map((key) => documentOf(entries, key));
}

/** The texts of a list. */
export function textsOf(fields: StoredFields, name: string): readonly string[] {
  const { start } = elementOf(fields, name, bsonTypes.array);
  const entries = fieldsAt(fields.bytes, start);
  return [...entries.elements.keys()].map((key) => textOf(entries, key));
}

/** A field as it is stored; undefined where there is none of that name. */
export function storedOf({ bytes, elements }: StoredFields, name: string): StoredValue | undefined {
  const element = elements.get(name);
  if (element === undefined) return undefined;
  const stored = new Uint8Array(1 + element.end - element.start);
  stored[0] = element.type;
  stored.set(bytes.subarray(element.start, element.end), 1);
  return { bytes: stored };
}
