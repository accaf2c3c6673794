/**
 * Which document is compacted when.
 *
 * Flushes say how much each document grew; one that has grown enough is queued, and one document is compacted at a time, behind everything else.
 * What is remembered here is only a hint: the decision is made by what is stored. So it may be forgotten, at a restart or when
 * there are too many documents to remember; a document that is not remembered is looked up in the store when it is written next, and what an
 * earlier persister left uncleaned is found then.
 *
 * What a head covers goes when it has stood for a while. A document whose mirror is written each second has a new head each second, and to delete behind each of them would
 * cost more than all the rest; so what several heads cover goes together, with the latest of those that came while the first one was waited for. It is little, nearly always, and goes at once. Where
 * it is known to be much, or was too much for the time that the store has for one call, some of it goes at a time, and documents are compacted in between: what has gone is gone, whatever becomes of the rest.
 *
 * A document that can't be compacted stays as it is: its segments are kept and nothing is lost, but it opens more and more slowly. So that is
 * said, and tried again after longer and longer waits, whether or not somebody writes to it: never in a hot loop, and never in the way of the
 * others.
 */

import type { DocumentName } from '#shared/document/name.ts';
import type { Clock, Timer } from '#shared/runtime/clock.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import { backoffMs, pause } from '#shared/runtime/waiting.ts';
import type { Head } from '#shared/store/store.ts';
import { isUnavailable } from '#shared/store/unavailable.ts';

import { createAlarm } from './alarm.ts';
import {
  compactDocument,
  type Compacted,
  type CompactionContext,
  type Growth,
  hasCovered,
  isDue,
  type NamedSnapshots,
  retireCovered,
  retiredAtOnce,
} from './compaction.ts';
import type { CompactionStatus, PersisterError, PersisterMetrics } from './reporting.ts';

export type CompactionQueueContext = CompactionContext & {
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly metrics: PersisterMetrics;
  /** Snapshots that must stay though a later head covers them. None if not given. */
  readonly namedSnapshots?: NamedSnapshots;
};

type Remembered = {
  growth: Growth;
  /** Whether `growth` began from what is stored; otherwise the document has to be looked up. */
  looked: boolean;
  failures: number;
  failure: string;
  /** Runs while it is left alone after a failure, and then queues it again. */
  rest: Timer | undefined;
};

type Retirement = {
  readonly document: DocumentName;
  readonly head: Head;
  /** How much of what it covers goes at a time; all of it where there is no limit. */
  readonly limit: number | undefined;
};

/** A retirement that is not due yet, and the latest head that has come since. */
type Pending = { readonly timer: Timer; later: Retirement | undefined };

/** Documents that a status names. */
const failuresShown = 10;

/** Of what a head covers, as far as it is known. */
const limitFor = (segments: number): number | undefined => (segments > retiredAtOnce ? retiredAtOnce : undefined);
/** Even of large ones so many are deleted in the time of a call. */
const retiredAtOnceMin = 10;
/** After one that was too much, or met a store that was away. */
const lessThan = (limit: number | undefined): number =>
  limit === undefined ? retiredAtOnce : Math.max(retiredAtOnceMin, Math.floor(limit / 10));

const nothing: Growth = { segments: 0, bytes: 0, snapshotBytes: 0 };

export class CompactionQueue {
  readonly #context: CompactionQueueContext;
  readonly #alarm;
  /** The one that was written longest ago first. */
  readonly #remembered = new Map<DocumentName, Remembered>();
  readonly #queue = new Set<DocumentName>();
  readonly #retirements: Retirement[] = [];
  readonly #pending = new Map<DocumentName, Pending>();
  /** Whether the last turn was a retirement's. */
  #hasRetired = false;

  constructor(context: CompactionQueueContext) {
    this.#context = context;
    this.#alarm = createAlarm(context.clock);
    context.draining.addEventListener('abort', () => {
      this.#alarm.ring();
      void context.compactor.end(); // what is under way gives up
    });
  }

