/** The repository tests itself. Each rule is shown a bad example first, since a check that can't fail holds nothing. */

import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  accessModifiers,
  brokenReferences,
  emptyNames,
  linesMax,
  longFiles,
  looseVersions,
  machinePaths,
  readRules,
  repositoryFiles,
  rulesNamed,
  strayImports,
  unmatchedRules,
  untidyTests,
  type TextFile,
} from '#test/harness/tidy.ts';
import { settingsSection, settingsTable, withSettings } from '#test/harness/settings-table.ts';
import { amount, flag } from '#shared/runtime/config.ts';
import { vendorHomes } from '../../oxlint.config.ts';

const files = repositoryFiles();
const textOf = (path: string): string => files.find((file) => file.path === path)?.text ?? '';

// The samples below are as untidy as can be.
const tidyFiles = files.filter(({ path }) => path !== 'test/unit/tidy.test.ts');

const file = (path: string, ...lines: readonly string[]): TextFile => ({ path, text: `${lines.join('\n')}\n` });
const testOf = (rules: string): string => `test('${rules}: holds', () => {});`;

describe('SA45: rules and tests match', () => {
  const spec = file('test/SPEC.md', '# What holds', '', '## JR: the journal', '', '- **JR1** One.', '- **JR2** Two.');

  test('a rule without a test, and a test without a rule, are found', () => {
    const tests = [file('test/unit/a.test.ts', testOf('JR1'), testOf('JR3, JR4'))];
    expect(unmatchedRules([spec, ...tests])).toEqual([
      'no test names JR2',
      'test/unit/a.test.ts names JR3, which SPEC.md does not have',
      'test/unit/a.test.ts names JR4, which SPEC.md does not have',
    ]);
  });

  test('a rule that stands twice, in the wrong section or out of form is found', () => {
    const text = ['## JR: the journal', '- **JR1** One.', '- **JR1** Again.', '- **ST1** Lost.', '- JR2: no bold'].join('\n');
    expect(readRules(text).complaints).toEqual([
      'JR1 stands there twice',
      'ST1 stands in section JR',
      'not a rule: - JR2: no bold',
    ]);
  });

  test('a number in passing names nothing', () => {
    const named = rulesNamed([file('test/a.ts', '// see JR1: there', testOf('like JR2'), testOf('JR3 and JR4'))]);
    expect([...named.keys()]).toEqual(['JR3', 'JR4']);
  });

  test('here', () => expect(unmatchedRules(files)).toEqual([]));
});

describe('SA46: tests run, all of them, and do not wait for time to pass', () => {
  test.each([
    "test.only('a', () => {});",
    "describe.skip('a', () => {});",
    "test.concurrent.only('a', () => {});",
    "test.skipIf(true)('a', () => {});",
    'skip();',
    'await new Promise((resolve) => setTimeout(resolve, 100));',
    "import { setTimeout as wait } from 'node:timers/promises';",
    "test('a', { retry: 3 }, () => {});",
  ])('%s', (line) => {
    expect(untidyTests([file('test/unit/a.test.ts', line)])).toHaveLength(1);
    expect(untidyTests([file('test/bench/a.ts', line)])).toEqual([]);
  });

  test('a reason to skip is fine', () =>
    expect(untidyTests([file('test/unit/a.test.ts', "skip(missing, 'no Chromium');")])).toEqual([]));

  test('here', () => expect(untidyTests(tidyFiles)).toEqual([]));
});

describe('SA47: files are short, or say why not', () => {
  const lines = Array.from({ length: linesMax }, () => 'x;');
  test('one line too many is found, a reason lets it pass', () => {
    expect(longFiles([file('shared/a.ts', ...lines)])).toEqual([]);
    expect(longFiles([file('shared/a.ts', ...lines, 'y;')])).toEqual([`shared/a.ts has ${linesMax + 1} lines`]);
    expect(longFiles([file('shared/a.ts', ...lines, '// long: one table')])).toEqual([]);
  });

  test('here', () => expect(longFiles(tidyFiles)).toEqual([]));
});

