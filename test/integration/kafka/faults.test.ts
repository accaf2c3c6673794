/**
 * The journal on Kafka while the network between it and the broker does what networks do.
 *
 * A writer appends numbered records and repeats what was not acknowledged, as gateways do; a reader follows from the beginning. Both are
 * behind a proxy that loses responses, cuts connections in the middle of a message, delays, and refuses. The broker is killed and comes back. What was acknowledged has
 * to be in the topic, under the offset that was told, and the reader has to have everything once, in order.
 */

import { expect, onTestFinished, test } from 'vitest';
import { openKafka } from '#shared/journal/kafka.ts';
import { systemClock } from '#shared/runtime/clock.ts';
import { collect } from '#test/contract/journal.contract.ts';
import { orSkip } from '#test/harness/backends.ts';
import { numberIn, startWriter } from '#test/harness/journal-writer.ts';
import { provisionForTests } from '#test/harness/kafka-topics.ts';
import type { KafkaProxy } from '#test/harness/kafka-proxy.ts';
import { silentLogger } from '#test/harness/memory-gateway.ts';
import { type OwnKafka, startOwnKafka } from '#test/harness/own-kafka.ts';

const requestMsMax = 400;
const parts = { clock: systemClock, logger: silentLogger };

type Fault = { readonly name: string; readonly inject: (proxy: KafkaProxy, kafka: OwnKafka) => Promise<void> };

const faults: readonly Fault[] = [
  ...[1, 2, 3, 4].map((round) => ({
    name: `a lost response to a Produce, ${round}`,
    inject: (proxy: KafkaProxy) => proxy.swallowNextProduceResponse(),
  })),
  ...[0, 3, 40, 150].map((bytes) => ({
    name: `a Produce cut after ${bytes} bytes`,
    inject: (proxy: KafkaProxy) => proxy.cutInNextProduceRequest(bytes),
  })),
  ...[1, 7, 100, 3_000].map((bytes) => ({
    name: `responses cut after ${bytes} bytes`,
    inject: (proxy: KafkaProxy) => proxy.cutAfter('server', bytes),
  })),
  ...[5, 500].map((bytes) => ({
    name: `requests cut after ${bytes} bytes`,
    inject: (proxy: KafkaProxy) => proxy.cutAfter('client', bytes),
  })),
  { name: 'all connections reset', inject: async (proxy) => proxy.cut() },
  {
    name: 'a network that answers nothing',
    inject: async (proxy) => {
      proxy.swallow('server');
      while (proxy.swallowedBytes() < 200) await new Promise((resolve) => setImmediate(resolve));
      proxy.release();
    },
  },
  { name: 'a slow network', inject: async (proxy) => proxy.slowBy(60) },
  { name: 'a fast one again', inject: async (proxy) => proxy.slowBy(0) },
  {
    name: 'connections refused, and taken again',
    inject: async (proxy) => {
      await proxy.refuse();
      proxy.cut();
      await proxy.accept();
    },
  },
  {
    name: 'the broker killed and started again',
    inject: async (_proxy, kafka) => {
      await kafka.kill();
      await kafka.start();
    },
  },
  {
    name: 'the broker stopped and started again',
    inject: async (_proxy, kafka) => {
      await kafka.stop();
      await kafka.start();
    },
  },
];

test(
  'JR36, JR37: what is acknowledged is in the topic, and who reads misses nothing, whatever the network does',
  { timeout: 240_000 },
  async ({ skip }) => {
    const own = orSkip(skip, await startOwnKafka());
    onTestFinished(() => own.remove());
    const connection = { ...(await provisionForTests([own.proxy.address], 1)), requestMsMax };
    const kafka = await openKafka(connection, parts);
    const another = await openKafka(connection, parts);
    onTestFinished(async () => void (await Promise.all([kafka.close(), another.close()])));
    const reader = collect(another.journal, 0, 0);
    const writer = startWriter(kafka.journal);
    onTestFinished(() => writer.stop());
    await writer.goesOn(30);
    for (const { inject } of faults) {
      await inject(own.proxy, own);
      await writer.goesOn(30);
    }
    await writer.stop();
    expect(faults.length).toBeGreaterThanOrEqual(20);
    expect(writer.failures()).toBeGreaterThan(faults.length / 2);

    const straight = await openKafka({ ...connection, brokers: [own.proxy.address] }, parts);
    onTestFinished(() => straight.close());
    const end = await straight.journal.highWater(0);
    const all = collect(straight.journal, 0, 0);
    await all.reaches(end);
    await reader.reaches(end);
    const there = new Map(all.records().map((read) => [read.offset, numberIn(read)]));
    expect(writer.acknowledged.filter(({ number, offset }) => there.get(offset) !== number)).toEqual([]);
    // Repeated records come again, and never before those that went before them.
    let highest = -1;
    for (const number of there.values()) {
      expect(number).toBeLessThanOrEqual(highest + 1);
      highest = Math.max(highest, number ?? -1);
    }
    expect(reader.records()).toEqual(all.records());
    await Promise.all([reader.stop(), all.stop()]);
  },
);
