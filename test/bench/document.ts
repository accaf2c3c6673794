/**
 * What documents as bytes cost: `node test/bench/document.ts <automerge-paper.json.gz>` (or `TRACE=`).
 *
 * Three documents: the trace as one client typed it, the same by four clients, and a tree of elements of some 17 MB such as a rich-text editor makes.
 * Beside each of our figures stands what Yjs takes for the same. The best of several rounds, in milliseconds unless it says otherwise.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import * as Y from 'yjs';
import { DocumentState } from '#shared/document/document-state.ts';
import { defaultUpdateLimits } from '#shared/document/limits.ts';
import { loadDocumentState } from '#shared/document/load.ts';
import { mergeScanned, mergeUpdates } from '#shared/document/merge.ts';
import { scanUpdate, startScan, type Scanned } from '#shared/document/scan.ts';
import { encodeStateVector } from '#shared/document/state-vector.ts';

type Trace = { readonly txns: readonly { readonly patches: readonly (readonly [number, number, string])[] }[] };

const rounds = 5;

function best(run: () => unknown): number {
  let least = Infinity;
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    run();
    least = Math.min(least, performance.now() - start);
  }
  return least;
}

const shown = (ms: number): string => (ms < 0.1 ? ms.toFixed(3) : ms < 10 ? ms.toFixed(2) : ms.toFixed(0));

function row(what: string, ours: number, theirs?: number): void {
  console.log(`${what.padEnd(52)} ${shown(ours).padStart(9)} ${(theirs === undefined ? '' : shown(theirs)).padStart(9)}`);
}

function scan(bytes: Uint8Array): Scanned {
  const scanned = scanUpdate(bytes, defaultUpdateLimits);
  if ('refused' in scanned) throw new Error(scanned.refused);
  return scanned;
}

function stateOf(updates: readonly Scanned[]): DocumentState {
  const state = new DocumentState();
  for (const update of updates) {
    const judgement = state.judge(update);
    assert(judgement.kind === 'fresh');
    state.take(judgement.update);
  }
  return state;
}

function keystrokesOf(trace: Trace, client: number): { readonly updates: readonly Uint8Array[]; readonly document: Y.Doc } {
  const document = new Y.Doc();
  document.clientID = client;
  const updates: Uint8Array[] = [];
  document.on('update', (update) => updates.push(update));
  const text = document.getText(`text ${client}`);
  for (const { patches } of trace.txns) {
    for (const [at, deleted, inserted] of patches) {
      document.transact(() => {
        text.delete(at, deleted);
        text.insert(at, inserted);
      });
    }
  }
  return { updates, document };
}

/** Nested elements with an attribute and a text, by several clients. */
function treeOf(megabytes: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for (let client = 1; bytes < megabytes * 1e6; client++) {
    const document = new Y.Doc();
    document.clientID = client * 100_000_007;
    document.transact(() => {
      const root = document.getXmlFragment('prosemirror');
      for (let i = 0; i < 8_000; i++) {
        const paragraph = new Y.XmlElement('paragraph');
        paragraph.setAttribute('indent', String(i % 3));
        paragraph.insert(0, [new Y.XmlText(`Paragraph ${i} says something of a usual length, more or less.`)]);
        const item = new Y.XmlElement('listItem');
        item.insert(0, [paragraph]);
        root.insert(0, [item]);
      }
    });
    parts.push(Y.encodeStateAsUpdate(document));
    bytes += parts.at(-1)?.length ?? 0;
  }
  return mergeUpdates(parts);
}

