import { expect, test, vi } from 'vitest';

import type { Followed } from '#shared/store/changes.ts';
import { createMemoryChanges } from '#shared/store/memory-changes.ts';
import { NewerVersion, StoreUnavailable } from '#shared/store/store.ts';
import { nameOf } from '#test/contract/store.contract.ts';
import { settle, virtualClock } from '#test/harness/virtual-clock.ts';

import { TokenProgress } from '../../../services/changefeed/token-progress.ts';
import { watchLimitProblems } from '../../../services/changefeed/watch-limits.ts';
import { createWorld, heldLooks, reporting, watchLimits } from './watching.ts';

const [a, b, c] = [nameOf('a'), nameOf('b'), nameOf('c')];

test('CF20: edits of before the start are found by a sweep, those after it at once', async () => {
  const world = createWorld();
  world.edit(a, false);
  const { watch, stop, looked } = world.start();
  await settle();
  expect(world.edited).toEqual(new Set());
  expect(watch.status()).toEqual({ state: 'following', pending: 0, waitedMs: 0 });
  world.edit(b);
  await settle();
  expect(world.edited).toEqual(new Set());
  expect(looked).toEqual(['a', 'b']);
  await stop();
  world.edit(c);
  await world.clock.advance(60_000);
  expect(world.edited).toEqual(new Set([c]));
});

test('CF20: an edit that was announced to nobody is found by the next sweep', async () => {
  const world = createWorld();
  const running = world.start();
  await settle();
  world.edit(a, false);
  await world.clock.advance(watchLimits.sweepIntervalMs - 1);
  expect(world.edited).toEqual(new Set([a]));
  await world.clock.advance(1);
  expect(world.edited).toEqual(new Set());
  expect(running.sweeps).toBe(2);
  await running.stop();
});

test('CF21: the token moves past an announcement when all up to there was looked at, the first sweep too, and no further', async () => {
  const world = createWorld();
  world.names.add(nameOf('old'));
  const { takeIn, end } = heldLooks();
  const { stop } = world.start({ takeIn });
  await settle();
  const step = async (): Promise<string | undefined> => {
    await world.clock.advance(watchLimits.tokenIntervalMs);
    return world.changes.storedToken();
  };
  for (const name of [a, b, c]) {
    world.changes.announce(name);
    await settle();
  }
  end('a');
  expect(await step()).toBeUndefined();
  end('old');
  expect(await step()).toBe('1');
  end('c');
  expect(await step()).toBe('1');
  end('b');
  expect(await step()).toBe('3');
  const stopped = stop();
  await stopped;
});

test('CF21: the next process goes on from the token, and looks at what came after it', async () => {
  const world = createWorld();
  const first = world.start();
  await settle();
  world.edit(a);
  await world.clock.advance(watchLimits.tokenIntervalMs);
  await first.stop();
  expect(world.changes.storedToken()).toBe('1');
  world.edit(b);
  const { takeIn, begun, end } = heldLooks();
  const second = world.start({ takeIn, limits: { sweepLooksMax: 1 } });
  await world.clock.advance(0);
  // Announced, and so before the sweep's.
  expect(begun[0]).toBe('b');
  expect(begun).toContain('a');
  end('a');
  end('b');
  await settle();
  end('b');
  await second.stop();
});

test.each([
  ['a token that is gone', 'lost' as const],
  ['a stream that was ended', 'invalidate' as const],
])('CF22: after %s it begins anew, from now on, and looks everywhere', async (_, how) => {
  const world = createWorld();
  const running = world.start();
  await settle();
  world.edit(a);
  await world.clock.advance(watchLimits.tokenIntervalMs);
  if (how === 'lost') {
    world.changes.setAway(true);
    await settle();
    world.edit(b);
    world.changes.forget();
    world.changes.setAway(false);
  } else {
    world.edit(b, false);
    world.changes.invalidate('the collection was dropped');
  }
  await world.clock.advance(watchLimits.retryMsMax);
  expect(world.edited).toEqual(new Set());
  expect(running.errors).toContain('stream-lost');
  expect(running.watch.status().state).toBe('following');
  world.edit(c);
  await world.clock.advance(watchLimits.tokenIntervalMs);
  expect(world.edited).toEqual(new Set());
  const token = world.changes.storedToken();
  expect(await world.changes.follow(token)).toMatchObject({ kind: 'following' });
  await running.stop();
});

