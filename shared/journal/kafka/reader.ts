/**
 * Reading partitions, each from an offset of its own.
 *
 * kafkajs reads in consumer groups alone. A gateway would need a group of its own, in which it is given all partitions, pauses them, and seeks: it could read only
 * while a coordinator lets it, would have to seek again after each rejoin, and a seek at the wrong moment is dropped without a word. What it wants is
 * simpler: "the records of these partitions, from here". That is one Fetch request, and nothing else is used. There is no membership to be lost, so a
 * process that was frozen for an hour goes on where it was.
 *
 * A partition that is new is read by itself, without waiting, until it has caught up (on connections of its own: a broker answers the requests of one
 * connection one after the other, and would let it wait behind a request that waits for news). Then it joins all the others that one node leads,
 * in one request that the broker holds until there is something, `waitMs` at most. Whoever takes its time over a batch is left out of the
 * requests meanwhile: its offset waits, nothing is queued for it.
 *
 * What comes is checked against what was to come: the first offset must be the one that was asked for, and each next one its successor.
 */

import type { FollowEnd, Following, Offset, Partition } from '../journal.ts';
import type { Clock } from '#shared/runtime/clock.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import { pause } from '#shared/runtime/waiting.ts';
import type { Link } from './link.ts';
import type { Fetched } from './fetch-response.ts';
import type { ToFetch } from './fetch-request.ts';
import { describeCode, errorCodes, fetch } from './requests.ts';
import { type Slice, sliceAt } from './slice.ts';

export type ReaderLimits = {
  /** How long a broker holds a request while there is nothing, in ms: a partition that joins waits so long at most. */
  readonly waitMs: number;
  /** The shortest time between two requests to a node, where the first has brought all that there was, in ms: a request costs as much for one record as for a hundred. */
  readonly fetchIntervalMs: number;
  /** Read at once of a partition, in bytes; at least one batch. */
  readonly partitionBytesMax: number;
  /** Read at once of all partitions of a node, in bytes; at least one batch. */
  readonly fetchBytesMax: number;
  readonly retryMsMin: number;
  readonly retryMsMax: number;
};

/** What reading needs of a link. */
export type ReadingLink = Pick<Link, 'ask' | 'leaderOf' | 'leaders' | 'offsetOf' | 'relearn'>;

export type ReaderParts = {
  /** For requests that wait for news. */
  readonly waiting: ReadingLink;
  /** For those that don't. */
  readonly catchingUp: ReadingLink;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: ReaderLimits;
};

/** What becomes of a slice: nothing more to say, or why it can't go on behind it. */
type Taken = FollowEnd | undefined;

/** Takes slices; the next one comes when the returned promise has settled. */
export type Sink = {
  readonly onSlice: (slice: Slice) => Taken | Promise<Taken>;
  /** Called once where it can't go on; not after `stop`. */
  readonly onEnd: (end: FollowEnd) => void;
};

type Want = {
  /** Of its topic and partition. */
  readonly name: string;
  readonly topic: string;
  readonly partition: Partition;
  readonly sink: Sink;
  at: Offset;
  phase: 'catching-up' | 'waiting' | 'ended';
  /** While it is being asked for, or its sink is busy. */
  busy: boolean;
  /** The number of the request that asked for it last. */
  asked: number;
  delivering: Promise<void> | undefined;
};

/** An end that lies before what is asked for is believed when it was told for so long, in ms, and asked for so often. */
const endBelievedMs = 1_500;
const endAskedMs = 250;

const brokers = 'brokers';

export class Reader {
  readonly #parts: ReaderParts;
  readonly #wants = new Set<Want>();
  readonly #polling = new Set<string>();
  #closed = false;
  #isPlacing = false;
  #looksAgain = false;
  #requests = 0;
  /** What can't be read now, and how often in a row that was so. */
  readonly #failures = new Map<string, number>();

  constructor(parts: ReaderParts) {
    this.#parts = parts;
  }

