/**
 * One partition of the journal, on its way into the store: read from the checkpoint on, gathered, flushed, for ever.
 *
 * There is one way to begin, and every trouble leads back to it: read the checkpoint from the store, and follow the journal from there.
 * After a gap, a failed read, a store that was set back in time, whatever was in memory is thrown away, since the journal still has it. The
 * one thing that must never happen is to go on past records that were not stored. So where the journal no longer has what the
 * checkpoint asks for, or holds what this program can't read, the partition stops, says so, and waits for a person.
 */

import type { Batch, FollowEnd, Journal, Offset, Partition } from '#shared/journal/journal.ts';
import { createEnding } from '#shared/runtime/ending.ts';
import { createSlices } from '#shared/runtime/slices.ts';
import { backoffMs, pause } from '#shared/runtime/waiting.ts';
import { readEnds, staleEndMsMax } from '#shared/store/binding.ts';
import { persevere, type Retrying } from '#shared/store/persevering.ts';
import { isUnavailable, type Unavailable } from '#shared/store/unavailable.ts';

import { createAlarm } from './alarm.ts';
import { flush, type FlushContext, type Flushed } from './flush.ts';
import { type Allowance, type Gathering, startGathering, takeBatch } from './intake.ts';
import {
  type PartitionState,
  type PartitionStatus,
  type PersisterError,
  type PersisterLag,
  unavailableKind,
} from './reporting.ts';
import { createTrimming } from './trimming.ts';

export type PartitionContext = Omit<FlushContext, 'retrying' | 'trimBelow'> & {
  readonly journal: Journal;
  /** Shared by all partitions. */
  readonly allowance: Allowance;
  readonly retrying: Omit<Retrying, 'onUnavailable'>;
};

/** Why a turn of following ended. */
type Turn =
  | { readonly kind: 'drained' }
  /** Begin again at the checkpoint; `start` is the first offset that the journal still has, where it said so. */
  | { readonly kind: 'again'; readonly error: PersisterError; readonly reason: string; readonly start?: Offset }
  | { readonly kind: 'stop'; readonly reason: string };

export class PartitionPersister {
  readonly #context: PartitionContext;
  readonly #flushContext: FlushContext;
  #state: PartitionState = { kind: 'starting' };
  #checkpoint: Offset | undefined;
  #highWater: Offset = 0;
  #gathering: Gathering = startGathering(0);
  /** Ends the turn of following that is under way. */
  #endTurn: ((turn: Turn) => void) | undefined;
  #flushing: Gathering | undefined;
  /** Since when there is something in the journal that was not read yet; monotonic milliseconds. */
  #unreadSince: number | undefined;
  /** Who waits for the checkpoint to be moved on. */
  #awaited: { readonly upto: Offset; readonly resolve: () => void }[] = [];
  #ring: (() => void) | undefined;

  constructor(context: PartitionContext) {
    this.#context = context;
    this.#unreadSince = context.clock.monotonic();
    this.#flushContext = {
      ...context,
      trimBelow: createTrimming(context),
      retrying: { ...context.retrying, onUnavailable: (error) => this.#onUnavailable(error) },
    };
  }

