/** Values written as literals, and written down. */

import { isList, isMap, type JsonMap, type JsonValue } from '#shared/document/json/value.ts';

/** A literal as a value: its objects are maps. */
export function valueOf(literal: unknown): JsonValue {
  if (Array.isArray(literal)) return literal.map(valueOf);
  if (typeof literal !== 'object' || literal === null || literal instanceof Uint8Array) return literal as JsonValue;
  return new Map(Object.entries(literal).map(([key, inner]) => [key, valueOf(inner)] as const));
}

export const mapOf = (literal: object): JsonMap => valueOf(literal) as JsonMap;

/** A value as a literal, to be compared: bigints and bytes as they are. Not for keys that JavaScript takes for something else. */
export function literalOf(value: JsonValue): unknown {
  if (isList(value)) return value.map(literalOf);
  return isMap(value) ? Object.fromEntries([...value].map(([key, inner]) => [key, literalOf(inner)])) : value;
}

const indent = '  ';
const lineLengthMax = 110;

/** As JSON text for people, keys in their order; what JSON has no word for as `<…>`. */
export function written(value: JsonValue, margin = ''): string {
  if (value instanceof Uint8Array) return `<bytes ${Buffer.from(value).toString('hex')}>`;
  if (typeof value === 'bigint') return `<integer ${value}>`;
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value);
  if (!isList(value) && !isMap(value)) return JSON.stringify(value);
  const [open, close] = isList(value) ? '[]' : '{}';
  const inner = isList(value)
    ? value.map((entry) => written(entry, margin + indent))
    : [...value].map(([key, entry]) => `${JSON.stringify(key)}: ${written(entry, margin + indent)}`);
  const line = `${open}${inner.join(', ')}${close}`;
  if (line.length + margin.length <= lineLengthMax && !line.includes('\n')) return line;
  return `${open}\n${inner.map((entry) => `${margin}${indent}${entry}`).join(',\n')}\n${margin}${close}`;
}
