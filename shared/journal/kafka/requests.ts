/**
 * Single requests to one broker, in kafkajs's encoding.
 *
 * kafkajs turns an error code of one partition into an exception for the whole request, and then nobody knows which partition it was, or what became of
 * the others. Here the codes stay what they are, values beside their partition. What throws is the network, or a response that is none.
 *
 * Produce and Fetch are written and read without it (record-batch.ts says why), and so is the one request that kafkajs lacks: the id of a topic
 * (Metadata version 12, KIP-516).
 */

import type Broker from 'kafkajs/src/broker/index.js';
import Encoder from 'kafkajs/src/protocol/encoder.js';
import errors from 'kafkajs/src/protocol/error.js';
import protocol from 'kafkajs/src/protocol/requests/index.js';
import { Buffer } from 'node:buffer';
import { JournalUnavailable } from '../journal.ts';
import type { BrokerAddress } from './connection.ts';
import { encodeFetch, type ToFetch } from './fetch-request.ts';
import { decodeFetchResponse, type Fetched } from './fetch-response.ts';
import { encodeProduce, type ToProduce } from './produce-request.ts';
import { decodeProduceResponse, type Produced } from './produce-response.ts';

export type { Broker };

/** The API keys and error codes of Kafka's protocol guide that are used here. */
const apiKeys = { Produce: 0, Fetch: 1, ListOffsets: 2, Metadata: 3, DeleteRecords: 21 } as const;

export const errorCodes = {
  none: 0,
  offsetOutOfRange: 1,
  unknownTopicOrPartition: 3,
  messageTooLarge: 10,
  recordListTooLarge: 18,
} as const;

/** Kafka's own words for an error code. */
export const describeCode = (code: number): string => {
  const { type, message } = errors.createErrorFromCode(code);
  return `${type ?? `error ${code}`}: ${message}`;
};

const unparsed = (decoded: unknown): Promise<unknown> => Promise.resolve(decoded);

type Options = Readonly<Record<string, unknown>>;

/** In the latest version that kafkajs and the broker both know. */
function send(broker: Broker, name: keyof typeof protocol.requests, options: Options): Promise<unknown> {
  const made = broker.lookupRequest(apiKeys[name], protocol.requests[name])(options);
  return broker.connectionPool.send({ ...made, response: { decode: made.response.decode, parse: unparsed } });
}

/**
 * Requests that are written and read here, in the versions that are known here. What is asked for a hundred times a second is not looked up
 * each time.
 */
const ours = {
  Produce: { oldest: 3, latest: 7 },
  Fetch: { oldest: 4, latest: 11 },
  Metadata: { oldest: 12, latest: 12 },
} as const;

/** In the latest version that the broker knows, too. */
function versionOf({ versions }: Broker, name: keyof typeof ours): number {
  const { oldest, latest } = ours[name];
  const known = versions?.[apiKeys[name]]?.maxVersion ?? -1;
  if (known < oldest) throw new Error(`the broker knows no version of ${name} that is known here; Kafka 0.11 or newer is needed`);
  return Math.min(known, latest);
}

/** What the network may add to the time that the broker was given, in ms; kafkajs waits for as long as it does for any request at least. */
const networkMsMax = 100;

/** `brokerMs`: how long the broker may take by what is asked. */
function sendOurs<Answer>(
  broker: Broker,
  name: keyof typeof ours,
  encode: (version: number) => Buffer,
  decode: (payload: Buffer, version: number) => Answer,
  brokerMs: number,
): Promise<Answer> {
  const apiVersion = versionOf(broker, name);
  return broker.connectionPool.send({
    request: {
      apiKey: apiKeys[name],
      apiVersion,
      apiName: name,
      encode: async () => {
        const payload = encode(apiVersion);
        return new Encoder(payload.length).writeBuffer(payload);
      },
    },
    response: { decode: async (payload: Buffer) => decode(payload, apiVersion), parse: unparsed },
    requestTimeout: brokerMs + networkMsMax,
  }) as Promise<Answer>;
}

/** Writes messages to partitions that `broker` leads. `acks`: -1 for all in-sync replicas, 1 for the leader alone. */
export async function produce(
  broker: Broker,
  data: readonly ToProduce[],
  acks: -1 | 1,
  timeoutMs: number,
): Promise<readonly Produced[]> {
  const encode = (): Buffer => encodeProduce(data, acks, timeoutMs);
  return (await sendOurs(broker, 'Produce', encode, decodeProduceResponse, timeoutMs)).produced;
}

/** Reads what is there, or waits for up to `waitMs` until something is. */
export async function fetch(
  broker: Broker,
  wanted: readonly ToFetch[],
  waitMs: number,
  bytesMax: number,
): Promise<readonly Fetched[]> {
  const encode = (version: number): Buffer => encodeFetch(wanted, { waitMs, bytesMax }, version);
  const { errorCode, fetched } = await sendOurs(broker, 'Fetch', encode, decodeFetchResponse, waitMs);
  if (errorCode !== errorCodes.none) throw new Error(describeCode(errorCode));
  return fetched;
}

/** -2: the first offset that is left; -1: the one that the next record gets; else the first one of that time or later, or -1. */
export type OffsetQuestion = number;

type ListOffsetsResponse = {
  readonly responses: readonly {
    readonly partitions: readonly {
      readonly errorCode: number;
      readonly offset?: string;
      readonly offsets?: readonly string[];
    }[];
  }[];
};

