/** How a Kafka cluster is reached, and the parts that reach it. */

import kafkajs, { type Kafka as KafkaClient, type SASLOptions } from 'kafkajs';
import Broker from 'kafkajs/src/broker/index.js';
import createLogger from 'kafkajs/src/loggers/index.js';
import ConnectionPool from 'kafkajs/src/network/connectionPool.js';
import createSocketFactory from 'kafkajs/src/network/socketFactory.js';
import type { ConnectionOptions } from 'node:tls';
import type { Logger } from '#shared/runtime/telemetry.ts';

export type KafkaConnection = {
  /** `host:port` of one broker or of several; the others are learnt from them. */
  readonly brokers: readonly string[];
  /** Topics are `<prefix>.updates` and so on, and consumer groups too. */
  readonly topicPrefix: string;
  /** For the brokers' logs and quotas. */
  readonly clientId: string;
  /** TLS if given: certificates as PEM text; `{}` for a broker whose certificate is signed by a well-known authority. */
  readonly tls?: Pick<ConnectionOptions, 'ca' | 'cert' | 'key'>;
  readonly sasl?: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
    readonly username: string;
    readonly password: string;
  };
  /** A broker that has not answered by then is taken for gone, in ms: 5,000 if not given. Below what edits may wait, so that they are tried again. */
  readonly requestMsMax?: number;
};

const connectMsMax = 3_000;

type LogEntry = {
  readonly level: number;
  readonly log: { readonly message: string } & Readonly<Record<string, unknown>>;
};

/** Whatever goes wrong is told by the parts that it happens to; what kafkajs says about it besides is for looking closer. */
const loggingTo =
  (logger: Logger) =>
  () =>
  ({ log: { message, ...fields } }: LogEntry): void =>
    logger.debug({ kafkajs: message, ...fields }, 'kafkajs');

const clientOptions = ({ brokers, clientId, tls, sasl, requestMsMax = 5_000 }: KafkaConnection) => ({
  clientId,
  brokers: [...brokers],
  ...(tls === undefined ? {} : { ssl: tls }),
  ...(sasl === undefined ? {} : { sasl: sasl as SASLOptions }),
  connectionTimeout: connectMsMax,
  authenticationTimeout: connectMsMax,
  requestTimeout: requestMsMax,
  enforceRequestTimeout: true,
  // Every broker that was given is tried once; whoever asked decides about more.
  retry: { initialRetryTime: 50, maxRetryTime: 500, retries: brokers.length },
});

/**
 * kafkajs's public client: for what is done seldom (administration, the consumer group). It stays with a first address that is silent, so it
 * is better given `addresses`, which are asked for at each connect, the best one first.
 */
export const createClient = (
  connection: KafkaConnection,
  logger: Logger,
  addresses?: () => Promise<readonly string[]>,
): KafkaClient =>
  new kafkajs.Kafka({
    ...clientOptions(connection),
    ...(addresses === undefined ? {} : { brokers: async () => [...(await addresses())] }),
    logLevel: kafkajs.logLevel.INFO,
    logCreator: loggingTo(logger),
  });

export type BrokerAddress = { readonly host: string; readonly port: number };

/** Out of `host:port`, where an IPv6 host is in brackets. */
export function parseAddress(address: string): BrokerAddress {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon).replaceAll(/^\[|\]$/gu, ''), port: Number(address.slice(colon + 1)) };
}

/** Connects to one broker, beneath kafkajs's public client. Whoever takes it closes it. */
export async function connectBroker(connection: KafkaConnection, address: BrokerAddress, logger: Logger): Promise<Broker> {
  const { clientId, sasl, connectionTimeout, requestTimeout, enforceRequestTimeout } = clientOptions(connection);
  const kafkajsLogger = createLogger.createLogger({ level: kafkajs.logLevel.INFO, logCreator: loggingTo(logger) });
  const connectionPool = new ConnectionPool({
    ...address,
    clientId,
    sasl,
    ssl: connection.tls,
    logger: kafkajsLogger,
    socketFactory: createSocketFactory(),
    connectionTimeout,
    requestTimeout,
    enforceRequestTimeout,
    reauthenticationThreshold: 10_000,
    maxInFlightRequests: null,
  });
  const broker = new Broker({
    connectionPool,
    logger: kafkajsLogger,
    authenticationTimeout: connectMsMax,
    allowAutoTopicCreation: false,
  });
  try {
    await broker.connect();
    // The one for Fetch. kafkajs connects it when it is first used, and twice where two use it at once.
    await connectionPool.getConnection(1);
    return broker;
  } catch (error) {
    const reason = error instanceof Error ? error : new Error(String(error));
    closeBroker(broker, reason);
    // What a broker does with a client that speaks in the clear where it wants TLS.
    if (connection.tls === undefined && reason.message === 'Closed connection')
      throw new Error('it closed the connection without an answer (does it want TLS?)', { cause: error });
    throw error;
  }
}

/** Whether none of its connections was closed by the other side. */
export const isWhole = ({ connectionPool }: Broker): boolean => connectionPool.pool.every((one) => one.isConnected());

/** What is under way fails with `reason`. kafkajs would wait for it, and with a broker that is frozen for ever. */
export function closeBroker({ connectionPool }: Broker, reason: Error): void {
  for (const one of connectionPool.pool) {
    one.rejectRequests(reason);
    void one.disconnect().catch(() => {});
    one.socket?.destroy();
  }
}
