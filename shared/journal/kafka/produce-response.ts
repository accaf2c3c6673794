/** What a broker answers to a Produce request (versions 3 to 7), with the error codes as they are. */

import type { Buffer } from 'node:buffer';
import { int64Bytes, ResponseReader } from './response-reader.ts';

/** What became of the messages of one partition: all of them were taken, from `baseOffset` on, or none. */
export type Produced = {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  readonly baseOffset: number;
};

/** `clientSideThrottleTime`, in ms, by its name is for kafkajs, which waits so long before it asks again (KIP-219). */
export type ProduceResponse = { readonly clientSideThrottleTime: number; readonly produced: readonly Produced[] };

/** The versions since when a response has these fields. */
const since = { logStart: 5, clientSideThrottling: 6 } as const;

export function decodeProduceResponse(payload: Buffer, version: number): ProduceResponse {
  const reader = new ResponseReader(payload);
  const produced: Produced[] = [];
  reader.repeat(() => {
    const topic = reader.text();
    reader.repeat(() => {
      produced.push({ topic, partition: reader.int32(), errorCode: reader.int16(), baseOffset: reader.int64() });
      reader.skip(int64Bytes); // log append time
      if (version >= since.logStart) reader.skip(int64Bytes);
    });
  });
  return { clientSideThrottleTime: version >= since.clientSideThrottling ? reader.int32() : 0, produced };
}
