/**
 * The settings in the README, written from the settings in the code: `make readme`. The tidy test fails where the two differ.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { gatewayLimitSettings } from '#gateway/limits.ts';
import { persisterSettings } from '#persister/limits.ts';
import { type Setting, type Settings, variableName } from '#shared/runtime/config.ts';
import { standaloneSettings } from '../../services/standalone/config.ts';

const begin = '<!-- settings: begin -->';
const end = '<!-- settings: end -->';

const sizes: readonly (readonly [string, number])[] = [
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
];

function describeDefault({ fallback, unit }: Setting<unknown>): string {
  if (fallback === '') return 'not set';
  const plain = typeof fallback === 'boolean' ? Number(fallback) : fallback;
  const size =
    unit === 'bytes' && typeof plain === 'number' ? sizes.find(([, bytes]) => plain >= bytes && plain % bytes === 0) : undefined;
  return `\`${String(plain)}\`${size === undefined ? '' : ` (${Number(plain) / size[1]} ${size[0]})`}`;
}

/** A Markdown table, a line for each setting. */
export function settingsTable(settings: Settings): string {
  const rows = Object.entries(settings).map(
    ([key, setting]) => `| \`${variableName(key)}\` | ${describeDefault(setting)} | ${setting.unit} | ${setting.about} |`,
  );
  return ['| variable | default | unit | what it is |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

/** All settings of standalone, by the part of it that they are about. */
export function settingsSection(): string {
  const others = new Set([...Object.keys(gatewayLimitSettings), ...Object.keys(persisterSettings)]);
  const own = Object.fromEntries(Object.entries(standaloneSettings).filter(([key]) => !others.has(key)));
  return [
    settingsTable(own),
    'Limits of the gateway, which are checked against one another at the start:',
    settingsTable(gatewayLimitSettings),
    'Limits of the persister:',
    settingsTable(persisterSettings),
  ].join('\n\n');
}

/** `readme` with `section` between its markers. */
export function withSettings(readme: string, section: string): string {
  const [before, rest] = readme.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error(`the README has no ${begin} … ${end}`);
  return `${before}${begin}\n\n${section}\n\n${end}${after}`;
}

if (import.meta.main) writeFileSync('README.md', withSettings(readFileSync('README.md', 'utf8'), settingsSection()));