  /** Goes on until it is drained or has to stop. Never rejects. */
  async run(): Promise<void> {
    try {
      await this.#repeat();
      if (this.#state.kind !== 'stopped') this.#state = { kind: 'ended' };
    } catch (error) {
      this.#context.logger.error({ partition: this.#context.partition, err: error }, 'persisting a partition failed');
      this.#stop(describeError(error));
    }
  }

  get partition(): Partition {
    return this.#context.partition;
  }

  status(): PartitionStatus {
    return { partition: this.#context.partition, state: this.#state, checkpoint: this.#checkpoint };
  }

  lag(): PersisterLag {
    const { clock } = this.#context;
    const oldest = this.#flushing?.oldestTime ?? this.#gathering.oldestTime;
    return {
      records: this.#checkpoint === undefined ? 0 : Math.max(0, this.#highWater - this.#checkpoint),
      bytes: (this.#flushing?.updateBytes ?? 0) + this.#gathering.updateBytes,
      ageMs:
        oldest !== undefined
          ? Math.max(0, clock.now() - oldest)
          : this.#unreadSince !== undefined
            ? clock.monotonic() - this.#unreadSince
            : 0,
    };
  }

  /** Tells it where the journal ends. */
  noteHighWater(highWater: Offset): void {
    this.#highWater = Math.max(this.#highWater, highWater);
    const caughtUp = this.#checkpoint !== undefined && this.#highWater <= this.#gathering.next;
    this.#unreadSince = caughtUp ? undefined : (this.#unreadSince ?? this.#context.clock.monotonic());
  }

  /** Stores what is below `upto` as soon as it is read, without gathering more. Resolves when the checkpoint is there, however long that takes; never where `signal` is aborted before. */
  storeThrough(upto: Offset, signal?: AbortSignal): Promise<void> {
    if (this.#checkpoint !== undefined && this.#checkpoint >= upto) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting = { upto, resolve };
    this.#awaited.push(waiting);
    signal?.addEventListener('abort', () => {
      this.#awaited = this.#awaited.filter((one) => one !== waiting);
    });
    if (this.#isAwaited()) this.#ring?.();
    return promise;
  }

  /** Whether anybody waits for something that was gathered. */
  #isAwaited(): boolean {
    return this.#awaited.some(({ upto }) => upto <= this.#gathering.next);
  }

  #tellCheckpoint(checkpoint: Offset): void {
    const awaited = this.#awaited;
    this.#awaited = awaited.filter(({ upto }) => upto > checkpoint);
    for (const { upto, resolve } of awaited) if (upto <= checkpoint) resolve();
  }

  /**
   * Looks whether the store was put back to an earlier time, and begins again at its checkpoint then. A flush would find out as well, but nothing is
   * flushed where nobody types. Rejects with `StoreUnavailable`.
   */
  async lookAtStore(): Promise<void> {
    const { store, partition } = this.#context;
    // Both from before the read: what a flush moves meanwhile is no news of the store.
    const endTurn = this.#endTurn;
    const checkpoint = this.#checkpoint;
    if (endTurn === undefined || checkpoint === undefined) return;
    try {
      const stored = await store.readCheckpoint(partition);
      if (stored < checkpoint) endTurn(wentBack(stored));
    } catch (error) {
      if (isUnavailable(error)) throw error;
      endTurn({ kind: 'stop', reason: describeError(error) });
    }
  }

  async #repeat(): Promise<void> {
    const { clock, logger, partition, metrics } = this.#context;
    const { draining, random, retryMsMin, retryMsMax } = this.#context.retrying;
    let start: Offset = 0;
    let fruitless = 0;
    while (!draining.aborted) {
      const before = this.#checkpoint;
      const from = await this.#findStart();
      if (from === undefined) return;
      if (from < start)
        return this.#stop(`the journal begins at ${start}, and only what is below ${from} is stored: records are missing`);
      const turn = await this.#follow(from);
      if (turn.kind === 'drained') return undefined;
      if (turn.kind === 'stop') return this.#stop(turn.reason);
      start = turn.start ?? 0;
      fruitless = this.#checkpoint === before ? fruitless + 1 : 1;
      const waitMs = backoffMs(fruitless, retryMsMin, retryMsMax, random);
      metrics.failed(turn.error);
      logger.warn(
        { partition, reason: turn.reason, checkpoint: this.#checkpoint, waitMs },
        'reading a partition again from its checkpoint',
      );
      this.#state = { kind: 'retrying', reason: turn.reason };
      await pause(clock, waitMs, draining);
    }
    return undefined;
  }

  /** The checkpoint, or undefined where the persister drains or the partition had to stop. */
  async #findStart(): Promise<Offset | undefined> {
    const { clock, partition } = this.#context;
    const { draining } = this.#context.retrying;
    const read = await persevere(
      () => readEnds(this.#context, partition, clock.monotonic() + staleEndMsMax, draining),
      this.#flushContext.retrying,
    );
    if (read.kind === 'gave-up') return undefined;
    const { checkpoint, highWater } = read.value;
    if (checkpoint > highWater) {
      if (draining.aborted) return undefined;
      this.#stop(
        `the checkpoint ${checkpoint} is beyond the journal's end ${highWater}: this is not the journal that was stored`,
      );
      return undefined;
    }
    this.#checkpoint = checkpoint;
    this.#tellCheckpoint(checkpoint);
    this.#gathering = startGathering(checkpoint);
    this.noteHighWater(highWater);
    return checkpoint;
  }

  /** Follows the journal from `from` on and flushes what comes, until something ends it. What came before the end is flushed. */
  async #follow(from: Offset): Promise<Turn> {
    const { journal, partition, clock, allowance, limits } = this.#context;
    const { draining } = this.#context.retrying;
    const alarm = createAlarm(clock);
    const slices = createSlices(clock, limits.flushSliceMs);
    const over = createEnding();
    let end: Turn | undefined;
    const onBatch = (batch: Batch): Promise<void> | undefined => {
      if (end !== undefined || draining.aborted) return undefined;
      const taken = takeBatch(this.#gathering, batch, clock.now());
      if (taken.kind === 'gap') {
        end = { kind: 'again', error: 'gap', reason: `a batch begins at ${taken.found} where ${taken.expected} was expected` };
        alarm.ring();
        return undefined;
      }
      this.noteHighWater(batch.next);
      allowance.take(taken.heldBytes);
      const room = allowance.room();
      if (room !== undefined || this.#gathering.updateBytes >= limits.flushBytes || this.#isAwaited()) alarm.ring();
      else alarm.ringWithin(this.#untilTurnMs());
      return room === undefined ? slices() : over.orEnd(room).catch(() => {}); // there is always room some day, and the end is no failure
    };
    this.#endTurn = (turn) => {
      end ??= turn;
      alarm.ring();
    };
    const onEnd = (found: FollowEnd): void => this.#endTurn?.(turnAfter(found));
    draining.addEventListener('abort', alarm.ring);
    this.#ring = alarm.ring;
    this.#state = { kind: 'following' };
    const following = journal.follow(partition, from, { onBatch, onEnd });
    try {
      for (;;) {
        if (!draining.aborted) await alarm.rung();
        const ended = draining.aborted ? ({ kind: 'drained' } as const) : end;
        const flushed = await this.#flushGathered();
        if (flushed !== undefined) return flushed;
        if (ended !== undefined) return ended;
      }
    } finally {
      draining.removeEventListener('abort', alarm.ring);
      this.#endTurn = undefined;
      this.#ring = undefined;
      end ??= { kind: 'drained' };
      allowance.giveBack(this.#gathering.heldBytes);
      this.#gathering = startGathering(this.#checkpoint ?? from);
      over.end(new Error('the partition is not followed any more'));
      await following.stop();
    }
  }

  /** Until this partition's turn to flush, in ms. Each has a moment of its own in the interval: all at once, they would have the machine to themselves for a tenth of a second, again and again. */
  #untilTurnMs(): number {
    const { partition, journal, clock, limits } = this.#context;
    const { flushIntervalMs } = limits;
    const turnMs = (partition / journal.identity.partitionCount) * flushIntervalMs;
    return flushIntervalMs - ((clock.monotonic() + flushIntervalMs - turnMs) % flushIntervalMs);
  }

  /** Flushes what was gathered until now. Undefined where that went well, and following goes on. */
  async #flushGathered(): Promise<Turn | undefined> {
    const gathered = this.#gathering;
    if (gathered.next === gathered.first) return undefined;
    this.#flushing = gathered;
    this.#gathering = startGathering(gathered.next);
    let flushed: Flushed;
    try {
      flushed = await flush(gathered, this.#flushContext);
    } finally {
      this.#flushing = undefined;
      this.#context.allowance.giveBack(gathered.heldBytes);
    }
    switch (flushed.kind) {
      case 'go-back':
        return wentBack(flushed.checkpoint);
      case 'gave-up':
        return { kind: 'drained' };
      case 'too-large': {
        const { document, offset, bytes } = flushed;
        return { kind: 'stop', reason: `record ${offset} of "${document}" has ${bytes} bytes: no segment holds it` };
      }
      case 'flushed':
        this.#checkpoint = Math.max(flushed.checkpoint, gathered.next);
        this.#tellCheckpoint(this.#checkpoint);
        this.#onAvailable();
    }
    return undefined;
  }

  #onUnavailable(error: Unavailable): void {
    const { metrics, logger, partition } = this.#context;
    metrics.failed(unavailableKind(error));
    if (this.#state.kind === 'retrying') return;
    logger.warn({ partition, err: error }, 'waiting for the store or the journal');
    this.#state = { kind: 'retrying', reason: error.message };
  }

  #onAvailable(): void {
    if (this.#state.kind !== 'retrying') return;
    this.#context.logger.info({ partition: this.#context.partition }, 'persisting again');
    this.#state = { kind: 'following' };
  }

  #stop(reason: string): undefined {
    const { metrics, logger, partition } = this.#context;
    this.#state = { kind: 'stopped', reason };
    metrics.failed('partition-stopped');
    logger.error({ partition, reason, checkpoint: this.#checkpoint }, 'a partition is not persisted any more');
  }
}

const describeError = (error: unknown): string => (error instanceof Error ? `${error.name}: ${error.message}` : String(error));

const wentBack = (checkpoint: Offset): Turn => ({
  kind: 'again',
  error: 'went-back',
  reason: `the store's checkpoint went back to ${checkpoint}`,
});

function turnAfter(end: FollowEnd): Turn {
  switch (end.kind) {
    case 'trimmed': {
      const { wanted, start } = end;
      return {
        kind: 'again',
        error: 'gap',
        reason: `offset ${wanted} is gone from the journal, which begins at ${start}`,
        start,
      };
    }
    case 'beyond-end':
      return { kind: 'again', error: 'gap', reason: `offset ${end.wanted} is beyond the journal's end ${end.highWater}` };
    case 'newer-version':
      return { kind: 'stop', reason: `record ${end.offset} was written by a newer version (${end.found})` };
    case 'failed':
  }
  return { kind: 'again', error: 'journal-failed', reason: end.error.message };
}
