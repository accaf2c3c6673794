/**
 * Documents as JSON, by way of their mirrors: what the JSON door stands on.
 *
 * A change takes the same way as one that a program makes in MongoDB: it is written into the mirror, taken in from there (`takeEdit`), and then it is in the journal. What differs is that
 * a program in MongoDB sees a mirror that is a second old, while `GET` and `If-Match` speak of the document as it is. The obvious thing would be to read the room, which has it. But the
 * operations of a change are found between what its author saw and what he wrote, and the mirror is what counts as seen: one that lacks what was typed a moment ago would bring it a
 * second time, since it is in the new value and not in the old one. So what is asked for is first brought up to date, and then there is one state for everything:
 *
 *     what this process was sent is made durable ─► all of it is stored ─► snapshot and mirror, where anything came beside what was taken in from the mirror itself
 *
 * That costs by the size of the document, so mirrors are not kept up behind people who type: nobody but this door reads them, and it asks. A mirror that an earlier process left half written is
 * completed by whoever comes next: the next request for its document, or `finishAll` after a start.
 *
 * Requests of one document wait for one another. The writes of one wait for one another too, a dozen of them, so meanwhile the disk is in a hurry.
 */

import { takeEdit, type Taken } from '#changefeed/translate.ts';
import type { TakeContext } from '#changefeed/take-context.ts';
import type { JsonChange, JsonDocuments, JsonLook, JsonOutcome, Precondition } from '#gateway/json-documents.ts';
import type { Refreshed } from '#persister/mirror.ts';
import { areContained } from '#shared/document/contained.ts';
import type { DocumentName } from '#shared/document/name.ts';
import type { Offset, Partition } from '#shared/journal/journal.ts';
import { readSnapshot, updatesOf } from '#shared/mirror/base.ts';
import { hashOfValue, isClean, ownBookkeeping, sealed } from '#shared/mirror/bookkeeping.ts';
import { variableName } from '#shared/runtime/config.ts';
import { nextTurn } from '#shared/runtime/slices.ts';
import { pause } from '#shared/runtime/waiting.ts';
import { emptySnapshot, sameSnapshot, type Bookkeeping, type Mirror, type StoredValue } from '#shared/store/mirrors.ts';
import { type Head, StoreUnavailable } from '#shared/store/store.ts';

import type { JsonWork } from './json-work.ts';
import type { ShownNow, ShownValues } from './shown-values.ts';

export type JsonContext = TakeContext & {
  readonly work: JsonWork;
  readonly shownValues: ShownValues;
  /** Brings the mirror of a document up to what is stored, if it may be written. */
  readonly refresh: (document: DocumentName) => Promise<Refreshed>;
  /** Told of each head that a refresh has made. */
  readonly compactedBefore: (document: DocumentName, head: Head) => void;
  readonly storeThrough: (partition: Partition, upto: Offset, signal: AbortSignal) => Promise<void>;
  readonly hurry: () => () => void;
  /** Whether a document is to have a mirror. */
  readonly hasMirror: (document: DocumentName) => boolean;
};

/** How long journal and store may take with what was sent until now, in milliseconds; then they are away. */
const settleMsMax = 10_000;
/** How often something may come in between before somebody is sent away. */
const attemptsMax = 50;
/** Between two looks at what waits for somebody else, in milliseconds. */
const waitMs = 100;
/** Bytes of what is stored since a snapshot, past which a new one is cheaper than to look whether anything else came; as it is with more edits on top than are made one. */
const containedBytesMax = 256 * 1024;
/** Names that are asked for at once when what is half done is looked for. */
const namesAtOnce = 100;

/** A document as it is, and its mirror, which says the same. */
type Standing =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'unfit'; readonly reason: string }
  /** The mirror's own value may say the same in other words, those of its author. */
  | ({ readonly kind: 'shown'; readonly mirror: Mirror } & ShownNow);

/** Each call for a document begins when the ones before it are done. */
type Queue = <T>(document: DocumentName, run: () => Promise<T>) => Promise<T>;

function createQueue(): Queue {
  const last = new Map<DocumentName, Promise<unknown>>();
  return async (document, run) => {
    const mine = (last.get(document) ?? Promise.resolve()).then(run);
    const settled = mine.catch(() => {});
    last.set(document, settled);
    void settled.then(() => {
      if (last.get(document) === settled) last.delete(document);
    });
    return mine;
  };
}

export type StandaloneDocuments = {
  /** What the door is given. `settle`: makes durable what the gateway was sent. */
  readonly open: (settle: () => Promise<void>) => JsonDocuments;
  /** Finishes what earlier processes left half done. Never rejects. */
  readonly finishAll: () => Promise<void>;
};

