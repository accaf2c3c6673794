/** The settings of the persister as a service: what it stands on, where it tells how it is, and its limits. */

import { amount, duration, outOfOrder, readSettings, type SettingValues, variableName } from '#shared/runtime/config.ts';
import { mirrorSettings } from '#shared/mirror/settings.ts';
import { processSettings } from '#shared/runtime/process-settings.ts';
import { processStopMsMax } from '#shared/runtime/shutdown.ts';
import { backingSettings, checkBackingSettings } from '#shared/store/backing-settings.ts';

import { limitProblems, persisterSettings } from './limits.ts';
import { mirrorQueueProblems, mirrorQueueSettings } from './mirroring.ts';

const dayMs = 24 * 60 * 60_000;

export const ownSettings = {
  /** A request to a broker costs as much for one record as for a hundred, and what is read here is gathered for a while anyway. */
  readIntervalMs: duration(
    100,
    'the shortest time between two requests to a broker for records, where the first has brought all that there was',
    1,
    1_000,
  ),
  niceness: amount(
    '0 to 19',
    10,
    'how far a persister gives way to other processes of its machine, as `nice` counts; with 0 it has its full share where gateways leave it nothing for minutes',
    0,
    19,
  ),
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
  ...ownSettings,
};

export type PersisterConfig = SettingValues<typeof persisterServiceSettings>;

/** The configuration in `environment`, or what is wrong with it. */
export function readConfig(
  environment: Readonly<Record<string, string | undefined>>,
): { readonly config: PersisterConfig } | { readonly faults: readonly string[] } {
  const read = readSettings(persisterServiceSettings, environment);
  if ('faults' in read) return read;
  const faults = [
    ...limitProblems(read.values),
    ...mirrorQueueProblems(read.values),
    // What waits to be read counts as late, and a store that is always late has its mirrors written one at a time.
    ...outOfOrder(read.values, [['readIntervalMs', 'mirrorLagMsMax']]),
    ...checkBackingSettings(read.values),
  ];
  const { stopMsMax } = read.values;
  if (stopMsMax >= processStopMsMax)
    faults.push(
      `${variableName('stopMsMax')} (${stopMsMax}) is too long: a process that stops has less than ${processStopMsMax}`,
    );
  return faults.length > 0 ? { faults } : { config: read.values };
}
