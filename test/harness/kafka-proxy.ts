/**
 * A proxy before a Kafka broker, which knows requests from one another.
 *
 * The interesting faults are those of one request: a Produce whose response is lost (was it written or not?), a Produce of which half arrives. On the
 * wire every message is its length (4 bytes) and that many bytes. A request begins with api key, api version and a correlation id, its
 * response with the same id (Kafka protocol guide). So both directions are cut into messages, and the ids of Produce requests are remembered per connection.
 */

import { startTcpProxy, type Reader, type TcpProxy } from '#test/harness/tcp-proxy.ts';

const produceKey = 0;

export type KafkaProxy = TcpProxy & {
  /** The next response to a Produce, on any connection, does not arrive; the connection stays open. Resolves when it was swallowed. */
  readonly swallowNextProduceResponse: () => Promise<void>;
  /** Of the next Produce request, on any connection, so many bytes arrive; then its connection is cut. Resolves when it is. */
  readonly cutInNextProduceRequest: (bytes: number) => Promise<void>;
  /** Produce requests that have passed so far. */
  readonly produceRequests: () => number;
};

type Orders = {
  swallow: (() => void) | undefined;
  cut: { readonly bytes: number; readonly done: () => void } | undefined;
  produced: number;
};

/** Starts a proxy to a broker's proxied listener (`startOwnKafka({ proxied: true })` puts the two together). */
export async function startKafkaProxy(target: { readonly host: string; readonly port: number }): Promise<KafkaProxy> {
  const orders: Orders = { swallow: undefined, cut: undefined, produced: 0 };
  const proxy = await startTcpProxy({ target, reader: () => readKafka(orders) });
  return {
    ...proxy,
    swallowNextProduceResponse: () => new Promise((done) => (orders.swallow = done)),
    cutInNextProduceRequest: (bytes) => new Promise((done) => (orders.cut = { bytes, done })),
    produceRequests: () => orders.produced,
  };
}

function readKafka(orders: Orders): Reader {
  const produces = new Set<number>();
  const requests = cutIntoMessages();
  const responses = cutIntoMessages();
  return (side, chunk) => {
    const passed: Buffer[] = [];
    for (const message of side === 'client' ? requests(chunk) : responses(chunk)) {
      if (side === 'client') {
        const isProduce = message.readInt16BE(4) === produceKey;
        if (isProduce && orders.cut !== undefined) {
          const { bytes, done } = orders.cut;
          orders.cut = undefined;
          return { pass: Buffer.concat([...passed, message.subarray(0, bytes)]), onCut: done };
        }
        if (isProduce) {
          orders.produced++;
          produces.add(message.readInt32BE(8));
        }
      } else if (produces.delete(message.readInt32BE(4)) && orders.swallow !== undefined) {
        orders.swallow();
        orders.swallow = undefined;
        continue;
      }
      passed.push(message);
    }
    return { pass: Buffer.concat(passed) };
  };
}

/** Takes a stream in chunks and gives it back in whole messages, each with its length before it. */
function cutIntoMessages(): (chunk: Uint8Array) => readonly Buffer[] {
  let chunks: Uint8Array[] = [];
  let bytes = 0;
  let wanted = 4;
  return (chunk) => {
    chunks.push(chunk);
    bytes += chunk.byteLength;
    if (bytes < wanted) return [];
    let rest = Buffer.concat(chunks);
    const messages: Buffer[] = [];
    wanted = 4;
    while (rest.byteLength >= 4) {
      wanted = 4 + rest.readInt32BE(0);
      if (rest.byteLength < wanted) break;
      messages.push(rest.subarray(0, wanted));
      rest = rest.subarray(wanted);
      wanted = 4;
    }
    chunks = [rest];
    bytes = rest.byteLength;
    return messages;
  };
}
