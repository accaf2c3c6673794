/**
 * A process of its own that has a data directory open, for tests that kill it.
 *
 * It appends without end: each record holds its number. What has resolved is written to stdout, one a line: `acknowledged` a
 * record, `stored` the segment that ends with it, `checkpoint`.
 *
 *     node embedded-process.ts <directory> [hold | append [count]]
 */

import { writeSync } from 'node:fs';
import { openEmbeddedJournal } from '#shared/journal/embedded.ts';
import { openEmbeddedStore } from '#shared/store/embedded.ts';
import { parseDocumentName } from '#shared/document/name.ts';
import { openEnvironment } from '#shared/runtime/lmdb.ts';
import { reasonOf } from '#shared/runtime/reason.ts';

const [directory = '', mode = 'append', countMax = 'Infinity'] = process.argv.slice(2);
const parsed = parseDocumentName('document');
if ('refusal' in parsed) throw new Error(parsed.refusal);
const document = parsed.name;

const say = (line: string): void => void writeSync(1, `${line}\n`);

try {
  const environment = await openEnvironment({ directory, commitIntervalMs: 0 });
  const journal = await openEmbeddedJournal(environment);
  const store = openEmbeddedStore(environment);
  say(`open ${process.pid}`);
  if (mode === 'append') {
    const base = await journal.highWater(0);
    for (let i = base; i < base + Number(countMax); i++) {
      const update = new Uint8Array(100);
      new DataView(update.buffer).setUint32(0, i);
      await journal.append([{ kind: 'update', document, update, origin: 'o', author: '', time: 0 }]);
      say(`acknowledged ${i}`);
      if (i % 10 === 9) {
        await store.putSegment({ document, first: i - 9, last: i, update });
        say(`stored ${i}`);
        say(`checkpoint ${await store.moveCheckpoint(0, 0, i + 1)}`);
      }
    }
    await environment.close();
  }
} catch (error) {
  say(`refused ${reasonOf(error)}`);
  process.exit(1);
}
