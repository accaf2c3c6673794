import { describe, expect, test } from 'vitest';
import { frameSent, opened, settledUpTo, type Connection } from '#pages/saved-state.ts';
import { announceConnection, describeStatus, explainClose, mayComeBack } from '#pages/status.ts';

const answered: Connection = frameSent(opened(), { kind: 'step2', update: new Uint8Array() });

describe('PG4: the status says how it is', () => {
  test.each<readonly [Connection, boolean, string]>([
    [{ kind: 'connecting' }, true, 'Connecting…'],
    [opened(), true, 'Connecting…'],
    [answered, true, 'Saving…'],
    [settledUpTo(answered, 1), true, 'Saved'],
    [{ kind: 'offline' }, true, 'Offline: kept in this browser'],
    [{ kind: 'offline' }, false, 'Offline: don’t close this page'],
    [{ kind: 'ended' }, true, 'Closed: kept in this browser'],
    [{ kind: 'ended' }, false, 'Closed: don’t close this page'],
  ])('%j, kept: %s', (connection, kept, text) => {
    expect(describeStatus(connection, kept).text).toBe(text);
  });

  test('what is announced does not change with every key', () => {
    expect(announceConnection(answered, true)).toBe(announceConnection(settledUpTo(answered, 1), true));
  });
});

describe('PG5: a refusal is explained, with the reason that the server gave', () => {
  test.each([
    [4401, 'token expired', /not allowed to open this document \(token expired\)\./u],
    [4404, '', /has closed this document for you\. Reload/u],
    [1009, 'a frame has at most 1 MB', /too large for the server \(a frame has at most 1 MB\)/u],
    [1011, '', /can’t read/u],
    [1013, '', /tried again by itself/u],
  ])('%i %s', (code, reason, words) => {
    expect(explainClose(code, reason)).toMatch(words);
  });

  test.each([1000, 1001, 1005, 1006, 1012, 4500])('%i passes unnoticed', (code) => {
    expect(explainClose(code, '')).toBeUndefined();
  });

  test('a connection comes back after what passes, and not after what would only happen again', () => {
    expect([1000, 1001, 1005, 1006, 1011, 1012, 1013, 4399, 4500].every(mayComeBack)).toBe(true);
    expect([1009, 4400, 4401, 4499].some(mayComeBack)).toBe(false);
  });
});
