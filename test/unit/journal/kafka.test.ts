/** The parts of the journal on Kafka that need no broker. What they do together with one is in test/integration/kafka. */

import RequestQueue from 'kafkajs/src/network/requestQueue/index.js';
import { Buffer } from 'node:buffer';
import { createRequire } from 'node:module';
import { describe, expect, test, vi } from 'vitest';
import type { DocumentName } from '#shared/document/name.ts';
import type { FollowEnd } from '#shared/journal/journal.ts';
import { type Clock, systemClock } from '#shared/runtime/clock.ts';
import { silentLogger } from '#test/harness/memory-gateway.ts';
import { settle, virtualClock } from '#test/harness/virtual-clock.ts';
import { nextRequest, type Outgoing } from '#shared/journal/kafka/appends.ts';
import { letIdleConnectionsRest } from '#shared/journal/kafka/idle-timer.ts';
import { partitionByKey } from '#shared/journal/kafka/partitioner.ts';
import { Reader, type ReaderLimits, type ReadingLink } from '#shared/journal/kafka/reader.ts';
import type { FetchedMessage } from '#shared/journal/kafka/record-batch.ts';
import { type Broker, decodeTopicId, fetch, produce } from '#shared/journal/kafka/requests.ts';
import { type Slice, sliceAt } from '#shared/journal/kafka/slice.ts';
import { judgeTopics, type TopicFacts } from '#shared/journal/kafka/topics.ts';

describe('JR30: what goes into one request', () => {
  const outgoing = (partition: number, bytes: number): Outgoing => ({
    document: `d${partition}`,
    partition,
    message: { key: null, value: new Uint8Array(bytes), timestamp: 0 },
  });
  const limits = { batchBytesMax: 1_000, requestBytesMax: 2_500 };
  const sizes = (batches: ReturnType<typeof nextRequest>) =>
    [...batches].map(([partition, slots]) => [partition, ...slots.map((slot) => slot.outgoing.message.value.byteLength)]);

  test('JR30: a partition gets no more than it takes at once, the rest follows, in order', () => {
    const slots = [300, 301, 302, 303].map((bytes) => ({ outgoing: outgoing(0, bytes), outcome: undefined }));
    expect(sizes(nextRequest(slots, limits, new Set()))).toEqual([[0, 300, 301]]);
  });

  test('JR30: what comes behind something that does not fit waits with it, though it would fit', () => {
    const slots = [500, 900, 10].map((bytes) => ({ outgoing: outgoing(0, bytes), outcome: undefined }));
    expect(sizes(nextRequest(slots, limits, new Set()))).toEqual([[0, 500]]);
  });

  test('JR30: a message that is longer than a batch goes alone, and a request is bounded over all partitions', () => {
    const slots = [outgoing(0, 5_000), outgoing(1, 10), { ...outgoing(0, 10), document: 'other' }].map((one) => ({
      outgoing: one,
      outcome: undefined,
    }));
    expect(sizes(nextRequest(slots, limits, new Set()))).toEqual([[0, 5_000]]);
  });

  test('JR30: after a refusal a partition is sent message by message, and what has an outcome is not sent again', () => {
    const slots = [
      { outgoing: outgoing(0, 1), outcome: { kind: 'appended', offset: 7 } as const },
      { outgoing: outgoing(0, 2), outcome: undefined },
      { outgoing: outgoing(0, 3), outcome: undefined },
      { outgoing: outgoing(1, 4), outcome: undefined },
      { outgoing: outgoing(1, 5), outcome: undefined },
    ];
    expect(sizes(nextRequest(slots, limits, new Set([0])))).toEqual([
      [0, 2],
      [1, 4, 5],
    ]);
  });
});

describe('JR31: what is fetched is whole, or it is a gap', () => {
  const messages = (...offsets: number[]): readonly FetchedMessage[] =>
    offsets.map((offset) => ({ offset, value: Buffer.of(offset) }));
  const control = (offset: number): FetchedMessage => ({ offset, value: null, isControlRecord: true });

  test('JR31: batches come whole, and what lies before the wanted offset is left out', () => {
    expect(sliceAt(messages(3, 4, 5, 6), 5)).toEqual({ first: 5, next: 7, messages: messages(5, 6) });
    expect(sliceAt(messages(3, 4), 5)).toBeUndefined();
    expect(sliceAt([], 5)).toBeUndefined();
  });

  test('JR31: a gap at the beginning is one, and one further on ends what is handed over before it', () => {
    expect(sliceAt(messages(7, 8), 5)).toEqual({ hole: 7 });
    expect(sliceAt(messages(5, 6, 9), 5)).toEqual({ first: 5, next: 7, messages: messages(5, 6) });
  });

  test('JR31: control records have offsets, and are nobody’s records', () => {
    expect(sliceAt([...messages(5), control(6), ...messages(7)], 5)).toEqual({
      first: 5,
      next: 8,
      messages: messages(5, 7),
    });
    expect(sliceAt([control(5)], 5)).toEqual({ first: 5, next: 6, messages: [] });
  });
});