export function createJsonDocuments(context: JsonContext): StandaloneDocuments {
  const inTurn = createQueue();
  const hurried: Queue = (document, run) =>
    inTurn(document, async () => {
      const rest = context.hurry();
      try {
        return await run();
      } finally {
        rest();
      }
    });
  return {
    open: (settle) => ({
      look: (document) => hurried(document, async () => lookOf(await bringUp(document, settle, context))),
      change: (document, change, precondition) =>
        hurried(document, () => makeChange(document, change, precondition, settle, context)),
    }),
    finishAll: async () => {
      for (let after: DocumentName | undefined; ;) {
        const documents = await context.mirrors.listDocuments(after, namesAtOnce).catch(() => []);
        for (const document of documents.filter(context.hasMirror)) {
          await inTurn(document, () => takeAll(document, context)).catch(() => {}); // the next request says why
          await nextTurn();
        }
        after = documents.at(-1);
        if (after === undefined) return;
      }
    },
  };
}

function lookOf(standing: Standing): JsonLook {
  if (standing.kind !== 'shown') return standing;
  const { representation, unrepresented } = standing;
  return { kind: 'found', representation, unrepresented };
}

async function makeChange(
  document: DocumentName,
  change: JsonChange,
  precondition: Precondition,
  settle: () => Promise<void>,
  context: JsonContext,
): Promise<JsonOutcome> {
  const { mirrors, work, limits } = context;
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const standing = await bringUp(document, settle, context);
    if (standing.kind === 'unfit') return { kind: 'refused', reason: standing.reason };
    const { value, etag } =
      standing.kind === 'shown' ? { value: standing.value, etag: standing.representation.etag } : noDocument;
    if (!precondition(etag)) return { kind: 'precondition-failed', etag };

    const wanted = await work.want(value, change);
    if (wanted.kind !== 'value') return wanted;
    if (wanted.isSame && etag !== undefined) return { kind: 'changed', isNew: false, etag };
    const bytes = wanted.value.bytes.byteLength;
    if (bytes > limits.valueBytesMax)
      return {
        kind: 'refused',
        reason: `the value has ${bytes} bytes as it is stored, and at most ${limits.valueBytesMax} are taken`,
      };

    const begun = standing.kind === 'shown' ? standing : await begin(document, wanted.value, context);
    if ('reason' in begun) return { kind: 'refused', reason: begun.reason };
    if (begun.mirror === undefined || !(await mirrors.editValue(document, begun.mirror, wanted.value))) continue;
    const taken = await takeAll(document, context);
    if (taken.kind === 'refused') return taken;
    return { kind: 'changed', isNew: value === undefined, etag: await etagOfMirror(document, context) };
  }
  throw tooBusy(document);
}

const leftOut: Standing = {
  kind: 'unfit',
  reason: `this document is left out of what can be had and changed as JSON (${variableName('mirrorLeftOut')})`,
};

const noDocument = { value: undefined, etag: undefined };

/**
 * A mirror for a document that there is not yet. With our bookkeeping in it, so that what its author saw is known to be nothing, also if somebody begins to type in this very moment. Whether the value can
 * be taken is found out before: one that can't be leaves nothing behind.
 */
async function begin(
  document: DocumentName,
  value: StoredValue,
  { mirrors, work, roots, clients, makeRev }: JsonContext,
): Promise<{ readonly mirror: Mirror | undefined } | { readonly reason: string }> {
  const trial = await work.edit({ updates: [], roots: roots(document), beside: undefined }, value, clients.choose(document));
  if (trial.kind === 'refused') return trial;
  const nothing = mirrors.form.encode(new Map());
  const unsealed = { rev: makeRev(), prev: '', snapshot: emptySnapshot, applied: [], intent: undefined, omitted: undefined };
  const inkstream = { ...sealed(document, unsealed, hashOfValue(nothing)), refused: [], unrepresented: [] };
  await mirrors.insertMirror(document, { value: nothing, inkstream });
  return { mirror: await mirrors.readMirror(document) };
}

const tooBusy = (document: DocumentName): StoreUnavailable =>
  new StoreUnavailable(`too much happens to document ${JSON.stringify(document)} at once`);

/** Takes in what was written into a mirror. */
async function takeAll(document: DocumentName, context: JsonContext): Promise<Extract<Taken, { kind: 'clean' | 'refused' }>> {
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const taken = await takeEdit(document, context);
    if (taken.kind === 'clean' || taken.kind === 'refused') return taken;
    if (taken.kind === 'missing') return { kind: 'clean' };
    if (taken.kind === 'wait') await pause(context.clock, waitMs);
  }
  throw tooBusy(document);
}