describe('SA48: names say something', () => {
  test('empty names are found in files and exports', () => {
    const bad = [
      file('shared/room-utils.ts', ''),
      file('shared/a.ts', 'export class RoomManager {}', 'export const mergeHelper = 1;'),
    ];
    expect(emptyNames(bad)).toHaveLength(3);
    expect(emptyNames([file('shared/utility-company.ts', 'export const manage = 1;')])).toEqual([]);
  });

  test('here', () => expect(emptyNames(tidyFiles)).toEqual([]));
});

describe('SA41: each vendor is imported in its place alone', () => {
  test('every form of import is seen', () => {
    const bad = [
      "import { open } from 'lmdb';",
      "import 'lmdb';",
      "const a = await import('lmdb');",
      "const a = require('lmdb/x');",
      "export * from 'lmdb';",
    ];
    expect(strayImports([file('services/a.ts', ...bad)], vendorHomes)).toHaveLength(bad.length);
    expect(strayImports([file('shared/runtime/lmdb.ts', ...bad)], vendorHomes)).toEqual([]);
    expect(strayImports([file('services/a.ts', "import { open } from './lmdb.ts';")], vendorHomes)).toEqual([]);
  });

  test('here', () => expect(strayImports(tidyFiles, vendorHomes)).toEqual([]));
});

describe('SA42: the language that is used is the one of the house', () => {
  test('access modifiers are found', () => {
    expect(
      accessModifiers([file('shared/a.ts', 'class A {', '  private readonly a = 1;', '  protected b() {}', '  #c = 2;', '}')]),
    ).toHaveLength(2);
  });

  test('here', () => expect(accessModifiers(tidyFiles)).toEqual([]));
});

describe('SA49: nothing here belongs to one machine', () => {
  test('paths, download addresses and loose versions are found', () => {
    expect(machinePaths([file('a.md', 'see /home/ada/notes', 'GET /v1/work/1', 'https://example.org/work/x')])).toHaveLength(1);
    const manifest = file(
      'package.json',
      '{ "dependencies": { "a": "^1.2.3", "b": "1.2.3" }, "devDependencies": { "c": "npm:d@1.2.3", "e": "latest" } }',
    );
    const lockfile = file('package-lock.json', '"resolved": "https://registry.example.org/a.tgz",');
    expect(looseVersions([manifest, lockfile])).toHaveLength(3);
  });

  test('here', () => expect([...machinePaths(tidyFiles), ...looseVersions(files)]).toEqual([]));
});

describe('SA50: the README speaks of what there is', () => {
  test('a target and a file that are not there are found', () => {
    const readme = 'Run `make run`, then `make coffee`; see [this](gone.md) and [that](https://example.org).\n\n    make tea\n';
    expect(brokenReferences(readme, 'run: all ## go\nx := 1\n', () => false)).toEqual([
      'make coffee is not there',
      'make tea is not there',
      'gone.md is not there',
    ]);
  });

  test('here', () => expect(brokenReferences(textOf('README.md'), textOf('Makefile'), existsSync)).toEqual([]));
});

describe('SA52: the README lists the settings that there are', () => {
  const two = { frameBytesMax: amount('bytes', 2048, 'longest frame'), allowAnyone: flag(false, 'lets all in') };

  test('a setting is a line, and another text between the markers is a difference', () => {
    const table = settingsTable(two);
    expect(table).toContain('| `INKSTREAM_FRAME_BYTES_MAX` | `2048` (2 KiB) | bytes | longest frame |');
    expect(table).toContain('| `INKSTREAM_ALLOW_ANYONE` | `0` | 0 or 1 | lets all in |');
    const readme = 'before <!-- settings: begin -->old<!-- settings: end --> after';
    expect(withSettings(readme, table)).toBe(`before <!-- settings: begin -->\n\n${table}\n\n<!-- settings: end --> after`);
    expect(() => withSettings('nothing', table)).toThrow('settings: begin');
  });

  test('here (`make readme` writes them)', () =>
    expect(textOf('README.md')).toBe(withSettings(textOf('README.md'), settingsSection())));
});
