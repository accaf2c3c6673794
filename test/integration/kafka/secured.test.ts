/** Our programs before a broker that wants TLS, a certificate and a name with its password. */

import { afterAll, expect, onTestFinished, test, vi } from 'vitest';
import { mongodbForTests, orSkip } from '#test/harness/backends.ts';
import { storedBy } from '#test/harness/checkpoints.ts';
import { endOfProgram } from '#test/harness/program.ts';
import { type SecuredKafka, securedMechanisms, startSecuredKafka } from '#test/harness/secured-kafka.ts';
import { type Server, startServer } from '#test/harness/server.ts';
import { openClient } from '#test/harness/y-websocket-client.ts';

const kafka = await startSecuredKafka();
afterAll(async () => {
  if (kafka.kind === 'had') await kafka.remove();
});

type Settings = Readonly<Record<string, string | number>>;
type Mechanism = (typeof securedMechanisms)[number];

const trusting = ({ files }: SecuredKafka): Settings => ({ KAFKA_TLS: 1, KAFKA_TLS_CA_FILE: files.ca });
const certified = ({ files }: SecuredKafka): Settings => ({ KAFKA_TLS_CERT_FILE: files.cert, KAFKA_TLS_KEY_FILE: files.key });
const named = ({ username, password }: SecuredKafka, mechanism: Mechanism): Settings => ({
  KAFKA_SASL_MECHANISM: mechanism,
  KAFKA_SASL_USERNAME: username,
  KAFKA_SASL_PASSWORD: password,
});

test(
  'JR50: topics are made, and what is typed is saved and stored, over TLS with a certificate and each way of giving a name',
  { timeout: 120_000 },
  async ({ skip }) => {
    const broker = orSkip(skip, kafka);
    const database = orSkip(skip, await mongodbForTests());
    const common = { KAFKA_BROKERS: broker.address, ...trusting(broker), ...certified(broker) };
    const provision = async (mechanism: Mechanism): Promise<void> => {
      const settings = { ...common, ...named(broker, mechanism), KAFKA_TOPIC_PREFIX: mechanism, PARTITIONS: 2 };
      const provisioned = await endOfProgram(['deploy/provision.ts'], settings);
      expect(provisioned).toMatchObject({ code: 0, stdout: expect.stringContaining(`made: ${mechanism}.updates (2 partitions`) });
    };
    await Promise.all(securedMechanisms.map(provision));

    const settings = {
      ...common,
      ...named(broker, 'scram-sha-512'),
      KAFKA_TOPIC_PREFIX: 'scram-sha-512',
      MONGODB_URL: database.url,
    };
    const services = await Promise.all((['gateway', 'persister'] as const).map((service) => startServer({ service, settings })));
    for (const service of services) onTestFinished(() => service.kill());
    const [gateway, persister] = services as [Server, Server];
    const client = openClient({ url: gateway.wsUrl, document: 'plan' });
    onTestFinished(() => client.discard());
    await client.synced();
    client.text.insert(0, 'hello');
    await client.saved();
    await vi.waitFor(async () => expect(await storedBy(persister)).toBeGreaterThan(0), { timeout: 30_000, interval: 50 });
    expect(await gateway.stop()).toBe(0);
    expect(await persister.stop()).toBe(0);
  },
);

test(
  'JR51: whom the broker does not know, and a broker that nobody vouches for, is said in one line without the password',
  { timeout: 120_000 },
  async ({ skip }) => {
    const broker = orSkip(skip, kafka);
    const database = orSkip(skip, await mongodbForTests());
    const common = { KAFKA_BROKERS: broker.address, MONGODB_URL: database.url, PORT: 0, START_WAIT_MS: 8_000 };
    const wrong = 'a wrong word';
    const whole = { ...trusting(broker), ...certified(broker) };
    const strangers = [
      [{ ...whole, ...named(broker, 'plain'), KAFKA_SASL_PASSWORD: wrong }, 'Invalid username or password'],
      [{ ...whole, ...named(broker, 'scram-sha-256'), KAFKA_SASL_PASSWORD: wrong }, 'invalid credentials'],
      [{ ...trusting(broker), ...named(broker, 'plain') }, 'bad certificate'],
      [{ KAFKA_TLS: 1, ...certified(broker), ...named(broker, 'plain') }, 'unable to verify'],
      [named(broker, 'plain'), 'does it want TLS?'],
    ] as const;
    const start = async (settings: Settings) => endOfProgram(['services/gateway/main.ts'], { ...common, ...settings });
    const ends = await Promise.all(strangers.map(([settings]) => start(settings)));
    for (const [index, { code, stdout, stderr }] of ends.entries()) {
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      const { msg } = JSON.parse(stderr.trim().split('\n').at(-1) ?? '') as { readonly msg: string };
      expect(msg).toContain(`Kafka at ${broker.address} could not be used within 8000 ms`);
      expect(stderr).toContain(strangers[index]?.[1]);
      for (const secret of [wrong, broker.password]) expect(stderr).not.toContain(secret);
    }
  },
);
