/**
 * Sweeps: looking everywhere.
 *
 * Announcements may fail in ways that nobody notices, so now and then all mirrors are looked at, a page of names at a time; and at once whenever it is known that something was missed. A sweep that is under
 * way when another one is asked for has passed some names already, so it is followed by a whole one.
 */

import type { DocumentName } from '#shared/document/name.ts';
import type { Clock } from '#shared/runtime/clock.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import { pause } from '#shared/runtime/waiting.ts';
import type { MirrorStore } from '#shared/store/mirrors.ts';
import { persevere } from '#shared/store/persevering.ts';

import type { Looks } from './looks.ts';
import type { WatchLimits } from './watch-limits.ts';
import type { WatchMetrics } from './watch-reporting.ts';

export type SweepsOptions = {
  readonly mirrors: Pick<MirrorStore, 'listDocuments'>;
  readonly looks: Looks;
  readonly clock: Clock;
  readonly limits: WatchLimits;
  readonly logger: Logger;
  readonly metrics: WatchMetrics;
};

export class Sweeps {
  readonly #options: SweepsOptions;
  /** Who waits for the next sweep. */
  #requested: PromiseWithResolvers<boolean> | undefined;
  #wake: AbortController | undefined;
  #isOver = false;
  #intervalMs: number;

  constructor(options: SweepsOptions) {
    this.#options = options;
    this.#intervalMs = options.limits.sweepIntervalMs;
  }

  /** Resolves with true when a sweep that began after now has looked at everything; with false where sweeping ends before. One promise for all who ask before the same sweep. */
  request(): Promise<boolean> {
    if (this.#isOver) return Promise.resolve(false);
    this.#requested ??= Promise.withResolvers();
    this.#wake?.abort();
    return this.#requested.promise;
  }

  /** From now on there is so much time between two sweeps that nobody asked for, in milliseconds. */
  sweepEvery(intervalMs: number): void {
    this.#intervalMs = intervalMs;
    this.#wake?.abort();
  }

  /** Sweeps when asked to and at intervals, until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    let endedMs = this.#options.clock.monotonic();
    while (!signal.aborted) {
      const restMs = endedMs + this.#intervalMs - this.#options.clock.monotonic();
      if (this.#requested === undefined && restMs > 0) {
        await this.#rest(restMs, signal);
        continue;
      }
      const requested = this.#requested;
      this.#requested = undefined;
      const isWhole = await this.#sweep(signal);
      endedMs = this.#options.clock.monotonic();
      requested?.resolve(isWhole);
    }
    this.#isOver = true;
    this.#requested?.resolve(false);
  }

  async #rest(ms: number, signal: AbortSignal): Promise<void> {
    this.#wake = new AbortController();
    await pause(this.#options.clock, ms, signal, this.#wake.signal);
    this.#wake = undefined;
  }

  /** Whether it has come to the end. */
  async #sweep(signal: AbortSignal): Promise<boolean> {
    const { looks, clock, limits, metrics } = this.#options;
    const startMs = clock.monotonic();
    let documents = 0;
    let after: DocumentName | undefined;
    do {
      await looks.fewerThan(limits.announcedMax); // those that were tried and wait for somebody else are no longer the sweep's
      const page = await this.#page(after, signal);
      if (page === undefined) return false;
      const looked = await Promise.all(page.map((document) => looks.add(document, 'swept')));
      if (looked.includes(false)) return false;
      documents += page.length;
      after = page.length < limits.sweepPageNames ? undefined : page.at(-1);
    } while (after !== undefined);
    metrics.swept({ documents, ms: clock.monotonic() - startMs });
    return true;
  }

  /** Undefined where `signal` was aborted before it could be read. */
  async #page(after: DocumentName | undefined, signal: AbortSignal): Promise<readonly DocumentName[] | undefined> {
    const { mirrors, clock, limits, logger, metrics } = this.#options;
    const read = await persevere(() => mirrors.listDocuments(after, limits.sweepPageNames), {
      ...limits,
      clock,
      random: Math.random,
      draining: signal,
      onUnavailable: (error) => {
        metrics.failed('unavailable');
        logger.warn({ reason: error.message }, 'the names of mirrors can not be read now');
      },
    });
    return read.kind === 'done' ? read.value : undefined;
  }
}
