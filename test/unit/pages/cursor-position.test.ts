import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as Y from 'yjs';
import { readPosition } from '#pages/cursor-position.ts';

function documentWith(text: string): Y.Text {
  const ytext = new Y.Doc().getText('text');
  ytext.insert(0, text);
  return ytext;
}

test('PG8: every position in a text is read back', () => {
  const text = documentWith('one two');
  for (let index = 0; index <= text.length; index++) {
    const json: unknown = JSON.parse(JSON.stringify(Y.createRelativePositionFromTypeIndex(text, index)));
    const position = readPosition(json, 'text');
    const absolute = position && text.doc && Y.createAbsolutePositionFromRelativePosition(position, text.doc);
    expect(absolute).toMatchObject({ type: text, index });
  }
});

test('PG8: a position of any shape neither throws nor makes a root type', () => {
  const text = documentWith('one two');
  const doc = text.doc ?? new Y.Doc();
  const part = fc.oneof(fc.jsonValue(), fc.constantFrom(doc.clientID, 0, -1, 0.5, 'text', 'other', null));
  const shape = fc.record({
    item: fc.oneof(part, fc.record({ client: part, clock: part })),
    tname: part,
    type: part,
    assoc: part,
  });
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), shape), (json) => {
      const position = readPosition(json, 'text');
      if (position !== undefined) Y.createAbsolutePositionFromRelativePosition(position, doc);
      expect([...doc.share.keys()]).toEqual(['text']);
    }),
    { seed: 29, numRuns: 5_000 },
  );
});
