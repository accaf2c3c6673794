/**
 * When rooms flush.
 *
 * One frame per keystroke and reader is what makes a busy document dear: nine tenths of the cost of an edit is in handing it to the readers'
 * sockets. Flushing at the end of the tick merges what came in together, and costs an idle server no latency at all. Under load it
 * pays to wait a little longer, and the right measure for "load" is what flushing costs: after a flush that took d milliseconds the next
 * comes no sooner than `restFactor` × d later, so that flushing takes a tenth of the time at most, and never later than `flushDelayMsMax`.
 */

import type { Room } from '#gateway/room.ts';
import type { Draft } from '#gateway/appender.ts';
import type { Clock } from '#shared/runtime/clock.ts';

/** Time to rest after a flush, in multiples of what it took. */
const restFactor = 9;

export type FlushParts = {
  readonly clock: Clock;
  readonly flushDelayMsMax: number;
  /** Runs something at the end of this turn of the event loop. */
  readonly endOfTick: (run: () => void) => void;
  readonly onDraft: (draft: Draft) => void;
  /** Called with a room whose flush threw: it must not be used any more. */
  readonly onThrown: (room: Room, error: unknown) => void;
  /** Called with how many rooms a flush had. */
  readonly onFlushed: (rooms: number) => void;
};

export class FlushSchedule {
  readonly #parts: FlushParts;
  #due = new Set<Room>();
  #isScheduled = false;
  #notBefore = 0;

  constructor(parts: FlushParts) {
    this.#parts = parts;
  }

  request(room: Room): void {
    this.#due.add(room);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const wait = this.#notBefore - this.#parts.clock.monotonic();
    if (wait > 0) this.#parts.clock.after(wait, () => this.run());
    else this.#parts.endOfTick(() => this.run());
  }

  /** Flushes every room that asked. */
  run(): void {
    const rooms = this.#due;
    this.#due = new Set();
    this.#isScheduled = false;
    if (rooms.size === 0) return;
    const { clock, flushDelayMsMax, onDraft, onFlushed } = this.#parts;
    const begun = clock.monotonic();
    for (const room of rooms) {
      const draft = this.#flush(room);
      if (draft !== undefined) onDraft(draft);
    }
    const ended = clock.monotonic();
    this.#notBefore = ended + Math.min(flushDelayMsMax, restFactor * (ended - begun));
    onFlushed(rooms.size);
  }

  /** What one document threw must not end the others: the clients that made it so would come back with it, and end the next process too. */
  #flush(room: Room): Draft | undefined {
    try {
      return room.flush();
    } catch (error) {
      this.#parts.onThrown(room, error);
      return undefined;
    }
  }
}