test('JR32: the id of a topic is read out of what a broker answers', () => {
  // Kafka 4.1: one broker, one topic `t.updates` with one partition.
  const answer = Buffer.from(
    '000000000002000000010a3132372e302e302e3100004a94000017000000000000000000000000000000000000000000000000000102' +
      '00000a742e75706461746573' +
      '00112233445566778899aabbccddeeff' +
      '0002000000000000000000010000000002000000010200000001018000000000',
    'hex',
  );
  // The cluster's id has 22 characters, zeros here.
  expect(decodeTopicId(answer)).toBe('00112233445566778899aabbccddeeff');
  const unknown = Buffer.from(answer);
  unknown.writeInt16BE(3, 54);
  expect(decodeTopicId(unknown)).toBeUndefined();
});

test('JR33: topics that would lose data, or are missing, are faults that say what to do', () => {
  const good: TopicFacts = {
    partitionCount: 12,
    replicationFactor: 3,
    settings: {
      'cleanup.policy': 'delete',
      'retention.ms': '-1',
      'retention.bytes': '-1',
      'min.insync.replicas': '2',
      'unclean.leader.election.enable': 'false',
    },
  };
  const all = (updates: Partial<TopicFacts>, presence: Partial<TopicFacts> = {}): ReadonlyMap<string, TopicFacts> =>
    new Map([
      ['ink.updates', { ...good, ...updates }],
      ['ink.presence', { ...good, ...presence }],
      ['ink.control', good],
      ['ink.dead-letter', good],
    ]);
  const faultsOf = (facts: ReadonlyMap<string, TopicFacts>) => judgeTopics('ink', facts).faults;
  const withSetting = (name: string, value: string) => faultsOf(all({ settings: { ...good.settings, [name]: value } }));

  expect(judgeTopics('ink', all({}))).toEqual({ faults: [], warnings: [] });
  expect(withSetting('cleanup.policy', 'compact')).toEqual([expect.stringContaining('cleanup.policy=compact')]);
  expect(withSetting('retention.ms', '604800000')).toEqual([expect.stringContaining('set it to -1')]);
  expect(withSetting('retention.bytes', '1')).toHaveLength(1);
  expect(withSetting('unclean.leader.election.enable', 'true')).toHaveLength(1);
  expect(withSetting('min.insync.replicas', '1')).toEqual([expect.stringContaining('min.insync.replicas=1')]);
  expect(faultsOf(all({}, { partitionCount: 11 }))).toEqual([expect.stringContaining('11 partitions')]);
  expect(faultsOf(all({ replicationFactor: 1 }))).toEqual([expect.stringContaining('nothing could be written')]);
  const sized = (updates: string, letters: string, presence = '1048588'): ReadonlyMap<string, TopicFacts> =>
    new Map(
      [...all({})].map(([topic, facts]) => {
        const bytes = topic.endsWith('updates') ? updates : topic.endsWith('presence') ? presence : letters;
        return [topic, { ...facts, settings: { ...facts.settings, 'max.message.bytes': bytes } }];
      }),
    );
  expect(faultsOf(sized('10000000', '20000000'))).toEqual([]);
  expect(faultsOf(sized('10000000', '1048588'))).toEqual([expect.stringMatching(/dead-letter.*set it to 11048576 or more/u)]);
  expect(faultsOf(sized('10000000', '20000000', '1000'))).toEqual([
    expect.stringMatching(/ink\.presence has max\.message\.bytes=1000/u),
  ]);
  expect(faultsOf(all({}, { settings: { ...good.settings, 'cleanup.policy': 'compact' } }))).toEqual([
    expect.stringMatching(/ink\.presence.*without keys/u),
  ]);
  const missing = new Map(all({}));
  missing.delete('ink.presence');
  expect(faultsOf(missing)).toEqual([expect.stringMatching(/no topic ink\.presence.*provision/u)]);
  const alone = judgeTopics('ink', all({ replicationFactor: 1, settings: { ...good.settings, 'min.insync.replicas': '1' } }));
  expect(alone).toEqual({ faults: [], warnings: [expect.stringContaining('one replica')] });
});

