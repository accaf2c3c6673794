/** What servers say to whoever wants a change stream, as a real one says it and as others do: the stand-in of the integration tests says little of it. */

import { MongoChangeStreamError, MongoNetworkError, MongoServerError, type Db, type Document } from 'mongodb';
import { expect, test } from 'vitest';

import type { Changes, Follower } from '#shared/store/changes.ts';
import { createMongoChanges } from '#shared/store/mongo/changes.ts';
import type { Connection } from '#shared/store/mongo/connection.ts';
import { failureFrom } from '#shared/store/mongo/failures.ts';
import { clientFor } from '#shared/store/mongo/place.ts';
import { StoreUnavailable } from '#shared/store/store.ts';
import { kindOf } from '#shared/store/mongo/values.ts';
import { systemClock, type Clock } from '#shared/runtime/clock.ts';
import { storedKinds } from '#shared/runtime/stored-kind.ts';
import { settle, virtualClock } from '#test/harness/virtual-clock.ts';

const { place } = clientFor('mongodb://127.0.0.1/inkstream', {});

type Said = Document | Error | null;

/** Changes by a server that says these things, one after the other, to whoever waits for changes, and then nothing. */
function changesSaying(
  said: readonly Said[],
  { stored, closes = false, clock = systemClock }: { stored?: Document; closes?: boolean; clock?: Clock } = {},
) {
  const left = [...said];
  const asked: Document[] = [];
  let closed = 0;
  /** What was told last: together with it come all events that follow. */
  let before: Document | null = null;
  const stream = {
    resumeToken: { _data: 'here' },
    get closed() {
      return closed > 0 || (closes && left.length === 0);
    },
    bufferedCount: () => (before === null ? 0 : [...left, null].findIndex((one) => one === null || one instanceof Error)),
    tryNext: async () => {
      const next = left.shift() ?? null;
      if (next instanceof Error) throw next;
      before = next;
      return next;
    },
    close: async () => void closed++,
  };
  const collection = {
    watch: (pipeline: Document, options: Document) => {
      asked.push({ pipeline, options });
      return stream;
    },
    findOne: async () => stored ?? null,
  };
  const connection: Connection = {
    db: { collection: () => collection } as unknown as Db,
    capabilities: { hasSessions: true, readConcern: 'majority', eventsHaveKeys: true },
    run: async (work) => {
      try {
        return await work({ maxTimeMS: 1_000 });
      } catch (error) {
        throw failureFrom(error, place);
      }
    },
    close: async () => {},
  };
  return { changes: createMongoChanges(connection, clock), asked, closed: () => closed };
}

const refusing = (code: number, errmsg = 'no'): MongoServerError => new MongoServerError({ code, errmsg });
const token = '{"_data":"there"}';

const follow = async (changes: Changes, from?: string) => {
  try {
    return (await changes.follow(from)).kind;
  } catch (error) {
    if (error instanceof StoreUnavailable) return 'away';
    throw error;
  }
};

test.each([
  ['a token that the oplog has forgotten', refusing(286), 'lost', 'lost'],
  ['a token that is none', refusing(260), 'lost', 'lost'],
  ['an event that is too large', refusing(10_334), 'lost', 'lost'],
  ['Amazon DocumentDB without change streams on the collection', refusing(136), 'lost', 'lost'],
  ['a single mongod', refusing(40_573), 'unsupported', 'unsupported'],
  ['FerretDB', refusing(238), 'unsupported', 'unsupported'],
  ['a server that has no such stage', refusing(40_324), 'unsupported', 'unsupported'],
  ['one that does not know the options', refusing(2), 'unsupported', 'lost'],
  ['one that does not know a field', refusing(40_415), 'unsupported', 'lost'],
  ['a user without the right to watch', refusing(13), 'away', 'lost'],
  ['a primary that stepped down', refusing(189), 'away', 'lost'],
  ['a server that is gone', new MongoNetworkError('gone'), 'away', 'away'],
] as const)('CF36: %s: without and with a token', async (_, error, without, withOne) => {
  const first = changesSaying([error]);
  expect(await follow(first.changes)).toBe(without);
  expect(first.closed()).toBe(1);
  expect(await follow(changesSaying([error]).changes, token)).toBe(withOne);
});

test.each(['not JSON', 'null', '"a text"'])('CF35: a token that means nothing, %s, is one that is gone', async (from) => {
  const { changes, asked } = changesSaying([null]);
  expect(await follow(changes, from)).toBe('lost');
  expect(asked).toEqual([]);
});

test('CF35: something else in the place of the stored token is no token', async () => {
  const { changes } = changesSaying([], { stored: { _id: 'mirrors', token: 7 } });
  expect(await changes.readToken()).toBeUndefined();
  const whole = changesSaying([], { stored: { _id: 'mirrors', ...kindOf(storedKinds.changeToken), token } });
  expect(await whole.changes.readToken()).toBe(token);
});

