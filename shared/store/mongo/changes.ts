/**
 * Changes of mirrors, by a change stream.
 *
 * The events are cut down to kind and id by the server: a full document would be sent with most of them, and what is larger than 16 MB with all that is around it breaks the stream. An event that is too large all the same,
 * a place that the server has forgotten (the oplog is bounded), a collection that was dropped or renamed: the stream ends, and the follower says so. Short breaks the driver mends by itself.
 *
 * Servers that speak MongoDB's protocol and are not MongoDB refuse a change stream each in its own way. Who says that there is none is believed. Who calls it a mistake, as it never is to MongoDB, has something else by that
 * name. Anything else may pass, and is tried again.
 *
 * MongoDB waits for something to tell before it answers. Of the others some answer at once that there is nothing, and asked again at once they, and we, would do nothing else.
 *
 * The token is the server's latest (`postBatchResumeToken`), which moves on while others write and nobody writes here: one that stood still would be forgotten after a quiet night.
 */

import {
  BSON,
  MongoChangeStreamError,
  MongoServerError,
  type ChangeStream,
  type ChangeStreamOptions,
  type Collection,
  type Db,
  type Document,
} from 'mongodb';
import { parseDocumentName, type DocumentName } from '#shared/document/name.ts';
import type { Clock } from '#shared/runtime/clock.ts';
import { storedKinds } from '#shared/runtime/stored-kind.ts';
import { pause } from '#shared/runtime/waiting.ts';
import type { Changes, ChangeStep, ChangeToken, Followed, Follower } from '../changes.ts';
import { StoreUnavailable } from '../store.ts';
import { expectDecoded } from '../values.ts';
import type { Connection } from './connection.ts';
import { isMistake } from './failures.ts';
import { decodeFields, kindOf, textIn } from './values.ts';
import type { Stored } from './writes.ts';

/** How long the server waits for something to tell, in milliseconds, before it answers that there is nothing. */
const awaitMsMax = 500;
/** An answer of nothing that comes sooner than this, in milliseconds, was not waited for. */
const waitedMsMin = 15;
/** How much later, in milliseconds, a server that does not wait is asked again. */
const askAgainMs = { min: 15, max: 100 };

/** A tenth of how long nothing has changed: who has waited for a change waits a tenth longer for it, and an idle process asks ten times a second and not seventy. */
const askAgainMsAfter = (unchangedMs: number): number => Math.min(askAgainMs.max, Math.max(askAgainMs.min, unchangedMs / 10));
/** Events in one step, at most. */
const stepEventsMax = 1_000;

const tokenId = 'mirrors';

type Event = {
  readonly operationType: string;
  readonly documentKey?: { readonly _id?: unknown };
  readonly fullDocument?: { readonly _id?: unknown } | null;
};
type Stream = ChangeStream<Document, Document>;

const namesAlone = [{ $project: { operationType: 1, 'documentKey._id': 1, 'fullDocument._id': 1 } }];

const ends: ReadonlySet<string> = new Set(['drop', 'dropDatabase', 'rename', 'invalidate']);

/** Codes with which a stream ends for good: InvalidResumeToken, ChangeStreamFatalError, ChangeStreamHistoryLost, CappedPositionLost, and an event that is too large. */
const lostCodes: ReadonlySet<unknown> = new Set([260, 280, 286, 136, 10_334]);

/** Codes with which a server says that it has no change streams: CommandNotFound, CommandNotSupported, NotImplemented, no such stage, no replica set. */
const unsupportedCodes: ReadonlySet<unknown> = new Set([59, 115, 238, 40_324, 40_573]);

/** Why a stream is over, where that is what an error says. */
function lossIn(error: unknown): string | undefined {
  if (error instanceof MongoChangeStreamError) return error.message;
  const isLost =
    error instanceof MongoServerError && (lostCodes.has(error.code) || error.hasErrorLabel('NonResumableChangeStreamError'));
  return isLost ? `${error.message} (code ${error.code})` : undefined;
}

const tokenOf = (stream: Stream): ChangeToken | undefined => {
  const token: unknown = stream.resumeToken;
  return token === null || token === undefined ? undefined : BSON.EJSON.stringify(token, { relaxed: false });
};

/** What some events say. `undefined` among the documents: one can't be told. */
function stepOf(events: readonly Event[], token: ChangeToken | undefined): ChangeStep {
  const end = events.find(({ operationType }) => ends.has(operationType));
  if (end !== undefined)
    return { kind: 'lost', reason: `the collection of mirrors was changed as a whole (${end.operationType})` };
  const documents = new Set<DocumentName>();
  for (const { documentKey, fullDocument } of events) {
    const id = documentKey?._id ?? fullDocument?._id;
    if (id === undefined) return { kind: 'everywhere', token };
    const parsed = typeof id === 'string' ? parseDocumentName(id) : undefined;
    if (parsed !== undefined && 'name' in parsed) documents.add(parsed.name);
  }
  return { kind: 'changes', documents: [...documents], token };
}

