/** Acknowledged means synced, and survives kill -9. Shown on processes of their own. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openEmbeddedJournal } from '#shared/journal/embedded.ts';
import { openEnvironment } from '#shared/runtime/lmdb.ts';
import { openEmbeddedStore } from '#shared/store/embedded.ts';
import { collect } from '#test/contract/journal.contract.ts';
import { nameOf } from '#test/contract/store.contract.ts';
import { startTalking } from '#test/harness/lines.ts';
import { temporaryDirectory } from '#test/harness/temporary-directory.ts';

const program = join(import.meta.dirname, '../harness/embedded-process.ts');
const hasStrace = spawnSync('strace', ['-V']).status === 0;

let directory: ReturnType<typeof temporaryDirectory>;
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => directory.remove());

/** One line of `strace -f`: the call, and whether it begins, ends or is whole. */
type Traced = {
  readonly pid: string;
  readonly call: string;
  readonly text: string;
  readonly unfinished: boolean;
  readonly resumed: boolean;
};

function parseTrace(text: string): readonly Traced[] {
  return text.split('\n').flatMap((line) => {
    const match = /^(\d+)\s+(?:<\.\.\. )?(\w+)(.*)$/.exec(line);
    if (match === null) return [];
    const [, pid = '', call = '', rest = ''] = match;
    return [{ pid, call, text: line, unfinished: line.endsWith('<unfinished ...>'), resumed: rest.startsWith(' resumed>') }];
  });
}

/** For each acknowledgement: what was written to the data file, what of it synced, when the marker was written. */
function unsyncedAcknowledgements(trace: readonly Traced[]): {
  readonly acknowledged: number;
  readonly early: readonly string[];
} {
  let dirty = true; // pages that were written since the last sync
  let metaSynced = false; // the meta page that names them, by the descriptor that is open with O_DSYNC
  let metaDescriptor = '';
  let acknowledged = 0;
  const early: string[] = [];
  for (const { call, text, unfinished } of trace) {
    const opened = /openat\(.*data\.mdb".*O_DSYNC.*= (\d+)$/.exec(text);
    if (opened !== null) metaDescriptor = opened[1] ?? '';
    else if (call === 'pwrite64' || call === 'pwritev' || call === 'writev') {
      const toMeta = text.includes(`${call}(${metaDescriptor},`) || text.includes('resumed');
      if (toMeta && !unfinished) metaSynced = !dirty;
      else if (!toMeta) [dirty, metaSynced] = [true, false];
    } else if (call === 'fdatasync' && !unfinished && text.endsWith('= 0')) dirty = false;
    else if (call === 'write' && text.includes('acknowledged')) {
      acknowledged += 1;
      if (dirty || !metaSynced) early.push(text);
      [dirty, metaSynced] = [true, false]; // the next one needs a sync of its own
    }
  }
  return { acknowledged, early };
}

test('JR16: each acknowledgement follows the fdatasync of its pages and the synced write of the meta page', async ({ skip }) => {
  skip(!hasStrace, 'no strace on the PATH');
  const trace = join(directory.path, 'trace');
  const calls = 'trace=openat,fdatasync,fsync,msync,pwrite64,pwritev,writev,write';
  const data = join(directory.path, 'data');
  const traced = startTalking(
    'strace',
    '-f',
    '-s',
    '64',
    '-e',
    calls,
    '-o',
    trace,
    process.execPath,
    program,
    data,
    'append',
    '25',
  );
  await traced.ended;
  expect(traced.lines.filter((line) => line.startsWith('acknowledged'))).toHaveLength(25);
  expect(unsyncedAcknowledgements(parseTrace(readFileSync(trace, 'utf8')))).toEqual({ acknowledged: 25, early: [] });
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
  const numbers = reader.records().map((one) => ('record' in one ? new DataView(one.record.update.buffer).getUint32(0) : -1));
  expect(numbers).toEqual(Array.from({ length: end }, (_, i) => i));
  const store = openEmbeddedStore(environment);
  expect(await store.readCheckpoint(0)).toBeGreaterThanOrEqual(said.checkpoint);
  const segments = await store.listSegments(nameOf('document'), 0);
  expect(segments.map(({ last }) => last)).toEqual(expect.arrayContaining(stored));
  expect(stored.length).toBeGreaterThan(3);
  await journal.close();
  await environment.close();
});
