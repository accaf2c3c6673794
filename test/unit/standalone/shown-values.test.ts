import { expect, test } from 'vitest';
import { createShownValues, type ShownNow } from '#standalone/shown-values.ts';

const entryBytes = 1024;

const shownOf = (bytes: number): ShownNow => ({
  value: { bytes: new Uint8Array(bytes - 1) },
  representation: { text: new Uint8Array(1), etag: `"${bytes}"` },
  unrepresented: [],
});

test('JD22: what a document says is remembered while it stays the same, within a bound in bytes', () => {
  const shown = createShownValues(100 + 2 * entryBytes);
  const [one, two, three] = [shownOf(40), shownOf(40), shownOf(41)];
  shown.keep('one', one);
  shown.keep('two', two);
  expect([shown.of('two'), shown.of('one'), shown.of('none')]).toEqual([two, one, undefined]);
  shown.keep('three', three);
  expect([shown.of('one'), shown.of('two'), shown.of('three')]).toEqual([one, undefined, three]);
  shown.keep('one', two);
  expect(shown.of('one')).toBe(two);
  shown.keep('large', shownOf(101 + entryBytes));
  expect(shown.of('large')).toBeUndefined();
  shown.keep('one', one);
  expect(shown.of('one')).toBe(one);
});
