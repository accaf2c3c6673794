/** Awareness updates, and which states may be handed on. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { applyAwarenessUpdate, Awareness } from 'y-protocols/awareness';
import * as Y from 'yjs';
import { checkState, decodeAwareness, encodeAwarenessUpdate, goneState, isGone } from '#shared/wire/awareness.ts';

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
const json = (text: string): Uint8Array => new TextEncoder().encode(text);

test('YW6: awareness updates are read and written as y-protocols does', () => {
  const entries = [
    { client: 5, clock: 0, state: json('{}') },
    { client: 300, clock: 1, state: goneState },
  ];
  expect(Buffer.from(encodeAwarenessUpdate(entries)).toString('hex')).toBe('020500027b7dac0201046e756c6c');
  expect(decodeAwareness(bytes('02 05 00 02 7b7d ac02 01 04 6e756c6c'), 10)).toEqual({ entries });
  const awareness = new Awareness(new Y.Doc());
  applyAwarenessUpdate(awareness, encodeAwarenessUpdate([{ client: 7, clock: 3, state: json('{"name":"日本"}') }]), 'test');
  expect(awareness.getStates().get(7)).toEqual({ name: '日本' });
  awareness.destroy();
});

test.each([
  ['', 'cut short'],
  ['01', 'cut short'],
  ['01 05 00', 'cut short'],
  ['01 05 00 05 7b7d', 'cut short'],
  ['01 05 00 02 7b7d 00', 'after its end'],
  ['ff ff ff ff 0f', 'speaks of 4294967295 clients'],
  ['0b', 'speaks of 11 clients; at most 10'],
])('YW7: the awareness update "%s" is refused, in words', (hex, words) => {
  const decoded = decodeAwareness(bytes(hex), 10);
  expect('refused' in decoded && decoded.refused).toContain(words);
});

test('YW7: no bytes at all make decoding throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (update) => {
      decodeAwareness(update, 100);
    }),
    { seed: 3, numRuns: 20_000 },
  );
});

test.each(['{}', '{"user":{"name":"a"}}', '[1,2]', '5', '"text"', 'true', '{"a":"\\ud800"}', '"[[[[\\"["', ' {"a": 1} '])(
  'YW8: the state %s is JSON and may be handed on',
  (text) => {
    expect(checkState(json(text), 1000)).toBeUndefined();
  },
);

const broken: readonly (readonly [string, Uint8Array, string])[] = [
  ['nothing', json(''), 'not JSON'],
  ['undefined', json('undefined'), 'not JSON'],
  ['an open object', json('{"a":1'), 'not JSON'],
  ['a trailing comma', json('{"a":1,}'), 'not JSON'],
  ['two values', json('{}{}'), 'not JSON'],
  ['a byte order mark', bytes('efbbbf 7b7d'), 'not JSON'],
  ['broken UTF-8', bytes('22 c3 28 22'), 'not JSON'],
  ['half a character', bytes('22 ed a0 80 22'), 'not JSON'],
  ['deep nesting', json('['.repeat(100) + ']'.repeat(100)), 'deeper than 64'],
  ['very deep nesting', json('['.repeat(100_000)), 'deeper than 64'],
  ['too much', json(`"${'x'.repeat(200_000)}"`), 'at most 150000'],
];

test.each(broken)('YW8: a state that is %s is refused', (_what, state, words) => {
  expect(checkState(state, 150_000)).toContain(words);
});

test('YW8: whatever passes, a client can parse', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json(),
        fc.string(),
        fc.json().map((text) => text.slice(1)),
      ),
      (text) => {
        if (checkState(json(text), 10_000) === undefined) JSON.parse(text);
      },
    ),
    { seed: 4, numRuns: 5_000 },
  );
});

test('YW6: gone is the JSON null, byte for byte', () => {
  expect(isGone({ client: 1, clock: 1, state: json('null') })).toBe(true);
  for (const text of ['', 'nul', 'nulls', '{}', 'NULL']) expect(isGone({ client: 1, clock: 1, state: json(text) })).toBe(false);
});
