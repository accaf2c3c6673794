/**
 * Documents that are to be looked at, each by one look at a time.
 *
 * A mirror that is edited ten times in a second is announced ten times, and each look takes in all that it finds. Two looks at one document would only make each other's writes miss. So a name that is waiting already waits
 * once; one that comes again during its look is looked at once more after it, since nobody knows whether that look had seen it. Different documents have nothing to do with each other, and are looked at side by side.
 *
 * Those that were announced go first: a person waits for them. A sweep, which comes to all mirrors there are, has few looks at a time to itself.
 *
 * Somebody may want to know when a document was looked at *after* now: to say that everything up to here was (`token-progress.ts`). So each call gets a promise of its own.
 */

import type { DocumentName } from '#shared/document/name.ts';
import type { Clock, Timer } from '#shared/runtime/clock.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import { backoffMs } from '#shared/runtime/waiting.ts';
import { isUnavailable } from '#shared/store/unavailable.ts';

import type { WatchLimits } from './watch-limits.ts';
import type { WatchMetrics } from './watch-reporting.ts';

/** Does what is to be done for a document. `again`: not all of it could be done now. */
export type TakeIn = (document: DocumentName) => Promise<'done' | 'again'>;

/** Why a document is to be looked at. */
export type Occasion = 'announced' | 'swept';

export type LooksOptions = {
  readonly takeIn: TakeIn;
  readonly clock: Clock;
  readonly limits: WatchLimits;
  readonly logger: Logger;
  readonly metrics: WatchMetrics;
  readonly random?: () => number;
};

type Settle = (wasLooked: boolean) => void;

type Entry = {
  readonly document: DocumentName;
  state: 'waiting' | 'looking' | 'pausing';
  occasion: Occasion;
  /** Since when, by the monotonic clock. */
  sinceMs: number;
  /** Who waits for this look, and for the one after it; of that there is none where nobody does. */
  settles: Settle[];
  nextSettles: Settle[];
  nextOccasion: Occasion;
  nextSinceMs: number;
  /** In a row. */
  failures: number;
  agains: number;
  timer: Timer | undefined;
};

export class Looks {
  readonly #options: LooksOptions;
  readonly #entries = new Map<DocumentName, Entry>();
  /** Those that wait, each kind in its order. */
  readonly #waiting: Readonly<Record<Occasion, Set<Entry>>> = { announced: new Set(), swept: new Set() };
  readonly #looking: Record<Occasion, number> = { announced: 0, swept: 0 };
  #isStopped = false;
  /** Who waits until there are fewer. */
  readonly #ended: (() => void)[] = [];

  constructor(options: LooksOptions) {
    this.#options = options;
  }

  /** How many documents are waiting, being looked at, or paused. */
  get pending(): number {
    return this.#entries.size;
  }

