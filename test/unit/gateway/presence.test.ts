/** Who is here, by the newest connection that says so. */

import { expect, test } from 'vitest';
import { Presence, type PresenceLimits, type Speaker } from '#gateway/presence.ts';
import { decodeAwareness } from '#shared/wire/awareness.ts';

const limits: PresenceLimits = {
  awarenessStateBytesMax: 100,
  awarenessClientsPerSessionMax: 3,
  awarenessClientsPerDocumentMax: 5,
};

let numbers = 0;
const connect = (informed = false): Speaker => ({ number: numbers++, informed, owned: new Set() });
const says = (client: number, clock: number, state: unknown = { at: clock }) => ({
  client,
  clock,
  state: new TextEncoder().encode(typeof state === 'string' ? state : JSON.stringify(state)),
});

function read(update: Uint8Array | undefined): Record<number, string> {
  if (update === undefined) return {};
  const decoded = decodeAwareness(update, 100);
  if ('refused' in decoded) throw new Error(decoded.refused);
  return Object.fromEntries(
    decoded.entries.map(({ client, clock, state }) => [client, `${clock} ${new TextDecoder().decode(state)}`]),
  );
}

/** What was published since it was asked last. */
const published = (presence: Presence): Record<number, string> =>
  presence.hasChanges ? read(presence.takeChanges().update) : {};

test('GW10: of what was said since the last time, the latest state of each is published, once', () => {
  const presence = new Presence(limits);
  const [a, b] = [connect(true), connect(true)];
  presence.hear(a, [says(1, 1)]);
  presence.hear(b, [says(2, 1)]);
  presence.hear(a, [says(1, 2)]);
  expect(published(presence)).toEqual({ 1: '2 {"at":2}', 2: '1 {"at":1}' });
  expect(presence.hasChanges).toBe(false);
  expect(read(presence.everyone())).toEqual({ 1: '2 {"at":2}', 2: '1 {"at":1}' });
});

test('GW11: an echo is dropped, whoever sends it', () => {
  const presence = new Presence(limits);
  const [a, b] = [connect(true), connect(true)];
  presence.hear(a, [says(1, 2)]);
  published(presence);
  presence.hear(b, [says(1, 2)]);
  presence.hear(b, [says(1, 1)]);
  presence.hear(a, [says(1, 2)]);
  presence.hear(a, [says(1, 1)]);
  presence.hear(b, [says(1, 2, null)]);
  expect(presence.hasChanges).toBe(false);
  expect([...a.owned]).toEqual([1]);
  presence.leave(b);
  expect(presence.size).toBe(1);
});

test('GW12: a client that reconnects with the same clock is taken over, and the end of its old socket removes nobody', () => {
  const presence = new Presence(limits);
  const [old, fresh] = [connect(true), connect()];
  presence.hear(old, [says(1, 4)]);
  published(presence);
  presence.hear(fresh, [says(1, 4)]);
  expect([...old.owned]).toEqual([]);
  expect([...fresh.owned]).toEqual([1]);
  published(presence);
  presence.leave(old);
  expect(presence.hasChanges).toBe(false);
  expect(read(presence.everyone())).toEqual({ 1: '4 {"at":4}' });
  presence.hear(old, [says(1, 9)]);
  expect(presence.hasChanges).toBe(false);
  presence.leave(fresh);
  expect(published(presence)).toEqual({ 1: '4 null' });
});

test('GW12: the old socket says goodbye late, and nobody is removed', () => {
  const presence = new Presence(limits);
  const [old, fresh] = [connect(true), connect()];
  presence.hear(old, [says(1, 4)]);
  presence.hear(fresh, [says(1, 4)]);
  presence.hear(old, [says(1, 5, null)]);
  expect(presence.size).toBe(1);
});

test('GW13: ids go with their owner, or when it says so', () => {
  const presence = new Presence(limits);
  const a = connect(true);
  presence.hear(a, [says(1, 1), says(2, 1), says(3, 1)]);
  published(presence);
  presence.hear(a, [says(2, 1, null)]);
  expect(published(presence)).toEqual({ 2: '1 null' });
  presence.leave(a);
  expect(published(presence)).toEqual({ 1: '1 null', 3: '1 null' });
  expect(presence.everyone()).toBeUndefined();
  expect(presence.size).toBe(0);
});

