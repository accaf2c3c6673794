/**
 * Readers that stop reading while fifty megabytes pass.
 *
 * A server that queues for them grows by as much for each. Here a slow reader may cost what its limits say: `outboxHighWaterBytes` and a frame in its socket's
 * queue, and its document `missedBytesMax`. A document grows by what is typed into it, whoever reads; so the growth of the process is held
 * against the same traffic without slow readers.
 */

import { expect, onTestFinished, test } from 'vitest';
import * as Y from 'yjs';
import { defaultGatewayLimits } from '#test/harness/memory-gateway.ts';
import { readMetric } from '#test/harness/metrics.ts';
import { openRawPerson, type RawPerson } from '#test/harness/raw-person.ts';
import { startServer, type Server } from '#test/harness/server.ts';

const passingBytes = 50 * 1024 * 1024;
const editBytes = 32 * 1024;
/** What a process of this kind grows or shrinks by while the same passes twice: buffers of the journal, and garbage. */
const measurementNoiseBytes = 24e6;

/** Its thread and what it reads would come into the measurement, or not. */
const withoutCompaction = { COMPACTION_SEGMENTS_MIN: 1_000_000, COMPACTION_BYTES_MIN: 1_000_000_000 };
/** The writer waits for acknowledgements all the time. */
const atOnce = { COMMIT_INTERVAL_MS: 0 };

const vectorOf = (doc: Y.Doc): string => Buffer.from(Y.encodeStateVector(doc)).toString('hex');

function nextText(number: number): string {
  return `${number} `.padEnd(editBytes, 'abcdefghijklmnop');
}

async function settled(person: RawPerson): Promise<void> {
  await person.until('saved', () => person.client.saved);
}

/** Sends `bytes` through one document, never more than a few frames ahead of the server. */
async function pass(writer: RawPerson, bytes: number): Promise<void> {
  const map = writer.client.doc.getMap('map');
  for (let sent = 0, number = 0; sent < bytes; sent += editBytes, number++) {
    map.set('key', nextText(number));
    await writer.until('some acknowledged', () => writer.client.sent - writer.client.acknowledged < 8);
  }
  await settled(writer);
}

async function open(server: Server, document: string): Promise<RawPerson> {
  const person = await openRawPerson({ port: server.port, document });
  onTestFinished(() => person.leave());
  await settled(person);
  return person;
}

type Growth = { readonly resident: number; readonly rooms: number };

/** How much the process grows while 50 MB pass in a document with `slow` sessions that do not read. */
async function measure(
  slow: number,
  afterwards: (slow: readonly RawPerson[], writer: RawPerson) => Promise<void>,
): Promise<Growth> {
  const server = await startServer({ settings: { LOG_LEVEL: 'warn', ...withoutCompaction, ...atOnce } });
  onTestFinished(() => server.kill());
  const writer = await open(server, 'passing');
  // The same once before, so that what a process takes once is taken.
  await pass(await open(server, 'warm'), passingBytes / 4);
  const readers = await Promise.all(Array.from({ length: slow }, () => open(server, 'passing')));
  const resident = await readMetric(server.url, 'process_resident_memory_bytes');
  const rooms = await readMetric(server.url, 'inkstream_rooms_bytes');
  for (const { connection } of readers) connection.pause(true);
  await pass(writer, passingBytes);
  const growth = {
    resident: (await readMetric(server.url, 'process_resident_memory_bytes')) - resident,
    rooms: (await readMetric(server.url, 'inkstream_rooms_bytes')) - rooms,
  };
  expect(await readMetric(server.url, 'inkstream_slow_readers')).toBe(slow);
  await afterwards(readers, writer);
  expect(server.stderr()).toBe('');
  return growth;
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;

/** The same without a slow reader; measured once. */
let control: Growth | undefined;

/** What one slow reader may take, in the server's own words; frames are a little larger than their edits. */
const readerBytesMax = 2 * (defaultGatewayLimits.outboxHighWaterBytes + editBytes + 1_000); // the socket's buffer doubles when it grows

test(
  'YW11: one reader that stops reading while 50 MB pass takes what its limits say, and has the right document soon after',
  { timeout: 120_000 },
  async () => {
    control ??= await measure(0, async () => {});
    const slow = await measure(1, async ([reader], writer) => {
      if (reader === undefined) throw new Error('nobody is slow');
      // An edit and a question of its own, while it does not read.
      reader.client.doc.getMap('map').set('mine', 'still typing');
      reader.client.synced = false;
      reader.client.sendStep1();
      await writer.until('the slow one is heard', () => writer.client.doc.getMap('map').get('mine') === 'still typing');
      const begun = performance.now();
      reader.connection.pause(false);
      await reader.until('the same', () => vectorOf(reader.client.doc) === vectorOf(writer.client.doc));
      // Its acknowledgement, and the answer to its question.
      await settled(reader);
      console.log(`one slow reader had the document ${(performance.now() - begun).toFixed(0)} ms after it read again`);
      expect(reader.client.doc.getMap('map').toJSON()).toEqual(writer.client.doc.getMap('map').toJSON());
    });
    console.log(
      `one slow reader: +${megabytes(slow.resident)}, without it +${megabytes(control.resident)}; documents +${megabytes(slow.rooms)}`,
    );
    expect(slow.rooms - control.rooms).toBeLessThanOrEqual(defaultGatewayLimits.missedBytesMax + 100_000);
    expect(slow.resident - control.resident).toBeLessThan(
      readerBytesMax + defaultGatewayLimits.missedBytesMax + measurementNoiseBytes,
    );
  },
);

test(
  'YW12: a hundred readers that stop reading take a hundred times that at most, and each has the right document soon after',
  { timeout: 120_000 },
  async () => {
    const count = 100;
    control ??= await measure(0, async () => {});
    const slow = await measure(count, async (readers, writer) => {
      // All of them read again, at once; what arrives at three is looked at.
      const [watched, others] = [readers.slice(0, 3), readers.slice(3)];
      for (const { connection } of others) connection.drop();
      for (const { connection } of watched) connection.pause(false);
      for (const reader of watched)
        await reader.until('the same', () => vectorOf(reader.client.doc) === vectorOf(writer.client.doc));
    });
    console.log(`a hundred slow readers: +${megabytes(slow.resident)}, without them +${megabytes(control.resident)}`);
    // A hundred connections more leave more garbage than none. Queueing for all of them would take five gigabytes.
    expect(slow.resident - control.resident).toBeLessThan(
      count * readerBytesMax + defaultGatewayLimits.missedBytesMax + 3 * measurementNoiseBytes,
    );
  },
);
