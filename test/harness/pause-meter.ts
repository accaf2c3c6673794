/**
 * Two people in a document of their own, one of whom types a letter as soon as the other has seen the last one: how long does the server keep them
 * waiting? A process of its own, so that only the server's pauses are measured: `node test/harness/pause-meter.ts <port>`.
 *
 * On each line of its input it says what was so since the last: `{"count":…,"p50":…,"worst":…}`, in ms, from a letter to its arrival at the other.
 */

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openRawPerson } from '#test/harness/raw-person.ts';

export type Pauses = { readonly count: number; readonly p50: number; readonly worst: number };

export type PauseMeter = {
  /** The pauses since the last call. */
  readonly read: () => Promise<Pauses>;
  readonly stop: () => void;
};

/** Between the arrival of a letter and the next one. */
const restMs = 2;

export async function startPauseMeter(port: number): Promise<PauseMeter> {
  const child = spawn('node_modules/.bin/node', [fileURLToPath(import.meta.url), String(port)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const read = async (): Promise<Pauses> => {
    child.stdin.write('\n');
    const { value } = (await lines.next()) as { readonly value?: string };
    if (value === undefined) throw new Error('the pause meter has ended');
    return JSON.parse(value) as Pauses;
  };
  await read();
  return { read, stop: () => void child.kill('SIGKILL') };
}

async function run(port: number): Promise<void> {
  const [writer, reader] = [await openRawPerson({ port, document: 'pauses' }), await openRawPerson({ port, document: 'pauses' })];
  await writer.until('saved', () => writer.client.saved);
  await reader.until('saved', () => reader.client.saved);
  let latencies: number[] = [];
  let sentAt = 0;
  const type = (): void => {
    sentAt = performance.now();
    // One letter, replaced again and again: the document stays small.
    writer.client.doc.getMap('map').set('letter', sentAt);
  };
  reader.client.doc.on('update', () => {
    latencies.push(performance.now() - sentAt);
    setTimeout(type, restMs);
  });
  type();
  for await (const _line of createInterface({ input: process.stdin })) {
    // What is not answered yet is a pause, too.
    const sorted = [...latencies, performance.now() - sentAt].toSorted((a, b) => a - b);
    const pauses: Pauses = { count: latencies.length, p50: sorted[sorted.length >> 1] ?? 0, worst: sorted.at(-1) ?? 0 };
    latencies = [];
    process.stdout.write(`${JSON.stringify(pauses)}\n`);
  }
  process.exit();
}

if (import.meta.main) await run(Number(process.argv[2]));
