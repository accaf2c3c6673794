/**
 * The floor of a cluster: the relay of `floor.ts`, joined to others of its kind by Kafka, with what kafkajs offers everyone.
 *
 * What it publishes to its own people it appends (`acks=all`), all rooms in one send, the first at once and the next no sooner than 10 ms after
 * it, while there is load: a send costs a millisecond of CPU whatever is in it. The frames of a room that wait for a send are merged into one. A
 * consumer, alone in a group of its own, reads everything that all relays append, and hands on what others did as it is. kafkajs' timer
 * that never rests is at rest here too: the floor is the least, and not the usual.
 */

import { letIdleConnectionsRest } from '#shared/journal/kafka/idle-timer.ts';
import kafkajs from 'kafkajs';
import { mergeFrames, startFloor, type Floor } from './floor.ts';

const sendIntervalMs = 10;

const { PORT, KAFKA_BROKERS = '', KAFKA_TOPIC = '', RELAY = '' } = process.env;
const self = Number(RELAY);

letIdleConnectionsRest();
const kafka = new kafkajs.Kafka({
  clientId: `relay-${self}`,
  brokers: KAFKA_BROKERS.split(','),
  logLevel: kafkajs.logLevel.ERROR,
});
const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner, allowAutoTopicCreation: false });
const consumer = kafka.consumer({ groupId: `${KAFKA_TOPIC}-relay-${self}`, allowAutoTopicCreation: false });

let waiting = new Map<string, [Uint8Array, ...Uint8Array[]]>();
let sending = false;

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function send(): Promise<void> {
  sending = true;
  while (waiting.size > 0) {
    const rooms = waiting;
    waiting = new Map();
    const next = performance.now() + sendIntervalMs;
    const messages = [...rooms].map(([key, frames]) => ({ key, value: Buffer.concat([Buffer.of(self), mergeFrames(frames)]) }));
    await producer.send({ topic: KAFKA_TOPIC, acks: -1, messages });
    await wait(Math.max(0, next - performance.now()));
  }
  sending = false;
}

function append(room: string, frame: Uint8Array): void {
  const frames = waiting.get(room);
  if (frames === undefined) waiting.set(room, [frame]);
  else frames.push(frame);
  // With what else is published in this tick.
  if (!sending && waiting.size === 1 && frames === undefined) queueMicrotask(() => void send());
}

/** Resolves when it reads. */
async function follow(onFrame: Floor['publish']): Promise<void> {
  const reads = new Promise<void>((resolve) => void consumer.on(consumer.events.FETCH_START, () => resolve()));
  await consumer.connect();
  await consumer.subscribe({ topic: KAFKA_TOPIC });
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch: { messages } }) => {
      for (const { key, value } of messages) {
        if (key === null || value === null || value[0] === self) continue;
        onFrame(key.toString(), value.subarray(1));
      }
    },
  });
  await reads;
}

await producer.connect();
const floor = await startFloor({ port: Number(PORT), merges: true, document: new Uint8Array([0, 0]), onPublished: append });
await follow(floor.publish);
process.stdout.write('listening\n');
process.once('SIGTERM', () => process.exit(0));
