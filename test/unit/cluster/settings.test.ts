/** The settings by which a process of a cluster finds Kafka and MongoDB. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readConfig as readGatewayConfig } from '#gateway/config.ts';
import { readConfig as readPersisterConfig } from '#persister/config.ts';
import { connectionOf } from '#shared/journal/kafka-settings.ts';

const needed = { INKSTREAM_KAFKA_BROKERS: 'one:9092', INKSTREAM_MONGODB_URL: 'mongodb://ada:secret@db:27017/inkstream' };

type Environment = Readonly<Record<string, string>>;

const faultsOf = (environment: Environment): readonly string[] => {
  const read = readPersisterConfig(environment);
  return 'faults' in read ? read.faults : [];
};

function connect(environment: Environment) {
  const read = readGatewayConfig({ ...needed, ...environment });
  if ('faults' in read) throw new Error(read.faults.join('; '));
  return connectionOf(read.config, 'me');
}

test.each([
  ['nothing', {}, ['INKSTREAM_KAFKA_BROKERS', 'INKSTREAM_MONGODB_URL']],
  ['a broker without a port', { ...needed, INKSTREAM_KAFKA_BROKERS: 'one:9092,two' }, ['"two" is not host:port']],
  ['a prefix that no topic has', { ...needed, INKSTREAM_KAFKA_TOPIC_PREFIX: 'a b' }, ['INKSTREAM_KAFKA_TOPIC_PREFIX="a b"']],
  [
    'reading less often than mirrors may lag',
    { ...needed, INKSTREAM_READ_INTERVAL_MS: '600' },
    ['INKSTREAM_READ_INTERVAL_MS (600) is more than INKSTREAM_MIRROR_LAG_MS_MAX (500)'],
  ],
  ['more way than there is', { ...needed, INKSTREAM_NICENESS: '20' }, ['INKSTREAM_NICENESS']],
  ['no database', { ...needed, INKSTREAM_MONGODB_URL: 'mongodb://db:27017' }, ['names servers and a database']],
  ['another scheme', { ...needed, INKSTREAM_MONGODB_URL: 'http://db/inkstream' }, ['names servers and a database']],
  ['a certificate without TLS', { ...needed, INKSTREAM_KAFKA_TLS_CA_FILE: 'ca.pem' }, ['INKSTREAM_KAFKA_TLS=1']],
  [
    'half of a certificate',
    { ...needed, INKSTREAM_KAFKA_TLS: '1', INKSTREAM_KAFKA_TLS_KEY_FILE: 'key.pem' },
    ['INKSTREAM_KAFKA_TLS_CERT_FILE'],
  ],
  ['a name without a mechanism', { ...needed, INKSTREAM_KAFKA_SASL_USERNAME: 'ada' }, ['INKSTREAM_KAFKA_SASL_MECHANISM=none']],
  ['a mechanism without a name', { ...needed, INKSTREAM_KAFKA_SASL_MECHANISM: 'plain' }, ['INKSTREAM_KAFKA_SASL_USERNAME']],
  ['a time of stopping that is too long', { ...needed, INKSTREAM_STOP_MS_MAX: '20000' }, ['INKSTREAM_STOP_MS_MAX']],
] as const)('CL1: %s is told, a line each, by name', (_, environment, named) => {
  const faults = faultsOf(environment);
  expect(faults).toHaveLength(named.length);
  for (const [index, name] of named.entries()) expect(faults[index]).toContain(name);
});

test('CL2: a URL and a password are never repeated', () => {
  const environment = {
    INKSTREAM_KAFKA_BROKERS: 'one',
    INKSTREAM_MONGODB_URL: 'mongodb://ada:secret@db:27017',
    INKSTREAM_KAFKA_SASL_PASSWORD: 'secret',
  };
  expect(faultsOf(environment)).toHaveLength(3);
  expect(faultsOf(environment).join(' ')).not.toContain('secret');
});

test('CL3: brokers, prefix, TLS and SASL go to Kafka as they were set', () => {
  expect(connect({ INKSTREAM_KAFKA_BROKERS: 'one:9092, [::1]:9093' })).toEqual({
    brokers: ['one:9092', '[::1]:9093'],
    topicPrefix: 'inkstream',
    clientId: 'me',
  });
  const directory = mkdtempSync(join(tmpdir(), 'settings-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const files = Object.fromEntries(
    ['CA', 'CERT', 'KEY'].map((name) => {
      writeFileSync(join(directory, name), `the ${name}`);
      return [`INKSTREAM_KAFKA_TLS_${name}_FILE`, join(directory, name)];
    }),
  );
  const sasl = {
    INKSTREAM_KAFKA_SASL_MECHANISM: 'scram-sha-512',
    INKSTREAM_KAFKA_SASL_USERNAME: 'ada',
    INKSTREAM_KAFKA_SASL_PASSWORD: 'secret',
  };
  expect(connect({ INKSTREAM_KAFKA_TLS: '1', INKSTREAM_KAFKA_TOPIC_PREFIX: 'team', ...files, ...sasl })).toEqual({
    brokers: ['one:9092'],
    topicPrefix: 'team',
    clientId: 'me',
    tls: { ca: 'the CA', cert: 'the CERT', key: 'the KEY' },
    sasl: { mechanism: 'scram-sha-512', username: 'ada', password: 'secret' },
  });
  expect(connect({ INKSTREAM_KAFKA_TLS: '1' })).toMatchObject({ tls: {} });
  expect(() => connect({ INKSTREAM_KAFKA_TLS: '1', INKSTREAM_KAFKA_TLS_CA_FILE: join(directory, 'none') })).toThrow(
    /INKSTREAM_KAFKA_TLS_CA_FILE: .*none can't be read/u,
  );
});

test('CL3: a persister of its own keeps a day in the journal, and cuts it once a minute', () => {
  const read = readPersisterConfig(needed);
  expect(read).toMatchObject({ config: { restoreWindowMs: 86_400_000, trimIntervalMs: 60_000 } });
});