/** The document as it is now, everything included that was sent until now. */
async function bringUp(document: DocumentName, settle: () => Promise<void>, context: JsonContext): Promise<Standing> {
  const { clock, journal, storeThrough, mirrors, refresh, compactedBefore, hasMirror } = context;
  if (!hasMirror(document)) return leftOut;
  const partition = journal.partitionOf(document);
  await inTime(settle, clock);
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const highWater = await journal.highWater(partition);
    await inTime((signal) => storeThrough(partition, highWater, signal), clock);
    const current = await standingOfOwn(document, context);
    if (current !== undefined) return current;

    const refreshed = await refresh(document);
    if (refreshed.kind === 'written') compactedBefore(document, refreshed.head);
    switch (refreshed.kind) {
      case 'written':
      case 'current': {
        const mirror = await mirrors.readMirror(document);
        const own = mirror === undefined ? undefined : ownBookkeeping(document, mirror);
        if (mirror === undefined || own === undefined) break;
        if (refreshed.kind === 'written') await rememberWritten(mirror, own, context);
        return shown(document, mirror, own, context);
      }
      case 'not-now':
        if (refreshed.why === 'edited') await takeAll(document, context);
        else if (refreshed.why === 'no-head') return { kind: 'unknown' };
        break;
      case 'not-compacted':
        throw new Error(`the document could not be compacted: ${describe(refreshed)}`);
    }
  }
  throw tooBusy(document);
}

const describe = ({ outcome }: Extract<Refreshed, { kind: 'not-compacted' }>): string =>
  outcome.kind === 'stopping' ? 'stopping' : outcome.reason;

/** Rejects with `StoreUnavailable` where it takes too long. */
async function inTime(settle: (signal: AbortSignal) => Promise<void>, clock: JsonContext['clock']): Promise<void> {
  const done = new AbortController();
  const late = pause(clock, settleMsMax, done.signal).then(() => 'late' as const);
  try {
    if ((await Promise.race([settle(done.signal), late])) === 'late')
      throw new StoreUnavailable(`what was sent until now was not stored within ${settleMsMax} ms`);
  } finally {
    done.abort();
  }
}

/** A mirror that was just written has the words in which it would be written now. */
async function rememberWritten(
  { value, inkstream }: Mirror,
  own: Bookkeeping,
  { work, shownValues }: JsonContext,
): Promise<void> {
  if (own.omitted !== undefined) return;
  shownValues.keep(own.rev, {
    value,
    representation: await work.represent(value),
    unrepresented: inkstream?.unrepresented ?? [],
  });
}

/** What a clean mirror stands for, in the words in which it would be written now. */
async function shown(document: DocumentName, mirror: Mirror, own: Bookkeeping, context: JsonContext): Promise<Standing> {
  const { store, work, roots, shownValues } = context;
  const known = shownValues.of(own.rev);
  if (known !== undefined) return { kind: 'shown', mirror, ...known };
  const updates = await readSnapshot(store, document, own.snapshot);
  if (updates === undefined) throw new StoreUnavailable(`the snapshot of the mirror of ${JSON.stringify(document)} is not there`);
  const base = { updates: updatesOf({ ...own, updates }), roots: roots(document) };
  const { value, omitted, unrepresented } = await work.show(base);
  if (omitted !== undefined) return { kind: 'unfit', reason: omitted };
  const now = { value, representation: await work.represent(value), unrepresented };
  shownValues.keep(own.rev, now);
  return { kind: 'shown', mirror, ...now };
}

/**
 * The document by its mirror, where all that came since that was made from its snapshot was taken in from the mirror itself: one change after the other, and nobody who types. Undefined where anything
 * else may have come.
 */
async function standingOfOwn(document: DocumentName, context: JsonContext): Promise<Standing | undefined> {
  const { mirrors, store, limits } = context;
  const mirror = await mirrors.readMirror(document);
  const own = mirror === undefined ? undefined : ownBookkeeping(document, mirror);
  if (mirror === undefined || own === undefined || !isClean(document, mirror, own)) return undefined;
  const state = await mirrors.readState(document);
  const isLatest =
    state === undefined
      ? sameSnapshot(own.snapshot, emptySnapshot)
      : state.next.rev === own.rev && state.next.intent === undefined;
  if (!isLatest || own.applied.length > limits.appliedMax) return undefined;

  const listed = await store.listSegments(document, own.snapshot.upto);
  if (listed.reduce((sum, { bytes }) => sum + bytes, 0) > containedBytesMax) return undefined;
  const segments = await store.readSegments(document, own.snapshot.upto);
  const head = await store.readHead(document); // after the segments: what an older head names may go
  if (!sameSnapshot(head ?? emptySnapshot, own.snapshot)) return undefined;
  const updates = segments.map(({ update }) => update);
  const isAll = areContained(updates, own.applied.map(({ update }) => update)); // prettier-ignore
  return isAll ? shown(document, mirror, own, context) : undefined;
}

/** Of the document with what was taken in from its mirror until now, and nothing else. */
async function etagOfMirror(document: DocumentName, context: JsonContext): Promise<string> {
  const mirror = await context.mirrors.readMirror(document);
  const own = mirror === undefined ? undefined : ownBookkeeping(document, mirror);
  const standing = mirror === undefined || own === undefined ? undefined : await shown(document, mirror, own, context);
  if (standing?.kind === 'shown') return standing.representation.etag;
  throw new StoreUnavailable('the change was made, and what the document is now can not be told');
}
