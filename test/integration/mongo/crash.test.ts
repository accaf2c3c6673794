/**
 * The persister killed while it writes to MongoDB.
 *
 * `simulation/persister/crash.test.ts` kills it at each of its effects, with a store in memory whose every effect is announced. A database costs a thousand times as
 * much, so here is a sample, by a seed: of every kind of write one, before it and after it. And it adds what only a database has: calls that are several writes, which are
 * stopped in between by a link to the database that dies after so many bytes, and a deletion of many documents that the server did in part.
 */

import type { Document } from 'mongodb';
import { describe, expect, onTestFinished, test } from 'vitest';
import * as Y from 'yjs';

import type { UpdateRecord } from '#shared/journal/journal.ts';
import { openMongoStore } from '#shared/store/mongo.ts';
import { partBytesMax } from '#shared/store/store.ts';
import { type Reader, startTcpProxy } from '#test/harness/tcp-proxy.ts';
import { nameOf, randomOf, recordOf, typists } from '#test/simulation/persister/typing.ts';
import {
  append,
  isPersisterWrite,
  type PersisterWrite,
  persisterWrites,
  type Running,
  smallLimits,
  type Step,
} from '#test/simulation/persister/world.ts';

import { type DatabaseWorld, databaseWorlds, type LifeOptions } from './database-world.ts';

const seed = 5;
const documents = ['a', 'b/c'].map(nameOf);
/** Where a persister is killed: at an effect such as `after moveHead`, when it happens for the `nth` time, from 0. */
type Kill = { readonly effect: string; readonly nth: number };
type Life = {
  readonly running: Running;
  readonly effects: readonly string[];
  readonly isKilled: () => boolean;
  /** Resolves when it is dead, if `kill` was reached. */
  readonly end: Promise<void>;
};

/** A persister that is killed at `kill`, after `last` has been done. */
function liveUntil(
  world: DatabaseWorld,
  kill: Kill | undefined,
  options: LifeOptions = {},
  last = async (): Promise<void> => {},
): Life {
  const effects: string[] = [];
  const dead = Promise.withResolvers<void>();
  let killed = false;
  const step: Step = async (name, moment) => {
    if (!isPersisterWrite(name) || killed) return;
    const effect = `${moment} ${name}`;
    const nth = effects.filter((one) => one === effect).length;
    effects.push(effect);
    if (effect !== kill?.effect || nth !== kill.nth) return;
    killed = true;
    await Promise.resolve(); // the very first effect comes before `live` has returned
    await last();
    running.crash();
    dead.resolve();
  };
  const running = world.live({ ...options, step });
  return { running, effects, isKilled: () => killed, end: dead.promise };
}

/** How many edits there are, and after how many compactions the next ones come. The last are too few to be compacted. */
const chapters = [[10, 0], [10, 2], [10, 2], [10, 4], [3, 4]] as const; // prettier-ignore

/** Flushes, compacts, flushes more, compacts again, flushes a little more and cleans up; ends early where the persister is killed. */
async function tell(world: DatabaseWorld, { running, isKilled, end }: Life): Promise<void> {
  const type = typists(seed, documents);
  for (const [edits, compactions] of chapters) {
    await append(world, type(edits));
    const reached = async (): Promise<boolean> =>
      isKilled() || ((await world.isCaughtUp()) && running.compactions >= compactions);
    await world.until(`${compactions} compactions`, reached);
  }
  if (!isKilled()) await world.pass(125_000);
  if (isKilled()) await end;
}

/** The next persister, some more edits, and time for everything to be cleaned up; or until it is killed, too. */
async function goOn(world: DatabaseWorld, kill?: Kill): Promise<boolean> {
  const next = liveUntil(world, kill);
  const caughtUp = async (): Promise<boolean> => next.isKilled() || world.isCaughtUp();
  await world.until('the next persister has caught up', caughtUp);
  await world.expectNothingMissing('after the restart');
  await append(world, typists(seed + 1, documents)(12));
  await world.until('it has caught up again', caughtUp);
  if (!next.isKilled()) await world.pass(125_000);
  if (next.isKilled()) await next.end;
  else await next.running.persister.stop();
  return next.isKilled();
}

/** Where the one that recovers is killed in its turn. */
const secondKillsAt = ['before putSegment', 'after moveCheckpoint', 'after putSnapshotPart', 'before moveHead'].map(
  (effect): Kill => ({ effect, nth: 0 }),
);

/** One effect of each kind, by chance. */
function sampleOf(effects: readonly string[], random: () => number): readonly Kill[] {
  return [...Map.groupBy(effects, (effect) => effect)].map(([effect, all]) => ({
    effect,
    nth: Math.floor(random() * all.length),
  }));
}

