/**
 * What a broker answers to a Fetch request (versions 4 to 11), with the error codes as they are, and the records as views of the response.
 */

import type { Buffer } from 'node:buffer';
import { decodeBatches, type FetchedMessage } from './record-batch.ts';
import { int32Bytes, int64Bytes, ResponseReader } from './response-reader.ts';

export type Fetched = {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  readonly highWater: number;
  /** In order. The first ones may lie below the offset that was asked for: batches come whole. */
  readonly messages: readonly FetchedMessage[];
};

/** `clientSideThrottleTime`, in ms, by its name is for kafkajs, which waits so long before it asks again (KIP-219). */
export type FetchResponse = {
  readonly clientSideThrottleTime: number;
  readonly errorCode: number;
  readonly fetched: readonly Fetched[];
};

/** The versions since when a response has these fields. */
const since = { logStart: 5, session: 7, clientSideThrottling: 8, preferredReplica: 11 } as const;

export function decodeFetchResponse(payload: Buffer, version: number): FetchResponse {
  const reader = new ResponseReader(payload);
  const throttleMs = reader.int32();
  const hasSession = version >= since.session;
  const errorCode = hasSession ? reader.int16() : 0;
  if (hasSession) reader.skip(int32Bytes);
  const fetched: Fetched[] = [];
  reader.repeat(() => {
    const topic = reader.text();
    reader.repeat(() => fetched.push(readPartition(reader, topic, version)));
  });
  return { clientSideThrottleTime: version >= since.clientSideThrottling ? throttleMs : 0, errorCode, fetched };
}

function readPartition(reader: ResponseReader, topic: string, version: number): Fetched {
  const partition = reader.int32();
  const errorCode = reader.int16();
  const highWater = reader.int64();
  reader.skip(int64Bytes); // last stable offset
  if (version >= since.logStart) reader.skip(int64Bytes);
  reader.repeat(() => reader.skip(2 * int64Bytes)); // aborted transactions
  if (version >= since.preferredReplica) reader.skip(int32Bytes);
  const messages = decodeBatches(reader.view(Math.max(0, reader.int32())));
  return { topic, partition, errorCode, highWater, messages };
}
