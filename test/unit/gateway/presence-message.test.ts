import { expect, test } from 'vitest';
import { decodePresenceMessage, encodePresenceMessage, type PresenceBody } from '#gateway/presence-message.ts';
import { documentName } from '#test/harness/memory-gateway.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));

const head = 'f64001 03672f30 ac02';
const [a, b] = [documentName('a'), documentName('ä')];
const awareness = Uint8Array.of(1, 5, 2, 2, 123, 125);

const golden: readonly (readonly [PresenceBody, string])[] = [
  [{ kind: 'changes', document: a, awareness }, '00 0161 06010502027b7d'],
  [{ kind: 'whole', document: a, from: 3, to: 2 ** 53 - 1, awareness }, '01 0161 03 ffffffffffffff0f 06010502027b7d'],
  [{ kind: 'nobody', documents: [a, b] }, '02 02 0161 02c3a4'],
  [
    {
      kind: 'query',
      to: 'h/1',
      documents: [
        { document: a, shows: true },
        { document: b, shows: false },
      ],
    },
    '03 03682f31 02 016101 02c3a400',
  ],
  [{ kind: 'unseen', to: 'h/1', document: a, awareness }, '04 03682f31 0161 06010502027b7d'],
  [{ kind: 'alive' }, '05'],
  [{ kind: 'goodbye' }, '06'],
];

test.each(golden)('GW100: messages between gateways have the bytes that they always had: $kind', (body, tail) => {
  const message = { gateway: 'g/0', number: 300, body };
  expect(hex(encodePresenceMessage(message))).toBe((head + tail).replaceAll(' ', ''));
  expect(decodePresenceMessage(bytes(head + tail))).toEqual({ kind: 'decoded', value: message });
});

test('GW100: what is cut short, goes on, or is of a newer version or another kind is no message, and throws nowhere', () => {
  for (const [, tail] of golden) {
    const whole = bytes(head + tail);
    for (let length = 0; length < whole.length; length++) {
      expect(decodePresenceMessage(whole.subarray(0, length)).kind).toBe('unreadable');
    }
    expect(decodePresenceMessage(bytes(`${head}${tail}00`)).kind).toBe('unreadable');
    for (let at = 0; at < whole.length; at++) {
      for (const value of [0, 1, 7, 127, 128, 255]) decodePresenceMessage(whole.with(at, value));
    }
  }
  expect(decodePresenceMessage(bytes(`${head}07`)).kind).toBe('unreadable');
  expect(decodePresenceMessage(bytes(`${head}0201010a`)).kind).toBe('unreadable');
  expect(decodePresenceMessage(bytes('f64002')).kind).toBe('newer-version');
  expect(decodePresenceMessage(bytes('f60101')).kind).toBe('unreadable');
});
