/**
 * JSON text and the values of documents (RFC 8259).
 *
 * `JSON.parse` would be the obvious way in: it makes doubles of integers past 2^53, puts integer-like keys first, takes the last of two equal keys in silence, and what it says of an error is
 * different with each engine. So a scanner that reports what it finds, and where, builds the value here.
 *
 *     integers        1 and 9007199254740993 as they are, however many digits; with a fraction or an exponent a number is a double
 *     bytes           {"@inkstream": "bytes", "base64": "…"}
 *     NaN, infinity   {"@inkstream": "number", "value": "NaN"}
 *
 * On the way out keys are in the order of their UTF-16 units. A document's maps have no order of their own, and a value must have one text only, since an `ETag` names bytes.
 */

// oxlint-disable-next-line import/default -- it is CommonJS, of which Node sees no export by its name
import jsonc from 'jsonc-parser';
import { isList, isMap, type JsonMap, type JsonValue } from '#shared/document/json/value.ts';

/** Where JSON text is wrong, for the person who wrote it; lines and columns begin with 1. */
export type Malformed = { readonly reason: string; readonly line: number; readonly column: number };

/** Deeper than any document: what is deeper is refused while it is read, since reading goes down with it. */
export const jsonDepthMax = 256;

class Complaint extends Error {
  override readonly name = 'Complaint';
  readonly malformed: Malformed;
  constructor(malformed: Malformed) {
    super(malformed.reason);
    this.malformed = malformed;
  }
}

const errorWords: Readonly<Record<string, string>> = {
  InvalidSymbol: 'this is no JSON value',
  InvalidNumberFormat: 'this is no number',
  PropertyNameExpected: 'a key in double quotes has to come here',
  ValueExpected: 'a value has to come here',
  ColonExpected: 'a colon has to come here',
  CommaExpected: 'a comma has to come here',
  CloseBraceExpected: 'a closing brace is missing',
  CloseBracketExpected: 'a closing bracket is missing',
  EndOfFileExpected: 'something follows the value',
  InvalidCommentToken: 'JSON has no comments',
  UnexpectedEndOfNumber: 'a number ends too early',
  UnexpectedEndOfString: 'a text has no end',
  InvalidUnicode: 'an escape \\u has four hexadecimal digits',
  InvalidEscapeCharacter: 'there is no such escape',
  InvalidCharacter: 'control characters have to be escaped',
};

/** The value of JSON text in UTF-8, or where it is none. Costs by its size: megabytes are for a worker. */
export function parseJson(bytes: Uint8Array): { readonly value: JsonValue } | { readonly malformed: Malformed } {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return { malformed: { reason: 'it is not UTF-8', line: 1, column: 1 } };
  }
  try {
    return { value: buildValue(text) };
  } catch (error) {
    if (error instanceof Complaint) return { malformed: error.malformed };
    throw error;
  }
}

type Open = { readonly map: Map<string, JsonValue>; key: string } | { readonly list: JsonValue[] };

function buildValue(text: string): JsonValue {
  const open: Open[] = [];
  let whole: JsonValue | undefined;
  const complain = (reason: string, line: number, column: number): never => {
    throw new Complaint({ reason, line: line + 1, column: column + 1 });
  };
  const put = (value: JsonValue): void => {
    const parent = open.at(-1);
    if (parent === undefined) whole = value;
    else if ('map' in parent) parent.map.set(parent.key, value);
    else parent.list.push(value);
  };
  const begin = (container: Open, line: number, column: number): void => {
    if (open.length === jsonDepthMax) complain(`it is nested more than ${jsonDepthMax} levels deep`, line, column);
    open.push(container);
  };
  jsonc.visit(
    text,
    {
      onObjectBegin: (_offset, _length, line, column) => begin({ map: new Map(), key: '' }, line, column),
      onObjectProperty: (key, _offset, _length, line, column) => {
        const parent = open.at(-1);
        if (parent === undefined || !('map' in parent)) return;
        if (parent.map.has(key)) complain(`the key ${JSON.stringify(key)} is there twice`, line, column);
        parent.key = key;
      },
      onObjectEnd: () => {
        const closed = open.pop();
        if (closed !== undefined && 'map' in closed) put(meant(closed.map));
      },
      onArrayBegin: (_offset, _length, line, column) => begin({ list: [] }, line, column),
      onArrayEnd: () => {
        const closed = open.pop();
        if (closed !== undefined && 'list' in closed) put(closed.list);
      },
      onLiteralValue: (value: unknown, offset, length, line, column) => {
        if (typeof value !== 'number') return put(value as string | boolean | null);
        const number = numberOf(text.slice(offset, offset + length));
        return put(number ?? complain('the number is too large', line, column));
      },
      onError: (code, _offset, _length, line, column) =>
        complain(errorWords[jsonc.printParseErrorCode(code)] ?? 'this is no JSON', line, column),
    },
    { disallowComments: true, allowTrailingComma: false, allowEmptyContent: false },
  );
  if (whole === undefined) throw new Error('JSON without an error has a value');
  return whole;
}

/** Undefined where no double is so large. */
function numberOf(digits: string): number | bigint | undefined {
  const number = Number(digits);
  if (/^-?\d+$/u.test(digits)) return Number.isSafeInteger(number) ? number : BigInt(digits);
  return Number.isFinite(number) ? number : undefined;
}

const reserved = '@inkstream';
const oddNumbers: ReadonlyMap<string, number> = new Map([NaN, Infinity, -Infinity].map((odd) => [String(odd), odd]));
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/u;

/** An object, or what it stands for. */
function meant(map: JsonMap): JsonValue {
  if (map.size !== 2) return map;
  const what = map.get(reserved);
  const bytes = map.get('base64');
  if (what === 'bytes' && typeof bytes === 'string' && base64.test(bytes)) return new Uint8Array(Buffer.from(bytes, 'base64'));
  const number = map.get('value');
  return what === 'number' && typeof number === 'string' ? (oddNumbers.get(number) ?? map) : map;
}

/** A value as JSON text, one for each value. Costs by its size. */
export function formatJson(value: JsonValue): string {
  if (typeof value === 'string') return JSON.stringify(value.toWellFormed());
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number') return formatNumber(value);
  if (value instanceof Uint8Array) return `{"${reserved}":"bytes","base64":"${Buffer.from(value).toString('base64')}"}`;
  if (isList(value)) return `[${value.map(formatJson).join(',')}]`;
  if (!isMap(value)) return 'null';
  const entries = [...value].toSorted(([one], [other]) => (one < other ? -1 : 1));
  return `{${entries.map(([key, inner]) => `${JSON.stringify(key.toWellFormed())}:${formatJson(inner)}`).join(',')}}`;
}

/** A double past 2^53 has an exponent: without one its digits would be read as an integer, which it is not exactly. */
function formatNumber(number: number): string {
  if (!Number.isFinite(number)) return `{"${reserved}":"number","value":"${number}"}`;
  return Number.isInteger(number) && !Number.isSafeInteger(number) ? number.toExponential() : JSON.stringify(number);
}