test('JR34: a document is in the partition that Kafka’s clients choose for its name', () => {
  // murmur2 of Kafka's own tests (`UtilsTest`): "21" is -973932308, "foobar" is -790332482, "a-little-bit-long-string" is -985981536.
  const hashes = { '21': -973932308, foobar: -790332482, 'a-little-bit-long-string': -985981536 };
  for (const [name, hash] of Object.entries(hashes)) {
    for (const count of [1, 7, 12]) {
      expect(partitionByKey('t', count)(name as DocumentName)).toBe((hash & 0x7fffffff) % count);
    }
  }
});

describe('reading, from brokers of the test’s own', () => {
  const limits: ReaderLimits = {
    waitMs: 1,
    fetchIntervalMs: 0,
    partitionBytesMax: 1,
    fetchBytesMax: 1,
    retryMsMin: 1,
    retryMsMax: 1,
  };
  type Asked = { readonly partition: number; readonly fetchOffset: number };
  type Given = { readonly partition: number; readonly messages: readonly FetchedMessage[]; readonly highWater?: number };

  /** What a Fetch request (version 4) of partitions of one topic with a name of one letter asks for. */
  function askedIn(request: Buffer): readonly Asked[] {
    const [countAt, partitionBytes] = [24, 16];
    return Array.from({ length: request.readInt32BE(countAt) }, (_, index) => {
      const at = countAt + 4 + index * partitionBytes;
      return { partition: request.readInt32BE(at), fetchOffset: Number(request.readBigInt64BE(at + 4)) };
    });
  }

  /** A reader of topic `t`, whose broker answers each request with what `answer` says. */
  function readerOf(
    answer: (asked: readonly Asked[]) => readonly Given[],
    { clock = systemClock, fetchIntervalMs = 0 }: { readonly clock?: Clock; readonly fetchIntervalMs?: number } = {},
  ): Reader {
    const broker = {
      versions: { 1: { minVersion: 4, maxVersion: 4 } },
      connectionPool: {
        send: async ({ request }: { readonly request: { readonly encode: () => Promise<{ readonly buffer: Buffer }> } }) => {
          const { buffer } = await request.encode();
          await new Promise((resolve) => setImmediate(resolve));
          return {
            errorCode: 0,
            fetched: answer(askedIn(buffer)).map((given) => ({ highWater: 1_000, ...given, topic: 't', errorCode: 0 })),
          };
        },
      },
    } as unknown as Broker;
    const link: ReadingLink = {
      leaders: async () => () => '1',
      leaderOf: async () => '1',
      ask: (_node, question) => question(broker),
      offsetOf: async () => 0,
      relearn: () => {},
    };
    const parts = { waiting: link, catchingUp: link, clock, logger: silentLogger };
    return new Reader({ ...parts, limits: { ...limits, fetchIntervalMs } });
  }
  const message = (offset: number): FetchedMessage => ({ offset, value: Buffer.of(1) });

  test('JR45: a follower that throws is ended there: nothing goes on behind what nobody knows whether it was taken', async () => {
    for (const failing of [
      () => {
        throw new Error('at once');
      },
      () => Promise.reject(new Error('later')),
    ]) {
      const reader = readerOf((asked) =>
        asked.map(({ partition, fetchOffset }) => ({ partition, messages: [message(fetchOffset)] })),
      );
      let calls = 0;
      const end = await new Promise<FollowEnd>((resolve) => {
        const onSlice = () => (++calls === 3 ? failing() : undefined);
        reader.read('t', 0, 0, { onSlice, onEnd: resolve });
      });
      expect(end).toMatchObject({ kind: 'failed', error: expect.any(Error) });
      expect(calls).toBe(3);
      await reader.close();
    }
  });

  test('JR46: a batch that a broker gives to the first partition of a request alone is not kept waiting by the others', async () => {
    // As brokers do (KIP-74): a batch over the limit comes only where nothing was given before it.
    const reader = readerOf((asked) =>
      asked.map(({ partition, fetchOffset }, place) => {
        const isCatchingUp = asked.length === 1 && fetchOffset < 2;
        const messages = isCatchingUp
          ? Array.from({ length: 1000 - fetchOffset }, (_, index) => message(fetchOffset + index))
          : partition === 1 && place > 0
            ? []
            : [message(fetchOffset)];
        return { partition, messages };
      }),
    );
    const next = [0, 0];
    await new Promise<void>((resolve) => {
      for (const partition of [0, 1]) {
        const onSlice = (slice: Slice) => {
          next[partition] = slice.next;
          if ((next[0] ?? 0) > 1_010 && (next[1] ?? 0) > 1_010) resolve();
          return undefined;
        };
        reader.read('t', partition, 0, { onSlice, onEnd: () => {} });
      }
    });
    await reader.close();
    expect(next.every((offset) => offset > 1_010)).toBe(true);
  });

  test('JR52: what comes is given to whom it is for, in whatever order a broker answers, and though it leaves one out', async () => {
    let answers = 0;
    const reader = readerOf((asked) => {
      const answered = asked.length > 1 && answers++ % 2 === 0 ? asked.slice(1) : asked;
      return answered.toReversed().map(({ partition, fetchOffset: offset }) => ({
        partition,
        messages: [{ offset, value: Buffer.of(partition) }],
        highWater: offset + 1,
      }));
    });
    const partitions = [0, 1, 2];
    const got = partitions.map((): FetchedMessage[] => []);
    await new Promise<void>((resolve) => {
      for (const partition of partitions) {
        const onSlice = ({ messages }: Slice): undefined => {
          got[partition]?.push(...messages);
          if (got.every(({ length }) => length >= 20)) resolve();
        };
        reader.read('t', partition, 0, { onSlice, onEnd: () => {} });
      }
    });
    await reader.close();
    for (const [partition, messages] of got.entries())
      expect(messages).toEqual(messages.map((_, offset) => ({ offset, value: Buffer.of(partition) })));
    expect(answers).toBeGreaterThan(2);
  });

  test('JR53: a broker that is too old is told so, and asked for nothing', async () => {
    const old = {
      versions: { 0: { minVersion: 0, maxVersion: 2 }, 1: { minVersion: 0, maxVersion: 3 } },
      connectionPool: { send: () => Promise.reject(new Error('asked')) },
    } as unknown as Broker;
    await expect(produce(old, [], -1, 1_000)).rejects.toThrow('Kafka 0.11 or newer');
    await expect(fetch(old, [], 1, 1)).rejects.toThrow('Kafka 0.11 or newer');
  });

  test('JR48: between two requests there is rest where the first has brought all that there was, and none where there is more', async () => {
    const clock = virtualClock();
    let end = 1;
    let requests = 0;
    const answer = ([asked]: readonly Asked[]): readonly Given[] => {
      if (asked === undefined) return [];
      requests++;
      const messages = asked.fetchOffset < end ? [message(asked.fetchOffset)] : [];
      return [{ partition: 0, messages, highWater: end }];
    };
    const reader = readerOf(answer, { clock, fetchIntervalMs: 100 });
    let next = 0;
    const onSlice = (slice: Slice): undefined => {
      next = slice.next;
      // When it has caught up for the first time there are five more at once; then one.
      if (next === 1) end = 6;
      else if (next === 6) end = 7;
    };
    reader.read('t', 0, 0, { onSlice, onEnd: () => {} });
    await vi.waitFor(() => expect(next).toBe(6));
    const asked = requests;
    await settle();
    expect(requests, 'it rests').toBe(asked);
    await clock.advance(100);
    await vi.waitFor(() => expect(next).toBe(7));
    await reader.close();
  });
});