test('CF22: a change that can not be told whose it is has everything looked at, and the token waits for that', async () => {
  const world = createWorld();
  const { takeIn, end, under } = heldLooks();
  const running = world.start({ takeIn });
  await settle();
  world.edit(a, false);
  world.changes.announce(undefined);
  await world.clock.advance(watchLimits.tokenIntervalMs);
  expect(under()).toEqual(['a']);
  expect(world.changes.storedToken()).toBeUndefined();
  end('a');
  await world.clock.advance(watchLimits.tokenIntervalMs);
  expect(world.changes.storedToken()).toBe('1');
  await running.stop();
});

test('CF23: while the database is away it tries with growing waits, and nothing that was edited meanwhile is forgotten', async () => {
  const world = createWorld();
  const running = world.start();
  await settle();
  world.changes.setAway(true);
  world.setListAway(true);
  await settle();
  world.edit(a);
  world.edit(b, false);
  await world.clock.advance(60_000);
  expect(world.edited).toEqual(new Set([a, b]));
  const tries = running.errors.filter((error) => error === 'unavailable').length;
  expect(tries).toBeGreaterThan(10);
  expect(tries).toBeLessThan(60);
  world.changes.setAway(false);
  world.setListAway(false);
  await world.clock.advance(watchLimits.retryMsMax);
  expect(world.edited).toEqual(new Set());
  await running.stop();
});

test('CF24: where the database announces nothing, one line says so, and sweeps do it', async () => {
  const world = createWorld(createMemoryChanges({ unsupported: 'a single server' }));
  const running = world.start();
  await settle();
  expect(running.watch.status().state).toBe('sweeping-alone');
  for (let round = 0; round < 3; round++) {
    world.edit(a, false);
    await world.clock.advance(watchLimits.sweepAloneIntervalMs);
    expect(world.edited).toEqual(new Set());
  }
  expect(running.lines).toEqual(['the database announces no changes: edits are found by sweeps, seconds later']);
  await running.stop();
});

test.each([
  ['is lost each time', async (): Promise<Followed> => ({ kind: 'lost', reason: 'not enabled for this collection' })],
  ['is refused', (): Promise<Followed> => Promise.reject(new StoreUnavailable('not the right to watch'))],
  [
    'breaks off each time, before it says anything,',
    async (): Promise<Followed> => ({
      kind: 'following',
      follower: { next: async () => ({ kind: 'lost', reason: 'an event is too large' }), close: async () => {} },
    }),
  ],
])(
  'CF32: where a stream %s it is tried less and less often, and edits are found by sweeps until it comes',
  async (_, refusal) => {
    const changes = createMemoryChanges();
    let isRefused = true;
    let attempts = 0;
    const follow = async (token: string | undefined): Promise<Followed> => {
      attempts++;
      return isRefused ? refusal() : changes.follow(token);
    };
    const world = createWorld({ ...changes, follow });
    const running = world.start();
    await settle();
    await world.clock.advance(5_000);
    expect(running.watch.status().state).toBe('sweeping-alone');
    for (let round = 0; round < 10; round++) {
      world.edit(a, false);
      await world.clock.advance(watchLimits.sweepAloneIntervalMs);
      expect(world.edited).toEqual(new Set());
    }
    expect(attempts).toBeLessThan(20);
    isRefused = false;
    await world.clock.advance(watchLimits.retryMsMax);
    world.edit(b);
    await settle();
    expect(world.edited).toEqual(new Set());
    expect(running.watch.status().state).toBe('following');
    const { sweeps } = running;
    await world.clock.advance(watchLimits.sweepIntervalMs - watchLimits.retryMsMax);
    expect(running.sweeps - sweeps, 'sweeps are rare again').toBeLessThan(4);
    await running.stop();
  },
);

test('CF38: where the work fails for good the process is told, and the lease is given back', async () => {
  const world = createWorld({
    ...createMemoryChanges(),
    readToken: () => Promise.reject(new NewerVersion('written by a later program')),
  });
  const running = world.start();
  await settle();
  await expect(running.stop()).rejects.toThrow(NewerVersion);
  expect(world.stored.get('changefeed')?.holder).toBeUndefined();
  expect(world.stored.get('changefeed')?.turn).toBeGreaterThan(1);
});

test('CF33: a document that waits for somebody else keeps a sweep from nothing', async () => {
  const world = createWorld();
  for (let i = 0; i < 25; i++) world.names.add(nameOf(`document ${i}`));
  const stuck = nameOf('document 0');
  const seen = new Set<string>();
  const running = world.start({
    takeIn: async (document) => {
      seen.add(document);
      return document === stuck ? 'again' : 'done';
    },
    limits: { sweepPageNames: 5, sweepLooksMax: 2 },
  });
  await settle();
  expect(seen.size).toBe(25);
  expect(running.sweeps).toBe(1);
  expect(running.watch.status().pending).toBe(1);
  await running.stop();
});

