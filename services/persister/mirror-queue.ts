/**
 * Which mirror is written when.
 *
 * Flushes say which documents have changed. Each is written when it is due by `nextMirrorMs`, one at a time, behind everything else. A mirror that can't be written now (somebody's edit is to be
 * taken in first, or somebody else wrote meanwhile) is tried again after longer and longer waits, since nobody may write to the document any more, and then nothing else would.
 *
 * What is remembered here is only a hint, and lost with the process, which may have ended between storing an edit and writing its mirror. So all mirrors are looked at now and then, slowly, and at the start.
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
  readonly mirrorRetryMsMin: number;
  readonly mirrorRetryMsMax: number;
  /** How often all mirrors are looked at, in milliseconds. */
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

/** Mirrors that are asked for at once by a sweep. */
const sweptAtOnce = 100;

export class MirrorQueue {
  readonly #context: MirrorQueueContext;
  readonly #alarm;
  readonly #waiting = new Map<DocumentName, Waiting>();
  readonly #due = new Set<DocumentName>();
  readonly #written = new Map<DocumentName, Written>();
  #sweepNow = new AbortController();

  constructor(context: MirrorQueueContext) {
    this.#context = context;
    this.#alarm = createAlarm(context.clock);
    context.draining.addEventListener('abort', this.#alarm.ring);
  }

  /** Tells it that what the checkpoint covers has more of a document than its mirror. */
  changed(document: DocumentName): void {
    const { clock, queueLimits, isMine } = this.#context;
    if (!isMine(document)) return;
    const now = clock.monotonic();
    const known = this.#waiting.get(document);
    this.#waiting.delete(document);
    const waiting = known ?? { firstChangeMs: now, lastChangeMs: now, failures: 0, timer: undefined };
    waiting.lastChangeMs = now;
    this.#waiting.set(document, waiting);
    this.#bound(this.#waiting, queueLimits.mirrorDocumentsMax, ({ timer }) => timer?.cancel());
    const { writtenMs, valueBytes = 0 } = this.#written.get(document) ?? {};
    if (waiting.failures === 0) this.#wakeAt(document, waiting, nextMirrorMs({ ...waiting, writtenMs, valueBytes }, queueLimits));
  }

  /** Tells it that other documents may be its own now: all mirrors are looked at at once, and not when the next sweep is due. */
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
        await pause(clock, queueLimits.mirrorSweepMs, AbortSignal.any([draining, this.#sweepNow.signal]));
      }
    };
    const writing = async (): Promise<void> => {
      while (!draining.aborted) {
        const [document] = this.#due;
        if (document === undefined) await this.#alarm.rung();
        else await this.#write(document);
      }
    };
    await Promise.all([sweeping(), writing()]);
    for (const { timer } of this.#waiting.values()) timer?.cancel();
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

  #bound<T>(map: Map<DocumentName, T>, max: number, letGo: (value: T) => void): void {
    for (const [oldest, value] of map) {
      if (map.size <= max) return;
      letGo(value);
      map.delete(oldest);
      this.#due.delete(oldest);
    }
  }

  async #write(document: DocumentName): Promise<void> {
    const { clock, logger, onFailed, isMine } = this.#context;
    this.#due.delete(document);
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
      this.#again(document, waiting);
    }
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
        this.#bound(this.#written, queueLimits.mirrorDocumentsMax, () => {});
        onWritten(document, { head: refreshed.head, valueBytes: refreshed.valueBytes, ms: nowMs - startedMs });
        return;
      }
      case 'not-now':
        if (refreshed.why !== 'no-head') this.#again(document, waiting);
        return;
      case 'not-compacted':
        onFailed('mirror-failed');
        logger.error(
          { document, outcome: refreshed.outcome.kind },
          'a mirror could not be written: its document could not be compacted',
        );
        this.#again(document, waiting);
    }
  }

  #again(document: DocumentName, { firstChangeMs, failures }: Waiting): void {
    const { clock, random, queueLimits, draining } = this.#context;
    if (draining.aborted) return;
    const waiting = this.#waiting.get(document) ?? { firstChangeMs, lastChangeMs: firstChangeMs, failures: 0, timer: undefined };
    waiting.failures = failures + 1;
    this.#waiting.set(document, waiting);
    const waitMs = backoffMs(waiting.failures, queueLimits.mirrorRetryMsMin, queueLimits.mirrorRetryMsMax, random);
    this.#wakeAt(document, waiting, clock.monotonic() + waitMs);
  }

  /** Marks every mirror that there is as perhaps too old, some at a time, as there is room. */
  async #sweep(): Promise<void> {
    const { mirrors, clock, queueLimits, draining, onFailed } = this.#context;
    let after: DocumentName | undefined;
    while (!draining.aborted) {
      try {
        const documents = await mirrors.listDocuments(after, sweptAtOnce);
        for (const document of documents) this.changed(document);
        if (documents.length < sweptAtOnce) return;
        after = documents.at(-1);
      } catch (error) {
        onFailed(isUnavailable(error) ? 'store-unavailable' : 'mirror-failed');
      }
      do await pause(clock, queueLimits.mirrorRetryMsMin, draining);
      while (!draining.aborted && this.#waiting.size > queueLimits.mirrorDocumentsMax / 2);
    }
  }
}