/** The next events; none where there are none for a while. */
async function nextEvents(stream: Stream): Promise<readonly Event[]> {
  const events: Event[] = [];
  do {
    const event = await stream.tryNext();
    if (event !== null) events.push(event as unknown as Event);
  } while (stream.bufferedCount() > 0 && events.length < stepEventsMax);
  return events;
}

const noLonger = 'changes are no longer followed';

function followerOf(stream: Stream, first: readonly Event[], { run }: Connection, clock: Clock): Follower {
  let before: readonly Event[] = first;
  const closing = new AbortController();
  let changedMs = clock.monotonic();

  const close = async (): Promise<void> => {
    closing.abort();
    await stream.close().catch(() => {}); // of what it was connected to there may be nothing left
  };
  const step = async (): Promise<ChangeStep> => {
    const askedMs = clock.monotonic();
    const events = before.length > 0 ? before : await nextEvents(stream);
    before = [];
    const answeredMs = clock.monotonic();
    if (events.length > 0) changedMs = answeredMs;
    else if (!stream.closed && answeredMs - askedMs < waitedMsMin)
      await pause(clock, askAgainMsAfter(answeredMs - changedMs), closing.signal);
    if (closing.signal.aborted) throw new StoreUnavailable(noLonger);
    return stream.closed && events.length === 0
      ? { kind: 'lost', reason: 'the server has ended the stream' }
      : stepOf(events, tokenOf(stream));
  };
  const next = async (): Promise<ChangeStep> => {
    if (closing.signal.aborted) throw new StoreUnavailable(noLonger);
    try {
      const found = await run(() => orLost(step));
      if (found.kind === 'lost') await close();
      return found;
    } catch (error) {
      const wasClosed = closing.signal.aborted;
      await close();
      throw wasClosed ? new StoreUnavailable(noLonger, { cause: error }) : error;
    }
  };
  return { next, close };
}

async function orLost(step: () => Promise<ChangeStep>): Promise<ChangeStep> {
  try {
    return await step();
  } catch (error) {
    const reason = lossIn(error);
    if (reason === undefined) throw error;
    return { kind: 'lost', reason };
  }
}

async function follow(connection: Connection, clock: Clock, token: ChangeToken | undefined): Promise<Followed> {
  const { db, run, capabilities } = connection;
  const options: ChangeStreamOptions = {
    maxAwaitTimeMS: awaitMsMax,
    batchSize: stepEventsMax,
    ...(capabilities.eventsHaveKeys ? {} : { fullDocument: 'updateLookup' }),
  };
  return run(async (): Promise<Followed> => {
    const place = token === undefined ? undefined : placeOf(token);
    if (place === null) return { kind: 'lost', reason: 'the place to go on from is none' };
    const after = place === undefined ? {} : { startAfter: place };
    const stream = db.collection('mirrors').watch<Document, Document>(namesAlone, { ...options, ...after });
    try {
      // The stream is open once it has answered.
      return { kind: 'following', follower: followerOf(stream, await nextEvents(stream), connection, clock) };
    } catch (error) {
      await stream.close().catch(() => {});
      const reason = lossIn(error);
      if (reason !== undefined) return { kind: 'lost', reason };
      if (!(error instanceof MongoServerError)) throw error;
      const said = `(code ${error.code}): ${error.message}`;
      if (unsupportedCodes.has(error.code)) return { kind: 'unsupported', reason: `MongoDB has no change streams here ${said}` };
      // Whatever a server that answers has against a token: without one it may work.
      if (token !== undefined) return { kind: 'lost', reason: `the place to go on from was refused ${said}` };
      if (isMistake(error))
        return { kind: 'unsupported', reason: `MongoDB does not understand what it is asked to watch ${said}` };
      throw error;
    }
  });
}

/** Null where it is none. */
function placeOf(token: ChangeToken): Document | null {
  try {
    const place: unknown = BSON.EJSON.parse(token, { relaxed: false });
    return typeof place === 'object' ? place : null;
  } catch {
    return null;
  }
}

const tokensIn = (db: Db): Collection<Stored<string>> => db.collection('tokens');

/** Changes of the mirrors in the database of a connection. */
export function createMongoChanges(connection: Connection, clock: Clock): Changes {
  const { db, run } = connection;
  return {
    follow: (token) => follow(connection, clock, token),
    readToken: () =>
      run(async (call) => {
        const stored = await tokensIn(db).findOne({ _id: tokenId }, call);
        if (stored === null) return undefined;
        const decoded = decodeFields(stored, storedKinds.changeToken, (fields) => textIn(fields, 'token'));
        return decoded.kind === 'unreadable' ? undefined : expectDecoded(decoded, 'the place in the changes of mirrors');
      }),
    storeToken: (token) =>
      run(async (call) => {
        const fields = { ...kindOf(storedKinds.changeToken), token };
        await tokensIn(db).updateOne({ _id: tokenId }, { $set: fields }, { ...call, upsert: true });
      }),
  };
}
