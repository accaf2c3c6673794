/** The settings of a gateway: its door, its limits, and what it stands on. */

import { checkDoor, doorSettings } from '#gateway/door-settings.ts';
import { checkGatewayLimits, gatewayLimitSettings } from '#gateway/limits.ts';
import { readSettings, type SettingValues } from '#shared/runtime/config.ts';
import { backingSettings, checkBackingSettings } from '#shared/store/backing-settings.ts';

export const gatewaySettings = { ...doorSettings, ...backingSettings, ...gatewayLimitSettings };

export type GatewayConfig = SettingValues<typeof gatewaySettings>;

/** The configuration in `environment`, or what is wrong with it. */
export function readConfig(
  environment: Readonly<Record<string, string | undefined>>,
): { readonly config: GatewayConfig } | { readonly faults: readonly string[] } {
  const read = readSettings(gatewaySettings, environment);
  if ('faults' in read) return read;
  const faults = [...checkGatewayLimits(read.values), ...checkDoor(read.values), ...checkBackingSettings(read.values)];
  return faults.length > 0 ? { faults } : { config: read.values };
}
