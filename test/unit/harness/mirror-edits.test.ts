/** Whoever finds nothing wrong with any document would turn every test behind him green. */

import { expect, test } from 'vitest';
import * as Y from 'yjs';
import { complaintsAbout, type Edits, isStepIn, latestStepIn } from '#test/harness/mirror-edits.ts';

const edits: Edits = { made: ['field', 'text', 'entry', 'a field to and fro', 'entry'], typed: ['<a0>', '<B1>'] };

/** A document in which all of it is, once, and what was done to it then. */
function documentWith(change: (text: Y.Text, fields: Y.Map<unknown>, list: Y.Array<unknown>) => void = () => {}): Y.Doc {
  const doc = new Y.Doc();
  const [text, fields, list] = [doc.getText('text'), doc.getMap('fields'), doc.getArray('list')] as const;
  text.insert(0, '<B1>[1]<a0>');
  fields.set('field0', 0);
  fields.set('toggled', 'end 3');
  list.push(['entry 2', 'entry 4']);
  change(text, fields, list);
  return doc;
}

test('CL70: where everything is there once, in whatever order it was merged, nothing is wrong', () => {
  expect(complaintsAbout(documentWith(), edits)).toEqual([]);
  expect(
    complaintsAbout(
      documentWith((text) => text.insert(0, 'anything')),
      { ...edits, typed: undefined },
    ),
  ).toEqual([]);
});

test.each<[string, Parameters<typeof documentWith>[0], RegExp]>([
  ['a word that is missing', (text) => text.delete(0, 4), /<B1> is there 0 times/u],
  ['a word that is there twice', (text) => text.insert(0, '<a0>'), /<a0> is there 2 times/u],
  ['a word that was torn', (text) => text.insert(2, '[1]'), /<B1> is there 0 times/u],
  ['a letter that is there twice', (text) => text.insert(1, 'B'), /<B1> is there 0 times/u],
  ['a mark that is missing', (text) => text.delete(4, 3), /\[1\] is there 0 times/u],
  ['what nobody wrote', (text) => text.insert(0, 'x'), /12 characters instead of 11/u],
  ['a field that is missing', (_, fields) => fields.delete('field0'), /^fields: /u],
  ['a field that went back', (_, fields) => fields.set('toggled', 'a'), /^fields: /u],
  ['an entry that is missing', (_, __, list) => list.delete(0), /^list: /u],
  ['an entry that is there twice', (_, __, list) => list.push(['entry 4']), /^list: /u],
])('CL70: %s is found', (_, change, complaint) => {
  expect(complaintsAbout(documentWith(change), edits)).toContainEqual(expect.stringMatching(complaint));
});

test('CL70: whether a step has come is told', () => {
  const doc = documentWith();
  expect(edits.made.map((kind, index) => isStepIn(doc, kind, index))).toEqual([true, true, true, true, true]);
  expect(edits.made.map((kind, index) => isStepIn(new Y.Doc(), kind, index))).toEqual([false, false, false, false, false]);
  expect([latestStepIn(doc), latestStepIn(new Y.Doc())]).toEqual([4, -1]);
});
