/**
 * Presence through a topic: `acks=1`, read from its end on.
 *
 * Nobody waits for it and nobody repeats it. While the broker is away what is to be sent is dropped as soon as it is more than a little:
 * by the time that it could be sent nobody would want it.
 */

import type { Clock } from '#shared/runtime/clock.ts';
import { nextTurn } from '#shared/runtime/slices.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import { pause } from '#shared/runtime/waiting.ts';
import type { Broadcast, BroadcastListener, Listening } from '../broadcast.ts';
import { type Following, type Journal, JournalUnavailable, type Partition } from '../journal.ts';
import type { Link } from './link.ts';
import type { Reader } from './reader.ts';
import type { Message } from './record-batch.ts';
import { describeCode, errorCodes, produce } from './requests.ts';

export type TopicBroadcastParts = {
  readonly link: Link;
  readonly reader: Reader;
  readonly topic: string;
  readonly partitionOf: Journal['partitionOf'];
  readonly messageBytesMax: number;
  readonly clock: Clock;
  readonly logger: Logger;
};

type Sent = { readonly partition: Partition; readonly message: Message };

/** What waits to be sent, in bytes. */
const waitingBytesMax = 4 * 1024 * 1024;
/** Messages that the leader has not taken by then are given up. */
const sendMsMax = 2_000;
const retryMs = 1_000;
/** Who goes does not wait longer for what it says last. */
const drainMsMax = 1_000;

/** What waits to be sent, and its sending: one request at a time. */
class Sender {
  readonly #parts: TopicBroadcastParts;
  #waiting: Sent[] = [];
  #waitingBytes = 0;
  #sending: Promise<void> | undefined;
  #isAway = false;

  constructor(parts: TopicBroadcastParts) {
    this.#parts = parts;
  }

  add(partition: Partition, bytes: Uint8Array): void {
    if (this.#waitingBytes + bytes.byteLength > waitingBytesMax) return;
    this.#waiting.push({ partition, message: { key: null, value: bytes, timestamp: this.#parts.clock.now() } });
    this.#waitingBytes += bytes.byteLength;
    // At the end of the tick, together.
    this.#sending ??= nextTurn().then(() => this.#sendAll());
  }

  /** Resolves when nothing waits, or `drainMsMax` later. */
  async drained(): Promise<void> {
    if (this.#sending !== undefined) await Promise.race([this.#sending, pause(this.#parts.clock, drainMsMax)]);
  }

  async #sendAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const taken = this.#waiting;
      this.#waiting = [];
      this.#waitingBytes = 0;
      try {
        await this.#send(taken);
        this.#isAway = false;
      } catch (error) {
        if (!this.#isAway) this.#parts.logger.warn({ error: String(error) }, 'presence does not reach the other gateways now');
        this.#isAway = true;
      }
    }
    this.#sending = undefined;
  }

  async #send(taken: readonly Sent[]): Promise<void> {
    const { link, topic } = this.#parts;
    const leaderOf = await link.leaders();
    const data = [...Map.groupBy(taken, ({ partition }) => partition)].map(([partition, messages]) => ({
      topic,
      partition,
      messages: messages.map(({ message }) => message),
    }));
    const byLeader = Map.groupBy(data, ({ partition }) => leaderOf(topic, partition));
    // One broker that is gone takes nothing from what goes to the others.
    const sent = await Promise.allSettled(
      [...byLeader].map(async ([node, of]) => {
        if (node === undefined) throw new JournalUnavailable(`Kafka: a partition of ${topic} has no leader now`);
        const produced = await link.ask(node, (broker) => produce(broker, of, 1, sendMsMax));
        const refused = produced.find(({ errorCode }) => errorCode !== errorCodes.none);
        if (refused === undefined) return;
        link.relearn();
        throw new JournalUnavailable(`Kafka: ${topic}: ${describeCode(refused.errorCode)}`);
      }),
    );
    const failed = sent.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}

/** Listens to one partition, and begins again at its end where something was missed. */
function listen(
  { link, reader, topic, clock }: TopicBroadcastParts,
  partition: Partition,
  { onMessage, onGap }: BroadcastListener,
): Listening {
  let stopped = false;
  let following: Following | undefined;
  const ready = Promise.withResolvers<void>();
  const begin = async (): Promise<void> => {
    const from = await link.offsetOf(topic, partition, -1);
    if (stopped) return;
    following = reader.read(topic, partition, from, {
      onSlice: ({ messages }) => {
        for (const { value } of messages) if (value !== null && !stopped) onMessage(value);
        return undefined;
      },
      onEnd: () => {
        onGap();
        beginOrWait();
      },
    });
    ready.resolve();
  };
  const beginOrWait = (): void => {
    begin().catch(() => {
      if (!stopped) clock.after(retryMs, beginOrWait);
    });
  };
  beginOrWait();
  return {
    ready: ready.promise,
    stop: () => {
      stopped = true;
      void following?.stop();
    },
  };
}

/** A broadcast, and what sends off what waits: who goes says goodbye last. */
export function createTopicBroadcast(parts: TopicBroadcastParts): {
  readonly broadcast: Broadcast;
  readonly drained: () => Promise<void>;
} {
  const { messageBytesMax, partitionOf } = parts;
  const sender = new Sender(parts);
  const broadcast: Broadcast = {
    partitionOf,
    messageBytesMax,
    send: (partition, bytes) => {
      if (bytes.byteLength > messageBytesMax) throw new RangeError(`a message has at most ${messageBytesMax} bytes`);
      sender.add(partition, bytes);
    },
    listen: (partition, listener) => listen(parts, partition, listener),
  };
  return { broadcast, drained: () => sender.drained() };
}
