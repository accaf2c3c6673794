import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as Y from 'yjs';
import { areContained } from '#shared/document/contained.ts';
import { mergeUpdates } from '#shared/document/merge.ts';

/** The updates of some edits by two clients: letters typed, and deleted again. */
function updatesOf(edits: readonly number[]): readonly Uint8Array[] {
  const docs = [1, 2].map((client) => Object.assign(new Y.Doc(), { clientID: client }));
  const updates: Uint8Array[] = [];
  for (const doc of docs) {
    doc.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin === 'other') return;
      updates.push(update);
      for (const other of docs) if (other !== doc) Y.applyUpdate(other, update, 'other');
    });
  }
  for (const edit of edits) {
    const text = docs[edit % 2]?.getText('text');
    if (edit % 3 === 0 && (text?.length ?? 0) > 0) text?.delete(edit % (text.length || 1), 1);
    else text?.insert(edit % ((text.length || 0) + 1), String(edit));
  }
  return updates;
}

test('JD19: what is among others is told from the bytes, however it is merged; one that is not is found', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 50 }), { minLength: 1, maxLength: 20 }), fc.nat(), fc.nat(), (edits, cut, left) => {
      const updates = updatesOf(edits);
      const at = cut % updates.length;
      const merged = [updates.slice(0, at), updates.slice(at)]
        .filter(({ length }) => length > 0)
        .map((some) => mergeUpdates(some));
      expect(areContained(merged, updates)).toBe(true);
      expect(areContained(updates, merged)).toBe(true);
      expect(areContained([], [])).toBe(true);
      expect(areContained(updates, updates.toSpliced(left % updates.length, 1))).toBe(false);
    }),
  );
});
