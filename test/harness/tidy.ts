/**
 * What holds of the repository as text.
 *
 * Rules that a linter can't express, each a pure function from files to complaints, so that each can be shown a bad example. They read
 * text, not syntax: a pattern that is a little too wide is cheaper here than a parser, and says so at once.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

export type TextFile = { readonly path: string; readonly text: string };

/** Every file that is tracked, or would be if it were added; as text. */
export function repositoryFiles(): readonly TextFile[] {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { encoding: 'utf8' });
  const paths = [...new Set(listed.split('\0'))].filter((path) => path !== '' && existsSync(path));
  return paths.map((path) => ({ path, text: readFileSync(path, 'utf8') }));
}

const isTypeScript = ({ path }: TextFile): boolean => path.endsWith('.ts');
const isProduct = ({ path }: TextFile): boolean => /^(services|shared)\//u.test(path);
const isTest = ({ path }: TextFile): boolean => path.startsWith('test/');

/** A complaint for each line of `files` in which `pattern` is found. */
function grep(files: readonly TextFile[], pattern: RegExp, complaint: string): readonly string[] {
  return files.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${complaint}: ${line.trim()}`] : [])),
  );
}

const ruleItem = /^- \*\*([A-Z]{2})(\d+)\*\* \S/u;
const section = /^## ([A-Z]{2}): /u;

/** The numbers of the rules in SPEC.md, and what is wrong with how they stand there. */
export function readRules(spec: string): { readonly rules: ReadonlySet<string>; readonly complaints: readonly string[] } {
  const rules = new Set<string>();
  const complaints: string[] = [];
  let prefix = '';
  for (const line of spec.split('\n')) {
    prefix = section.exec(line)?.[1] ?? prefix;
    const [, found, number] = ruleItem.exec(line) ?? [];
    if (found === undefined || number === undefined) {
      if (prefix !== '' && /^\s*[-*] /u.test(line)) complaints.push(`not a rule: ${line}`);
      continue;
    }
    const rule = found + number;
    if (found !== prefix) complaints.push(`${rule} stands in section ${prefix}`);
    if (rules.has(rule)) complaints.push(`${rule} stands there twice`);
    rules.add(rule);
  }
  return { rules, complaints };
}

/** The rules that tests name: numbers before a colon at the start of a string. */
export function rulesNamed(tests: readonly TextFile[]): ReadonlyMap<string, string> {
  const named = new Map<string, string>();
  for (const { path, text } of tests) {
    for (const [, numbers = ''] of text.matchAll(/['"`]([A-Z]{2}\d+(?:(?:, | and )[A-Z]{2}\d+)*): /gu)) {
      for (const [rule] of numbers.matchAll(/[A-Z]{2}\d+/gu)) named.set(rule, path);
    }
  }
  return named;
}

/** Rules without a test, and tests of rules that are not there. */
export function unmatchedRules(files: readonly TextFile[]): readonly string[] {
  const spec = files.find(({ path }) => path === 'test/SPEC.md')?.text ?? '';
  const { rules, complaints } = readRules(spec);
  const named = rulesNamed(files.filter((file) => isTest(file) && isTypeScript(file)));
  return [
    ...complaints,
    ...[...rules].filter((rule) => !named.has(rule)).map((rule) => `no test names ${rule}`),
    ...[...named]
      .filter(([rule]) => !rules.has(rule))
      .map(([rule, path]) => `${path} names ${rule}, which SPEC.md does not have`),
  ];
}

