import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as Y from 'yjs';
import { readDocumentJson } from '#shared/document/json/read.ts';
import { differences, type Hunk } from '#shared/document/json/myers.ts';
import { textDifferences, type FlatText } from '#shared/document/json/text-diff.ts';
import { canonicalText, equalJson, jsonBytes, type JsonValue } from '#shared/document/json/value.ts';
import { seeded } from '#test/simulation/rooms/random.ts';
import { valueOf } from './json-values.ts';

const leaf = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.double(),
  fc.integer({ min: -3, max: 3 }),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.constantFrom(0n, 1n, -0, 2 ** 53, 2n ** 53n),
  fc.string({ unit: fc.constantFrom('a', '"', '\\', '\0', '\uD800', '😀', '<', ','), maxLength: 3 }),
  fc.uint8Array({ maxLength: 2 }),
);

const { value: values } = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    leaf,
    fc.array(tie('value'), { maxLength: 3 }),
    fc
      .array(fc.tuple(fc.constantFrom('a', 'b', '1', '0', '__proto__', ''), tie('value')), { maxLength: 3 })
      .map((entries) => new Map(entries)),
  ),
}));

test('DJ6: values have the same canonical text exactly if they are the same', () => {
  fc.assert(
    fc.property(values, values, (one, other) => {
      expect(canonicalText(one) === canonicalText(other)).toBe(equalJson(one, other));
      expect(equalJson(one, one)).toBe(true);
      expect(jsonBytes(one)).toBeGreaterThan(0);
    }),
    { numRuns: 5_000 },
  );
});

test.each([
  ['the order of keys', { a: 1, b: 2 }, { b: 2, a: 1 }, true],
  ['an integer and a bigint', 5, 5n, true],
  ['an integer past 2^53 and another one that a double can not tell from it', 2 ** 53, 2n ** 53n + 1n, false],
  ['zero and minus zero', 0, -0, true],
  ['NaN and itself', NaN, NaN, true],
  ['NaN and null', NaN, null, false],
  ['a number and its text', 1, '1', false],
  ['bytes and the same bytes', new Uint8Array([1]), Buffer.from([1]), true],
  ['bytes and a list of them', new Uint8Array([1]), [1], false],
  ['a list and a longer one', [1], [1, null], false],
  ['a key with null and no key', { a: null }, {}, false],
])('DJ6: %s', (_, one, other, same) => {
  expect(equalJson(valueOf(one), valueOf(other))).toBe(same);
  expect(canonicalText(valueOf(one)) === canonicalText(valueOf(other))).toBe(same);
});

test('DJ8: a document reads the same from any of its updates in any order', () => {
  const document = new Y.Doc();
  const updates: Uint8Array[] = [];
  document.on('update', (update: Uint8Array) => updates.push(update));
  const text = document.getText('t');
  for (const word of ['one ', 'two ', 'three ']) text.insert(0, word, word === 'two ' ? { bold: true } : {});
  text.delete(2, 3);
  document.getMap('m').set('k', new Y.Map([['a', 1]]));
  document.getMap('m').set('k', new Y.Map([['b', 2]]));
  const read = (parts: readonly Uint8Array[]): string => canonicalText(readDocumentJson(parts, new Map()).value);
  const whole = read([Y.encodeStateAsUpdate(document)]);
  expect(read(updates)).toBe(whole);
  expect(read(updates.toReversed())).toBe(whole);
  expect(read([...updates, ...updates])).toBe(whole);
});

const whole = (base: string, value: string): Hunk => ({ baseFrom: 0, baseTo: base.length, valueFrom: 0, valueTo: value.length });
const flat = (text: string): FlatText => ({ text, insets: new Map() });

test('DJ28: what two texts differ in leads from one to the other, and between lists of numbers is the least that does', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c', ' ', '\n', '😀', '👩‍👧', 'e\u0301'), maxLength: 40 });
  fc.assert(
    fc.property(letters, letters, (base, value) => {
      const hunks = textDifferences(flat(base), flat(value), whole(base, value), { steps: 1_000_000 });
      let [made, at] = ['', 0];
      for (const { baseFrom, baseTo, valueFrom, valueTo } of hunks) {
        made += base.slice(at, baseFrom) + value.slice(valueFrom, valueTo);
        at = baseTo;
      }
      expect(made + base.slice(at)).toBe(value);
    }),
    { numRuns: 2_000 },
  );
  const numbers = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 30 });
  fc.assert(
    fc.property(numbers, numbers, (base, value) => {
      const hunks = differences(base, value, { steps: 1_000_000 }) ?? [];
      const changes = hunks.reduce((sum, hunk) => sum + hunk.baseTo - hunk.baseFrom + hunk.valueTo - hunk.valueFrom, 0);
      expect(changes).toBe(base.length + value.length - 2 * commonLength(base, value));
    }),
    { numRuns: 2_000 },
  );
});

/** The longest common subsequence, by the table of everybody's first lesson. */
function commonLength(one: readonly number[], other: readonly number[]): number {
  let before = other.map(() => 0);
  for (const value of one) {
    const row: number[] = [];
    for (const [j, there] of other.entries()) {
      row.push(value === there ? (before[j - 1] ?? 0) + 1 : Math.max(before[j] ?? 0, row[j - 1] ?? 0));
    }
    before = row;
  }
  return before.at(-1) ?? 0;
}

test('DJ28: between sequences that differ in thousands of places a small difference is found', () => {
  const random = seeded(28);
  for (let round = 0; round < 10; round++) {
    const base = Array.from({ length: 20_000 + random.integer(20_000) }, () => random.integer(50));
    let made = 0;
    const value = base.flatMap((number) => {
      if (!random.chance(0.15)) return [number];
      const kind = random.integer(3);
      made += kind === 2 ? 2 : 1;
      return kind === 0 ? [] : kind === 1 ? [100, number] : [100];
    });
    const hunks = differences(base, value, { steps: 40_000_000 }) ?? [];
    const found: number[] = [];
    let [at, changes] = [0, 0];
    for (const { baseFrom, baseTo, valueFrom, valueTo } of hunks) {
      found.push(...base.slice(at, baseFrom), ...value.slice(valueFrom, valueTo));
      changes += baseTo - baseFrom + valueTo - valueFrom;
      at = baseTo;
    }
    expect([...found, ...base.slice(at)]).toEqual(value);
    expect(made).toBeGreaterThan(3_000);
    expect(changes).toBeLessThan(made * 1.01);
  }
});

test('DJ13: what takes too many steps has no answer, and then a coarser one', () => {
  const numbers = Array.from({ length: 5_000 }, (_, i) => i);
  expect(differences(numbers, numbers.toReversed(), { steps: 100_000 })).toBeUndefined();
  const [one = '', other = ''] = ['a b c d\n', 'x y z d\n'].map((line) => `same\n${line.repeat(40)}same\n`);
  const hunks = textDifferences(flat(one), flat(other), whole(one, other), { steps: 0 });
  expect(hunks).toEqual([{ baseFrom: 5, baseTo: 5 + 38 * 8 + 13, valueFrom: 5, valueTo: 5 + 38 * 8 + 13 }]);
});
