/**
 * What documents as bytes cost: `node test/bench/document.ts <automerge-paper.json.gz>` (or `TRACE=`).
 *
 * Three documents: the trace typed by one client, cut at two lengths, and a tree of elements of some 17 MB such as a rich-text editor makes. Beside each of our figures
 * stands what Yjs takes for the same. The best of several rounds, in milliseconds.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import * as Y from 'yjs';
import { DocumentState } from '#shared/document/document-state.ts';
import { defaultUpdateLimits, storedUpdateLimits } from '#shared/document/limits.ts';
import { loadDocumentState } from '#shared/document/load.ts';
import { mergeScanned, mergeUpdates } from '#shared/document/merge.ts';
import { scanUpdate, startScan, type Scanned } from '#shared/document/scan.ts';

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

function keystrokesOf(trace: Trace): { readonly updates: readonly Uint8Array[]; readonly document: Y.Doc } {
  const document = new Y.Doc();
  document.clientID = 1_234_567_890;
  const updates: Uint8Array[] = [];
  document.on('update', (update) => updates.push(update));
  const text = document.getText('text');
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
  const vector = Y.encodeStateVector(state.vectorMap);
  const [client = 0] = state.vectorMap.keys();
  const end = state.vectorMap.get(client) ?? 0;
  const keystroke = scan(oneMore(client, end));
  row(
    'scan (vector, ranges, deletions) | decodeUpdate',
    best(() => scan(whole)),
    best(() => Y.decodeUpdate(whole)),
  );
  row(
    'state vector | off the bytes',
    best(() => stateOf([]).vector),
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
    best(() => state.diff(new Map([...state.vectorMap, [client, end >> 1]]))),
    best(() => Y.diffUpdate(whole, Y.encodeStateVector(new Map([...state.vectorMap, [client, end >> 1]])))),
  );
  const states = Array.from({ length: rounds }, () => stateOf([scanned]));
  row(
    'take a keystroke and encode | mergeUpdates',
    best(() => {
      const next = states.pop() ?? state;
      next.take(keystroke);
      next.encode();
    }),
    best(() => Y.mergeUpdates([whole, keystroke.bytes])),
  );
}

function oneMore(client: number, clock: number): Uint8Array {
  const document = new Y.Doc();
  document.clientID = client;
  Y.applyUpdate(document, mergeUpdates([gcUpTo(client, clock)]));
  const before = Y.encodeStateVector(document);
  document.getText('text').insert(0, 'x');
  return Y.encodeStateAsUpdate(document, before);
}

function gcUpTo(client: number, clock: number): Uint8Array {
  const numbers = [1, 1, client, 0, 0, clock, 0].map((number, index) => (index === 4 ? [0] : varUint(number)));
  return Uint8Array.from(numbers.flat());
}

function varUint(value: number): number[] {
  return value < 128 ? [value] : [128 | (value % 128), ...varUint(Math.floor(value / 128))];
}

/** The longest that anything keeps the event loop while a document is scanned in steps and loaded. */
async function measureSteps(whole: Uint8Array): Promise<void> {
  const steps = startScan(whole, defaultUpdateLimits);
  let longest = 0;
  for (let done: unknown; done === undefined; ) {
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
  await loadDocumentState([whole], storedUpdateLimits, pause);
  await pause();
  row('load', performance.now() - start);
  row('longest step of it', longest);
}

const path = process.argv[2] ?? process.env['TRACE'];
if (path === undefined) throw new Error('say where the trace is: node test/bench/document.ts <automerge-paper.json.gz>');
const { updates, document } = keystrokesOf(JSON.parse(gunzipSync(readFileSync(path)).toString()) as Trace);
const scans = updates.map(scan);
const state = stateOf(scans);
const reader = new Y.Doc();
Y.applyUpdate(reader, state.encode());
assert.deepEqual(Y.encodeStateAsUpdate(reader), Y.encodeStateAsUpdate(document));

console.log(`${updates.length} keystrokes, ${updates.reduce((sum, { length }) => sum + length, 0)} bytes`.padEnd(52), '     ours       Yjs');
row(
  'scan one, µs | decodeUpdate',
  (best(() => updates.forEach((update) => scan(update))) / updates.length) * 1_000,
  (best(() => updates.forEach((update) => Y.decodeUpdate(update))) / updates.length) * 1_000,
);
row('judge and take one, µs', (best(() => stateOf(scans)) / updates.length) * 1_000);
for (const count of [10, 1_000, 10_000]) {
  const some = scans.slice(50_000, 50_000 + count);
  row(
    `merge ${count}, scanned | mergeUpdates`,
    best(() => mergeScanned(some)),
    count > 1_000 ? undefined : best(() => Y.mergeUpdates(some.map(({ bytes }) => bytes))),
  );
}
row(
  `merge ${updates.length}, records`,
  best(() => mergeUpdates(updates)),
);
console.log(`held ${state.bytes} bytes, encoded ${state.encode().length}`);
const tree = treeOf(17);
for (const [name, whole] of [
  ['the trace', state.encode()],
  ['four times the trace by four clients', fourTimes(updates)],
  ['the tree', tree],
] as const) {
  console.log(`\n${name}, ${whole.length} bytes`);
  measureWhole(whole);
  await measureSteps(whole);
}

function fourTimes(keystrokes: readonly Uint8Array[]): Uint8Array {
  const merged = Y.mergeUpdates([Y.encodeStateAsUpdate(document)]);
  assert(keystrokes.length > 0);
  const copies = [1, 2, 3, 4].map((client) => withClient(merged, client));
  return mergeUpdates(copies);
}

/** The same document as somebody else's. */
function withClient(update: Uint8Array, client: number): Uint8Array {
  const from = new Y.Doc();
  Y.applyUpdate(from, update);
  const to = new Y.Doc();
  to.clientID = client;
  const words = from.getText('text').toString();
  for (let at = 0; at < words.length; at += 4) to.getText(`copy ${client}`).insert(at % 2 === 0 ? 0 : at >> 1, words.slice(at, at + 4));
  return Y.encodeStateAsUpdate(to);
}
