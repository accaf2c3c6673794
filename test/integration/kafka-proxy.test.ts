/** Faults of one request, shown on a real broker. */

import { expect, onTestFinished, test } from 'vitest';
import { orSkip } from '#test/harness/backends.ts';
import { startOwnKafka } from '#test/harness/own-kafka.ts';
import { openRawKafka } from '#test/harness/raw-kafka.ts';

test('CL46: one Produce response is swallowed, and its record is in the topic; one Produce is cut off, and its record is not', async ({
  skip,
}) => {
  const broker = orSkip(skip, await startOwnKafka());
  onTestFinished(() => broker.remove());
  const { proxy } = broker;
  // As long as the lost response is waited for, and more than a broker that has just started takes for any other on a busy machine.
  const behind = await openRawKafka([proxy.address], 5_000);
  onTestFinished(() => behind.close());
  await behind.createTopic('t');
  await behind.produce('t', ['first']);
  expect(proxy.produceRequests()).toBe(1);

  const swallowed = proxy.swallowNextProduceResponse();
  await expect(behind.produce('t', ['unheard'])).rejects.toThrow(/timed out/u);
  await swallowed;
  await behind.produce('t', ['after']);

  const cut = proxy.cutInNextProduceRequest(40);
  await expect(behind.produce('t', ['torn'])).rejects.toThrow(/ECONNRESET|closed/iu);
  await cut;

  const direct = await openRawKafka([broker.address]);
  onTestFinished(() => direct.close());
  await direct.produce('t', ['last']);
  expect((await direct.read('t')).map(({ value }) => String(value))).toEqual(['first', 'unheard', 'after', 'last']);
  expect(proxy.produceRequests()).toBe(3);
});