  /** Gives the messages of a partition from `from` on to `sink`, the first ones after the call has returned. */
  read(topic: string, partition: Partition, from: Offset, sink: Sink): Following {
    const want: Want = {
      name: `${topic} ${partition}`,
      topic,
      partition,
      sink,
      at: from,
      phase: 'catching-up',
      busy: true,
      asked: 0,
      delivering: undefined,
    };
    this.#wants.add(want);
    void Promise.resolve().then(() => this.#catchUp(want));
    return {
      stop: async () => {
        want.phase = 'ended';
        this.#leave(want);
        await want.delivering;
      },
    };
  }

  /** Begins nothing any more, and calls nobody. Resolves when what was being delivered is. */
  async close(): Promise<void> {
    this.#closed = true;
    const wants = [...this.#wants];
    for (const want of wants) want.phase = 'ended';
    this.#wants.clear();
    for (const { delivering } of wants) await delivering;
  }

  /** Reads one partition by itself until it has caught up. */
  async #catchUp(want: Want): Promise<void> {
    const { catchingUp, limits } = this.#parts;
    while (want.phase === 'catching-up' && !this.#closed) {
      try {
        const node = await catchingUp.leaderOf(want.topic, want.partition);
        const [fetched] = await catchingUp.ask(node, (broker) => fetch(broker, [this.#question(want)], 0, limits.fetchBytesMax));
        if (fetched === undefined) throw new Error('a response without its partition');
        await this.#take(want, fetched, catchingUp);
        if (fetched.errorCode === errorCodes.none && want.at >= fetched.highWater && want.phase === 'catching-up')
          want.phase = 'waiting';
      } catch (error) {
        await this.#couldNot(want, error);
      }
    }
    want.busy = false;
    this.#poll();
  }

  /** Begins a request to each node that has none under way and something to be asked for. */
  #poll(): void {
    this.#looksAgain = true;
    if (this.#isPlacing) return;
    this.#isPlacing = true;
    void this.#place();
  }

  async #place(): Promise<void> {
    while (this.#looksAgain && !this.#closed) {
      this.#looksAgain = false;
      try {
        await this.#startPolls();
        this.#succeeded(brokers);
      } catch (error) {
        await this.#failed(brokers, error);
        this.#looksAgain = true;
      }
    }
    // In the same turn as the last look: nobody who asks for another one finds it too late for this one and too early for the next.
    this.#isPlacing = false;
  }

  async #startPolls(): Promise<void> {
    const leaderOf = await this.#parts.waiting.leaders();
    const byNode = Map.groupBy(this.#freeWants(), ({ topic, partition }) => leaderOf(topic, partition));
    for (const [node, asked] of byNode) {
      if (node === undefined) for (const want of asked) void this.#waitForLeader(want);
      else if (!this.#polling.has(node)) {
        this.#polling.add(node);
        void this.#pollNode(node, asked).finally(() => {
          this.#polling.delete(node);
          this.#poll();
        });
      }
    }
  }

  /** Leaves it out of the requests for a while; the others are not held up. */
  async #waitForLeader(want: Want): Promise<void> {
    want.busy = true;
    await this.#couldNot(want, new Error('it has no leader now'));
    want.busy = false;
    this.#poll();
  }