describe('JR35: an idle connection rests', () => {
  const makeQueue = (Queue = RequestQueue) =>
    new Queue({ logger: { debug: () => {} }, requestTimeout: 1000, maxInFlightRequests: 1 });
  /** As it is installed: the one that all share may have been patched by an earlier test of this process. */
  const readUnpatched = (): typeof RequestQueue => {
    const require = createRequire(import.meta.url);
    const file = require.resolve('kafkajs/src/network/requestQueue/index.js');
    const shared = require.cache[file];
    delete require.cache[file];
    try {
      return require(file) as typeof RequestQueue;
    } finally {
      require.cache[file] = shared;
    }
  };
  const isArmed = (queue: RequestQueue): boolean => {
    const armed = queue.throttleCheckTimeoutId !== null;
    queue.destroy();
    return armed;
  };

  test('JR35: without the patch, this version of kafkajs looks for pending requests for ever; with it, only while there are any', () => {
    const before = makeQueue(readUnpatched());
    before.checkPendingRequests();
    expect(isArmed(before), 'this kafkajs rests by itself: idle-timer.ts is not needed any more').toBe(true);

    letIdleConnectionsRest();
    letIdleConnectionsRest();
    const idle = makeQueue();
    idle.checkPendingRequests();
    expect(isArmed(idle)).toBe(false);
    const busy = makeQueue();
    Object.assign(busy, { throttledUntil: Date.now() + 10_000, pending: [{}] });
    busy.checkPendingRequests();
    expect(isArmed(busy)).toBe(true);
  });
});