test('ST44: a kill before or after any write of a flush or a compaction loses nothing, at once and after the restart', { timeout: 180_000 }, async ({ skip }) => {
  const create = await databaseWorlds(skip);
  const random = randomOf(seed);
  const whole = await create();
  const life = liveUntil(whole, undefined);
  await tell(whole, life);
  await life.running.persister.stop();
  await whole.expectNothingMissing('at the end');
  await whole.expectNoLeavings();
  expect(new Set(life.effects)).toEqual(new Set(persisterWrites.flatMap((name) => [`before ${name}`, `after ${name}`])));

  let secondKills = 0;
  for (const kill of sampleOf(life.effects, random)) {
    const world = await create();
    const victim = liveUntil(world, kill);
    await tell(world, victim);
    const when = `${kill.effect}, number ${kill.nth}`;
    expect(victim.isKilled(), when).toBe(true);
    await world.expectNothingMissing(`killed ${when}`);
    if (random() < 0.3 && (await goOn(world, secondKillsAt[Math.floor(random() * secondKillsAt.length)]))) {
      secondKills++;
      await world.expectNothingMissing(`killed ${when}, and once more`);
    }
    await goOn(world);
    await world.expectNothingMissing(`restarted after a kill ${when}`);
    await world.expectNoLeavings();
  }
  expect(secondKills).toBeGreaterThan(0);
}); // prettier-ignore

test.for([
  ['snapshots', '_id.upto'],
  ['segments', '_id.last'],
] as const)('ST48: a deletion of %s that was done in part loses nothing and is done by the next persister', async ([collection, bound], { skip }) => {
  const world = await (await databaseWorlds(skip))();
  let deleted = 0;
  const deleteOne = async (): Promise<void> => {
    for (const document of documents) {
      const head = await world.store.readHead(document);
      const covered: Document = { '_id.doc': document, [bound]: { $lt: head?.upto ?? 0 } };
      ({ deletedCount: deleted } = await world.db.collection(collection).deleteOne(covered));
      if (deleted > 0) return;
    }
  };
  await tell(world, liveUntil(world, { effect: 'before deleteCondemned', nth: 1 }, {}, deleteOne));
  expect(deleted).toBe(1);
  await world.expectNothingMissing('after a deletion in part');
  await goOn(world);
  await world.expectNothingMissing('after the restart');
  await world.expectNoLeavings();
}); // prettier-ignore

type Link = {
  readonly url: string;
  /** How many bytes were sent to the database. */
  readonly sent: () => number;
  /** Of what is sent from now on so many bytes arrive, and nothing after them. */
  readonly dieAfter: (bytes: number, onDeath: () => void) => void;
};

/** A way to the database that can die at any byte, for good. */
async function mortalLink(url: string): Promise<Link> {
  let sent = 0;
  let end = Infinity;
  let onDeath = (): void => {};
  const cut = { pass: new Uint8Array(), onCut: () => {} };
  const reader: Reader = (side, chunk) => {
    if (sent >= end) return cut;
    if (side === 'server') return { pass: chunk };
    sent += chunk.byteLength;
    if (sent < end) return { pass: chunk };
    onDeath();
    return { ...cut, pass: chunk.subarray(0, chunk.byteLength - (sent - end)) };
  };
  const { hostname, port, pathname } = new URL(url);
  const proxy = await startTcpProxy({ target: { host: hostname, port: Number(port) }, reader: () => reader });
  onTestFinished(() => proxy.close());
  return {
    url: `mongodb://${proxy.address}${pathname}?directConnection=true&retryWrites=false`,
    sent: () => sent,
    dieAfter: (bytes, died) => {
      end = sent + bytes;
      onDeath = died;
    },
  };
}

const pasted = nameOf('pasted');
/** The second length makes a segment that no document of MongoDB's holds. */
const lengths = { short: 1_000, long: partBytesMax + 500_000 } as const;
type Length = keyof typeof lengths;

/** Records of somebody who pastes a text, and then types a letter now and then. */
function paster(length: Length): () => UpdateRecord {
  const doc = new Y.Doc();
  doc.clientID = 1;
  let text = 'p'.repeat(lengths[length]);
  return () => {
    const before = Y.encodeStateVector(doc);
    doc.getText('text').insert(0, text);
    text = 'x';
    return recordOf(pasted, Y.encodeStateAsUpdate(doc, before));
  };
}

/** A call, and how much of it went over the wire. */
type Sent = { readonly name: PersisterWrite; readonly nth: number; readonly bytes: number };
type Pasted = { readonly calls: readonly Sent[]; readonly isKilled: boolean };