/** Tests that run alone, are skipped without a reason, or wait for time to pass. */
export function untidyTests(files: readonly TextFile[]): readonly string[] {
  const tests = files.filter((file) => isTest(file) && isTypeScript(file) && !/^test\/(bench|harness)\//u.test(file.path));
  return [
    ...grep(tests, /\b(?:test|it|describe|suite)(?:\.\w+)*\.(?:only|todo|fails)\b/u, 'exclusive or unfinished'),
    ...grep(
      tests,
      /\b(?:test|it|describe|suite)(?:\.\w+)*\.(?:skip|skipIf|runIf)\b/u,
      'leave a test out by `skip(condition, reason)` in it',
    ),
    ...grep(tests, /\bskip\(\s*\)/u, 'skipped without a reason'),
    ...grep(tests, /\bretry:|\brepeats:/u, 'retried'),
    ...grep(tests, /\bsleep\(|\bdelay\(|timers\/promises|setTimeout\(\s*\w+\s*,\s*[\d_]+\s*\)/u, 'asleep'),
  ];
}

export const linesMax = 400;

export function longFiles(files: readonly TextFile[]): readonly string[] {
  return files
    .filter((file) => isProduct(file) && isTypeScript(file) && !/^\/\/ long: \S/mu.test(file.text))
    .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
    .filter(({ lines }) => lines > linesMax)
    .map(({ path, lines }) => `${path} has ${lines} lines`);
}

export function emptyNames(files: readonly TextFile[]): readonly string[] {
  const own = files.filter(isTypeScript);
  return [
    ...own.filter(({ path }) => /(?:manager|helper|util)s?\b/iu.test(path)).map(({ path }) => `${path} is named after nothing`),
    ...grep(
      own,
      /^\s*export (?:declare )?(?:async )?(?:const|let|function\*?|class|type|interface) \w*(?:Manager|Helper|Util)s?\b/u,
      'named after nothing',
    ),
  ];
}

/** `private`, `protected` and `public` members; the linter knows only about all three or none. */
export const accessModifiers = (files: readonly TextFile[]): readonly string[] =>
  grep(files.filter(isTypeScript), /^\s*(?:private|protected|public) (?:readonly |static |async |override )*[\w#[]+/u, 'write #');

/** Imports of a vendor outside its home, those of the forms that the linter does not look at included. */
export function strayImports(files: readonly TextFile[], homes: Readonly<Record<string, readonly string[]>>): readonly string[] {
  return Object.entries(homes).flatMap(([vendor, places]) => {
    const away = files.filter(
      (file) =>
        isTypeScript(file) &&
        !file.path.endsWith('.config.ts') &&
        !places.some((home) => file.path === home || file.path.startsWith(`${home}/`)),
    );
    const name = vendor.replaceAll('.', String.raw`\.`);
    return grep(
      away,
      new RegExp(String.raw`(?:^import|\bfrom|\bimport\(|\brequire\(|\bresolve\() ?['"]${name}['"/]`, 'u'),
      `${vendor} away from home`,
    );
  });
}

/** Folders that only exist on the machine of whoever wrote them there. */
export function machinePaths(files: readonly TextFile[]): readonly string[] {
  const own = files.filter(({ path }) => path !== 'package-lock.json' && path !== 'LICENSE');
  return grep(own, /(?<![\w.~-])\/(?:work|root|home|Users)\/[\w.]/u, 'a path of one machine');
}

export function looseVersions(files: readonly TextFile[]): readonly string[] {
  const lockfile = files.filter(({ path }) => path === 'package-lock.json');
  const manifest = files.find(({ path }) => path === 'package.json')?.text ?? '{}';
  const { dependencies = {}, devDependencies = {} } = JSON.parse(manifest) as Record<string, Record<string, string> | undefined>;
  const loose = Object.entries({ ...dependencies, ...devDependencies }).filter(
    ([, version]) => !/^(?:npm:.+@)?\d+\.\d+\.\d+$/u.test(version),
  );
  return [
    ...grep(lockfile, /"resolved": *"http/u, 'a download address'),
    ...loose.map(([name, version]) => `package.json: ${name} is not at one version: ${version}`),
  ];
}

/** What the README names that is not there: targets of `make`, and files in links. */
export function brokenReferences(readme: string, makefile: string, exists: (path: string) => boolean): readonly string[] {
  const targets = new Set([...makefile.matchAll(/^([a-z-]+):(?!=)/gmu)].map(([, target]) => target));
  const named = [...readme.matchAll(/`make ([a-z-]+)/gu), ...readme.matchAll(/^ {4}make ([a-z-]+)|^make ([a-z-]+)/gmu)];
  const links = [...readme.matchAll(/\]\((?!https?:|#)([^)#]+)/gu)];
  return [
    ...named
      .map(([, inline, fenced]) => inline ?? fenced ?? '')
      .filter((target) => !targets.has(target))
      .map((target) => `make ${target} is not there`),
    ...links
      .map(([, path = '']) => path)
      .filter((path) => !exists(path))
      .map((path) => `${path} is not there`),
  ];
}