/** How far it was looked at, and what is stored of that. */
function startProgress() {
  const changes = createMemoryChanges();
  const clock = virtualClock();
  const stored: string[] = [];
  const progress = new TokenProgress({
    changes: { ...changes, storeToken: async (token) => void stored.push(token) },
    clock,
    logger: reporting().logger,
    intervalMs: 10,
    signal: new AbortController().signal,
  });
  return { clock, stored, progress };
}

test('CF21: what was not looked at, since looking was stopped, is not passed', async () => {
  const { clock, stored, progress } = startProgress();
  progress.push('1', [Promise.resolve(true)]);
  progress.push('2', [Promise.resolve(true), Promise.resolve(false)]);
  progress.push('3', [Promise.resolve(true)]);
  await settle();
  await clock.advance(1_000);
  expect(stored).toEqual(['1']);
});

test('CF34: what is announced a thousand times while it waits is waited for once, and the latest token is stored when it was looked at', async () => {
  const { clock, stored, progress } = startProgress();
  const stuck = Promise.withResolvers<boolean>();
  const waiting = vi.spyOn(stuck.promise, 'then');
  for (let i = 1; i <= 1_000; i++) progress.push(String(i), [stuck.promise]);
  const other = Promise.withResolvers<boolean>();
  progress.push('1001', [stuck.promise, other.promise]);
  expect(waiting).toHaveBeenCalledTimes(1);
  stuck.resolve(true);
  await clock.advance(10);
  expect(stored).toEqual(['1000']);
  other.resolve(true);
  await clock.advance(10);
  expect(stored).toEqual(['1000', '1001']);
});

test('CF25: a sweep looks at all pages; one that is asked for while another is under way follows it as a whole', async () => {
  const world = createWorld();
  for (let i = 0; i < 25; i++) world.names.add(nameOf(`document ${i}`));
  const { takeIn, begun, end, under } = heldLooks();
  const running = world.start({ takeIn, limits: { sweepPageNames: 10, sweepLooksMax: 15 } });
  await settle();
  expect(under()).toHaveLength(10);
  world.changes.announce(undefined);
  for (let i = 0; i < 2 * 25; i++) {
    await settle();
    const [next] = under();
    if (next !== undefined) end(next);
  }
  await settle();
  expect(begun).toHaveLength(50);
  for (const name of world.names) expect(begun.filter((one) => one === name)).toHaveLength(2);
  expect(running.sweeps).toBe(2);
  await running.stop();
});

test('CF26: of two one has the lease and looks; when it stops the other goes on at once', async () => {
  const world = createWorld();
  const [one, two] = [world.start(), world.start()];
  await settle();
  expect([one, two].map(({ watch }) => watch.status().state)).toEqual(['following', 'waiting']);
  world.edit(a);
  await settle();
  expect([one.looked, two.looked]).toEqual([['a'], []]);
  await one.stop();
  world.edit(b);
  await world.clock.advance(watchLimits.leaseRenewMs);
  expect(world.edited).toEqual(new Set());
  expect(two.watch.status().state).toBe('following');
  await two.stop();
});

test('CF39: who gets the lease is told at once, without an edit, and until when it has it', async () => {
  const world = createWorld();
  const [one, two] = [world.start(), world.start()];
  await settle();
  const areHeld = (): readonly boolean[][] => [one, two].map(({ held }) => held.map(({ aborted }) => !aborted));
  expect(areHeld()).toEqual([[true], []]);
  one.leases.setAway(true);
  await world.clock.advance(watchLimits.leaseMs + 2 * watchLimits.leaseRenewMs);
  expect(areHeld()).toEqual([[false], [true]]);
  await Promise.all([one.stop(), two.stop()]);
  expect(areHeld()).toEqual([[false], [false]]);
});

test('CF27: a holder that dies is followed within the lease and what it takes to look, by every clock', async () => {
  const world = createWorld();
  world.stored.set('changefeed', { holder: 'dead', turn: 7, lastsMs: watchLimits.leaseMs });
  const running = world.start();
  await settle();
  await world.clock.advance(watchLimits.leaseMs - 1);
  expect(running.watch.status().state).toBe('waiting');
  await world.clock.advance(watchLimits.leaseRenewMs + 1);
  expect(running.watch.status().state).toBe('following');
  await running.stop();
});