  /** How long the one that has waited longest has, in milliseconds. */
  get waitedMs(): number {
    const nowMs = this.#options.clock.monotonic();
    let waitedMs = 0;
    for (const { sinceMs } of this.#entries.values()) waitedMs = Math.max(waitedMs, nowMs - sinceMs);
    return waitedMs;
  }

  /** Resolves with true when the document was looked at by a look that began after now, or was left to a sweep; with false where looking was stopped before. */
  add(document: DocumentName, occasion: Occasion): Promise<boolean> {
    if (this.#isStopped) return Promise.resolve(false);
    return new Promise((resolve) => {
      const entry = this.#entries.get(document);
      if (entry === undefined) this.#begin(document, occasion, [resolve]);
      else if (entry.state === 'looking') this.#addToNext(entry, occasion, resolve);
      else this.#addTo(entry, occasion, resolve);
      this.#proceed();
    });
  }

  /** Resolves when fewer than `max` documents are pending. */
  async fewerThan(max: number): Promise<void> {
    while (this.#entries.size >= max) await new Promise<void>((resolve) => this.#ended.push(resolve));
  }

  /** Begins no more looks; resolves when those under way are over. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const entry of [...this.#entries.values()]) if (entry.state !== 'looking') this.#end(entry, false);
    await this.fewerThan(1);
  }

  #begin(document: DocumentName, occasion: Occasion, settles: Settle[], sinceMs = this.#options.clock.monotonic()): void {
    const entry: Entry = {
      document,
      state: 'waiting',
      occasion,
      sinceMs,
      settles,
      nextSettles: [],
      nextOccasion: 'swept',
      nextSinceMs: 0,
      failures: 0,
      agains: 0,
      timer: undefined,
    };
    this.#entries.set(document, entry);
    this.#waiting[occasion].add(entry);
  }

  #addTo(entry: Entry, occasion: Occasion, settle: Settle): void {
    entry.settles.push(settle);
    if (occasion !== 'announced' || entry.occasion === 'announced') return;
    entry.occasion = 'announced';
    if (this.#waiting.swept.delete(entry)) this.#waiting.announced.add(entry);
  }

  #addToNext(entry: Entry, occasion: Occasion, settle: Settle): void {
    if (entry.nextSettles.length === 0) entry.nextSinceMs = this.#options.clock.monotonic();
    entry.nextSettles.push(settle);
    if (occasion === 'announced') entry.nextOccasion = 'announced';
  }

  #proceed(): void {
    const { looksMax, sweepLooksMax } = this.#options.limits;
    while (!this.#isStopped && this.#looking.announced + this.#looking.swept < looksMax) {
      const [announced] = this.#waiting.announced;
      const [swept] = this.#looking.swept < sweepLooksMax ? this.#waiting.swept : [];
      const entry = announced ?? swept;
      if (entry === undefined) return;
      this.#waiting[entry.occasion].delete(entry);
      void this.#look(entry);
    }
  }

  async #look(entry: Entry): Promise<void> {
    const { occasion } = entry;
    entry.state = 'looking';
    this.#looking[occasion]++;
    const outcome = await this.#attempt(entry);
    this.#looking[occasion]--;
    if (outcome === 'done') this.#finish(entry);
    else if (this.#isStopped) this.#end(entry, false);
    else this.#pause(entry, outcome);
    this.#proceed();
  }

  /** `done`, or how long to wait before the next attempt, in milliseconds. */
  async #attempt(entry: Entry): Promise<'done' | number> {
    const { takeIn, limits, metrics, random = Math.random } = this.#options;
    try {
      const outcome = await takeIn(entry.document);
      entry.failures = 0;
      if (outcome === 'done') {
        metrics.looked({ document: entry.document, ms: this.#options.clock.monotonic() - entry.sinceMs });
        return 'done';
      }
      entry.agains++;
      return backoffMs(entry.agains, limits.lookAgainMsMin, limits.lookAgainMsMax, random);
    } catch (error) {
      return this.#failed(entry, error);
    }
  }

  #failed(entry: Entry, error: unknown): 'done' | number {
    const { limits, logger, metrics, random = Math.random } = this.#options;
    const { document } = entry;
    entry.failures++;
    metrics.failed('look-failed');
    const failureMs = backoffMs(entry.failures, limits.retryMsMin, limits.retryMsMax, random);
    if (isUnavailable(error)) {
      logger.warn({ document, reason: `${error.name}: ${error.message}` }, 'a mirror can not be looked at now');
      return failureMs;
    }
    const isLeft = entry.failures >= limits.lookFailuresMax;
    logger.error({ document, error, isLeft }, 'looking at a mirror failed');
    if (isLeft) metrics.failed('look-given-up');
    return isLeft ? 'done' : failureMs;
  }

  #pause(entry: Entry, ms: number): void {
    entry.state = 'pausing';
    entry.settles.push(...entry.nextSettles.splice(0));
    if (entry.nextOccasion === 'announced') entry.occasion = 'announced';
    entry.timer = this.#options.clock.after(ms, () => {
      entry.timer = undefined;
      entry.state = 'waiting';
      this.#waiting[entry.occasion].add(entry);
      this.#proceed();
    });
  }

  #finish(entry: Entry): void {
    const { document, nextSettles, nextOccasion, nextSinceMs } = entry;
    if (nextSettles.length === 0 || this.#isStopped) {
      this.#end(entry, true);
      return;
    }
    for (const settle of entry.settles) settle(true);
    this.#begin(document, nextOccasion, nextSettles, nextSinceMs);
  }

  #end(entry: Entry, wasLooked: boolean): void {
    entry.timer?.cancel();
    this.#waiting[entry.occasion].delete(entry);
    this.#entries.delete(entry.document);
    for (const settle of entry.settles) settle(wasLooked);
    for (const settle of entry.nextSettles) settle(false);
    for (const resolve of this.#ended.splice(0)) resolve();
  }
}
