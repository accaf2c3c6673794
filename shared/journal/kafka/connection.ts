/** How a Kafka cluster is reached, and the parts that reach it. */

import kafkajs, { type Kafka as KafkaClient, type SASLOptions } from 'kafkajs';
import Cluster from 'kafkajs/src/cluster/index.js';
import createLogger from 'kafkajs/src/loggers/index.js';
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

/** kafkajs's public client: for what is done seldom (administration, the consumer group). */
export const createClient = (connection: KafkaConnection, logger: Logger): KafkaClient =>
  new kafkajs.Kafka({ ...clientOptions(connection), logLevel: kafkajs.logLevel.INFO, logCreator: loggingTo(logger) });

/** A set of connections to all brokers, of kafkajs's own making, beneath its public client. */
export const createCluster = (connection: KafkaConnection, logger: Logger): Cluster =>
  new Cluster({
    ...clientOptions(connection),
    ssl: connection.tls,
    logger: createLogger.createLogger({ level: kafkajs.logLevel.INFO, logCreator: loggingTo(logger) }),
    socketFactory: createSocketFactory(),
    reauthenticationThreshold: 10_000,
    metadataMaxAge: 300_000,
    allowAutoTopicCreation: false,
    maxInFlightRequests: null,
    offsets: new Map(),
  });
