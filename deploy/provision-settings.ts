/**
 * The settings of `deploy/provision.ts`: those that every process of a cluster shares, and two of its own.
 *
 * A deployment likes to keep what its processes share in one file of variables. What they share is how Kafka and MongoDB are reached, so all of it is taken
 * here, MongoDB's URL too, though provisioning does not go there. What belongs to one service alone is refused here, as it is by the other services.
 */

import { checkKafkaSettings } from '#shared/journal/kafka-settings.ts';
import { amount, readSettings, type SettingValues } from '#shared/runtime/config.ts';
import { processSettings } from '#shared/runtime/process-settings.ts';
import { backingSettings } from '#shared/store/backing-settings.ts';

/** What is decided when the topics are made. */
export const topicSettings = {
  partitions: amount(
    'partitions',
    12,
    'of the journal, whose documents are shared out among them; for good, since documents would move',
    1,
    10_000,
  ),
  replicationFactor: amount(
    'replicas',
    0,
    'of each topic; 0 is as many as there are brokers, three at most, so set it where brokers may still be starting',
    0,
    100,
  ),
};

export const provisionSettings = { logLevel: processSettings.logLevel, ...backingSettings, ...topicSettings };

export type ProvisionConfig = SettingValues<typeof provisionSettings>;

/** The configuration in `environment`, or what is wrong with it. */
export function readConfig(
  environment: Readonly<Record<string, string | undefined>>,
): { readonly config: ProvisionConfig } | { readonly faults: readonly string[] } {
  const read = readSettings(provisionSettings, environment);
  if ('faults' in read) return read;
  const faults = checkKafkaSettings(read.values);
  return faults.length > 0 ? { faults } : { config: read.values };
}
