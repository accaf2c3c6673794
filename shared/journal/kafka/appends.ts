/**
 * From appends to Produce requests, and back.
 *
 * A request costs a millisecond of CPU whatever is in it, so there is one under way at a time, and what is appended meanwhile goes with the next, all
 * partitions together. One at a time also keeps the order: with two, the second can be written while the first is lost.
 *
 * Nothing is idempotent here, and that is on purpose. kafkajs's `idempotent: true` rolls its sequence back after a lost response; the broker then
 * answers "duplicate" to a record that it does not have, and the append is acknowledged unwritten. With plain `acks=all` the worst is a record
 * that is there twice, which Yjs does not mind. So everything that is not a clear success is `JournalUnavailable`, for everything that
 * was appended until then, and the caller repeats it all.
 *
 * `max.message.bytes` bounds the batch of a partition, not a message: a few large pastes of one tick would fail every document of their
 * partition, for ever. So what goes to a partition in one request is bounded, and the rest follows in further requests.
 */

import { type Appended, JournalUnavailable, type Partition } from '../journal.ts';
import type { Link } from './link.ts';
import type { ToProduce } from './produce-request.ts';
import type { Message } from './record-batch.ts';
import type { Produced } from './produce-response.ts';
import { describeCode, errorCodes, produce } from './requests.ts';

export type AppendLimits = {
  /** What the messages of one partition may weigh in one request, in bytes; a longer one goes alone. Below the topic's `max.message.bytes`. */
  readonly batchBytesMax: number;
  /** What one request may weigh, in bytes; at least one message. Below the broker's `socket.request.max.bytes` (100 MB). */
  readonly requestBytesMax: number;
  /** How long the broker may wait for its replicas, in ms. */
  readonly replicationMsMax: number;
};

/** One message on its way. `document` as the journal's records name it. */
export type Outgoing = { readonly document: string; readonly partition: Partition; readonly message: Message };

type Slot = { readonly outgoing: Outgoing; outcome: Appended | undefined };
type Pending = {
  readonly slots: readonly Slot[];
  readonly resolve: (outcomes: readonly Appended[]) => void;
  readonly reject: (error: unknown) => void;
};

/** What a message weighs in a batch besides its bytes (record header, offsets, lengths), at most. */
const messageOverheadBytes = 64;
const weightOf = ({ message: { key, value } }: Outgoing): number =>
  (key?.byteLength ?? 0) + value.byteLength + messageOverheadBytes;

/**
 * The slots that go into the next request: of each partition the first ones that fit, in order. Pure.
 * `alone`: a partition whose last batch was refused as too large is sent message by message.
 */
export function nextRequest(
  slots: readonly Slot[],
  { batchBytesMax, requestBytesMax }: Pick<AppendLimits, 'batchBytesMax' | 'requestBytesMax'>,
  alone: ReadonlySet<Partition>,
): ReadonlyMap<Partition, readonly Slot[]> {
  const batches = new Map<Partition, Slot[]>();
  const bytes = new Map<Partition, number>();
  const full = new Set<Partition>();
  let total = 0;
  for (const slot of slots) {
    const { partition } = slot.outgoing;
    if (slot.outcome !== undefined || full.has(partition)) continue;
    const weight = weightOf(slot.outgoing);
    const batch = batches.get(partition) ?? [];
    const before = bytes.get(partition) ?? 0;
    const fits = batch.length === 0 || (before + weight <= batchBytesMax && !alone.has(partition));
    if (!fits || (total > 0 && total + weight > requestBytesMax)) {
      full.add(partition);
      continue;
    }
    batch.push(slot);
    batches.set(partition, batch);
    bytes.set(partition, before + weight);
    total += weight;
  }
  return batches;
}

const isTooLarge = (code: number): boolean => code === errorCodes.messageTooLarge || code === errorCodes.recordListTooLarge;