  /** A request names a partition once. Of several who read the same one, each has its turn. */
  #freeWants(): Iterable<Want> {
    const free = new Map<string, Want>();
    for (const want of this.#wants) {
      if (want.phase !== 'waiting' || want.busy) continue;
      const other = free.get(want.name);
      if (other === undefined || want.asked < other.asked) free.set(want.name, want);
    }
    return free.values();
  }

  /** One request to a node for all partitions that wait there. */
  async #pollNode(node: string, asked: readonly Want[]): Promise<void> {
    const { waiting, clock, limits } = this.#parts;
    const begun = clock.monotonic();
    // As a request has them: topic by topic.
    const inOrder = [...Map.groupBy(asked, ({ topic }) => topic).values()].flat();
    this.#requests++;
    for (const want of asked) {
      want.busy = true;
      want.asked = this.#requests;
    }
    try {
      const questions = inOrder.map((want) => this.#question(want));
      const all = await waiting.ask(node, (broker) => fetch(broker, questions, limits.waitMs, limits.fetchBytesMax));
      let isMore = false;
      for (const [index, want] of inOrder.entries()) {
        const fetched = answerTo(want, all, index);
        if (fetched !== undefined && fetched.messages.length > 0) this.#putLast(want);
        this.#takeAndRelease(want, fetched);
        if (want.at < (fetched?.highWater ?? 0)) isMore = true;
      }
      const rest = begun + limits.fetchIntervalMs - clock.monotonic();
      if (rest > 0 && !isMore && all.some(({ messages }) => messages.length > 0)) await pause(clock, rest);
    } catch (error) {
      await Promise.all(asked.map((want) => this.#couldNot(want, error)));
      for (const want of asked) want.busy = false;
    }
  }

  /**
   * A broker gives a batch that is over the limits to the first partition of a request that has anything, and to no other. So who got something goes
   * behind those who got nothing, or a large paste would wait for as long as others are written to.
   */
  #putLast(want: Want): void {
    if (this.#wants.delete(want)) this.#wants.add(want);
  }

  /** Whoever takes its time is asked for again when it is done. */
  #takeAndRelease(want: Want, fetched: Fetched | undefined): void {
    const taken = fetched === undefined ? undefined : this.#take(want, fetched, this.#parts.waiting);
    if (taken === undefined) {
      want.busy = false;
      return;
    }
    void taken
      .catch((error: unknown) => this.#couldNot(want, error))
      .then(() => {
        want.busy = false;
        this.#poll();
      });
  }

  /** Handles what was fetched of one partition. Where that takes time, it is a promise. */
  #take(want: Want, fetched: Fetched, link: ReadingLink): undefined | Promise<void> {
    if (want.phase === 'ended') return undefined;
    switch (fetched.errorCode) {
      case errorCodes.none: {
        this.#succeeded(want.name);
        const slice = sliceAt(fetched.messages, want.at);
        if (slice === undefined) return undefined;
        if (!('hole' in slice)) return this.#deliver(want, slice);
        this.#end(want, { kind: 'trimmed', wanted: want.at, start: slice.hole });
        return undefined;
      }
      case errorCodes.offsetOutOfRange:
        return this.#explain(want, link).then((found) => {
          if (found !== undefined) this.#end(want, found);
        });
      default:
        // Another broker leads by now, or none does for a moment.
        link.relearn();
        return this.#couldNot(want, new Error(describeCode(fetched.errorCode)));
    }
  }

  #deliver(want: Want, slice: Slice): undefined | Promise<void> {
    want.at = slice.next;
    const taken = takenBy(want.sink, slice);
    if (!(taken instanceof Promise)) {
      if (taken !== undefined) this.#end(want, taken);
      return undefined;
    }
    const delivered = taken.then((found) => {
      want.delivering = undefined;
      if (found !== undefined) this.#end(want, found);
    });
    want.delivering = delivered;
    return delivered;
  }

  #end(want: Want, found: FollowEnd): void {
    if (want.phase === 'ended') return;
    want.phase = 'ended';
    this.#leave(want);
    want.sink.onEnd(found);
  }

  #leave(want: Want): void {
    this.#wants.delete(want);
    this.#succeeded(want.name);
  }

  #question({ topic, partition, at }: Want): ToFetch {
    return { topic, partition, offset: at, bytesMax: this.#parts.limits.partitionBytesMax };
  }

  /**
   * What lies at an offset that the broker does not have. A broker that was frozen, and does not know yet that others lead by now, has an end
   * before what was read from them: an end is believed when it is still there after a while.
   */
  async #explain(want: Want, link: ReadingLink): Promise<FollowEnd | undefined> {
    const { clock } = this.#parts;
    const deadline = clock.monotonic() + endBelievedMs;
    for (;;) {
      const found = await explain(want, link);
      if (found?.kind !== 'beyond-end' || clock.monotonic() >= deadline || this.#closed) return found;
      link.relearn();
      await pause(clock, endAskedMs);
    }
  }

  #couldNot(want: Want, error: unknown): Promise<void> {
    return want.phase === 'ended' ? Promise.resolve() : this.#failed(want.name, error);
  }

  /** Said once, however long it lasts; waits longer and longer. */
  async #failed(what: string, error: unknown): Promise<void> {
    if (this.#closed) return;
    const { clock, logger, limits } = this.#parts;
    const before = this.#failures.get(what) ?? 0;
    if (this.#failures.size === 0) logger.warn({ what, error: String(error) }, 'the journal can not be read now, trying again');
    this.#failures.set(what, before + 1);
    await pause(clock, Math.min(limits.retryMsMax, limits.retryMsMin * 2 ** Math.min(before, 20)));
  }

  #succeeded(what: string): void {
    if (this.#failures.delete(what) && this.#failures.size === 0) this.#parts.logger.info({}, 'the journal can be read again');
  }
}

/** Brokers answer in the order of the request, but nothing says that they must. */
function answerTo({ topic, partition }: Want, all: readonly Fetched[], index: number): Fetched | undefined {
  const isIts = (fetched: Fetched | undefined): boolean => fetched?.partition === partition && fetched.topic === topic;
  return isIts(all[index]) ? all[index] : all.find(isIts);
}

const thrown = (error: unknown): FollowEnd => ({
  kind: 'failed',
  error: error instanceof Error ? error : new Error(String(error)),
});

/** What a sink makes of a slice. It must not throw; where it does nobody knows what it has taken, and going on behind it would skip the rest. */
function takenBy(sink: Sink, slice: Slice): Taken | Promise<Taken> {
  try {
    const taken = sink.onSlice(slice);
    return taken instanceof Promise ? taken.catch(thrown) : taken;
  } catch (error) {
    return thrown(error);
  }
}

/** What lies at an offset that the broker does not have. Undefined where it has it by now. */
async function explain({ topic, partition, at }: Want, link: ReadingLink): Promise<FollowEnd | undefined> {
  const start = await link.offsetOf(topic, partition, -2);
  if (at < start) return { kind: 'trimmed', wanted: at, start };
  const highWater = await link.offsetOf(topic, partition, -1);
  return at > highWater ? { kind: 'beyond-end', wanted: at, highWater } : undefined;
}