test('GW14: an echo that was on its way when someone left does not bring them back', () => {
  const presence = new Presence(limits);
  const [a, b] = [connect(true), connect(true)];
  presence.hear(a, [says(1, 7)]);
  presence.leave(a);
  published(presence);
  presence.hear(b, [says(1, 7)]);
  presence.hear(b, [says(1, 6)]);
  expect(presence.size).toBe(0);
  expect(presence.hasChanges).toBe(false);
  const again = connect();
  presence.hear(again, [says(1, 7)]);
  expect(presence.size).toBe(1);
  presence.leave(again);
  presence.hear(b, [says(1, 8)]);
  expect([...b.owned]).toEqual([1]);
});

test('GW15: a state that clients could not parse is refused and seen by nobody', () => {
  const presence = new Presence(limits);
  const a = connect(true);
  expect(presence.hear(a, [says(1, 1, '{"open":')])).toContain('not JSON');
  expect(presence.hear(a, [says(1, 1, JSON.stringify('x'.repeat(100)))])).toContain('102 bytes');
  expect(presence.hasChanges).toBe(false);
  expect(presence.everyone()).toBeUndefined();
});

test('GW16: one connection speaks for a bounded number of ids, and one document has a bounded number of them', () => {
  const presence = new Presence(limits);
  const [a, b] = [connect(true), connect(true)];
  expect(presence.hear(a, [says(1, 1), says(2, 1), says(3, 1)])).toBeUndefined();
  expect(presence.hear(a, [says(1, 2)])).toBeUndefined();
  expect(presence.hear(a, [says(4, 1)])).toContain("can't speak for more than 3");
  expect(presence.hear(b, [says(5, 1), says(6, 1), says(7, 1)])).toBeUndefined();
  expect(Object.keys(read(presence.everyone()))).toEqual(['1', '2', '3', '5', '6']);
});

test('GW2: for a reader that missed something, those who went lately are named as gone', () => {
  const presence = new Presence(limits);
  const [a, b] = [connect(), connect()];
  expect(presence.everyoneAndGone()).toBeUndefined();
  presence.hear(a, [says(1, 1)]);
  presence.hear(b, [says(2, 5)]);
  expect(read(presence.everyoneAndGone())).toEqual(read(presence.everyone()));
  presence.leave(b);
  expect(read(presence.everyoneAndGone())).toEqual({ 1: '1 {"at":1}', 2: '5 null' });
  presence.leave(a);
  expect(presence.everyone()).toBeUndefined();
  expect(read(presence.everyoneAndGone())).toEqual({ 1: '1 null', 2: '5 null' });
});

test('GW10: what is kept of a message is a copy', () => {
  const presence = new Presence(limits);
  // A Buffer, of which `slice` would be a view.
  const message = Buffer.from('{"a":1}');
  presence.hear(connect(true), [{ client: 1, clock: 1, state: message }]);
  message.fill(0);
  expect(read(presence.everyone())).toEqual({ 1: '1 {"a":1}' });
});

test('GW17: a clock past its bound is not heard, however large, and nobody is refused for it', () => {
  const presence = new Presence(limits);
  const [owner, stranger] = [connect(), connect()];
  presence.hear(owner, [says(1, 5)]);
  expect(published(presence)).toEqual({ 1: '5 {"at":5}' });
  expect(presence.hear(stranger, [says(1, 2 ** 31 + 1, {})])).toBeUndefined();
  expect(presence.hear(owner, [says(1, Infinity, {})])).toBeUndefined();
  expect(published(presence)).toEqual({});
  // As y-protocols writes 2⁵³, which lib0's own decoder would not read: eight bytes of 7 bits each.
  const beyond = Uint8Array.of(1, 1, 128, 128, 128, 128, 128, 128, 128, 16, 2, 123, 125);
  expect(decodeAwareness(beyond, 10)).toMatchObject({ entries: [{ client: 1, clock: Infinity }] });
});

test('GW17: of a client that is named twice in one frame the last word counts, and the others are not looked at', () => {
  const presence = new Presence(limits);
  expect(presence.hear(connect(), [says(1, 1, 'no JSON'), says(1, 2)])).toBeUndefined();
  expect(published(presence)).toEqual({ 1: '2 {"at":2}' });
});
