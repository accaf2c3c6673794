/** What a large document is sent as: views of what the room keeps. */

import { expect, test } from 'vitest';
import * as Y from 'yjs';
import { DocumentState } from '#shared/document/document-state.ts';
import { defaultUpdateLimits } from '#shared/document/limits.ts';
import { scanUpdate } from '#shared/document/scan.ts';

function take(state: DocumentState, update: Uint8Array): void {
  const scanned = scanUpdate(update, defaultUpdateLimits);
  if ('refused' in scanned) throw new Error(scanned.refused);
  const judgement = state.judge(scanned);
  if (judgement.kind === 'fresh') state.take(judgement.update);
}

test('GW72: the parts of a diff are the diff, and stay so while the document goes on', () => {
  const state = new DocumentState();
  const people = [new Y.Doc(), new Y.Doc(), new Y.Doc()];
  for (const person of people) person.on('update', (update: Uint8Array) => take(state, update));
  const type = (times: number): void => {
    for (let i = 0; i < times; i++) {
      for (const person of people) {
        const text = person.getText('text');
        text.insert(Math.floor(text.length / 2), `${i} words `);
        if (i % 7 === 0) text.delete(0, 3);
        if (i % 90 === 0) person.getArray('array').push([`${i} `.padEnd(5_000, 'x')]);
      }
    }
  };
  type(300);
  const early = new Map([...state.vectorMap].map(([client, clock]) => [client, Math.floor(clock / 3)]));
  type(300);
  for (const vector of [new Map<number, number>(), early]) {
    const parts = state.diffParts(vector);
    const expected = Buffer.from(state.diff(vector));
    expect(Buffer.concat(parts).equals(expected)).toBe(true);
    type(300);
    // Takes the pages over into one array, too.
    state.encode();
    type(10);
    expect(Buffer.concat(parts).equals(expected)).toBe(true);
  }
});