/** One write at a time, so that the bytes of a call are its own; and a document is compacted whenever it was written to. */
const limits = { ...smallLimits, segmentWritesMax: 1, compactionSegmentsMin: 1, compactionBytesPerSegment: 2 ** 30 };
const partBytesOf = (length: Length): number => Math.ceil(lengths[length] / 2);

/** A paste, stored, compacted and cleaned up after; for a short one, also a letter after it. Killed when so many bytes of a call were sent. */
async function paste(world: DatabaseWorld, length: Length, kill?: Sent): Promise<Pasted> {
  const link = await mortalLink(world.url);
  const adapter = await openMongoStore({ url: link.url, serverSelectionMsMax: 300 });
  const calls: Sent[] = [];
  let isKilled = false;
  let before = 0;
  const step: Step = (name, moment) => {
    if (!isPersisterWrite(name) || name === 'trim') return;
    const nth = calls.filter((call) => call.name === name).length;
    if (moment === 'after') {
      calls.push({ name, nth, bytes: link.sent() - before });
      return;
    }
    before = link.sent();
    if (name !== kill?.name || nth !== kill.nth) return;
    link.dieAfter(kill.bytes, () => {
      isKilled = true;
      running.crash();
    });
  };
  const running = world.live({ limits, partBytes: partBytesOf(length), adapter, step });
  const next = paster(length);
  for (const compactions of length === 'long' ? [1] : [1, 2]) {
    await append(world, [next()]);
    await world.until(`${compactions} compactions`, () => isKilled || running.compactions >= compactions);
    if (!isKilled) await world.pass(125_000);
  }
  running.crash();
  await adapter.close();
  return { calls, isKilled };
}

/** Where the link dies: within which call, and after how much of what it sends. */
const cuts: Readonly<Record<Length, readonly (readonly [PersisterWrite, number, number])[]>> = {
  short: [
    ['bindJournal', 0, 0.9], // a look; the insert
    ['putSegment', 0, 0.5],
    ['moveCheckpoint', 0, 0.3], // a look; the insert of a mark; a look at the segments; the move
    ['moveCheckpoint', 0, 0.6],
    ['moveCheckpoint', 0, 0.9],
    ['moveCheckpoint', 1, 0.1], // the mark; a look at the segments; the move
    ['moveCheckpoint', 1, 0.9],
    ['putSnapshotPart', 1, 0.5],
    ['moveHead', 0, 0.9],
    ['moveHead', 1, 0.5],
    ['condemn', 1, 0.3], // segments; their parts; snapshots
    ['condemn', 1, 0.8],
    ['deleteCondemned', 1, 0.3], // segments; snapshots
    ['deleteCondemned', 1, 0.8],
  ],
  long: [
    ['putSegment', 0, 0.97], // two parts; the segment's own document
    ['putSegment', 0, 1 - 1e-5],
    ['condemn', 0, 0.5],
    ['deleteCondemned', 0, 0.8],
  ],
};

describe.each(['short', 'long'] as const)('a %s paste', (length) => {
  test('ST45: cut off on its way to the database, in between the writes of one call as well, a persister loses nothing', { timeout: 180_000 }, async ({ skip }) => {
    const create = await databaseWorlds(skip);
    const segmentBytesMax = 2 * lengths[length];
    const whole = await create({ segmentBytesMax });
    const { calls } = await paste(whole, length);
    await whole.expectNothingMissing('at the end');
    for (const [name, nth, share] of cuts[length]) {
      const call = calls.find((one) => one.name === name && one.nth === nth);
      if (call === undefined) throw new Error(`no ${name}, number ${nth}`);
      const kill = { ...call, bytes: Math.ceil(call.bytes * share) };
      const when = `in ${name}, number ${nth}, after ${kill.bytes} bytes of ${call.bytes}`;
      const world = await create({ segmentBytesMax });
      expect((await paste(world, length, kill)).isKilled, when).toBe(true);
      await world.expectNothingMissing(`cut off ${when}`);
      const next = world.live({ limits, partBytes: partBytesOf(length) });
      await world.until('the next persister has caught up', world.isCaughtUp);
      await append(world, typists(seed, [pasted])(1));
      await world.until('it has compacted', async () => (await world.isCaughtUp()) && next.compactions > 0);
      await world.pass(125_000);
      await next.persister.stop();
      await world.expectNothingMissing(`restarted after it was cut off ${when}`);
      await world.expectNoLeavings();
      expect(await world.db.collection('segmentParts').countDocuments(), when).toBe(0);
    }
  }); // prettier-ignore
});
