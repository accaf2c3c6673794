import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  cleanName,
  nameLengthMax,
  palette,
  personOf,
  settleColour,
  suggestPersonName,
  userField,
  type Person,
} from '#pages/people.ts';

describe('PG6: nothing that others say about themselves reaches the page as it is', () => {
  test.each([
    ['  Ada \n Lovelace ', 'Ada Lovelace'],
    ['a\u202Etxt.exe', 'a txt.exe'],
    ['\u0000\u0007', ''],
    ['\uD83Cx', '\uFFFDx'],
    ['👩‍🚀', '👩‍🚀'],
  ])('the name %j', (name, clean) => {
    expect(cleanName(name)).toBe(clean);
  });

  test('a name is cut between characters, and cleaning it again changes nothing', () => {
    expect(cleanName('🎈'.repeat(40))).toBe('🎈'.repeat(nameLengthMax));
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (name) => {
        const clean = cleanName(name);
        expect(cleanName(clean)).toBe(clean);
        expect(Array.from(clean).length).toBeLessThanOrEqual(nameLengthMax);
      }),
      { seed: 17, numRuns: 1_000 },
    );
  });

  test('any JSON makes a person with a name and one of our colours', () => {
    fc.assert(
      fc.property(fc.nat(), fc.oneof(fc.jsonValue(), fc.record({ user: fc.jsonValue() })), (clientId, state) => {
        const person = personOf(clientId, state);
        expect(person.name).not.toBe('');
        expect(palette[person.colour]).toBeDefined();
      }),
      { seed: 19, numRuns: 1_000 },
    );
    expect(personOf(9, { user: { name: 7, color: 'red; background: url(//x)' } })).toEqual({
      clientId: 9,
      name: 'Someone',
      colour: 1,
    });
  });

  test('what we say is understood', () => {
    expect(personOf(1, { user: userField('Ada', 5) })).toEqual({ clientId: 1, name: 'Ada', colour: 5 });
    expect(cleanName(suggestPersonName(() => 0.999_999))).toBe('Witty Seal');
  });
});

describe('PG7: people who are here together get different colours while there are enough', () => {
  const settleAll = (people: readonly Person[]): readonly Person[] =>
    people.map((person) => ({
      ...person,
      colour: settleColour(
        person,
        people.filter((other) => other !== person),
      ),
    }));

  test('of two with one colour the later client id gives way', () => {
    const [first, second] = settleAll([
      { clientId: 1, name: 'a', colour: 3 },
      { clientId: 2, name: 'b', colour: 3 },
    ]);
    expect(first?.colour).toBe(3);
    expect(second?.colour).not.toBe(3);
  });

  test('all changing at once, again and again, come to rest', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(), { minLength: 1, maxLength: 12 }), fc.nat({ max: 7 }), (clientIds, colour) => {
        let people: readonly Person[] = clientIds.map((clientId) => ({ clientId, name: 'x', colour }));
        for (let round = 0; round < 2 * clientIds.length; round++) people = settleAll(people);
        expect(settleAll(people)).toEqual(people);
        expect(new Set(people.map((person) => person.colour)).size).toBe(Math.min(people.length, palette.length));
      }),
      { seed: 23, numRuns: 500 },
    );
  });
});
