/** The settings of the changefeed: what it stands on, where it tells how it is, what mirrors are, and its limits. */

import { mirrorSettings } from '#shared/mirror/settings.ts';
import { readSettings, type SettingValues } from '#shared/runtime/config.ts';
import { processSettings } from '#shared/runtime/process-settings.ts';
import { backingSettings, checkBackingSettings } from '#shared/store/backing-settings.ts';

import { watchLimitProblems, watchSettings } from './watch-limits.ts';

export const changefeedSettings = { ...processSettings, ...backingSettings, ...mirrorSettings, ...watchSettings };

export type ChangefeedConfig = SettingValues<typeof changefeedSettings>;

/** The configuration in `environment`, or what is wrong with it. */
export function readConfig(
  environment: Readonly<Record<string, string | undefined>>,
): { readonly config: ChangefeedConfig } | { readonly faults: readonly string[] } {
  const read = readSettings(changefeedSettings, environment);
  if ('faults' in read) return read;
  const faults = [...watchLimitProblems(read.values), ...checkBackingSettings(read.values)];
  return faults.length > 0 ? { faults } : { config: read.values };
}
