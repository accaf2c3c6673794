/** Dead letters in a topic of one partition, kept for ever. */

import { type DeadLetterTopic, decodeDeadLetter, encodeDeadLetter } from '../dead-letter.ts';
import { JournalUnavailable } from '../journal.ts';
import type { Link } from './link.ts';
import type { Reader } from './reader.ts';
import { describeCode, errorCodes, produce } from './requests.ts';

const partition = 0;

export function createDeadLetters(link: Link, reader: Reader, topic: string, replicationMsMax: number): DeadLetterTopic {
  return {
    append: async (letter) => {
      const message = { key: null, value: encodeDeadLetter(letter), timestamp: letter.time };
      const node = await link.leaderOf(topic, partition);
      const [produced] = await link.ask(node, (broker) =>
        produce(broker, [{ topic, partition, messages: [message] }], -1, replicationMsMax),
      );
      if (produced?.errorCode === errorCodes.none) return;
      link.relearn();
      throw new JournalUnavailable(`Kafka: ${topic}: ${produced === undefined ? 'no answer' : describeCode(produced.errorCode)}`);
    },
    read: async (onLetter) => {
      const start = await link.offsetOf(topic, partition, -2);
      const highWater = await link.offsetOf(topic, partition, -1);
      if (start >= highWater) return;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const following = reader.read(topic, partition, start, {
        onSlice: ({ next, messages }) => {
          for (const { offset, value } of messages) {
            if (offset < highWater) onLetter(decodeDeadLetter(value ?? new Uint8Array()));
          }
          if (next >= highWater) resolve();
          return undefined;
        },
        onEnd: (end) =>
          reject(
            end.kind === 'failed' ? end.error : new JournalUnavailable(`Kafka: ${topic} can not be read to its end: ${end.kind}`),
          ),
      });
      await promise.finally(() => void following.stop());
    },
  };
}
