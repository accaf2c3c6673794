/**
 * The settings of standalone: its own, and the limits of the gateway and the persister in it.
 */

import { checkDoor, doorSettings } from '#gateway/door-settings.ts';
import { checkGatewayLimits, gatewayLimitSettings } from '#gateway/limits.ts';
import { limitProblems, persisterSettings } from '#persister/limits.ts';
import { mirrorSettings } from '#shared/mirror/settings.ts';
import { amount, duration, readSettings, type SettingValues, text } from '#shared/runtime/config.ts';

export const diskSettings = {
  dataDir: text(
    'directory',
    '.local/data',
    'where documents are kept; made where it is missing, and used by one process at a time',
  ),
  commitIntervalMs: duration(
    25,
    'shortest time between two commits to disk under load; a lone edit is committed at once, a busy server tells "saved" a little later',
    0,
    1_000,
  ),
};

const mebibyte = 1024 * 1024;

export const jsonSettings = {
  jsonBodyBytesMax: amount(
    'bytes',
    8 * mebibyte,
    'longest body of a request with JSON; a longer one is refused (413)',
    1024,
    1024 * mebibyte,
  ),
  jsonRequestsMax: amount('requests', 32, 'requests for documents as JSON at once; further ones are refused for now (503)'),
};

export const standaloneSettings = {
  ...doorSettings,
  ...diskSettings,
  ...jsonSettings,
  ...mirrorSettings,
  ...gatewayLimitSettings,
  ...persisterSettings,
};

export type StandaloneConfig = SettingValues<typeof standaloneSettings>;

/** The configuration in `environment`, or what is wrong with it. */
export function readConfig(
  environment: Readonly<Record<string, string | undefined>>,
): { readonly config: StandaloneConfig } | { readonly faults: readonly string[] } {
  const read = readSettings(standaloneSettings, environment);
  if ('faults' in read) return read;
  const faults = [
    ...checkGatewayLimits(read.values),
    ...limitProblems(read.values),
    ...checkDoor(read.values, { key: 'stopMsMax', ms: read.values.stopMsMax }),
  ];
  return faults.length > 0 ? { faults } : { config: read.values };
}
