/** The journal's contract on a real broker. */

import { test } from 'vitest';
import { openKafka } from '#shared/journal/kafka.ts';
import { systemClock } from '#shared/runtime/clock.ts';
import { journalContract } from '#test/contract/journal.contract.ts';
import { kafkaForTests } from '#test/harness/backends.ts';
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
} else {
  test('JR1: the contract of the journal, on Kafka', ({ skip }) => skip(broker.reason));
}
