import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { equalJson, type JsonValue } from '#shared/document/json/value.ts';
import { formatJson, jsonDepthMax, parseJson } from '#shared/wire/json-value.ts';
import { mergePatch } from '#shared/wire/merge-patch.ts';

const parse = (text: string) => parseJson(Buffer.from(text));
const valueOf = (text: string): JsonValue => {
  const parsed = parse(text);
  if ('malformed' in parsed) throw new Error(parsed.malformed.reason);
  return parsed.value;
};

describe('JD1: JSON text says exactly what a value is', () => {
  test.each<[string, JsonValue]>([
    ['9007199254740991', 9_007_199_254_740_991],
    ['9007199254740993', 9_007_199_254_740_993n],
    ['-9223372036854775808', -9_223_372_036_854_775_808n],
    ['1.5', 1.5],
    ['1.152921504606847e+18', 2 ** 60],
    ['"\\u0000ä🦊\\n"', '\0ä🦊\n'],
    ['[null,true,false,[]]', [null, true, false, []]],
    ['{"@inkstream":"bytes","base64":"AP8="}', Uint8Array.of(0, 255)],
    ['{"@inkstream":"number","value":"-Infinity"}', -Infinity],
    ['{"@inkstream":"number","value":"NaN"}', Number.NaN],
    ['{"@inkstream":"subdocument","guid":"x"}', new Map([['@inkstream', 'subdocument'], ['guid', 'x']])], // prettier-ignore
    ['{"10":1,"2":2,"__proto__":3,"a":4}', new Map([['10', 1], ['2', 2], ['__proto__', 3], ['a', 4]])], // prettier-ignore
  ])('%s', (text, value) => {
    const read = valueOf(text);
    expect(read).toEqual(value);
    expect(formatJson(read)).toBe(text);
  });

  test('keys are read in their order, and written in one order', () => {
    const read = valueOf('{"b": 1, "2": 2, "1": 3}') as ReadonlyMap<string, JsonValue>;
    expect([...read.keys()]).toEqual(['b', '2', '1']);
    expect(formatJson(read)).toBe('{"1":3,"2":2,"b":1}');
  });

  test('what is the same has the same text, and reads back as the same', () => {
    expect(formatJson(-0)).toBe('0');
    expect(formatJson(valueOf('1.0'))).toBe('1');
    fc.assert(
      fc.property(fc.jsonValue(), (json) => {
        const value = valueOf(JSON.stringify(json));
        expect(equalJson(valueOf(formatJson(value)), value)).toBe(true);
        expect(JSON.parse(formatJson(value))).toEqual(JSON.parse(JSON.stringify(json)));
      }),
    );
  });
});

describe('JD2: where JSON is wrong is said, and why', () => {
  test.each<[string, number, number, string]>([
    ['', 1, 1, 'a value has to come here'],
    ['{"a": 1,}', 1, 9, 'a key in double quotes'],
    ['{\n  "a": 1,\n  "a": 2}', 3, 3, 'the key "a" is there twice'],
    ['{a: 1}', 1, 2, 'no JSON value'],
    ["{'a': 1}", 1, 2, 'no JSON value'],
    ['[1 2]', 1, 4, 'a comma'],
    ['[1', 1, 3, 'a closing bracket is missing'],
    ['{"a" 1}', 1, 6, 'a colon'],
    ['{} {}', 1, 4, 'something follows'],
    ['// no\n1', 1, 1, 'no comments'],
    ['[01]', 1, 3, 'a comma'],
    ['[1.]', 1, 2, 'a number ends too early'],
    ['1e999', 1, 1, 'the number is too large'],
    ['"\\x"', 1, 1, 'no such escape'],
    ['"\\u12"', 1, 1, 'four hexadecimal digits'],
    ['"a\tb"', 1, 1, 'control characters'],
    ['"a', 1, 1, 'a text has no end'],
    ['NaN', 1, 1, 'no JSON value'],
  ])('%s', (text, line, column, reason) => {
    expect(parse(text)).toEqual({ malformed: { line, column, reason: expect.stringContaining(reason) } });
  });

  test('what is no UTF-8, and what is nested without end', () => {
    expect(parseJson(Uint8Array.of(0x22, 0xff, 0x22))).toMatchObject({ malformed: { reason: 'it is not UTF-8' } });
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    expect(parse(nested(jsonDepthMax))).toHaveProperty('value');
    for (const depth of [jsonDepthMax + 1, 1_000_000])
      expect(parse(nested(depth))).toMatchObject({ malformed: { column: jsonDepthMax + 1 } });
  });

  test('whatever JSON.parse takes is taken, but for two equal keys and numbers that are too large; nothing else is', () => {
    const pieces = fc.array(fc.constantFrom(...Array.from('{}[]:,"\\ 01.-+eEtrufalsn/\u0001\n')), { maxLength: 12 });
    fc.assert(
      fc.property(
        fc.oneof(
          pieces.map((list) => list.join('')),
          fc.json(),
        ),
        (text) => {
          const isJson = ((): boolean => {
            try {
              JSON.parse(text);
              return true;
            } catch {
              return false;
            }
          })();
          const parsed = parse(text);
          const isTaken = !('malformed' in parsed) || /there twice|too large/u.test(parsed.malformed.reason);
          expect(isTaken, text).toBe(isJson);
        },
      ),
      { numRuns: 3000 },
    );
  });
});

/** RFC 7396, appendix A. */
const vectors: readonly (readonly [string, string, string])[] = [
  ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
  ['{"a":"b"}', '{"a":null}', '{}'],
  ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
  ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
  ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
  ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
  ['["a","b"]', '["c","d"]', '["c","d"]'],
  ['{"a":"b"}', '["c"]', '["c"]'],
  ['{"a":"foo"}', 'null', 'null'],
  ['{"a":"foo"}', '"bar"', '"bar"'],
  ['{"e":null}', '{"a":1}', '{"a":1,"e":null}'],
  ['[1,2]', '{"a":"b","c":null}', '{"a":"b"}'],
  ['{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
];

test.each(vectors)('JD3: JSON Merge Patch as in RFC 7396: %s with %s', (target, patch, merged) => {
  const before = valueOf(target);
  expect(formatJson(mergePatch(before, valueOf(patch)))).toBe(merged);
  expect(formatJson(before)).toBe(target);
});
