/** Acknowledged means synced, and survives kill -9. Shown on processes of their own. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openEmbeddedJournal } from '#shared/journal/embedded.ts';
import { openEnvironment } from '#shared/runtime/lmdb.ts';
import { openEmbeddedStore } from '#shared/store/embedded.ts';
import { collect } from '#test/contract/journal.contract.ts';
import { nameOf } from '#test/contract/store.contract.ts';
import { startTalking } from '#test/harness/lines.ts';
import { readDurability, readTrace, straceMissing, straceTo } from '#test/harness/strace.ts';
import { temporaryDirectory } from '#test/harness/temporary-directory.ts';

const program = join(import.meta.dirname, '../harness/embedded-process.ts');

let directory: ReturnType<typeof temporaryDirectory>;
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => directory.remove());

/** How `embedded-process.ts` encodes its record with this number: the length of the update, and the update. */
function markOf(number: number): Buffer {
  const mark = Buffer.alloc(101);
  mark.writeUInt8(100);
  mark.writeUInt32BE(number, 1);
  return mark;
}

/** The numbers that were acknowledged, and those of them that were not on the disk by then. */
function readAcknowledgements(trace: string): { readonly acknowledged: readonly number[]; readonly early: readonly number[] } {
  const calls = readTrace(trace);
  const durabilityOf = readDurability(calls);
  const said = calls
    .filter(({ name, descriptor }) => name === 'write' && descriptor === 1)
    .flatMap(({ bytes, begin }) => {
      const [, number] = /^acknowledged (\d+)/u.exec(bytes.toString()) ?? [];
      return number === undefined ? [] : [{ number: Number(number), at: begin }];
    });
  return {
    acknowledged: said.map(({ number }) => number),
    early: said.filter(({ number, at }) => durabilityOf(markOf(number), 0).reachable >= at).map(({ number }) => number),
  };
}

test('JR16: each acknowledgement follows the fdatasync of its pages and the synced write of the meta page', async ({ skip }) => {
  const missing = straceMissing();
  skip(missing !== undefined, missing ?? '');
  const file = join(directory.path, 'trace');
  const [strace = '', ...watching] = straceTo(file).filter((argument) => argument !== '-D'); // so that it ends last
  await startTalking(strace, ...watching, process.execPath, program, join(directory.path, 'data'), 'append', '25').ended;
  const trace = readFileSync(file, 'utf8');
  const all = Array.from({ length: 25 }, (_, number) => number);
  expect(readAcknowledgements(trace)).toEqual({ acknowledged: all, early: [] });

  // Syncs that did nothing are found.
  const unsynced = trace.replaceAll(/(fdatasync(?:\(| resumed>).*) = 0/gu, '$1 = -1 EIO');
  expect(readAcknowledgements(unsynced).early).toEqual(all);
});

test('JR17: killed again and again, everything that was acknowledged is there at once', async () => {
  const said = { acknowledged: -1, checkpoint: 0 };
  const stored: number[] = [];
  for (let kill = 0; kill < 8; kill++) {
    const running = startTalking(process.execPath, program, directory.path, 'append');
    await running.line(new RegExp(`acknowledged ${said.acknowledged + 1 + kill * 7}$`));
    await running.kill();
    for (const line of running.lines) {
      const [what, value] = line.split(' ');
      if (what === 'acknowledged' || what === 'checkpoint') said[what] = Number(value);
      if (what === 'stored') stored.push(Number(value));
    }
  }
  const environment = await openEnvironment({ directory: directory.path });
  const journal = await openEmbeddedJournal(environment);
  const end = await journal.highWater(0);
  expect(end).toBeGreaterThan(said.acknowledged);
  const reader = collect(journal, 0, 0);
  await reader.reaches(end);
  const numbers = reader
    .records()
    .map((one) => ('record' in one ? new DataView(one.record.update.buffer, one.record.update.byteOffset).getUint32(0) : -1));
  expect(numbers).toEqual(Array.from({ length: end }, (_, i) => i));
  const store = openEmbeddedStore(environment);
  expect(await store.readCheckpoint(0)).toBeGreaterThanOrEqual(said.checkpoint);
  const segments = await store.listSegments(nameOf('document'), 0);
  expect(segments.map(({ last }) => last)).toEqual(expect.arrayContaining(stored));
  expect(stored.length).toBeGreaterThan(3);
  await journal.close();
  await environment.close();
});
