/**
 * The acknowledgement goes out after the sync.
 *
 * kill -9 says nothing about it: what a dead process has written is in the kernel's memory, and there the next one reads it. So the server runs under strace, and
 * for each acknowledgement that left it the trace has to show, in this order: the edit comes in, it is written, the write is synced, LMDB's meta page that makes it
 * reachable is written synchronously, the acknowledgement goes out.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { makeDataDir, startServer } from '#test/harness/server.ts';
import { checkAcknowledgements, readTrace, straceMissing, straceTo } from '#test/harness/strace.ts';
import { openClient } from '#test/harness/y-websocket-client.ts';

const editsEach = 60;

/** What each edit has in it, and nothing else. */
const mark = (writer: number, edit: number): string => `[${writer}:${String(edit).padStart(4, '0')}]`;
const markOf = (update: Buffer): string | undefined => /\[\d:\d{4}\]/u.exec(update.toString('latin1'))?.[0];

test('SA4: each acknowledgement follows the sync of its edits', { timeout: 120_000 }, async ({ skip }) => {
  const missing = straceMissing();
  skip(missing !== undefined, missing ?? '');
  const directory = await makeDataDir();
  onTestFinished(() => directory.remove());
  const traceFile = join(directory.path, 'trace');
  const server = await startServer({
    dataDir: join(directory.path, 'data'),
    under: straceTo(traceFile),
    settings: { FLUSH_INTERVAL_MS: 50 },
  });
  onTestFinished(() => server.kill());
  const clients = ['one', 'one', 'other'].map((document) => openClient({ url: server.wsUrl, document }));
  onTestFinished(() => clients.forEach((client) => client.discard()));
  await Promise.all(clients.map((client) => client.synced()));

  for (let edit = 0; edit < editsEach; edit++) {
    for (const [writer, { doc, text }] of clients.entries()) {
      doc.transact(() => {
        if (edit % 5 === 3) text.delete(0, 3);
        if (edit % 5 === 4) text.format(0, 4, { bold: true });
        text.insert(text.length, mark(writer, edit));
      });
    }
    // Alone, in pairs and in bursts, so that edits come in the middle of commits as well as between them.
    if (edit % 7 < 4) await Promise.all(clients.map((client) => client.saved()));
    else if (edit % 2 === 0) await clients[0]?.nextEvent();
  }
  await Promise.all(clients.map((client) => client.saved()));
  for (const client of clients) client.discard();
  expect(await server.stop()).toBe(0);
  const trace = await vi.waitFor(
    () => {
      const text = readFileSync(traceFile, 'utf8');
      expect(text).toMatch(new RegExp(String.raw`^${server.pid} +\+\+\+ exited`, 'mu'));
      return text;
    },
    { timeout: 20_000 },
  );

  const { acknowledgements, edits, complaints } = checkAcknowledgements(readTrace(trace), markOf);
  expect(complaints).toEqual([]);
  expect(edits).toBe(clients.length * editsEach);
  expect(acknowledgements).toBeGreaterThan(editsEach);

  // Syncs that did nothing are found, and so is an acknowledgement that goes out before the last sync.
  const unsynced = trace.replaceAll(/(fdatasync(?:\(| resumed>).*) = 0/gu, '$1 = -1 EIO');
  expect(checkAcknowledgements(readTrace(unsynced), markOf).complaints).toHaveLength(edits);
  const lines = trace.split('\n');
  const ackAt = lines.findLastIndex((line) => /sendto.*"\\x82\\x0[23]\\x08/u.test(line));
  const [ack = ''] = lines.splice(ackAt, 1);
  const syncAt = lines.findLastIndex((line, at) => at < ackAt && line.includes('fdatasync('));
  const hasty = lines.toSpliced(syncAt, 0, ack).join('\n');
  expect(checkAcknowledgements(readTrace(hasty), markOf).complaints).not.toEqual([]);
});
