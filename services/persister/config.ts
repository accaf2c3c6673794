/** The settings of the persister as a service: what it stands on, where it tells how it is, and its limits. */

import { duration, readSettings, type SettingValues, variableName } from '#shared/runtime/config.ts';
import { mirrorSettings } from '#shared/mirror/settings.ts';
import { processSettings } from '#shared/runtime/process-settings.ts';
import { processStopMsMax } from '#shared/runtime/shutdown.ts';
import { backingSettings, checkBackingSettings } from '#shared/store/backing-settings.ts';

import { limitProblems, persisterSettings } from './limits.ts';
import { mirrorQueueProblems, mirrorQueueSettings } from './mirroring.ts';

const dayMs = 24 * 60 * 60_000;

/** A request to a broker costs both as much for one record as for a hundred, and nobody waits for what is read here: it is gathered for longer anyway. */
export const readingSettings = {
  readIntervalMs: duration(100, 'the shortest time between two requests to a broker for records, while some come'),
};

/** Brokers have room for a day that a database may be put back by, and take a request for each cut and each question. A database takes many segments in one command. */
const ownDefaults = {
  restoreWindowMs: { ...persisterSettings.restoreWindowMs, fallback: dayMs },
  trimIntervalMs: { ...persisterSettings.trimIntervalMs, fallback: 60_000 },
  lagIntervalMs: { ...persisterSettings.lagIntervalMs, fallback: 5_000 },
  segmentWritesMax: { ...persisterSettings.segmentWritesMax, fallback: 256 },
};

export const persisterServiceSettings = {
  ...processSettings,
  ...backingSettings,
  ...mirrorSettings,
  ...mirrorQueueSettings,
  ...persisterSettings,
  ...ownDefaults,
  ...readingSettings,
};

export type PersisterConfig = SettingValues<typeof persisterServiceSettings>;

/** The configuration in `environment`, or what is wrong with it. */
export function readConfig(
  environment: Readonly<Record<string, string | undefined>>,
): { readonly config: PersisterConfig } | { readonly faults: readonly string[] } {
  const read = readSettings(persisterServiceSettings, environment);
  if ('faults' in read) return read;
  const faults = [...limitProblems(read.values), ...mirrorQueueProblems(read.values), ...checkBackingSettings(read.values)];
  const { stopMsMax } = read.values;
  if (stopMsMax >= processStopMsMax)
    faults.push(
      `${variableName('stopMsMax')} (${stopMsMax}) is too long: a process that stops has less than ${processStopMsMax}`,
    );
  return faults.length > 0 ? { faults } : { config: read.values };
}
