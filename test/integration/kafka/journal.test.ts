/** The journal's contract on a real broker. */

import { expect, test } from 'vitest';
import type { Batch } from '#shared/journal/journal.ts';
import { openKafka } from '#shared/journal/kafka.ts';
import { systemClock } from '#shared/runtime/clock.ts';
import { journalContract, recordOf } from '#test/contract/journal.contract.ts';
import { kafkaForTests } from '#test/harness/backends.ts';
import { collectGarbage } from '#test/harness/garbage.ts';
import { provisionForTests } from '#test/harness/kafka-topics.ts';
import { silentLogger } from '#test/harness/memory-gateway.ts';

const broker = await kafkaForTests();

if (broker.kind === 'had') {
  journalContract('Kafka', async ({ partitionCount }) => {
    const connection = await provisionForTests(broker.addresses, partitionCount);
    const parts = { clock: systemClock, logger: silentLogger };
    let kafka = await openKafka(connection, parts);
    return {
      journal: kafka.journal,
      reopen: async () => {
        await kafka.close();
        kafka = await openKafka(connection, parts);
        return kafka.journal;
      },
      dispose: () => kafka.close(),
    };
  });

  test('JR49: what was read over a connection is not kept for as long as the connection lasts', async () => {
    const connection = await provisionForTests(broker.addresses, 1);
    const { journal, close } = await openKafka(connection, { clock: systemClock, logger: silentLogger });
    const [appends, updateBytes] = [200, 100_000];
    const inUse = async (): Promise<number> => {
      await collectGarbage();
      return process.memoryUsage().arrayBuffers;
    };
    const all = Promise.withResolvers<void>();
    const onBatch = ({ next }: Batch): undefined => {
      if (next === appends) all.resolve();
    };
    const following = journal.follow(0, 0, { onBatch, onEnd: () => {} });
    const before = await inUse();
    for (let i = 0; i < appends; i++) await journal.append([recordOf('read', new Uint8Array(updateBytes))]);
    await all.promise;
    expect(((await inUse()) - before) / (appends * updateBytes), 'of what was read').toBeLessThan(0.25);
    await following.stop();
    await close();
  });
} else {
  test('JR1: the contract of the journal, on Kafka', ({ skip }) => skip(broker.reason));
}
