/** The settings of `make up` and `make down`: where a local cluster is, on which ports, and on what. */

import { amount, choice, readSettings, type SettingValues, text, variableName } from '#shared/runtime/config.ts';
import { processSettings } from '#shared/runtime/process-settings.ts';

const portMax = 65_535;

export const clusterSettings = {
  clusterDir: text('directory', '.local/cluster', 'where a local cluster has its data, its logs and what it remembers of itself'),
  clusterPort: amount(
    'port',
    8080,
    'of the load balancer; the gateways have the next two, the persister and the changefeed the two after them',
    1,
    portMax - 4,
  ),
  clusterKafkaPort: amount('port', 9092, 'of the broker', 1, portMax),
  clusterMongodbPort: amount('port', 27_017, 'of the database', 1, portMax),
  clusterOn: choice(
    ['any', 'docker', 'processes'],
    'any',
    'what the cluster runs on; `any` is Docker where a daemon answers, else local processes',
  ),
  logLevel: processSettings.logLevel,
};

export type ClusterConfig = SettingValues<typeof clusterSettings>;

export type ClusterPorts = {
  readonly balancer: number;
  readonly gateways: readonly [number, number];
  readonly persister: number;
  readonly changefeed: number;
  readonly kafka: number;
  readonly mongodb: number;
};

export const portsOf = ({ clusterPort, clusterKafkaPort, clusterMongodbPort }: ClusterConfig): ClusterPorts => ({
  balancer: clusterPort,
  gateways: [clusterPort + 1, clusterPort + 2],
  persister: clusterPort + 3,
  changefeed: clusterPort + 4,
  kafka: clusterKafkaPort,
  mongodb: clusterMongodbPort,
});

/** The configuration in `environment`, or what is wrong with it. */
export function readConfig(
  environment: Readonly<Record<string, string | undefined>>,
): { readonly config: ClusterConfig } | { readonly faults: readonly string[] } {
  const read = readSettings(clusterSettings, environment);
  if ('faults' in read) return read;
  const { balancer, gateways, persister, changefeed, kafka, mongodb } = portsOf(read.values);
  const names = (['clusterPort', 'clusterKafkaPort', 'clusterMongodbPort'] as const).map(variableName).join(', ');
  const isDistinct = new Set([balancer, ...gateways, persister, changefeed, kafka, mongodb]).size === 7;
  return isDistinct
    ? { config: read.values }
    : { faults: [`${names} give one port to two: ${balancer} to ${changefeed}, ${kafka} and ${mongodb}`] };
}
