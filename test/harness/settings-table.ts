/**
 * The settings in the README, written from the settings in the code: `make readme`. The tidy test fails where the two differ.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { changefeedSettings } from '#changefeed/config.ts';
import { watchSettings } from '#changefeed/watch-limits.ts';
import { clusterSettings } from '#deploy/cluster-settings.ts';
import { provisionSettings, topicSettings } from '#deploy/provision-settings.ts';
import { gatewaySettings } from '#gateway/config.ts';
import { doorSettings } from '#gateway/door-settings.ts';
import { gatewayLimitSettings } from '#gateway/limits.ts';
import { ownSettings, persisterServiceSettings } from '#persister/config.ts';
import { persisterSettings } from '#persister/limits.ts';
import { mirrorQueueSettings } from '#persister/mirroring.ts';
import { mirrorSettings } from '#shared/mirror/settings.ts';
import { type Setting, type Settings, variableName } from '#shared/runtime/config.ts';
import { processSettings } from '#shared/runtime/process-settings.ts';
import { backingSettings } from '#shared/store/backing-settings.ts';
import { diskSettings, jsonSettings, standaloneSettings } from '../../services/standalone/config.ts';

const begin = '<!-- settings: begin -->';
const end = '<!-- settings: end -->';

const sizes: readonly (readonly [string, number])[] = [
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
];

/** Where a persister of its own has another default than the one in standalone, both are said. */
function describeDefaults(key: string, setting: Setting<unknown>): string {
  const own = key in persisterSettings ? (persisterServiceSettings as Settings)[key] : undefined;
  const described = describeDefault(setting);
  return own === undefined || own.fallback === setting.fallback
    ? described
    : `${described}; in a persister of its own ${describeDefault(own)}`;
}

function describeDefault({ fallback, unit }: Setting<unknown>): string {
  if (fallback === '' || (Array.isArray(fallback) && fallback.length === 0)) return 'not set';
  const plain = typeof fallback === 'boolean' ? Number(fallback) : fallback;
  const size =
    unit === 'bytes' && typeof plain === 'number' ? sizes.find(([, bytes]) => plain >= bytes && plain % bytes === 0) : undefined;
  return `\`${String(plain)}\`${size === undefined ? '' : ` (${Number(plain) / size[1]} ${size[0]})`}`;
}

/** A Markdown table, a line for each setting. */
export function settingsTable(settings: Settings): string {
  const rows = Object.entries(settings).map(
    ([key, setting]) => `| \`${variableName(key)}\` | ${describeDefaults(key, setting)} | ${setting.unit} | ${setting.about} |`,
  );
  return ['| variable | default | unit | what it is |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

type Service = 'standalone' | 'gateway' | 'persister' | 'changefeed' | 'provisioning' | 'cluster';

const without = (others: Settings, settings: Settings): Settings =>
  Object.fromEntries(Object.entries(settings).filter(([key]) => !(key in others)));

/** Commands listen nowhere; that they take the log level is said in words. */
const services: Readonly<Record<Service, Settings>> = {
  standalone: standaloneSettings,
  gateway: gatewaySettings,
  persister: persisterServiceSettings,
  changefeed: changefeedSettings,
  provisioning: without(processSettings, provisionSettings),
  cluster: without(processSettings, clusterSettings),
};

const groups: readonly { readonly of: readonly Service[]; readonly title: string; readonly settings: Settings }[] = [
  {
    of: ['standalone', 'gateway', 'persister', 'changefeed'],
    title: 'Standalone, gateway, persister and changefeed:',
    settings: processSettings,
  },
  { of: ['standalone', 'gateway'], title: 'Standalone and gateway:', settings: without(processSettings, doorSettings) },
  { of: ['standalone'], title: 'Standalone:', settings: { ...diskSettings, ...jsonSettings } },
  {
    of: ['gateway', 'persister', 'changefeed', 'provisioning'],
    title: 'Gateway, persister and changefeed, which meet in Kafka and MongoDB, and provisioning:',
    settings: backingSettings,
  },
  {
    of: ['provisioning'],
    title: 'Provisioning (`node deploy/provision.ts`), which takes `INKSTREAM_LOG_LEVEL` too:',
    settings: topicSettings,
  },
  {
    of: ['standalone', 'gateway'],
    title: 'Limits of a gateway, and of the one in standalone, which are checked against one another at the start:',
    settings: gatewayLimitSettings,
  },
  { of: ['standalone', 'persister'], title: 'Limits of a persister, and of the one in standalone:', settings: persisterSettings },
  { of: ['persister'], title: 'A persister of its own:', settings: ownSettings },
  {
    of: ['standalone', 'persister', 'changefeed'],
    title: 'Documents as JSON; persisters and changefeeds of one cluster are given the same:',
    settings: mirrorSettings,
  },
  {
    of: ['persister'],
    title: 'When a persister of its own writes a document into MongoDB as JSON:',
    settings: mirrorQueueSettings,
  },
  { of: ['changefeed'], title: 'Limits of a changefeed:', settings: watchSettings },
  {
    of: ['cluster'],
    title: 'The local cluster (`make up`, `make down`), which gives `INKSTREAM_LOG_LEVEL` to gateways, persister and changefeed:',
    settings: without(processSettings, clusterSettings),
  },
];

/** All settings of all services, by who has them and what they are about. Throws where a group and a service differ. */
export function settingsSection(): string {
  for (const [service, settings] of Object.entries(services)) {
    const grouped = groups.filter(({ of }) => of.includes(service as Service)).flatMap((group) => Object.keys(group.settings));
    const differing = [
      ...Object.keys(settings).filter((key) => !grouped.includes(key)),
      ...grouped.filter((key) => !(key in settings)),
    ];
    if (differing.length > 0) throw new Error(`${service}: in a table or in the service, not in both: ${differing.join(', ')}`);
  }
  return groups.map(({ title, settings }) => `${title}\n\n${settingsTable(settings)}`).join('\n\n');
}

/** `readme` with `section` between its markers. */
export function withSettings(readme: string, section: string): string {
  const [before, rest] = readme.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error(`the README has no ${begin} … ${end}`);
  return `${before}${begin}\n\n${section}\n\n${end}${after}`;
}

if (import.meta.main) writeFileSync('README.md', withSettings(readFileSync('README.md', 'utf8'), settingsSection()));