function measureWhole(whole: Uint8Array): void {
  const scanned = scan(whole);
  const state = stateOf([scanned]);
  const vector = encodeStateVector(state.vectorMap);
  const [client = 0] = state.vectorMap.keys();
  const end = state.vectorMap.get(client) ?? 0;
  const halfway = new Map([...state.vectorMap, [client, end >> 1]]);
  const edit = keystroke();
  row(
    'scan (vector, ranges, deletions) | decodeUpdate',
    best(() => scan(whole)),
    best(() => Y.decodeUpdate(whole)),
  );
  row(
    'state vector | off the bytes',
    best(() => encodeStateVector(state.vectorMap)),
    best(() => Y.encodeStateVectorFromUpdate(whole)),
  );
  row(
    'judge and take the whole',
    best(() => stateOf([scanned])),
  );
  row(
    'diff, up to date | diffUpdate',
    best(() => state.diff(state.vectorMap)),
    best(() => Y.diffUpdate(whole, vector)),
  );
  row(
    'diff, one client half way | diffUpdate',
    best(() => state.diff(halfway)),
    best(() => Y.diffUpdate(whole, encodeStateVector(halfway))),
  );
  const states = Array.from({ length: rounds }, () => stateOf([scanned]));
  row(
    'take a keystroke and encode | mergeUpdates',
    best(() => {
      const next = states.pop() ?? state;
      next.take(edit);
      next.encode();
    }),
    best(() => Y.mergeUpdates([whole, edit.bytes])),
  );
}

function keystroke(): Scanned {
  const document = new Y.Doc();
  document.getText('another text').insert(0, 'x');
  return scan(Y.encodeStateAsUpdate(document));
}

/** The longest that anything keeps the event loop while a document is scanned in steps and loaded. */
async function measureSteps(whole: Uint8Array): Promise<void> {
  const steps = startScan(whole, defaultUpdateLimits);
  let longest = 0;
  for (let done: unknown; done === undefined;) {
    const start = performance.now();
    done = steps.step(256 * 1024);
    longest = Math.max(longest, performance.now() - start);
  }
  row('longest step of a scan, 256 KiB each', longest);
  let last = performance.now();
  longest = 0;
  const pause = async (): Promise<void> => {
    longest = Math.max(longest, performance.now() - last);
    await new Promise((resolve) => setImmediate(resolve));
    last = performance.now();
  };
  const start = performance.now();
  await loadDocumentState([whole], pause);
  await pause();
  row('load', performance.now() - start);
  row('longest step of it', longest);
}

const path = process.argv[2] ?? process.env['TRACE'];
if (path === undefined) throw new Error('say where the trace is: node test/bench/document.ts <automerge-paper.json.gz>');
const trace = JSON.parse(gunzipSync(readFileSync(path)).toString()) as Trace;
const { updates, document } = keystrokesOf(trace, 1_234_567_890);
const bytes = updates.reduce((sum, { length }) => sum + length, 0);
console.log(`${updates.length} keystrokes, ${bytes} bytes`.padEnd(52), '     ours       Yjs');
// Before any results are kept: V8 then takes such objects for long-lived, which they are not in a process that serves.
row(
  'scan one, µs | decodeUpdate',
  (best(() => updates.forEach((update) => scan(update))) / updates.length) * 1_000,
  (best(() => updates.forEach((update) => Y.decodeUpdate(update))) / updates.length) * 1_000,
);
const scans = updates.map(scan);
const state = stateOf(scans);
const reader = new Y.Doc();
Y.applyUpdate(reader, state.encode());
assert.deepEqual(Y.encodeStateAsUpdate(reader), Y.encodeStateAsUpdate(document));
row('judge and take one, µs', (best(() => stateOf(scans)) / updates.length) * 1_000);
for (const count of [10, 1_000, 10_000]) {
  const some = scans.slice(50_000, 50_000 + count);
  row(
    `merge ${count}, scanned | mergeUpdates`,
    best(() => mergeScanned(some)),
    count > 1_000 ? undefined : best(() => Y.mergeUpdates(some.map((update) => update.bytes))),
  );
}
row(
  `merge ${updates.length} records`,
  best(() => mergeUpdates(updates)),
);
row(
  'load the joined into a Y.Doc | the same from Yjs',
  best(() => Y.applyUpdate(new Y.Doc(), state.encode())),
  best(() => Y.applyUpdate(new Y.Doc(), Y.encodeStateAsUpdate(document))),
);
console.log(`held ${state.bytes} bytes, encoded ${state.encode().length}`);
const fourClients = [1, 2, 3, 4].map((client) => Y.encodeStateAsUpdate(keystrokesOf(trace, client).document));
for (const [name, whole] of [
  ['the trace', state.encode()],
  ['the trace by four clients', mergeUpdates(fourClients)],
  ['a tree', treeOf(17)],
] as const) {
  console.log(`\n${name}, ${whole.length} bytes`);
  measureWhole(whole);
  await measureSteps(whole);
}
