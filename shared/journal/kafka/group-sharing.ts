/**
 * Sharing partitions by a consumer group.
 *
 * The group says who works on what, and nothing else: it reads nothing and commits nothing. Partitions are read like everywhere else (`reader.ts`), from
 * the checkpoint in the store. So a rebalance can neither lose a position nor commit a wrong one; a member that was thrown out and does not know goes
 * on for a while, which is harmless (rule 4).
 */

import type { Consumer, Kafka } from 'kafkajs';
import type { Clock } from '#shared/runtime/clock.ts';
import { createEnding } from '#shared/runtime/ending.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import { pause } from '#shared/runtime/waiting.ts';
import type { Partition } from '../journal.ts';
import type { SharePartitions } from '../sharing.ts';

export type GroupSharingParts = {
  readonly client: Kafka;
  readonly groupId: string;
  readonly topic: string;
  readonly clock: Clock;
  readonly logger: Logger;
};

/** A member that says nothing for so long is gone, in ms: its partitions are another's then. */
const sessionMsMax = 10_000;
const heartbeatMs = 2_000;
const retryMs = 1_000;
/** Whoever leaves does not wait longer for the coordinator to hear it, in ms: where it is silent, kafkajs might for ever. */
const leaveMsMax = 2_000;
/** A coordinator that has not answered by then is taken for gone, in ms. */
export const coordinatorMsMax = 2_000;

/** A member, until it leaves or kafkajs gives it up. `lost` resolves in the latter case. */
function enter({ client, groupId, topic, logger }: GroupSharingParts, onShare: (share: ReadonlySet<Partition>) => void) {
  const consumer: Consumer = client.consumer({
    groupId,
    sessionTimeout: sessionMsMax,
    heartbeatInterval: heartbeatMs,
    rebalanceTimeout: sessionMsMax,
    maxWaitTimeInMs: heartbeatMs / 2,
    allowAutoTopicCreation: false,
    // It would ask the same coordinator again, in the same connection. A new member asks who coordinates now.
    retry: { retries: 2, initialRetryTime: 100, maxRetryTime: 1_000, restartOnFailure: async () => false },
  });
  const lost = Promise.withResolvers<unknown>();
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    // It would read what others read already.
    consumer.pause([{ topic }]);
    const share = payload.memberAssignment[topic] ?? [];
    logger.info({ groupId, partitions: share }, 'partitions were shared out');
    onShare(new Set(share));
  });
  consumer.on(consumer.events.CRASH, ({ payload }) => lost.resolve(payload.error));
  const join = async (): Promise<void> => {
    await consumer.connect();
    await consumer.subscribe({ topic });
    await consumer.run({ autoCommit: false, eachBatch: async () => {} });
  };
  join().catch(lost.resolve);
  return { consumer, lost: lost.promise };
}

export const shareByGroup =
  (parts: GroupSharingParts): SharePartitions =>
  (onShare) => {
    const { clock, logger, groupId } = parts;
    const stopping = createEnding();
    let isStopped = false;
    const takePart = async (): Promise<void> => {
      while (!isStopped) {
        const { consumer, lost } = enter(parts, (share) => {
          if (!isStopped) onShare(share);
        });
        const error = await stopping.orEnd(lost).catch((stopped: unknown) => stopped);
        // Leaves the group, so that others need not wait until the session has run out.
        await Promise.race([consumer.disconnect().catch(() => {}), pause(clock, leaveMsMax)]);
        if (isStopped) return;
        logger.warn({ groupId, error: String(error) }, 'the group of those who share was lost, joining it again');
        await pause(clock, retryMs);
      }
    };
    const ended = takePart();
    return {
      stop: async () => {
        isStopped = true;
        stopping.end(new Error('sharing was stopped'));
        await ended;
      },
    };
  };
