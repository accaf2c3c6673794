/** Which of two states of a document somebody had before him. */

import { describe, expect, test } from 'vitest';

import { randomOf } from '#test/simulation/persister/typing.ts';
import { sawLater } from '#shared/document/json/author-saw.ts';
import type { JsonMap, JsonValue } from '#shared/document/json/value.ts';

const textOf = (text: string): JsonMap => new Map([['text', text]]);
const mapOf = (...entries: readonly (readonly [string, JsonValue])[]): JsonMap => new Map([['map', new Map(entries)]]);

describe('the author of a value', () => {
  const [earlier, later] = ['Agenda. ', 'Agenda. Please do not forget the budget. '];

  test.each([
    'Agenda. ',
    'Agenda. hi',
    'Agenda. written here.',
    'Agenda. the end of it all',
    'Agenda. Nobody ever wants to be the one who has to talk about the budget. ',
    '',
    'something else',
  ])('DJ27: did not see what came in between, where he has it by letters at most: %s', (written) => {
    expect(sawLater(textOf(earlier), textOf(later), textOf(written))).toBe(false);
  });

  test.each([
    'Agenda. Please do not forget the budget. ',
    'Agenda: Please do not forget the budget!',
    'Please do not forget the budget. ',
    'Agenda. Please, do not forget the budget. And lunch.',
    'Agenda. Please do not forget the budget. Nor what came of the one of last year, nor the one of the year before that. ',
  ])('DJ27: saw what is in his value whole, or most of it: %s', (written) => {
    expect(sawLater(textOf(earlier), textOf(later), textOf(written))).toBe(true);
  });

  test('DJ27: saw what his value is, also where things only went in between, or changed their form', () => {
    const bold = (text: string): JsonValue =>
      new Map<string, JsonValue>([
        ['insert', text],
        ['attributes', new Map([['bold', true]])],
      ]);
    const plain = (text: string): JsonValue => new Map([['insert', text]]);
    const noted = (note: JsonValue): JsonMap => new Map([['notes', [note]]]);
    expect(sawLater(textOf('one two'), textOf('two'), textOf('two'))).toBe(true);
    expect(sawLater(noted(plain('one')), noted(bold('one')), noted(bold('one')))).toBe(true);
    expect(sawLater(noted(plain('one')), noted(bold('one')), noted(plain('one')))).toBe(false);
  });

  test('DJ27: saw short values where they are there, among others, and a short text that he has continued', () => {
    const value = (text: string, list: readonly JsonValue[]): JsonMap =>
      new Map<string, JsonValue>([['list', list], ...textOf(text)]);
    expect(sawLater(new Map(), value('ok', ['a', 'b', 79]), value('ok, but why', ['a', 'c', 'b', 79, 80]))).toBe(true);
    expect(sawLater(new Map(), value('ok', ['a', 'b', 79]), value('booking', ['c', 79]))).toBe(false);
  });

  test('DJ27: saw a letter where it has beside it what it had', () => {
    expect(sawLater(textOf('one two'), textOf('one. two'), textOf('one. two three'))).toBe(true);
    expect(sawLater(textOf('one two'), textOf('onee two'), textOf('one two three'))).toBe(false);
    expect(sawLater(textOf('one two'), textOf('onee two'), textOf('onee two three'))).toBe(true);
  });

  /** Many sentences, none like another one, out of few words. */
  const prose = (seed: number, sentences: number): string => {
    const random = randomOf(seed);
    const words =
      'the of and we to in plan house for that is on budget with garden as be by they this at from you have not but next'.split(
        ' ',
      );
    const word = (): string => words[Math.floor(random() * words.length)] ?? '';
    const sentence = (): string => `${Array.from({ length: 9 }, word).join(' ')}. `;
    return Array.from({ length: sentences }, sentence).join('');
  };

  test('DJ27: a long text has most short pieces of any sentence, and tells nothing by them', () => {
    const came = prose(1, 2);
    for (const sentences of [10, 100, 1000]) {
      const text = prose(2, sentences);
      expect(sawLater(textOf(earlier), textOf(`${earlier}${came}`), textOf(`${earlier}${text}`))).toBe(false);
      expect(sawLater(textOf(earlier), textOf(`${earlier}${came}`), textOf(`${earlier}${came}${text}`))).toBe(true);
    }
  });

  test('DJ27: of ideographs too, most of which are in any long text', () => {
    const [one, other] = ['会议将在周五举行,请大家准时参加。', '请不要忘记预算。'];
    const text = '大家对新的预算有不少意见,请在周五的会议将结束时记下来,不要忘。';
    expect(sawLater(textOf(one), textOf(one + other), textOf(one + text))).toBe(false);
    expect(sawLater(textOf(one), textOf(one + other), textOf(one + other + text))).toBe(true);
  });

  test('DJ27: a paragraph that was moved, and one of several that are alike, by what stands beside it', () => {
    const [one, two, three] = [3, 4, 5].map((seed) => prose(seed, 3)) as [string, string, string];
    expect(sawLater(textOf(one + two + three), textOf(two + three + one), textOf(`${two}${three}${one}And more.`))).toBe(true);
    expect(sawLater(textOf(one + two + three), textOf(two + three + one), textOf(`${one}${two}${three}And more.`))).toBe(false);
    const items = (count: number): JsonMap => new Map([['list', Array.from({ length: count }, () => 'item')]]);
    expect(sawLater(items(2), items(3), items(4))).toBe(true);
    expect(sawLater(items(2), items(3), items(2))).toBe(false);
  });

  test('DJ27: a counter beside a sentence tells next to nothing, and a value that goes on is another one', () => {
    const state = (text: string, count: number, list: readonly number[]): JsonMap =>
      new Map<string, JsonValue>([...textOf(text), ['map', new Map([['count', count]])], ['list', list]]);
    const seen = state(later, 8, [1, 2]);
    expect(sawLater(state(earlier, 7, [1, 2]), seen, state(later, 9, [1, 2, 5]))).toBe(true);
    expect(sawLater(state(earlier, 7, [1, 2]), seen, state(earlier, 8, [1, 2, 5]))).toBe(false);
    expect(sawLater(state('', 7, [1, 2]), state('', 7, [1, 2, 3]), state('', 7, [1, 2, 30]))).toBe(false);
    expect(sawLater(state('', 7, [1, 2]), state('', 7, [1, 2, 3]), state('', 7, [1, 2, 3, 30]))).toBe(true);
  });

  test.each([
    [0, 0.45, false],
    [0.55, 1, false],
    [0, 0.55, true],
    [0.45, 1, true],
  ])('DJ27: saw it if more than half of it is there, wherever: from %d to %d, %o', (from, to, saw) => {
    const random = randomOf(6);
    const came = Array.from({ length: 20_000 }, () => String.fromCharCode(97 + Math.floor(random() * 26))).join('');
    const part = came.slice(came.length * from, came.length * to);
    expect(sawLater(textOf(''), textOf(came), textOf(part))).toBe(saw);
  });

  test('DJ27: of many rows with a counter each, the texts count, wherever in the row they stand', () => {
    const rows = (of: (row: number) => JsonMap): JsonMap => new Map([['rows', Array.from({ length: 200 }, (_, row) => of(row))]]);
    const rowOf = (count: number, text: string): JsonMap =>
      new Map<string, JsonValue>([
        ['count', count],
        ['text', text],
      ]);
    const textBefore = (row: number): string => `what ${row * 7} was`;
    const textAfter = (row: number): string => `now ${row * 13_577} it is ${row * 31}`;
    const before = rows((row) => rowOf(1_000 + row, textBefore(row)));
    const after = rows((row) => rowOf(3_000 + row, textAfter(row)));
    expect(
      sawLater(
        before,
        after,
        rows((row) => rowOf(5_000 + row, textAfter(row))),
      ),
      'and counted on',
    ).toBe(true);
    expect(
      sawLater(
        before,
        after,
        rows((row) => rowOf(3_000 + row, textBefore(row))),
      ),
      'and counted too',
    ).toBe(false);
  });

  test('DJ27: of entries as of texts; what went in between tells nothing', () => {
    const before = mapOf(['title', 'draft'], ['pages', 3]);
    expect(sawLater(before, mapOf(['title', 'final'], ['pages', 3]), mapOf(['title', 'final'], ['pages', 4]))).toBe(true);
    expect(sawLater(before, mapOf(['title', 'final'], ['pages', 3]), mapOf(['title', 'draft'], ['pages', 4]))).toBe(false);
    expect(sawLater(before, mapOf(['pages', 3]), mapOf(['pages', 4]))).toBe(false);
  });

  test('DJ27: is found out soon in a large document too', () => {
    const lines = (from: string): string => Array.from({ length: 40_000 }, (_, i) => `${from} line ${i}\n`).join('');
    const [old, fresh] = [lines('some'), lines('other')];
    expect(sawLater(textOf(old), textOf(fresh), textOf(`${fresh}!`))).toBe(true);
    expect(sawLater(textOf(old), textOf(fresh), textOf(`${old}!`))).toBe(false);
  });
});
