/** What rooms have in common: their limits, what they count, and the way to what happens outside of them. */

import type { FanoutParts } from '#gateway/fanout.ts';
import type { PresenceExchange } from '#gateway/presence-exchange.ts';
import type { PresenceLimits } from '#gateway/presence.ts';
import type { Room } from '#gateway/room.ts';
import type { Clock } from '#shared/runtime/clock.ts';

export type RoomLimits = PresenceLimits &
  FanoutParts['limits'] & {
    readonly documentBytesMax: number;
    readonly heldBytesMax: number;
    readonly missedBytesMax: number;
    readonly outboxHighWaterBytes: number;
    readonly fragmentBytes: number;
    readonly foldBytesMax: number;
  };

export type RoomParts = Omit<FanoutParts, 'limits'> & {
  readonly limits: RoomLimits;
  readonly clock: Pick<Clock, 'monotonic'>;
  /** The way to those who are here through other gateways, where there may be any. */
  readonly exchange: Pick<PresenceExchange, 'open' | 'close' | 'tell'> | undefined;
  /** Asks for a `flush` at the end of the tick, or a little later under load. */
  readonly requestFlush: (room: Room) => void;
  /** Why nothing may be written now, or undefined. */
  readonly writersMustWait: () => string | undefined;
  /** What all rooms together have in memory, and may have. Each adds what it grows by, since adding up thousands takes too long. */
  readonly memory: RoomMemory;
  /** The room is gone: nothing it had may be used again. */
  readonly onDiscarded: (room: Room) => void;
  readonly counters: RoomCounters;
};

export type RoomMemory = { bytes: number; readonly bytesMax: number };

export type RoomCounters = { editsIn: number; nothingNew: number; held: number; flushes: number };
