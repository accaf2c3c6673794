/**
 * The linter's rules are code, and code that was never seen to fail holds nothing. Each line below is a file that must be refused, with
 * the rule that refuses it, or one that must pass; all of them are written into a directory of their own and linted in one run.
 */

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

type Sample = { readonly file: string; readonly source: string; readonly rule: string; readonly verdict: 'refused' | 'fine' };

const brings = (file: string, specifier: string, verdict: Sample['verdict']): Sample => ({
  file,
  source: `import { thing } from '${specifier}';\n\nexport const kept = thing;\n`,
  rule: 'no-restricted-imports',
  verdict,
});

const layout: readonly Sample[] = [
  brings('shared/runtime/a.ts', '#shared/document/name.ts', 'refused'),
  brings('shared/runtime/b.ts', '#shared/journal/journal.ts', 'refused'),
  brings('shared/document/a.ts', '#shared/journal/journal.ts', 'refused'),
  brings('shared/document/b.ts', '#shared/store/store.ts', 'refused'),
  brings('shared/document/c.ts', '#shared/runtime/clock.ts', 'fine'),
  brings('shared/wire/a.ts', '#shared/store/store.ts', 'refused'),
  brings('shared/wire/b.ts', '../runtime/clock.ts', 'refused'),
  brings('shared/journal/a.ts', '#shared/document/name.ts', 'fine'),
  brings('shared/journal/b.ts', '../../services/gateway/room.ts', 'refused'),
  brings('shared/store/a.ts', '#test/harness/virtual-clock.ts', 'refused'),
  brings('shared/store/b.ts', '#shared/journal/journal.ts', 'fine'),
  brings('services/gateway/a.ts', '../persister/flush.ts', 'refused'),
  brings('services/gateway/b.ts', '#shared/journal/journal.ts', 'fine'),
  brings('services/gateway/doors/a.ts', '../room.ts', 'fine'),
  brings('services/gateway/doors/b.ts', '../../persister/flush.ts', 'refused'),
  brings('services/persister/a.ts', '../gateway/room.ts', 'refused'),
  brings('services/persister/b.ts', '../../shared/journal/journal.ts', 'refused'),
  brings('services/standalone/a.ts', '../gateway/room.ts', 'fine'),
  brings('services/standalone/b.ts', '#test/harness/virtual-clock.ts', 'refused'),
  brings('services/pages/a.ts', '#shared/wire/close.ts', 'fine'),
  brings('services/pages/b.ts', '#shared/journal/journal.ts', 'refused'),
  brings('services/pages/c.ts', 'node:fs', 'refused'),
  brings('shared/store/c.ts', '#gateway/room.ts', 'refused'),
  brings('services/gateway/i.ts', '#gateway/room.ts', 'fine'),
  brings('services/gateway/j.ts', '#persister/flush.ts', 'refused'),
  brings('services/pages/g.ts', '#gateway/room.ts', 'refused'),
  brings('services/standalone/d.ts', '#persister/flush.ts', 'fine'),
  brings('test/unit/a.ts', '../../shared/journal/journal.ts', 'refused'),
  brings('test/unit/d.ts', '../harness/server.ts', 'refused'),
  brings('test/unit/e.ts', '../../services/gateway/room.ts', 'refused'),
  brings('test/unit/f.ts', '#gateway/room.ts', 'fine'),
  brings('test/unit/g.ts', '#deploy/native/kafka.ts', 'fine'),
  brings('test/unit/h.ts', '../../deploy/native/kafka.ts', 'refused'),
  brings('deploy/native/a.ts', '#shared/journal/journal.ts', 'fine'),
  brings('deploy/native/b.ts', '#gateway/room.ts', 'refused'),
  brings('deploy/native/c.ts', '#test/harness/server.ts', 'refused'),
  brings('services/gateway/m.ts', '#deploy/native/kafka.ts', 'refused'),
  brings('services/standalone/e.ts', '#deploy/native/kafka.ts', 'refused'),
  brings('shared/runtime/c.ts', '#deploy/native/kafka.ts', 'refused'),
];

const vendors: readonly Sample[] = [
  {
    file: 'services/gateway/k.ts',
    source: "import type { Doc } from 'yjs';\n\nexport type Kept = Doc;\n",
    rule: 'no-restricted-imports',
    verdict: 'refused',
  },
  { file: 'services/gateway/l.ts', source: "export { Doc } from 'yjs';\n", rule: 'no-restricted-imports', verdict: 'refused' },
  brings('services/gateway/edge.ts', 'uWebSockets.js', 'fine'),
  brings('services/gateway/c.ts', 'uWebSockets.js', 'refused'),
  brings('services/standalone/c.ts', 'uWebSockets.js', 'refused'),
  brings('shared/runtime/lmdb.ts', 'lmdb', 'fine'),
  brings('shared/journal/embedded.ts', 'lmdb', 'refused'),
  brings('shared/runtime/config.ts', 'zod', 'fine'),
  brings('services/gateway/config.ts', 'zod', 'refused'),
  brings('shared/runtime/telemetry.ts', 'pino', 'fine'),
  brings('services/persister/c.ts', 'pino', 'refused'),
  brings('shared/runtime/metrics.ts', 'prom-client', 'fine'),
  brings('services/gateway/metrics.ts', 'prom-client', 'refused'),
  brings('shared/document/merge.ts', 'yjs', 'fine'),
  brings('services/gateway/room.ts', 'yjs', 'refused'),
  brings('services/persister/compaction.ts', 'yjs', 'refused'),
  brings('shared/wire/c.ts', 'yjs', 'refused'),
  brings('services/gateway/d.ts', 'y-protocols/sync', 'refused'),
  brings('shared/document/d.ts', 'y-protocols/sync', 'refused'),
  brings('services/gateway/e.ts', 'lib0/encoding', 'fine'),
  brings('services/gateway/f.ts', 'ws', 'refused'),
  brings('services/gateway/g.ts', 'y-websocket', 'refused'),
  brings('services/gateway/h.ts', '@codemirror/state', 'refused'),
  brings('services/persister/d.ts', 'fast-check', 'refused'),
  brings('services/pages/d.ts', '@codemirror/state', 'fine'),
  brings('services/pages/e.ts', 'y-indexeddb', 'fine'),
  brings('services/pages/f.ts', 'playwright-core', 'refused'),
  brings('test/unit/b.ts', 'fast-check', 'fine'),
  brings('test/unit/c.ts', 'zod', 'refused'),
  brings('deploy/native/mongodb.ts', 'mongodb', 'fine'),
  brings('deploy/native/d.ts', 'mongodb', 'refused'),
  brings('test/harness/raw-kafka.ts', 'kafkajs', 'fine'),
  brings('test/harness/b.ts', 'testcontainers', 'fine'),
  brings('test/harness/a.ts', 'kafkajs', 'refused'),
];

