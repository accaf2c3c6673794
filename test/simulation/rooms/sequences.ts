/**
 * Sequences of hostile updates alone, in a document of their own: whatever of them is admitted, no reader may throw over it, then or later, and what we
 * make of the bytes must read like what Yjs makes of them.
 */

import * as Y from 'yjs';
import { compact } from '#shared/document/compact.ts';
import { DocumentState } from '#shared/document/document-state.ts';
import { defaultUpdateLimits } from '#shared/document/limits.ts';
import { mergeScanned, mergeUpdates } from '#shared/document/merge.ts';
import { scanUpdate, type Scanned } from '#shared/document/scan.ts';
import { contentOf } from './editing.ts';
import { hostileUpdate, type Placing } from './hostile.ts';
import { seeded } from './random.ts';
import { expectEqual, expectNothingPending, hex, quietDocument } from './room.ts';

const clients = [1, 2, 3];

/** What was admitted of the sequence of this seed. */
function admit(seed: number, placing: Placing): { readonly state: DocumentState; readonly admitted: readonly Scanned[] } {
  const random = seeded(seed);
  const state = new DocumentState();
  const admitted: Scanned[] = [];
  for (let i = 2 + random.integer(12); i > 0; i--) {
    const bytes = hostileUpdate(random, clients, (client) => state.vectorMap.get(client) ?? 0, [], placing);
    const update = scanUpdate(bytes, defaultUpdateLimits);
    if ('refused' in update) continue;
    const judgement = state.judge(update);
    if (judgement.kind !== 'fresh') continue;
    state.take(judgement.update);
    admitted.push(judgement.update);
  }
  return { state, admitted };
}

/** Plays one seed; throws where something does, or differs. Returns how many updates were admitted. */
export function playSequence(seed: number, placing: Placing): number {
  const { state, admitted } = admit(seed, placing);
  const updates = admitted.map(({ bytes }) => bytes);
  if (updates.length === 0) return 0;
  for (const gc of [true, false]) {
    const oneByOne = read(updates, gc);
    expectEqual(hex(Y.encodeStateVector(oneByOne)), hex(state.vector));
    const byYjs = contentOf(read([Y.mergeUpdates(updates)], gc));
    expectEqual(contentOf(read([state.encode()], gc)), byYjs, 'the whole');
    expectEqual(contentOf(read([mergeScanned(admitted)], gc)), byYjs, 'merged');
    expectEqual(contentOf(read([mergeUpdates(updates)], gc)), byYjs, 'merged records');
    expectDiffs(state, updates, gc);
    read([Y.encodeStateAsUpdate(oneByOne)], gc);
    editLater(oneByOne);
  }
  read([compact(updates)], true);
  return updates.length;
}

function read(updates: readonly Uint8Array[], gc: boolean): Y.Doc {
  const document = quietDocument(gc);
  for (const update of updates) Y.applyUpdate(document, update);
  expectNothingPending(document);
  return document;
}

function expectDiffs(state: DocumentState, updates: readonly Uint8Array[], gc: boolean): void {
  for (let known = 1; known < updates.length; known++) {
    const before = updates.slice(0, known);
    const vector = Y.encodeStateVector(read(before, gc));
    const ours = read([...before, state.diff(Y.decodeStateVector(vector))], gc);
    const theirs = read([...before, Y.diffUpdate(Y.mergeUpdates([...updates]), vector)], gc);
    expectEqual(contentOf(ours), contentOf(theirs), 'a diff');
  }
}

function editLater(document: Y.Doc): void {
  document.clientID = 77;
  const text = document.getText('text');
  text.insert(0, 'z');
  text.format(0, text.length, { bold: true });
  text.delete(0, text.length);
  const map = document.getMap('map');
  map.set('k0', 1);
  for (const key of map.keys()) map.delete(key);
  const array = document.getArray('array');
  array.insert(0, [1]);
  array.delete(0, array.length);
  const xml = document.getXmlFragment('xml');
  xml.insert(0, [new Y.XmlElement('p')]);
  xml.delete(0, xml.length);
}
