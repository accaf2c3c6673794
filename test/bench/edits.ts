/**
 * What the benchmark's people type.
 *
 * The generator must cost next to nothing while it measures, so every edit is made beforehand, by a real Y.Doc, and is bytes when the
 * clock runs. Each writer types on and on at a place of its own inside a text that everyone starts from: every keystroke is one
 * update of one character whose origin is the keystroke before, whatever the others do meanwhile. So the updates of one writer are
 * valid in their order, given the base alone, and those of different writers mix freely.
 */

import * as Y from 'yjs';

/** The root that everyone types into. */
export const rootName = 'text';

const baseClientId = 1;
const firstWriterId = 3_000_000_000;
const prose = 'It was a bright cold day in April, and the clocks were striking thirteen. ';

/** The Yjs client id of a writer: as long on the wire as the random ones of real clients, and the writer's number can be read off it. */
export const writerId = (writer: number): number => firstWriterId + writer;

/** The number of the writer with this client id; negative for the base's author. */
export const writerOf = (clientId: number): number => clientId - firstWriterId;

/** An update that holds `characters` characters of prose. */
export function makeBase(characters: number): Uint8Array {
  const doc = new Y.Doc();
  doc.clientID = baseClientId;
  doc.getText(rootName).insert(0, prose.repeat(Math.ceil(characters / prose.length)).slice(0, characters));
  return Y.encodeStateAsUpdate(doc);
}

/** `count` keystrokes of one writer at `position` of the base: one update each, with the clocks 0, 1, 2 … */
export function makeKeystrokes(base: Uint8Array, writer: number, position: number, count: number): Uint8Array[] {
  const doc = new Y.Doc();
  doc.clientID = writerId(writer);
  Y.applyUpdate(doc, base);
  const text = doc.getText(rootName);
  const updates: Uint8Array[] = [];
  doc.on('update', (update: Uint8Array) => updates.push(update));
  for (let typed = 0; typed < count; typed++) text.insert(position + typed, prose.charAt(typed % prose.length));
  doc.destroy();
  return updates;
}

/** Numbers in [0, 1) that are the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * A document of at least `bytesMin` bytes as several authors leave it behind after long work: short insertions all over the text, a tenth
 * of it deleted again. Returned as a series of updates, each well under any frame limit, and as one.
 */
export function makeLargeDocument(bytesMin: number): { readonly parts: readonly Uint8Array[]; readonly whole: Uint8Array } {
  const random = seededRandom(7);
  const doc = new Y.Doc();
  const text = doc.getText(rootName);
  const parts: Uint8Array[] = [];
  let bytes = 0;
  let author = 100;
  while (bytes < bytesMin) {
    const before = Y.encodeStateVector(doc);
    doc.clientID = author++;
    for (let edit = 0; edit < 2_000; edit++) {
      const position = Math.floor(random() * (text.length + 1));
      if (random() < 0.1 && text.length - position > 20) text.delete(position, 1 + Math.floor(random() * 10));
      else text.insert(position, prose.slice(0, 1 + Math.floor(random() * 20)));
    }
    const part = Y.encodeStateAsUpdate(doc, before);
    parts.push(part);
    bytes += part.length;
  }
  const whole = Y.encodeStateAsUpdate(doc);
  return { parts, whole };
}
