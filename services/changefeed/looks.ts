/**
 * Documents that are to be looked at, each by one look at a time.
 *
 * A mirror that is edited ten times in a second is announced ten times, and each look takes in all that it finds. Two looks at one document would only make each other's writes miss. So a name that is waiting already waits
 * once; one that comes again during its look is looked at once more after it, since nobody knows whether that look had seen it. Different documents have nothing to do with each other, and are looked at side by side.
 *
 * Those that were announced go first: a person waits for them. A sweep, which comes to all mirrors there are, has few looks at a time to itself.
 *
 * Somebody may want to know when a document was looked at *after* now: to say that everything up to here was (`token-progress.ts`). That is one promise for all who ask before the same look, since a document that can't be
 * finished for an hour may be announced a million times in it. A sweep asks for less: it goes on when it was tried, or one document for which a persister has yet to do something would keep it from all the others.
 */

import type { DocumentName } from '#shared/document/name.ts';
import type { Clock, Timer } from '#shared/runtime/clock.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import { backoffMs } from '#shared/runtime/waiting.ts';
import { isUnavailable } from '#shared/store/unavailable.ts';

import type { WatchLimits } from './watch-limits.ts';
import type { WatchMetrics } from './watch-reporting.ts';

/** Does what is to be done for a document. `more`: not all of it, since others are to have their turn. `again`: the rest can't be done now. */
export type TakeIn = (document: DocumentName) => Promise<'done' | 'more' | 'again'>;

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

/** A look that is to begin, and who waits for it. */
type Turn = {
  occasion: Occasion;
  /** Since when, by the monotonic clock. */
  sinceMs: number;
  /** Of those who announced it until nothing is left to do, of a sweep until it was tried. */
  readonly waiters: Record<Occasion, PromiseWithResolvers<boolean> | undefined>;
};

type Entry = {
  readonly document: DocumentName;
  state: 'waiting' | 'looking' | 'pausing';
  turn: Turn;
  /** The look after it, where somebody wants one. */
  next: Turn | undefined;
  /** In a row. */
  failures: number;
  agains: number;
  timer: Timer | undefined;
};

