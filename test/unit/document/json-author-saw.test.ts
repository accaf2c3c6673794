/** Which of two states of a document somebody had before him. */

import { describe, expect, test } from 'vitest';

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
  ])('DJ27: saw what is in his value whole, or most of it: %s', (written) => {
    expect(sawLater(textOf(earlier), textOf(later), textOf(written))).toBe(true);
  });

  test('DJ27: saw a letter where it has beside it what it had', () => {
    expect(sawLater(textOf('one two'), textOf('one. two'), textOf('one. two three'))).toBe(true);
    expect(sawLater(textOf('one two'), textOf('onee two'), textOf('one two three'))).toBe(false);
    expect(sawLater(textOf('one two'), textOf('onee two'), textOf('onee two three'))).toBe(true);
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
