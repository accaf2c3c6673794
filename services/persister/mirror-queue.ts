/**
 * Which mirror is written when.
 *
 * Flushes say which documents have changed, and each is written when it is due by `nextMirrorMs`. One after the other would be simplest. But writing a mirror is mostly waiting for the database, so with hundreds of busy
 * documents they would fall behind while nothing much is done. All that are due at once would be the fastest, and take the database away from the flushes, of which mirrors only show what became. So
 * they are written in rounds:
 *
 *     the few that have been due longest ─► written at the same time ─► rest, for three times as long as that took
 *                                                    └─► one that takes long goes on beside the next ones
 *
 * A document that changes again while it waits is written once. So the more there are the less often each is written, and however many there are, they take a quarter of the time, in pieces that are short: whoever
 * shares the machine or the database never has to wait for all of them. Where few are due the rest is over before they are due again. How many are written at once goes by how long one takes: one more after each that was quick, half as many after one that was not, since then the database has enough to
 * do; and one at a time while the store is behind with what was typed. A document is never written twice at once.
 *
 * A mirror that can't be written now (somebody's edit is to be taken in first, or somebody else wrote meanwhile) is tried again after longer and longer waits, since nobody may write to the document any
 * more, and then nothing else would.
 *
 * What is remembered here is only a hint, and lost with the process, which may have ended between storing an edit and writing its mirror. And there may be documents from before there were mirrors. So all
 * documents are looked at now and then, and at the start: slowly, a few names at a time, each few when those before have had their turn.
 */

import type { DocumentName } from '#shared/document/name.ts';
import type { Clock, Timer } from '#shared/runtime/clock.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import { backoffMs, pause } from '#shared/runtime/waiting.ts';
import type { Head } from '#shared/store/store.ts';
import { isUnavailable } from '#shared/store/unavailable.ts';

import { createAlarm } from './alarm.ts';
import { type MirrorContext, type MirrorIntervals, nextMirrorMs, refreshMirror, type Refreshed } from './mirror.ts';
import type { PersisterError } from './reporting.ts';

export type MirrorQueueLimits = MirrorIntervals & {
  /** Mirrors that are written at the same time, and how long one may take, in milliseconds, without there being fewer. */
  readonly mirrorWritesMax: number;
  readonly mirrorSlowMs: number;
  /** How long there is rest after those that were written together, in percent of how long that took. */
  readonly mirrorRestPercent: number;
  readonly mirrorRetryMsMin: number;
  readonly mirrorRetryMsMax: number;
  /** How often all documents are looked at, in milliseconds. */
  readonly mirrorSweepMs: number;
  /** Documents whose changes are remembered; the one that changed longest ago is left to the next sweep. */
  readonly mirrorDocumentsMax: number;
};

export type MirrorQueueContext = MirrorContext & {
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly queueLimits: MirrorQueueLimits;
  /** Whether this persister looks after a document, and the document is to have a mirror. */
  readonly isMine: (document: DocumentName) => boolean;
  /** Whether the store is behind with what was typed. */
  readonly isBehind: () => boolean;
  /** A mirror was written. Must not throw. */
  readonly onWritten: (
    document: DocumentName,
    mirror: { readonly head: Head; readonly valueBytes: number; readonly ms: number },
  ) => void;
  readonly onFailed: (error: Extract<PersisterError, 'store-unavailable' | 'mirror-failed'>) => void;
};

type Waiting = {
  firstChangeMs: number;
  lastChangeMs: number;
  failures: number;
  timer: Timer | undefined;
};

type Written = { readonly writtenMs: number; readonly valueBytes: number };

/** Documents that a sweep asks for at once; no more than half of those that are remembered. */
const sweptAtOnce = 100;

/** The entries that are more than `max`, those that were set longest ago, while they are taken out. */
function* beyond<K, V>(map: ReadonlyMap<K, V>, max: number): Generator<readonly [K, V]> {
  for (const entry of map) {
    if (map.size <= max) return;
    yield entry;
  }
}

export class MirrorQueue {
  readonly #context: MirrorQueueContext;
  readonly #alarm;
  readonly #waiting = new Map<DocumentName, Waiting>();
  /** The one that has been due for the longest time first. */
  readonly #due = new Set<DocumentName>();
  readonly #writing = new Map<DocumentName, Promise<void>>();
  /** Those that only the sweep asked for, until they are looked at. */
  readonly #swept = new Set<DocumentName>();
  readonly #written = new Map<DocumentName, Written>();
  /** How many may be written at once now. */
  #atOnce = 1;
  #sweepNow = new AbortController();

