/** Where tests get their broker and database from, and what is said about it. */

import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { MongoClient } from 'mongodb';
import { expect, onTestFinished, test } from 'vitest';
import { openDesk } from '#test/harness/backend-desk.ts';
import { kafkaForTests, mongodbForTests, orSkip, withDatabase } from '#test/harness/backends.ts';
import { openRawKafka } from '#test/harness/raw-kafka.ts';

test('CL47: addresses in the environment come first; what was taken is said once', async ({ skip }) => {
  const { addresses } = orSkip(skip, await kafkaForTests());
  const said: string[] = [];
  const environment = { TEST_KAFKA_BROKERS: addresses.join(', '), TEST_MONGODB_URL: 'mongodb://db.example/x' };
  const desk = openDesk(environment, (line) => said.push(line));
  expect(await Promise.all([desk.kafka(), desk.kafka()])).toMatchObject([{ addresses }, { addresses }]);
  expect(await desk.mongodb()).toMatchObject({ kind: 'had', url: 'mongodb://db.example/x', isStandIn: false });
  await desk.close();
  expect(said).toEqual(['kafka: address in the environment', 'mongodb: address in the environment']);
});

test('CL47: an address in the environment at which no broker answers is an error', async () => {
  const mute = createServer().listen(0, '127.0.0.1');
  await once(mute, 'listening');
  const address = `127.0.0.1:${(mute.address() as AddressInfo).port}`;
  mute.close();
  await once(mute, 'close');
  await expect(openDesk({ TEST_KAFKA_BROKERS: address }, () => {}).kafka()).rejects.toThrow(
    `TEST_KAFKA_BROKERS: no Kafka broker answers at ${address}`,
  );
});

test('CL47: what can not be had is a reason to leave a test out', () => {
  const skip = (reason: string): never => {
    throw new Error(`left out: ${reason}`);
  };
  expect(() => orSkip(skip, { kind: 'missing', reason: 'no Java' })).toThrow('left out: no Java');
  expect(orSkip(skip, { kind: 'had', url: 'here' })).toMatchObject({ url: 'here' });
});

test('CL48: all tests of a run share one broker, each under a prefix of its own', async ({ skip }) => {
  const [one, other] = [orSkip(skip, await kafkaForTests()), orSkip(skip, await kafkaForTests())];
  expect(other.addresses).toEqual(one.addresses);
  expect(other.topicPrefix).not.toBe(one.topicPrefix);
  const kafka = await openRawKafka(one.addresses);
  onTestFinished(() => kafka.close());
  await kafka.createTopic(`${one.topicPrefix}.updates`, 2);
  await kafka.produce(`${one.topicPrefix}.updates`, ['a', 'b'], 1);
  expect((await kafka.read(`${one.topicPrefix}.updates`, 1)).map(({ offset }) => offset)).toEqual([0, 1]);
});

test('CL48: all tests of a run share one database server, each in a database of its own', async ({ skip }) => {
  const [one, other] = [orSkip(skip, await mongodbForTests()), orSkip(skip, await mongodbForTests())];
  expect(new URL(other.url).host).toBe(new URL(one.url).host);
  const clients = await Promise.all([MongoClient.connect(one.url), MongoClient.connect(other.url)]);
  onTestFinished(async () => {
    for (const client of clients) await client.close();
  });
  await clients[0].db().collection('c').insertOne({ a: 1 });
  expect(await clients[0].db().collection('c').countDocuments()).toBe(1);
  expect(await clients[1].db().collection('c').countDocuments()).toBe(0);
});

test.each([
  ['mongodb://a:1,b:2/old?replicaSet=r&w=1', 'mongodb://a:1,b:2/new?replicaSet=r&w=1'],
  ['mongodb://user:secret@a', 'mongodb://user:secret@a/new'],
  ['mongodb+srv://a.example/?tls=true', 'mongodb+srv://a.example/new?tls=true'],
])('CL48: of %s another database is %s', (url, expected) => expect(withDatabase(url, 'new')).toBe(expected));
