import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { documentNameBytesMax, nameFromSearch, pageAddress, parseName, roomName, suggestName } from '#pages/document-name.ts';
import { documentNameBytesMax as serverBytesMax, parseDocumentName } from '#shared/document/name.ts';

const searchOf = (address: string): string => new URL(address, 'http://localhost').search;

describe('PG2: the address names the document', () => {
  test.each(['notes', 'team-7/notes', 'a b', '100%', 'a+b&c=d#e?f', '日本語/メモ', '🎈 party', "it's", '...', 'a'.repeat(512)])(
    '%s',
    (name) => {
      expect(nameFromSearch(searchOf(pageAddress(name)))).toEqual({ name });
      expect(decodeURIComponent(roomName(name))).toBe(name);
      expect(new URL(`ws://localhost/ws/${roomName(name)}?ack=1`).pathname).toBe(`/ws/${roomName(name)}`);
    },
  );

  test('every name survives the way through an address', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 100 }), (name) => {
        fc.pre('name' in parseName(name));
        expect(nameFromSearch(searchOf(pageAddress(name)))).toEqual({ name });
        expect(new URL(`ws://localhost/ws/${roomName(name)}`).pathname).toBe(`/ws/${roomName(name)}`);
      }),
      { seed: 11, numRuns: 2_000 },
    );
  });

  test('slashes stay readable, and spaces may be written either way', () => {
    expect(pageAddress('team 7/notes')).toBe('/?document=team%207/notes');
    expect(nameFromSearch('?document=team+7/notes')).toEqual({ name: 'team 7/notes' });
    expect(nameFromSearch('?x=1&document=team%207%2Fnotes&y=2')).toEqual({ name: 'team 7/notes' });
  });

  test('without a name it is the one document that everybody finds', () => {
    expect(nameFromSearch('')).toEqual({ name: 'welcome' });
    expect(nameFromSearch('?other=1')).toEqual({ name: 'welcome' });
  });

  test('a suggested name is a name, and another one each time', () => {
    const names = Array.from({ length: 200 }, () => suggestName(Math.random));
    expect(names.every((name) => 'name' in parseName(name) && pageAddress(name) === `/?document=${name}`)).toBe(true);
    expect(new Set(names).size).toBe(200);
    expect(suggestName(() => 0)).toBe('amber-bay-222222');
    expect(suggestName(() => 0.999_999)).toBe('sunny-valley-zzzzzz');
  });
});

describe('PG3: a name that the server would refuse is refused by the page, in words', () => {
  test.each([
    ['', /needs a name/u],
    ['a'.repeat(513), /too long: it has 513 bytes, and at most 512/u],
    ['ü'.repeat(257), /too long: it has 514 bytes/u],
    ['a\nb', /control character/u],
    ['a\u0000', /control character/u],
    ['\uD83C', /lone surrogate/u],
    ['.', /folders/u],
    ['..', /folders/u],
  ])('%j', (name, words) => {
    expect(parseName(name)).toEqual({ refusal: expect.stringMatching(words) as unknown });
  });

  test('a damaged link is refused, not opened as another document', () => {
    for (const search of ['?document=%FF', '?document=50%', '?document=%C3']) {
      expect(nameFromSearch(search)).toEqual({ refusal: expect.stringMatching(/damaged/u) as unknown });
    }
    expect(nameFromSearch('?document=')).toHaveProperty('refusal');
  });

  test('page and server agree, but for the two names that an address can not carry', () => {
    expect(documentNameBytesMax).toBe(serverBytesMax);
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.string({ maxLength: 600 })), (name) => {
        fc.pre(name !== '.' && name !== '..');
        expect('name' in parseName(name)).toBe('name' in parseDocumentName(name));
      }),
      { seed: 13, numRuns: 2_000 },
    );
  });
});
