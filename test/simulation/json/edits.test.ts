import { expect, test } from 'vitest';
import * as Y from 'yjs';
import { DocumentState } from '#shared/document/document-state.ts';
import { editOperations } from '#shared/document/json/edit.ts';
import { readDocumentJson } from '#shared/document/json/read.ts';
import type { RootKind } from '#shared/document/json/roots.ts';
import { defaultUpdateLimits, storedUpdateLimits, type UpdateLimits } from '#shared/document/limits.ts';
import { scanUpdate } from '#shared/document/scan.ts';
import { edit, openRoots, undoManagerOf } from '../rooms/editing.ts';
import { seeded, type Random } from '../rooms/random.ts';
import { nest } from './nesting.ts';
import { normalDocument } from './normal.ts';
import { changedValue } from './values.ts';

const seeds = Number(process.env['JSON_SEEDS'] ?? 300);
const outsider = 4_000_000;
const namings: readonly ReadonlyMap<string, RootKind>[] = [
  new Map(),
  new Map([['text', 'rich-text']]),
  new Map([['text', 'text']]),
  new Map([
    ['map', 'map'],
    ['list', 'array'],
    ['xml', 'xml'],
  ]),
];

/** A document that somebody has edited, as bytes. */
function randomDocument(random: Random, roots: ReadonlyMap<string, RootKind>): Y.Doc {
  const document = new Y.Doc();
  document.clientID = 1 + random.integer(1000);
  openRoots(document);
  const undo = undoManagerOf(document);
  for (let i = random.integer(40); i > 0; i--) {
    if (random.chance(0.15)) nest(document, random, roots.has('text') ? 'anywhere' : 'outside texts');
    else edit(document, random, undo);
  }
  return document;
}

function take(state: DocumentState, bytes: Uint8Array, limits: UpdateLimits): string {
  const scanned = scanUpdate(bytes, limits);
  if ('refused' in scanned) return scanned.refused;
  const judgement = state.judge(scanned);
  if (judgement.kind === 'fresh') state.take(judgement.update);
  return judgement.kind;
}

test('DJ20, DJ21: applied to the base, an edit gives exactly the edited value, and what it makes is admitted', () => {
  for (let seed = 1; seed <= seeds; seed++) {
    const random = seeded(seed);
    const roots = random.pick(namings);
    const base = Y.encodeStateAsUpdate(randomDocument(random, roots));
    const { value } = readDocumentJson([base], roots);
    expect(editOperations([base], value, { client: outsider, roots }), `seed ${seed}`).toEqual({ kind: 'nothing' });
    if (value.size === 0) continue;
    const wanted = changedValue(value, random);
    const made = editOperations([base], wanted, { client: outsider, roots });
    if (made.kind === 'refused') expect(made.reason, `seed ${seed}`).toMatch(/can't be made|not fit into a format or an embed/u);
    const updates = made.kind === 'operations' ? [base, made.update] : [base];
    if (made.kind !== 'refused') {
      expect(normalDocument(readDocumentJson(updates, roots).value), `seed ${seed}`).toBe(normalDocument(wanted));
      expect(editOperations(updates, wanted, { client: outsider + 1, roots }), `seed ${seed}`).toEqual({
        kind: 'nothing',
      });
    }
    if (made.kind !== 'operations') continue;
    const state = new DocumentState();
    take(state, base, storedUpdateLimits);
    expect(take(state, made.update, defaultUpdateLimits), `seed ${seed}`).toBe('fresh');
  }
});
