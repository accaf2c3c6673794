/** What everything that announces changes of mirrors holds to. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import type { DocumentName } from '#shared/document/name.ts';
import type { Changes, ChangeStep, ChangeToken, Follower } from '#shared/store/changes.ts';
import { StoreUnavailable } from '#shared/store/store.ts';
import { nameOf } from '#test/contract/store.contract.ts';

export type ChangesFixture = {
  readonly changes: Changes;
  /** Another adapter on the same store, as another process has it. */
  readonly another: () => Promise<Changes>;
  /** What some program does to a mirror. */
  readonly write: (document: DocumentName, how: 'insert' | 'set' | 'replace' | 'delete') => Promise<void>;
  /** What ends every stream. */
  readonly drop: () => Promise<void>;
  /** A token that nobody here can make anything of. */
  readonly strangeToken: ChangeToken;
  readonly dispose: () => Promise<void>;
};

export function changesContract(adapter: string, makeChanges: () => Promise<ChangesFixture>): void {
  describe(`changes: ${adapter}`, () => {
    let fixture: ChangesFixture;
    const [one, other] = [nameOf('one'), nameOf('team-7/🦊 other')];
    beforeEach(async () => {
      fixture = await makeChanges();
    });
    afterEach(() => fixture.dispose());

    const follow = async (changes: Changes, token?: ChangeToken): Promise<Follower> => {
      const followed = await changes.follow(token);
      if (followed.kind !== 'following') throw new Error(`not followed: ${followed.reason}`);
      return followed.follower;
    };
    /** What comes until all `wanted` have; the token behind it. */
    const until = async (
      follower: Follower,
      wanted: readonly DocumentName[],
    ): Promise<{ found: DocumentName[]; token: ChangeToken }> => {
      const found: DocumentName[] = [];
      for (;;) {
        const step = await follower.next();
        if (step.kind !== 'changes') throw new Error(`a step of another kind: ${JSON.stringify(step)}`);
        found.push(...step.documents);
        if (wanted.every((name) => found.includes(name)) && step.token !== undefined) return { found, token: step.token };
      }
    };

    test('CF2: whatever is done to a mirror after following began is announced by its name', async () => {
      await fixture.write(other, 'insert');
      const follower = await follow(fixture.changes);
      for (const how of ['insert', 'set', 'replace', 'delete'] as const) {
        await fixture.write(one, how);
        expect((await until(follower, [one])).found).not.toContain(other);
      }
      await fixture.write(other, 'set');
      await until(follower, [other]);
      await follower.close();
    });

    test('CF3: from a token on everything is announced that came after it, to any process', async () => {
      const follower = await follow(fixture.changes);
      await fixture.write(one, 'insert');
      const { token } = await until(follower, [one]);
      await fixture.write(other, 'insert');
      await until(follower, [other]);
      await follower.close();
      const again = await follow(await fixture.another(), token);
      expect((await until(again, [other])).found).toEqual([other]);
      await again.close();
    });

    test('CF3: the token that was stored last is there for the next process', async () => {
      expect(await fixture.changes.readToken()).toBeUndefined();
      await fixture.changes.storeToken('{"a":1}');
      await fixture.changes.storeToken('{"a":2}');
      expect(await (await fixture.another()).readToken()).toBe('{"a":2}');
    });

    test('CF4: what ends the stream is said, and following anew works', async () => {
      await fixture.write(one, 'insert');
      const follower = await follow(fixture.changes);
      await fixture.drop();
      let step: ChangeStep = await follower.next();
      while (step.kind === 'changes') step = await follower.next();
      expect(step).toMatchObject({ kind: 'lost', reason: expect.any(String) });
      await expect(follower.next()).rejects.toBeInstanceOf(StoreUnavailable);
      const again = await follow(fixture.changes);
      await fixture.write(other, 'insert');
      await until(again, [other]);
      await again.close();
    });

    test('CF4: a token that means nothing is lost, and no store that is away', async () => {
      expect(await fixture.changes.follow(fixture.strangeToken)).toMatchObject({ kind: 'lost', reason: expect.any(String) });
    });

    test('CF4: who is closed while it waits is told, and announces nothing more', async () => {
      const follower = await follow(fixture.changes);
      const waiting = follower.next().then(
        () => 'answered',
        (error: unknown) => error,
      );
      await follower.close();
      const outcome = await waiting;
      expect(outcome === 'answered' || outcome instanceof StoreUnavailable).toBe(true);
      await expect(follower.next()).rejects.toBeInstanceOf(StoreUnavailable);
    });
  });
}
