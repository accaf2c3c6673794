/** How a process is told where Kafka is, and who it is there. */

import { readFileSync } from 'node:fs';
import { choice, flag, type SettingValues, text, variableName } from '#shared/runtime/config.ts';
import type { KafkaConnection } from './kafka.ts';

export const kafkaSettings = {
  kafkaBrokers: text(
    'host:port, with commas between',
    '',
    'where Kafka is: some of its brokers, which know the others; has to be set',
  ),
  kafkaTopicPrefix: text('name', 'inkstream', 'what the names of topics and groups begin with'),
  kafkaTls: flag(false, 'whether the brokers are spoken to by TLS'),
  kafkaTlsCaFile: text('file', '', "certificates that vouch for the brokers', PEM; without it those that the system trusts"),
  kafkaTlsCertFile: text('file', '', 'certificate chain by which brokers know this process, PEM'),
  kafkaTlsKeyFile: text('file', '', 'private key of that certificate, PEM'),
  kafkaSaslMechanism: choice(
    ['none', 'plain', 'scram-sha-256', 'scram-sha-512'],
    'none',
    'how this process says to the brokers who it is',
  ),
  kafkaSaslUsername: text('name', '', 'with the mechanism'),
  kafkaSaslPassword: text('password', '', 'with the mechanism'),
};

export type KafkaConfig = SettingValues<typeof kafkaSettings>;

const address = /^[^\s:,/]+:\d{1,5}$|^\[[\da-f:]+\]:\d{1,5}$/iu;
/** What Kafka takes in the name of a topic, and short enough for `.dead-letter` to fit (249 characters). */
const prefix = /^[\w.-]{1,200}$/u;

const brokersOf = ({ kafkaBrokers }: KafkaConfig): readonly string[] => kafkaBrokers.split(',').map((broker) => broker.trim());

/** What is wrong with these settings together, a line each. */
export function checkKafkaSettings(config: KafkaConfig): readonly string[] {
  const faults: string[] = [];
  if (config.kafkaBrokers === '') faults.push(`${variableName('kafkaBrokers')} is not set: it says where Kafka is, as host:port`);
  else {
    for (const broker of brokersOf(config))
      if (!address.test(broker)) faults.push(`${variableName('kafkaBrokers')}: ${JSON.stringify(broker)} is not host:port`);
  }
  if (!prefix.test(config.kafkaTopicPrefix))
    faults.push(
      `${variableName('kafkaTopicPrefix')}=${JSON.stringify(config.kafkaTopicPrefix)} can't begin the name of a topic: up to 200 letters, digits, dots, dashes and underscores do`,
    );
  const withTls = (['kafkaTlsCaFile', 'kafkaTlsCertFile', 'kafkaTlsKeyFile'] as const).filter((key) => config[key] !== '');
  if (!config.kafkaTls && withTls.length > 0)
    faults.push(`${withTls.map(variableName).join(', ')} without ${variableName('kafkaTls')}=1 would do nothing`);
  if ((config.kafkaTlsCertFile === '') !== (config.kafkaTlsKeyFile === ''))
    faults.push(`${variableName('kafkaTlsCertFile')} and ${variableName('kafkaTlsKeyFile')} go together; one of them is missing`);
  const named = config.kafkaSaslUsername !== '' && config.kafkaSaslPassword !== '';
  const nameless = config.kafkaSaslUsername === '' && config.kafkaSaslPassword === '';
  if (config.kafkaSaslMechanism === 'none' ? !nameless : !named)
    faults.push(
      `${variableName('kafkaSaslMechanism')}=${config.kafkaSaslMechanism}, ${variableName('kafkaSaslUsername')} and ${variableName('kafkaSaslPassword')} go together: all of them or none`,
    );
  return faults;
}

function readPem(key: keyof KafkaConfig, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(`${variableName(key)}: ${path} can't be read: ${String(error)}`, { cause: error });
  }
}

/** How Kafka is reached by these settings, which were checked. Throws where a file can't be read, saying which. */
export function connectionOf(config: KafkaConfig, clientId: string): KafkaConnection {
  const { kafkaTlsCaFile, kafkaTlsCertFile, kafkaTlsKeyFile, kafkaSaslMechanism: mechanism } = config;
  const pem = (key: keyof KafkaConfig, path: string): string | undefined => (path === '' ? undefined : readPem(key, path));
  const ca = pem('kafkaTlsCaFile', kafkaTlsCaFile);
  const cert = pem('kafkaTlsCertFile', kafkaTlsCertFile);
  const key = pem('kafkaTlsKeyFile', kafkaTlsKeyFile);
  const tls = { ...(ca === undefined ? {} : { ca }), ...(cert === undefined || key === undefined ? {} : { cert, key }) };
  const sasl =
    mechanism === 'none' ? {} : { sasl: { mechanism, username: config.kafkaSaslUsername, password: config.kafkaSaslPassword } };
  return {
    brokers: brokersOf(config),
    topicPrefix: config.kafkaTopicPrefix,
    clientId,
    ...(config.kafkaTls ? { tls } : {}),
    ...sasl,
  };
}