export type AppendsParts = {
  readonly link: Link;
  readonly topic: string;
  readonly limits: AppendLimits;
  /** What a message that was refused is said to be over. */
  readonly bytesMax: number;
};

export class Appends {
  readonly #parts: AppendsParts;
  #pending: Pending[] = [];
  #running: Promise<void> | undefined;

  constructor(parts: AppendsParts) {
    this.#parts = parts;
  }

  /** Resolves with one outcome a message when all have one. Rejects with `JournalUnavailable`. */
  append(outgoing: readonly Outgoing[]): Promise<readonly Appended[]> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ slots: outgoing.map((one) => ({ outgoing: one, outcome: undefined })), resolve, reject });
      // With what else comes in this tick.
      this.#running ??= Promise.resolve().then(() => this.#run());
    });
  }

  /** Resolves when nothing is under way. */
  async drained(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#pending.length > 0) {
      const taken = this.#pending;
      this.#pending = [];
      try {
        await this.#send(taken.flatMap(({ slots }) => slots));
        for (const { slots, resolve } of taken) resolve(slots.map(outcomeOf));
      } catch (error) {
        // Those that came later fail as well: what is repeated must not be overtaken.
        const failed = [...taken, ...this.#pending];
        this.#pending = [];
        for (const { reject } of failed) reject(error);
      }
    }
    this.#running = undefined;
  }

  /** Sends until every slot has an outcome. */
  async #send(slots: readonly Slot[]): Promise<void> {
    const alone = new Set<Partition>();
    for (;;) {
      const batches = nextRequest(slots, this.#parts.limits, alone);
      if (batches.size === 0) return;
      const produced = await this.#request(batches);
      for (const [partition, batch] of batches) {
        const answer = produced.find((one) => one.partition === partition);
        if (this.#settle(batch, answer, slots) === 'send-alone') alone.add(partition);
      }
    }
  }

  async #request(batches: ReadonlyMap<Partition, readonly Slot[]>): Promise<readonly Produced[]> {
    const { link, topic, limits } = this.#parts;
    const data = [...batches].map(([partition, slots]): ToProduce => ({
      topic,
      partition,
      messages: slots.map(({ outgoing }) => outgoing.message),
    }));
    const leaderOf = await link.leaders();
    const byLeader = Map.groupBy(data, ({ partition }) => {
      const node = leaderOf(topic, partition);
      if (node === undefined) throw new JournalUnavailable(`Kafka: partition ${partition} of ${topic} has no leader now`);
      return node;
    });
    const answers = await Promise.all(
      [...byLeader].map(([node, parts]) => link.ask(node, (broker) => produce(broker, parts, -1, limits.replicationMsMax))),
    );
    return answers.flat();
  }

  /** Notes what became of one partition's batch, among `all` that are on their way. */
  #settle(batch: readonly Slot[], produced: Produced | undefined, all: readonly Slot[]): 'settled' | 'send-alone' {
    const { link, topic, bytesMax } = this.#parts;
    const [first] = batch;
    if (produced?.errorCode === errorCodes.none) {
      for (const [index, slot] of batch.entries()) slot.outcome = { kind: 'appended', offset: produced.baseOffset + index };
      return 'settled';
    }
    if (produced === undefined || first === undefined || !isTooLarge(produced.errorCode)) {
      link.relearn();
      const why = produced === undefined ? 'no answer for a partition' : describeCode(produced.errorCode);
      throw new JournalUnavailable(`Kafka: ${topic}: ${why}`);
    }
    if (batch.length > 1) return 'send-alone';
    // What comes after it of the same document may refer to it, and must not be there without it.
    for (const slot of all) {
      if (slot.outgoing.document === first.outgoing.document) slot.outcome ??= { kind: 'too-large', bytesMax };
    }
    return 'settled';
  }
}

function outcomeOf({ outcome }: Slot): Appended {
  if (outcome === undefined) throw new Error('a message was neither taken nor refused');
  return outcome;
}