/** One offset of one partition. */
export async function listOffset(
  broker: Broker,
  topic: string,
  partition: number,
  question: OffsetQuestion,
): Promise<{ readonly errorCode: number; readonly offset: number }> {
  const topics = [{ topic, partitions: [{ partition, timestamp: question }] }];
  const { responses } = (await send(broker, 'ListOffsets', { isolationLevel: 0, topics })) as ListOffsetsResponse;
  const answer = responses[0]?.partitions[0];
  return { errorCode: answer?.errorCode ?? errorCodes.unknownTopicOrPartition, offset: Number(answer?.offset ?? -1) };
}

type DeleteRecordsResponse = {
  readonly topics: readonly { readonly partitions: readonly { readonly errorCode: number }[] }[];
};

/** Deletes the records of a partition below an offset (KIP-107), which must not be beyond its end. Returns the error code. */
export async function deleteRecords(
  broker: Broker,
  topic: string,
  partition: number,
  below: number,
  timeoutMs: number,
): Promise<number> {
  const topics = [{ topic, partitions: [{ partition, offset: below }] }];
  const answer = (await send(broker, 'DeleteRecords', { topics, timeout: timeoutMs })) as DeleteRecordsResponse;
  return answer.topics[0]?.partitions[0]?.errorCode ?? errorCodes.unknownTopicOrPartition;
}

/** Who is there, and who leads what, as one broker sees it. */
export type ClusterMap = {
  readonly toldBy: BrokerAddress;
  /** Those that are alive, by their number. */
  readonly nodes: ReadonlyMap<string, BrokerAddress>;
  /** By topic and partition; what has no leader now is not in it. */
  readonly leaders: ReadonlyMap<string, ReadonlyMap<number, string>>;
};

type MetadataResponse = {
  readonly brokers: readonly ({ readonly nodeId: number } & BrokerAddress)[];
  readonly topicMetadata: readonly {
    readonly topic: string;
    readonly partitionMetadata: readonly { readonly partitionId: number; readonly leader: number }[];
  }[];
};

/** What a broker knows of the others and of `topics`. A topic that it does not know has no leaders. */
export async function readMap(broker: Broker, topics: readonly string[]): Promise<Omit<ClusterMap, 'toldBy'>> {
  const answer = (await send(broker, 'Metadata', { topics, allowAutoTopicCreation: false })) as MetadataResponse;
  const nodes = new Map(answer.brokers.map(({ nodeId, host, port }) => [String(nodeId), { host, port }]));
  const leaders = new Map(
    answer.topicMetadata.map(({ topic, partitionMetadata }) => [
      topic,
      new Map(
        partitionMetadata
          .map(({ partitionId, leader }) => [partitionId, String(leader)] as const)
          .filter(([, leader]) => nodes.has(leader)),
      ),
    ]),
  );
  return { nodes, leaders };
}

/**
 * The id of a topic, which a topic of the same name that is made later does not have (KIP-516): 16 bytes in hex. Undefined where the
 * broker is too old to tell (before Kafka 2.8). Rejects where it has not heard of the topic: others may have.
 */
export async function readTopicId(broker: Broker, topic: string): Promise<string | undefined> {
  if ((broker.versions?.[apiKeys.Metadata]?.maxVersion ?? 0) < ours.Metadata.oldest) return undefined;
  const encode = (): Buffer => encodeTopicQuestion(topic);
  const id = decodeTopicId(await sendOurs(broker, 'Metadata', encode, (payload) => payload, 0));
  if (id === undefined) throw new JournalUnavailable(`Kafka: a broker has not heard of topic ${topic} yet`);
  return id;
}

/**
 * Flexible versions (KIP-482): lengths are varints, one more than they are, and tagged fields, of which there are none, end everything: the
 * header too, which kafkajs does not write.
 */
function encodeTopicQuestion(topic: string): Buffer {
  const name = Buffer.from(topic, 'utf8'); // at most 249 characters of ASCII
  const tags = 0;
  const length = name.length + 1;
  const lengthBytes = length < 128 ? [length] : [(length & 127) | 128, length >> 7];
  const noTopicId = Buffer.alloc(16);
  const noAutoCreation = 0;
  return Buffer.concat([
    Buffer.of(tags, 2),
    noTopicId,
    Buffer.of(...lengthBytes),
    name,
    Buffer.of(tags, noAutoCreation, 0, tags),
  ]);
}

/** Reads up to the id of the first topic, and no further. Undefined where there is an error in its place. */
export function decodeTopicId(payload: Buffer): string | undefined {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = payload.readUInt8(at++);
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  const skipText = (): void => {
    const length = varint() - 1;
    at += Math.max(0, length);
  };
  varint(); // tags of the header
  at += 4; // throttle time
  for (let brokers = varint() - 1; brokers > 0; brokers--) {
    at += 4; // node
    skipText(); // host
    at += 4; // port
    skipText(); // rack
    varint(); // tags
  }
  skipText(); // cluster
  at += 4; // controller
  if (varint() - 1 < 1) return undefined;
  const errorCode = payload.readInt16BE(at);
  at += 2;
  skipText(); // name
  const id = payload.subarray(at, at + 16);
  return errorCode === errorCodes.none && id.length === 16 ? id.toString('hex') : undefined;
}