async function followerOf(changes: Changes, from?: string): Promise<Follower> {
  const followed = await changes.follow(from);
  if (followed.kind !== 'following') throw new Error(followed.reason);
  return followed.follower;
}

/** What comes first from a server that says this. */
async function firstStep(...said: Parameters<typeof changesSaying>) {
  const { changes, asked, closed } = changesSaying(...said);
  const follower = await followerOf(changes, token);
  return { step: await follower.next(), follower, asked, closed };
}

test('CF37: names are taken from the keys of the events, and nothing but names is asked for', async () => {
  const { step, asked } = await firstStep([
    { operationType: 'insert', documentKey: { _id: 'a' } },
    { operationType: 'update', documentKey: { shard: 1, _id: 'b' } },
    { operationType: 'delete', documentKey: { _id: 'a' } },
    { operationType: 'insert', documentKey: { _id: 7 } },
  ]);
  expect(step).toEqual({ kind: 'changes', documents: ['a', 'b'], token: '{"_data":"here"}' });
  expect(asked).toMatchObject([{ pipeline: [{ $project: { operationType: 1 } }], options: { startAfter: { _data: 'there' } } }]);
  expect(asked[0]?.['options']).not.toHaveProperty('fullDocument');
});

test('CF37: an event without a key means that it may be any document', async () => {
  const { step } = await firstStep([{ operationType: 'update', fullDocument: null }]);
  expect(step.kind).toBe('everywhere');
});

test.each(['drop', 'dropDatabase', 'rename', 'invalidate'])('CF37: after %s the stream is over', async (operationType) => {
  const { step, follower, closed } = await firstStep([{ operationType: 'insert', documentKey: { _id: 'a' } }, { operationType }]);
  expect(step).toMatchObject({ kind: 'lost', reason: expect.stringContaining(operationType) });
  expect(closed()).toBe(1);
  await expect(follower.next()).rejects.toThrow(StoreUnavailable);
});

test.each([
  ['the oplog has moved on', refusing(286), 'lost'],
  ['an event was too large', refusing(10_334), 'lost'],
  ['the driver has given it up', new MongoChangeStreamError('no resume token'), 'lost'],
  ['the connection is gone', new MongoNetworkError('gone'), 'away'],
] as const)('CF37: a stream ends: %s', async (_, error, how) => {
  const { changes, closed } = changesSaying([null, error]);
  const follower = await followerOf(changes);
  const next = follower.next();
  if (how === 'away') await expect(next).rejects.toThrow(StoreUnavailable);
  else expect(await next).toMatchObject({ kind: how });
  expect(closed()).toBe(1);
});

test('CF37: a stream that the server has closed is over', async () => {
  const { step } = await firstStep([null], { closes: true });
  expect(step).toMatchObject({ kind: 'lost', reason: 'the server has ended the stream' });
});

test('MS21: a server that answers at once that there is nothing is asked again a moment later', async () => {
  const clock = virtualClock();
  const { changes } = changesSaying([null, null], { clock });
  const follower = await followerOf(changes);
  const nothing = follower.next();
  await settle();
  expect(clock.pending()).toBe(1);
  await clock.advance(50);
  expect(await nothing).toMatchObject({ kind: 'changes', documents: [] });
  await firstStep([{ operationType: 'insert', documentKey: { _id: 'a' } }], { clock }); // told at once: nobody turns the clock
});

test('MS21: the longer nothing has changed, the longer that moment, up to a tenth of a second', async () => {
  const clock = virtualClock();
  const change = { operationType: 'insert', documentKey: { _id: 'a' } };
  const { changes } = changesSaying([null, null, change, null], { clock });
  const { next } = await followerOf(changes);
  /** How long the next step takes, to 5 ms. */
  const tookMs = async (): Promise<number> => {
    let isOver = false;
    const step = next().then(() => (isOver = true));
    let ms = 0;
    for (await settle(); !isOver; ms += 5) await clock.advance(5);
    await step;
    return ms;
  };
  await clock.advance(500);
  expect(await tookMs()).toBe(50);
  await clock.advance(3_600_000);
  expect(await tookMs()).toBe(0);
  expect(await tookMs()).toBe(15);
  await clock.advance(3_600_000);
  expect(await tookMs()).toBe(100);
});

test('MS22: who closes a follower that waits to ask again is told so at once', async () => {
  const clock = virtualClock();
  const { changes } = changesSaying([null, null], { clock });
  const follower = await followerOf(changes);
  const next = follower.next();
  await settle();
  expect(clock.pending()).toBe(1);
  await follower.close();
  await expect(next).rejects.toThrow('changes are no longer followed');
});

test('MS22: who closes a follower is told so, and not that the server has ended the stream', async () => {
  const { changes } = changesSaying([null], { closes: true });
  const follower = await followerOf(changes);
  const next = follower.next();
  await follower.close();
  await expect(next).rejects.toThrow('changes are no longer followed');
});
