/**
 * Where the tests of a run get their broker and their database: one of each for all of them, started when the first test asks.
 *
 * Test files run in processes of their own, which share nothing but the one that started them. So that one has them: it opens a door on loopback
 * before the first test, starts what is asked for, once, and takes it down after the last. A run of unit tests starts nothing.
 */

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestProject } from 'vitest/node';
import { kafkaAnswers } from '#deploy/native/kafka-probe.ts';
import { reasonOf } from '#shared/runtime/reason.ts';
import type { Had, OwnEngine } from '#test/harness/own-engine.ts';
import { startOwnKafka } from '#test/harness/own-kafka.ts';
import { startOwnMongodb } from '#test/harness/own-mongodb.ts';

declare module 'vitest' {
  // oxlint-disable-next-line typescript/consistent-type-definitions -- a declaration is merged into this one
  interface ProvidedContext {
    backendDesk: string;
  }
}

/** What all tests share. */
export type SharedKafka = { readonly took: string; readonly addresses: readonly string[] };
export type SharedMongodb = { readonly took: string; readonly url: string; readonly isStandIn: boolean };

export type Environment = Readonly<Record<string, string | undefined>>;

export type Desk = {
  readonly kafka: () => Promise<Had<SharedKafka>>;
  readonly mongodb: () => Promise<Had<SharedMongodb>>;
  /** Takes down what it started. */
  readonly close: () => Promise<void>;
};

/** Starts nothing before it is asked, and each thing once. `say` is told what was taken, one line for each. */
export function openDesk(environment: Environment, say: (line: string) => void): Desk {
  const started: OwnEngine[] = [];
  const taking = <T extends { readonly took: string }>(name: string, take: () => Promise<Had<T>>): (() => Promise<Had<T>>) => {
    let taken: Promise<Had<T>> | undefined;
    return () =>
      (taken ??= take().then((had) => {
        if (had.kind === 'had') say(`${name}: ${had.took}`);
        return had;
      }));
  };

  const kafka = taking('kafka', async (): Promise<Had<SharedKafka>> => {
    const given = environment['TEST_KAFKA_BROKERS'];
    if (given !== undefined) return givenKafka(given);
    const own = await startOwnKafka();
    if (own.kind === 'missing') return own;
    started.push(own);
    return { kind: 'had', took: own.took, addresses: [own.address] };
  });

  const mongodb = taking('mongodb', async (): Promise<Had<SharedMongodb>> => {
    const given = environment['TEST_MONGODB_URL'];
    if (given !== undefined) return { kind: 'had', took: 'address in the environment', url: given, isStandIn: false };
    const own = await startOwnMongodb({ isInMemory: true });
    if (own.kind === 'missing') return own;
    started.push(own);
    return { kind: 'had', took: own.took, url: own.url, isStandIn: own.isStandIn };
  });

  const close = async (): Promise<void> => {
    await Promise.all(started.map((engine) => engine.remove()));
  };
  return { kafka, mongodb, close };
}

/** Addresses that somebody gave and that do not answer are a mistake, and not a reason to look elsewhere. */
async function givenKafka(given: string): Promise<Had<SharedKafka>> {
  const addresses = given.split(',').map((address) => address.trim());
  for (const address of addresses) {
    if (!(await kafkaAnswers(address))) throw new Error(`TEST_KAFKA_BROKERS: no Kafka broker answers at ${address}`);
  }
  return { kind: 'had', took: 'address in the environment', addresses };
}

/** Vitest calls this before the first test, in the process that stays, and what it returns after the last. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const desk = openDesk(process.env, (line) => void process.stdout.write(`${line}\n`));
  const server = createServer((request, response) => {
    const asked = request.url === '/kafka' ? desk.kafka() : desk.mongodb();
    asked.then(
      (had) => response.end(JSON.stringify(had)),
      (error: unknown) => response.writeHead(500).end(reasonOf(error)),
    );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  project.provide('backendDesk', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  return async () => {
    server.close();
    server.closeAllConnections();
    await desk.close();
  };
}