const language: readonly Sample[] = [
  { file: 'shared/wire/default.ts', source: 'const a = 1;\nexport default a;\n', rule: 'no-default-export', verdict: 'refused' },
  { file: 'shared/wire/barrel.ts', source: "export * from './close.ts';\n", rule: 'no-barrel-file', verdict: 'refused' },
  {
    file: 'shared/wire/any.ts',
    source: 'export const f = (a: any): unknown => a;\n',
    rule: 'no-explicit-any',
    verdict: 'refused',
  },
  {
    file: 'shared/wire/parameter.ts',
    source: 'export class A {\n  constructor(readonly a: number) {}\n}\n',
    rule: 'parameter-properties',
    verdict: 'refused',
  },
  {
    file: 'shared/wire/bang.ts',
    source: 'export const f = (a?: number): number => a!;\n',
    rule: 'no-non-null-assertion',
    verdict: 'refused',
  },
  {
    file: 'shared/wire/switch.ts',
    source: "export function f(a: 'x' | 'y'): void {\n  switch (a) {\n    case 'x':\n      break;\n  }\n}\n",
    rule: 'switch-exhaustiveness-check',
    verdict: 'refused',
  },
  {
    file: 'shared/wire/floating.ts',
    source: 'export function f(a: Promise<number>): void {\n  a;\n}\n',
    rule: 'no-floating-promises',
    verdict: 'refused',
  },
  {
    file: 'shared/wire/timer.ts',
    source: 'export const f = (): unknown => setTimeout(() => {}, 5);\n',
    rule: 'no-restricted-globals',
    verdict: 'refused',
  },
  {
    file: 'shared/runtime/clock.ts',
    source: 'export const f = (): unknown => setTimeout(() => {}, 5);\n',
    rule: 'no-restricted-globals',
    verdict: 'fine',
  },
  {
    file: 'services/gateway/environment.ts',
    source: "export const a = process.env['HOST'];\n",
    rule: 'no-process-env',
    verdict: 'refused',
  },
  {
    file: 'services/gateway/main.ts',
    source: "export const a = process.env['HOST'];\n",
    rule: 'no-process-env',
    verdict: 'fine',
  },
  {
    file: 'services/gateway/print.ts',
    source: "console.log('here');\n\nexport const a = 1;\n",
    rule: 'no-console',
    verdict: 'refused',
  },
  { file: 'services/gateway/CamelCase.ts', source: 'export const a = 1;\n', rule: 'filename-case', verdict: 'refused' },
  {
    file: 'test/unit/only.test.ts',
    source: "import { test } from 'vitest';\n\ntest.only('a', () => {});\n",
    rule: 'no-focused-tests',
    verdict: 'refused',
  },
  {
    file: 'test/unit/skip.test.ts',
    source: "import { test } from 'vitest';\n\ntest.skip('a', () => {});\n",
    rule: 'no-disabled-tests',
    verdict: 'refused',
  },
  {
    file: 'services/gateway/long.ts',
    source: `export function f(): number {\n  let a = 0;\n${'  a += 1;\n'.repeat(80)}  return a;\n}\n`,
    rule: 'max-lines-per-function',
    verdict: 'refused',
  },
];

const samples = [...layout, ...vendors, ...language];
const directory = mkdtempSync(join(tmpdir(), 'inkstream-lint-'));
const refusals = new Map<string, string[]>();

beforeAll(() => {
  for (const { file, source } of samples) {
    mkdirSync(join(directory, dirname(file)), { recursive: true });
    writeFileSync(join(directory, file), source);
  }
  for (const file of ['oxlint.config.ts', 'tsconfig.json', 'package.json']) cpSync(file, join(directory, file));
  symlinkSync(join(process.cwd(), 'node_modules'), join(directory, 'node_modules'));
  const run = spawnSync('node_modules/.bin/oxlint', ['--format=json', 'services', 'shared', 'deploy', 'test'], {
    cwd: directory,
    encoding: 'utf8',
  });
  const report = JSON.parse(run.stdout) as { diagnostics: readonly { code?: string; filename: string }[] };
  for (const { code, filename } of report.diagnostics) refusals.set(filename, [...(refusals.get(filename) ?? []), code ?? '']);
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe.each([
  ['SA40: imports follow the arrows of the layout', layout],
  ['SA41: each vendor is imported in its place alone', vendors],
  ['SA42: the language that is used is the one of the house', language],
])('%s', (_rule, group) => {
  test.each(group)('$file is $verdict ($rule)', ({ file, rule, verdict }) => {
    const refused = (refusals.get(file) ?? []).some((code) => code.includes(rule));
    expect(refused ? 'refused' : 'fine').toBe(verdict);
  });
});
