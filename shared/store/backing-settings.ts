/** How a process of a cluster is told where Kafka and MongoDB are. */

import { checkKafkaSettings, kafkaSettings } from '#shared/journal/kafka-settings.ts';
import { duration, type SettingValues, text, variableName } from '#shared/runtime/config.ts';

export const backingSettings = {
  ...kafkaSettings,
  mongodbUrl: text('URL', '', "where MongoDB is, with the database's name: `mongodb://host:27017/inkstream`; has to be set"),
  startWaitMs: duration(60_000, 'how long a start waits for Kafka and MongoDB before it gives up'),
};

export type BackingConfig = SettingValues<typeof backingSettings>;

/** A scheme, servers, and the name of a database. What MongoDB's manual allows besides is for the driver to judge. */
const databaseUrl = /^mongodb(?:\+srv)?:\/\/[^/?]+\/[^/?]+/u;

/** What is wrong with these settings together, a line each. A URL is not repeated: there may be a password in it. */
export function checkBackingSettings(config: BackingConfig): readonly string[] {
  const url = variableName('mongodbUrl');
  const form = 'mongodb://host:27017/inkstream';
  const faults = [...checkKafkaSettings(config)];
  if (config.mongodbUrl === '') faults.push(`${url} is not set: it says where MongoDB is, as ${form}`);
  else if (!databaseUrl.test(config.mongodbUrl)) faults.push(`${url} is not like ${form}: it names servers and a database`);
  return faults;
}