test('CF27: a lease that is renewed is not taken, however long, and one that lasts longer is waited for as long', async () => {
  const world = createWorld();
  const running = world.start();
  for (let turn = 1; turn < 20; turn++) {
    world.stored.set('changefeed', { holder: 'alive', turn: turn + 100, lastsMs: 60_000 });
    await world.clock.advance(59_000);
    expect(running.watch.status().state).toBe('waiting');
  }
  await world.clock.advance(2_000);
  expect(running.watch.status().state).toBe('following');
  await running.stop();
});

test('CF28: a holder that can not renew stops looking before anybody else may, and goes on when it has the lease again', async () => {
  const world = createWorld();
  const { takeIn, begun, end } = heldLooks();
  const running = world.start({ takeIn, limits: { looksMax: 1, sweepLooksMax: 1 } });
  await settle();
  world.edit(a);
  world.edit(b);
  await settle();
  running.leases.setAway(true);
  await world.clock.advance(watchLimits.leaseMs);
  end('a');
  await world.clock.advance(1_000);
  expect(begun).toEqual(['a']);
  expect(running.watch.status()).toMatchObject({ state: 'waiting', pending: 0 });
  expect(running.errors).toContain('lease-lost');
  running.leases.setAway(false);
  await world.clock.advance(watchLimits.retryMsMax + watchLimits.leaseMs);
  // The sweep finds both again.
  expect(begun).toEqual(['a', 'a']);
  end('a');
  await settle();
  expect(begun).toEqual(['a', 'a', 'b']);
  end('b');
  await running.stop();
});

test('CF28: a holder whose lease was taken by another one stops within one renewal, and ends what was under way', async () => {
  const world = createWorld();
  const { takeIn, begun, end } = heldLooks();
  const running = world.start({ takeIn, limits: { looksMax: 1, sweepLooksMax: 1 } });
  await settle();
  world.edit(a);
  world.edit(b);
  await settle();
  world.stored.set('changefeed', { holder: 'other', turn: 100, lastsMs: 1_000_000 });
  await world.clock.advance(watchLimits.leaseRenewMs);
  end('a');
  await settle();
  expect(begun).toEqual(['a']);
  expect(running.watch.status().state).toBe('waiting');
  expect(world.stored.get('changefeed')?.holder).toBe('other');
  await running.stop();
});

test('CF28: a write of the lease that was made although it failed is taken for what it is', async () => {
  const world = createWorld();
  const running = world.start({ holder: 'me' });
  await settle();
  const lease = world.stored.get('changefeed');
  if (lease === undefined) throw new Error('there is no lease');
  world.stored.set('changefeed', { ...lease, turn: lease.turn + 1 });
  await world.clock.advance(3 * watchLimits.leaseMs);
  expect(running.watch.status().state).toBe('following');
  expect(running.errors).toEqual([]);
  await running.stop();
  expect(world.stored.get('changefeed')?.holder).toBeUndefined();
});

test('CF29: stopping ends in all states, with no timer left', async () => {
  for (const prepare of [() => {}, (world: ReturnType<typeof createWorld>) => world.changes.setAway(true), (world: ReturnType<typeof createWorld>) => void world.stored.set('changefeed', { holder: 'other', turn: 1, lastsMs: 1_000_000 })]) {
    const world = createWorld();
    prepare(world);
    world.edit(a);
    const running = world.start();
    await world.clock.advance(100);
    await running.stop();
    expect(running.isOver()).toBe(true);
    expect(world.clock.pending()).toBe(0);
  }
}); // prettier-ignore

test('CF30: past so many names that are not looked at yet no more announcements are read', async () => {
  const world = createWorld();
  const { takeIn, end, under } = heldLooks();
  const running = world.start({ takeIn, limits: { announcedMax: 150, looksMax: 1_000 } });
  await settle();
  for (let i = 0; i < 1_000; i++) world.changes.announce(nameOf(`document ${i}`));
  await settle();
  // The first by itself, then a hundred at a time.
  expect(running.watch.status().pending).toBe(201);
  for (const document of under().slice(0, 100)) end(document);
  await settle();
  expect(running.watch.status().pending).toBeGreaterThan(150);
  expect(running.watch.status().pending).toBeLessThanOrEqual(250);
  for (let i = 0; i < 20; i++) {
    for (const document of under()) end(document);
    await settle();
  }
  expect(running.looked).toHaveLength(1_000);
  await running.stop();
});

test('CF31: limits that contradict each other are named', () => {
  expect(watchLimitProblems(watchLimits)).toEqual([]);
  const wrong = {
    ...watchLimits,
    leaseMs: 1_000,
    leaseRenewMs: 900,
    looksMax: 4,
    sweepLooksMax: 4,
    retryMsMin: 9_000,
    lookAgainMsMin: 5_000,
  };
  expect(watchLimitProblems(wrong)).toHaveLength(4);
});
