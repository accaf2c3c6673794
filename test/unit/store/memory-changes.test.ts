/** Changes and leases in memory: their contracts, and what a test can do to them. */

import { expect, test } from 'vitest';

import type { Lease } from '#shared/store/leases.ts';
import { createMemoryChanges } from '#shared/store/memory-changes.ts';
import { createMemoryLeases } from '#shared/store/memory-leases.ts';
import { StoreUnavailable } from '#shared/store/store.ts';
import { changesContract } from '#test/contract/changes.contract.ts';
import { leasesContract } from '#test/contract/leases.contract.ts';
import { nameOf } from '#test/contract/store.contract.ts';

changesContract('memory', async () => {
  const changes = createMemoryChanges();
  return {
    changes,
    another: async () => changes,
    write: async (document) => changes.announce(document),
    drop: async () => changes.invalidate('dropped'),
    strangeToken: 'nobody knows',
    dispose: async () => {},
  };
});

leasesContract('memory', async () => {
  const stored = new Map<string, Lease>();
  return { leases: createMemoryLeases(stored), another: async () => createMemoryLeases(stored), dispose: async () => {} };
});

test('CF4: changes in memory can be away, forget what was announced, and not know whose a change was', async () => {
  const changes = createMemoryChanges();
  const first = await changes.follow(undefined);
  if (first.kind !== 'following') throw new Error(first.reason);
  changes.announce(undefined);
  expect(await first.follower.next()).toMatchObject({ kind: 'everywhere', token: '1' });
  const waiting = first.follower.next();
  changes.setAway(true);
  await expect(waiting).rejects.toBeInstanceOf(StoreUnavailable);
  await expect(changes.follow('1')).rejects.toBeInstanceOf(StoreUnavailable);
  await expect(changes.storeToken('1')).rejects.toBeInstanceOf(StoreUnavailable);
  changes.setAway(false);
  changes.announce(nameOf('a'));
  changes.forget();
  expect(await changes.follow('1')).toMatchObject({ kind: 'lost' });
  expect(await createMemoryChanges({ unsupported: 'no' }).follow(undefined)).toEqual({ kind: 'unsupported', reason: 'no' });
});
