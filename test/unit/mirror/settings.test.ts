import { describe, expect, test } from 'vitest';
import { readConfig } from '#changefeed/config.ts';
import { hasMirror, matchesPattern, rootKindsBy } from '#shared/mirror/settings.ts';
import { nameOf } from '#test/contract/store.contract.ts';

const places = { INKSTREAM_KAFKA_BROKERS: 'one:9092', INKSTREAM_MONGODB_URL: 'mongodb://one/inkstream' };

describe('CM9: which documents have mirrors, and what their roots are', () => {
  test.for([
    ['plan', 'plan', true],
    ['plans', 'plan', false],
    ['team-7/plan', 'team-7/*', true],
    ['team-7/', 'team-7/*', true],
    ['team-7', 'team-7/*', false],
    ['anything', '*', true],
    ['aba', 'a*a', true],
    ['a', 'a*a', false],
    ['abcabc', 'a*bc', true],
    ['a-x-b-y-c', 'a*x*y*c', true],
    ['a-y-b-x-c', 'a*x*y*c', false],
    ['abab', 'ab*ab', true],
    ['aab', 'a*ab*b', false],
    ['a.c', 'a.c', true],
    ['abc', 'a.c', false],
  ] as const)('%j and %j', ([name, pattern, isMatch]) => {
    expect(matchesPattern(name, pattern)).toBe(isMatch);
  });

  test('what is left out, and the last entry that names a root', () => {
    const read = readConfig({
      ...places,
      INKSTREAM_MIRROR_LEFT_OUT: '["drafts/*", "one, two"]',
      INKSTREAM_MIRROR_ROOTS: JSON.stringify([
        { document: '*', roots: { body: 'text', 7: 'map' } },
        { document: 'team-7/*', roots: { body: 'rich-text' } },
      ]),
    });
    if ('faults' in read) throw new Error(read.faults.join());
    const [has, roots] = [hasMirror(read.config), rootKindsBy(read.config)];
    expect(['drafts/a', 'one, two', 'one'].map((name) => has(nameOf(name)))).toEqual([false, false, true]);
    expect(Object.fromEntries(roots(nameOf('team-7/plan')))).toEqual({ body: 'rich-text', 7: 'map' });
    expect(Object.fromEntries(roots(nameOf('plan')))).toEqual({ body: 'text', 7: 'map' });
  });

  test.for([
    ['INKSTREAM_MIRROR_LEFT_OUT', 'drafts/*'],
    ['INKSTREAM_MIRROR_LEFT_OUT', '{"drafts/*": true}'],
    ['INKSTREAM_MIRROR_LEFT_OUT', '[7]'],
    ['INKSTREAM_MIRROR_ROOTS', '{"body": "text"}'],
    ['INKSTREAM_MIRROR_ROOTS', '[{"document": "*"}]'],
    ['INKSTREAM_MIRROR_ROOTS', '[{"document": "*", "roots": {"body": "prose"}}]'],
    ['INKSTREAM_MIRROR_ROOTS', '[{"document": "*", "roots": {}, "root": {}}]'],
    ['INKSTREAM_MIRROR_BYTES_MAX', '16777216'],
  ] as const)('%s=%s is malformed', ([name, written]) => {
    const read = readConfig({ ...places, [name]: written });
    expect(read).toEqual({ faults: [expect.stringContaining(`${name}=`)] });
  });
});