  constructor(context: MirrorQueueContext) {
    this.#context = context;
    this.#alarm = createAlarm(context.clock);
    context.draining.addEventListener('abort', this.#alarm.ring);
  }

  /** Tells it that what the checkpoint covers has more of a document than its mirror. */
  changed(document: DocumentName): void {
    if (this.#context.isMine(document)) this.#note(document, this.#context.clock.monotonic());
  }

  /** Tells it that other documents may be its own now: all are looked at at once, and not when the next sweep is due. */
  lookAtAll(): void {
    this.#sweepNow.abort();
  }

  /** Documents that wait for their mirrors. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Works until the persister drains. Never rejects. */
  async run(): Promise<void> {
    const { draining, queueLimits, clock } = this.#context;
    const sweeping = async (): Promise<void> => {
      while (!draining.aborted) {
        this.#sweepNow = new AbortController();
        await this.#sweep();
        await pause(clock, queueLimits.mirrorSweepMs, draining, this.#sweepNow.signal);
      }
    };
    await Promise.all([sweeping(), this.#writeRounds()]);
    for (const { timer } of this.#waiting.values()) timer?.cancel();
  }

  async #writeRounds(): Promise<void> {
    const { draining, queueLimits, clock } = this.#context;
    while (!draining.aborted) {
      const round = this.#nextRound();
      if (round.length === 0) {
        await this.#alarm.rung();
        continue;
      }
      const begunMs = clock.monotonic();
      const ended = new AbortController();
      void Promise.all(round.map((document) => this.#begin(document))).then(() => ended.abort());
      // One that takes longer goes on beside the next ones.
      await pause(clock, queueLimits.mirrorSlowMs, draining, ended.signal);
      const tookMs = clock.monotonic() - begunMs;
      if (tookMs > 0) await pause(clock, (tookMs * queueLimits.mirrorRestPercent) / 100, draining);
    }
    await Promise.all(this.#writing.values());
  }

  /** As many of those that are due as may be begun now. */
  #nextRound(): readonly DocumentName[] {
    const room = (this.#context.isBehind() ? 1 : this.#atOnce) - this.#writing.size;
    const round: DocumentName[] = [];
    for (const document of this.#due) {
      if (round.length >= room) break;
      if (!this.#writing.has(document)) round.push(document);
    }
    return round;
  }

  #begin(document: DocumentName): Promise<void> {
    this.#due.delete(document);
    const written = this.#write(document).finally(() => {
      this.#writing.delete(document);
      this.#alarm.ring(); // it may be due again, and there is room
    });
    this.#writing.set(document, written);
    return written;
  }

  #note(document: DocumentName, changedMs: number): void {
    const { queueLimits } = this.#context;
    const waiting = this.#waiting.get(document) ?? {
      firstChangeMs: changedMs,
      lastChangeMs: changedMs,
      failures: 0,
      timer: undefined,
    };
    this.#waiting.delete(document);
    waiting.lastChangeMs = changedMs;
    this.#waiting.set(document, waiting);
    for (const [oldest, { timer }] of beyond(this.#waiting, queueLimits.mirrorDocumentsMax)) {
      timer?.cancel();
      for (const names of [this.#waiting, this.#due, this.#swept]) names.delete(oldest);
    }
    const { writtenMs, valueBytes = 0 } = this.#written.get(document) ?? {};
    if (waiting.failures === 0) this.#wakeAt(document, waiting, nextMirrorMs({ ...waiting, writtenMs, valueBytes }, queueLimits));
  }

  #wakeAt(document: DocumentName, waiting: Waiting, atMs: number): void {
    const { clock } = this.#context;
    waiting.timer?.cancel();
    waiting.timer = clock.after(Math.max(0, atMs - clock.monotonic()), () => {
      waiting.timer = undefined;
      this.#due.add(document);
      this.#alarm.ring();
    });
  }

  async #write(document: DocumentName): Promise<void> {
    const { clock, logger, onFailed, isMine } = this.#context;
    this.#swept.delete(document);
    const waiting = this.#waiting.get(document);
    if (waiting === undefined) return;
    this.#waiting.delete(document); // what changes from here on is another change
    if (!isMine(document)) return;
    const startedMs = clock.monotonic();
    try {
      this.#conclude(document, waiting, await refreshMirror(document, this.#context), startedMs);
    } catch (error) {
      onFailed(isUnavailable(error) ? 'store-unavailable' : 'mirror-failed');
      if (!isUnavailable(error)) logger.error({ document, err: error }, 'a mirror could not be written');
      this.#again(document, waiting, isUnavailable(error) ? 0 : clock.monotonic() - startedMs);
    }
    this.#adapt(clock.monotonic() - startedMs);
  }

  #adapt(tookMs: number): void {
    const { mirrorWritesMax, mirrorSlowMs } = this.#context.queueLimits;
    this.#atOnce = tookMs > mirrorSlowMs ? Math.ceil(this.#atOnce / 2) : Math.min(mirrorWritesMax, this.#atOnce + 1);
  }

  #conclude(document: DocumentName, waiting: Waiting, refreshed: Refreshed, startedMs: number): void {
    const { clock, logger, queueLimits, onWritten, onFailed } = this.#context;
    switch (refreshed.kind) {
      case 'current':
        return;
      case 'written': {
        const nowMs = clock.monotonic();
        this.#written.delete(document);
        this.#written.set(document, { writtenMs: nowMs, valueBytes: refreshed.valueBytes });
        for (const [oldest] of beyond(this.#written, queueLimits.mirrorDocumentsMax)) this.#written.delete(oldest);
        onWritten(document, { head: refreshed.head, valueBytes: refreshed.valueBytes, ms: nowMs - startedMs });
        return;
      }
      case 'not-now':
        if (refreshed.why !== 'no-head') this.#again(document, waiting, 0);
        return;
      case 'not-compacted':
        onFailed('mirror-failed');
        logger.error(
          { document, outcome: refreshed.outcome.kind },
          'a mirror could not be written: its document could not be compacted',
        );
        this.#again(document, waiting, clock.monotonic() - startedMs);
    }
  }

  /** Later, and the later the longer was worked on it in vain: what fails after a minute of work must not have most of the time. */
  #again(document: DocumentName, { firstChangeMs, failures }: Waiting, workedMs: number): void {
    const { clock, random, queueLimits, draining } = this.#context;
    if (draining.aborted) return;
    const waiting = this.#waiting.get(document) ?? { firstChangeMs, lastChangeMs: firstChangeMs, failures: 0, timer: undefined };
    waiting.failures = failures + 1;
    this.#waiting.set(document, waiting);
    const waitMs = backoffMs(waiting.failures, queueLimits.mirrorRetryMsMin, queueLimits.mirrorRetryMsMax, random);
    const restMs = (workedMs * queueLimits.mirrorRestPercent) / 100;
    this.#wakeAt(document, waiting, clock.monotonic() + Math.max(waitMs, restMs));
  }

  /** Marks every document as one whose mirror may be too old, or missing: some at a time, when those before have had their turn. */
  async #sweep(): Promise<void> {
    const { store, clock, queueLimits, draining, onFailed } = this.#context;
    const atOnce = Math.min(sweptAtOnce, Math.ceil(queueLimits.mirrorDocumentsMax / 2));
    let after: DocumentName | undefined;
    while (!draining.aborted) {
      try {
        const documents = await store.listDocuments(after, atOnce);
        for (const document of documents) this.#noteSwept(document);
        if (documents.length < atOnce) return;
        after = documents.at(-1);
      } catch (error) {
        onFailed(isUnavailable(error) ? 'store-unavailable' : 'mirror-failed');
      }
      do await pause(clock, queueLimits.mirrorRetryMsMin, draining);
      while (!draining.aborted && (this.#swept.size > 0 || this.#waiting.size > queueLimits.mirrorDocumentsMax / 2));
    }
  }

  /** One that waits already is looked at anyway. Nobody types in the others as far as is known here, so they need not settle. */
  #noteSwept(document: DocumentName): void {
    const { isMine, clock, queueLimits } = this.#context;
    if (!isMine(document) || this.#waiting.has(document)) return;
    this.#swept.add(document);
    this.#note(document, clock.monotonic() - queueLimits.mirrorSettleMs);
  }
}