/** What became of an attempt, and how long to wait before the next one, in milliseconds. */
type Attempted = { readonly kind: 'done' } | { readonly kind: 'tried' | 'failed'; readonly waitMs: number };

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
    for (const {
      turn: { sinceMs },
    } of this.#entries.values())
      waitedMs = Math.max(waitedMs, nowMs - sinceMs);
    return waitedMs;
  }

  /**
   * Resolves with true when a look that began after now has left nothing to do, or has left the document to a sweep; for a sweep also when it could not do everything, which is done later. With false where looking was
   * stopped before.
   */
  add(document: DocumentName, occasion: Occasion): Promise<boolean> {
    if (this.#isStopped) return Promise.resolve(false);
    const entry = this.#entries.get(document) ?? this.#begin(document, this.#turn(occasion));
    const turn = entry.state === 'looking' ? (entry.next ??= this.#turn(occasion)) : entry.turn;
    if (occasion === 'announced') this.#hasten(entry, turn);
    const { promise } = (turn.waiters[occasion] ??= Promise.withResolvers());
    this.#proceed();
    return promise;
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

  #turn(occasion: Occasion): Turn {
    const sinceMs = this.#options.clock.monotonic();
    return { occasion, sinceMs, waiters: { announced: undefined, swept: undefined } };
  }

  #begin(document: DocumentName, turn: Turn): Entry {
    const entry: Entry = { document, state: 'waiting', turn, next: undefined, failures: 0, agains: 0, timer: undefined };
    this.#entries.set(document, entry);
    this.#waiting[turn.occasion].add(entry);
    return entry;
  }

  #hasten(entry: Entry, turn: Turn): void {
    turn.occasion = 'announced';
    if (this.#waiting.swept.delete(entry)) this.#waiting[entry.turn.occasion].add(entry);
  }

  #proceed(): void {
    const { looksMax, sweepLooksMax } = this.#options.limits;
    while (!this.#isStopped && this.#looking.announced + this.#looking.swept < looksMax) {
      const [announced] = this.#waiting.announced;
      const [swept] = this.#looking.swept < sweepLooksMax ? this.#waiting.swept : [];
      const entry = announced ?? swept;
      if (entry === undefined) return;
      this.#waiting[entry.turn.occasion].delete(entry);
      void this.#look(entry);
    }
  }

  async #look(entry: Entry): Promise<void> {
    const { occasion } = entry.turn;
    entry.state = 'looking';
    this.#looking[occasion]++;
    const attempted = await this.#attempt(entry);
    this.#looking[occasion]--;
    if (attempted.kind === 'done') this.#finish(entry);
    else if (this.#isStopped) this.#end(entry, false);
    else this.#pause(entry, attempted);
    this.#proceed();
  }

  async #attempt(entry: Entry): Promise<Attempted> {
    const { takeIn, limits, clock, metrics, random = Math.random } = this.#options;
    const { document, turn } = entry;
    try {
      const outcome = await takeIn(document);
      entry.failures = 0;
      entry.agains = outcome === 'again' ? entry.agains + 1 : 0;
      if (outcome === 'again')
        return { kind: 'tried', waitMs: backoffMs(entry.agains, limits.lookAgainMsMin, limits.lookAgainMsMax, random) };
      if (outcome === 'more') return { kind: 'tried', waitMs: 0 };
      metrics.looked({ document, ms: clock.monotonic() - turn.sinceMs });
      return { kind: 'done' };
    } catch (error) {
      return this.#failed(entry, error);
    }
  }

  #failed(entry: Entry, error: unknown): Attempted {
    const { limits, logger, metrics, random = Math.random } = this.#options;
    const { document } = entry;
    entry.failures++;
    metrics.failed('look-failed');
    const waitMs = backoffMs(entry.failures, limits.retryMsMin, limits.retryMsMax, random);
    if (isUnavailable(error)) {
      logger.warn({ document, reason: `${error.name}: ${error.message}` }, 'a mirror can not be looked at now');
      return { kind: 'failed', waitMs };
    }
    const isLeft = entry.failures >= limits.lookFailuresMax;
    logger.error({ document, error, isLeft }, 'looking at a mirror failed');
    if (isLeft) metrics.failed('look-given-up');
    return isLeft ? { kind: 'done' } : { kind: 'failed', waitMs };
  }

  #pause(entry: Entry, { kind, waitMs }: Exclude<Attempted, { readonly kind: 'done' }>): void {
    const { turn, next } = entry;
    if (next?.occasion === 'announced') turn.occasion = 'announced';
    if (kind === 'tried') {
      turn.waiters.swept?.resolve(true);
      turn.waiters.swept = next?.waiters.swept;
      if (next !== undefined) next.waiters.swept = undefined;
      if (next?.waiters.announced === undefined) entry.next = undefined;
    }
    if (waitMs === 0) this.#wait(entry);
    else {
      entry.state = 'pausing';
      entry.timer = this.#options.clock.after(waitMs, () => {
        entry.timer = undefined;
        this.#wait(entry);
        this.#proceed();
      });
    }
  }

  #wait(entry: Entry): void {
    entry.state = 'waiting';
    this.#waiting[entry.turn.occasion].add(entry);
  }

  #finish(entry: Entry): void {
    const { document, turn, next } = entry;
    if (next === undefined || this.#isStopped) {
      this.#end(entry, true);
      return;
    }
    settle(turn, true);
    this.#begin(document, next);
  }

  #end(entry: Entry, wasLooked: boolean): void {
    const { document, turn, next, timer } = entry;
    timer?.cancel();
    this.#waiting[turn.occasion].delete(entry);
    this.#entries.delete(document);
    settle(turn, wasLooked);
    if (next !== undefined) settle(next, false);
    for (const resolve of this.#ended.splice(0)) resolve();
  }
}

function settle({ waiters }: Turn, wasLooked: boolean): void {
  waiters.announced?.resolve(wasLooked);
  waiters.swept?.resolve(wasLooked);
}