  /** Tells it of segments that were stored, and that the checkpoint covers. */
  grew(document: DocumentName, segments: number, bytes: number): void {
    const { limits } = this.#context;
    const remembered = this.#remembered.get(document) ?? {
      growth: nothing,
      looked: false,
      failures: 0,
      failure: '',
      rest: undefined,
    };
    const { growth } = remembered;
    remembered.growth = { ...growth, segments: growth.segments + segments, bytes: growth.bytes + bytes };
    this.#remembered.delete(document);
    this.#remembered.set(document, remembered);
    if (this.#remembered.size > limits.compactionDocumentsMax) {
      for (const [oldest, { rest }] of this.#remembered) {
        rest?.cancel();
        this.#remembered.delete(oldest);
        break;
      }
    }
    if (remembered.looked && !isDue(remembered.growth, limits)) return;
    if (remembered.rest === undefined) this.#enqueue(document);
  }

  /** Tells it that a document was compacted for another reason than its growth, so that `head` stands: what it covers goes later. */
  compactedBefore(document: DocumentName, head: Head): void {
    const { segments, snapshotBytes } = this.#remembered.get(document)?.growth ?? nothing;
    this.#learn(document, { ...nothing, snapshotBytes });
    this.#retireLater({ document, head, limit: limitFor(segments) });
  }

  /** Lets go of the documents that `isGone` says so of: another persister looks after them now. */
  forget(isGone: (document: DocumentName) => boolean): void {
    for (const [document, { rest }] of this.#remembered) {
      if (!isGone(document)) continue;
      rest?.cancel();
      this.#remembered.delete(document);
      this.#queue.delete(document);
    }
  }

  /** Works until the persister drains. Never rejects. */
  async run(): Promise<void> {
    const { clock, limits, draining, random } = this.#context;
    let failures = 0;
    while (!draining.aborted) {
      if (this.#retirements.length === 0 && this.#queue.size === 0) await this.#alarm.rung();
      failures = (await this.#workOnce()) ? 0 : failures + 1;
      if (failures > 0) await pause(clock, backoffMs(failures, limits.retryMsMin, limits.retryMsMax, random), draining);
    }
    for (const { timer } of this.#pending.values()) timer.cancel();
    for (const { rest } of this.#remembered.values()) rest?.cancel();
    await this.#context.compactor.end();
  }

  status(): CompactionStatus {
    const failing = [...this.#remembered].filter(([, { failures }]) => failures > 0);
    const worst = failing.toSorted(([, a], [, b]) => b.failures - a.failures).slice(0, failuresShown);
    return {
      queued: this.#queue.size + this.#retirements.length,
      failing: failing.length,
      failures: worst.map(([document, { failures, failure }]) => ({ document, failures, reason: failure })),
    };
  }

  /** Where there is no room it is left out, until it is written next. */
  #enqueue(document: DocumentName): void {
    if (this.#queue.size >= this.#context.limits.compactionDocumentsMax) return;
    this.#queue.add(document);
    this.#alarm.ring();
  }

  /** One retirement or one document, by turns. False where the store was not available; then it is queued again, behind the others. */
  async #workOnce(): Promise<boolean> {
    const [document] = this.#queue;
    const retirement = this.#hasRetired && document !== undefined ? undefined : this.#retirements[0];
    this.#hasRetired = retirement !== undefined;
    try {
      if (retirement !== undefined) {
        await this.#retire(retirement);
      } else if (document !== undefined) {
        this.#queue.delete(document);
        await this.#compact(document);
      }
      return true;
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      if (retirement === undefined && document !== undefined) this.#queue.add(document);
      this.#context.metrics.failed('store-unavailable');
      return false;
    }
  }

  async #retire(retirement: Retirement): Promise<void> {
    const { document, head, limit } = retirement;
    const { store, namedSnapshots } = this.#context;
    let left: Retirement | undefined;
    try {
      if (!(await retireCovered(document, head, store, namedSnapshots, limit))) left = retirement;
    } catch (error) {
      if (isUnavailable(error)) {
        left = { ...retirement, limit: lessThan(limit) };
        throw error;
      }
      this.#context.metrics.failed('compaction-store');
      this.#context.logger.error({ document, err: error }, 'what a snapshot covers could not be deleted');
    } finally {
      this.#retirements.shift();
      if (left !== undefined) this.#retirements.push(left);
    }
  }

  async #compact(document: DocumentName): Promise<void> {
    const started = this.#context.clock.monotonic();
    try {
      const compacted = await compactDocument(document, this.#context);
      await this.#conclude(document, compacted, this.#context.clock.monotonic() - started);
    } catch (error) {
      if (isUnavailable(error)) throw error;
      const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      this.#failed(document, 'compaction-store', reason, { err: error });
    }
  }

  async #conclude(document: DocumentName, compacted: Compacted, ms: number): Promise<void> {
    switch (compacted.kind) {
      case 'not-due': {
        const { head, growth } = compacted;
        const looked = this.#remembered.get(document)?.looked ?? true;
        if (
          head !== undefined &&
          !looked &&
          (await hasCovered(document, head, this.#context.store, this.#context.namedSnapshots))
        )
          this.#retireLater({ document, head, limit: retiredAtOnce });
        return this.#learn(document, growth);
      }
      case 'compacted':
        this.#context.metrics.compacted({ bytesIn: compacted.bytesIn, bytesOut: compacted.bytesOut, ms });
        this.#retireLater({ document, head: compacted.head, limit: limitFor(compacted.segments) });
        return this.#learn(document, { ...nothing, snapshotBytes: compacted.bytesOut });
      case 'overtaken':
        if (compacted.head !== undefined) this.#retireLater({ document, head: compacted.head, limit: retiredAtOnce });
        return this.#learn(document, nothing);
      case 'threw':
        return this.#failed(document, 'compaction-threw', compacted.reason, { culprit: describe(compacted.culprit) });
      case 'gave-up':
        return this.#failed(document, 'compaction-gave-up', compacted.reason, {});
      case 'stopping':
        return undefined;
    }
  }

  #learn(document: DocumentName, growth: Growth): void {
    const remembered = this.#remembered.get(document);
    if (remembered !== undefined) Object.assign(remembered, { growth, looked: true, failures: 0, failure: '' });
  }

  #failed(document: DocumentName, error: PersisterError, reason: string, fields: Record<string, unknown>): void {
    const { clock, limits, random, metrics, logger } = this.#context;
    const remembered = this.#remembered.get(document);
    metrics.failed(error);
    logger.error(
      { document, reason, failures: (remembered?.failures ?? 0) + 1, ...fields },
      'a document could not be compacted; its segments stay',
    );
    if (remembered === undefined) return;
    remembered.failures++;
    remembered.failure = reason;
    remembered.looked = false;
    const waitMs = backoffMs(remembered.failures, limits.compactionRetryMsMin, limits.compactionRetryMsMax, random);
    remembered.rest?.cancel();
    remembered.rest = clock.after(waitMs, () => {
      remembered.rest = undefined;
      this.#enqueue(document);
    });
  }

  #retireLater(retirement: Retirement): void {
    const { document, limit } = retirement;
    const waiting = this.#pending.get(document);
    if (waiting !== undefined) {
      waiting.later = { ...retirement, limit: limit ?? waiting.later?.limit };
      return;
    }
    const timer = this.#context.clock.after(this.#context.limits.retireAfterMs, () => {
      const later = this.#pending.get(document)?.later;
      this.#pending.delete(document);
      if (later !== undefined) this.#retireLater(later);
      this.#retirements.push(retirement);
      this.#alarm.ring();
    });
    this.#pending.set(document, { timer, later: undefined });
  }
}

const describe = (culprit: Extract<Compacted, { kind: 'threw' }>['culprit']): string =>
  'upto' in culprit ? `the snapshot below ${culprit.upto}` : `the segment ${culprit.first} to ${culprit.last}`;
