/** What every store of leases holds to. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import type { Lease, LeaseStore } from '#shared/store/leases.ts';

export type LeasesFixture = {
  readonly leases: LeaseStore;
  /** Another adapter on the same leases, as another process has it. */
  readonly another: () => Promise<LeaseStore>;
  readonly dispose: () => Promise<void>;
};

export function leasesContract(adapter: string, makeLeases: () => Promise<LeasesFixture>): void {
  describe(`leases: ${adapter}`, () => {
    let fixture: LeasesFixture;
    beforeEach(async () => {
      fixture = await makeLeases();
    });
    afterEach(() => fixture.dispose());

    const lease = (turn: number, holder: string | undefined = 'a'): Lease => ({ holder, turn, lastsMs: 3_000 });

    test('CF1: a lease is written where it is still what was seen, by nobody else', async () => {
      const { leases } = fixture;
      const other = await fixture.another();
      expect(await leases.readLease('one')).toBeUndefined();
      expect(await leases.writeLease('one', lease(1), lease(2))).toBe(false);
      expect(await leases.writeLease('one', undefined, lease(1))).toBe(true);
      expect(await other.writeLease('one', undefined, lease(1, 'b'))).toBe(false);
      expect(await other.readLease('one')).toEqual(lease(1));
      expect(await other.writeLease('one', lease(1), lease(2, 'b'))).toBe(true);
      expect(await leases.writeLease('one', lease(1), lease(2))).toBe(false);
      expect(await leases.readLease('one')).toEqual(lease(2, 'b'));
      expect(await leases.readLease('two')).toBeUndefined();
    });

    test('CF1: one that was given back has no holder', async () => {
      const { leases } = fixture;
      const free = { holder: undefined, turn: 2, lastsMs: 1 };
      await leases.writeLease('one', undefined, lease(1));
      expect(await leases.writeLease('one', lease(1), free)).toBe(true);
      expect(await leases.readLease('one')).toEqual(free);
    });

    test('CF1: of many who write at once one has it', async () => {
      const stores = [fixture.leases, await fixture.another(), fixture.leases, await fixture.another()];
      const write = (seen: Lease | undefined, turn: number): Promise<boolean[]> =>
        Promise.all(stores.map((store, i) => store.writeLease('one', seen, lease(turn, `${i}`))));
      for (let turn = 1; turn <= 3; turn++) {
        const written = await write(await fixture.leases.readLease('one'), turn);
        expect(written.filter(Boolean)).toHaveLength(1);
        expect(await fixture.leases.readLease('one')).toEqual(lease(turn, `${written.indexOf(true)}`));
      }
    });
  });
}
