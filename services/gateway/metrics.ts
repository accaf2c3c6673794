/**
 * What a gateway counts. Names and meanings are for those who watch it; the hot paths add to plain numbers.
 */

import type { Appender } from '#gateway/appender.ts';
import type { Traffic } from '#gateway/outbox.ts';
import type { PresenceCounters } from '#gateway/presence-partition.ts';
import type { RoomCounters } from '#gateway/room-parts.ts';
import type { Rooms } from '#gateway/rooms.ts';
import { countFrom, countKindsFrom, gaugeFrom, histogram, type Registry } from '#shared/runtime/metrics.ts';

export type GatewayTraffic = Traffic & { framesIn: number; bytesIn: number };

export type GatewayCounts = {
  readonly traffic: GatewayTraffic;
  readonly rooms: RoomCounters;
  readonly presence: PresenceCounters;
  /** Errors by kind. */
  readonly errors: Map<string, number>;
};

export const newCounts = (): GatewayCounts => ({
  traffic: { framesIn: 0, bytesIn: 0, framesOut: 0, bytesOut: 0, slowReaders: 0 },
  rooms: { editsIn: 0, nothingNew: 0, held: 0, flushes: 0 },
  presence: { messagesIn: 0, messagesOut: 0, ignored: 0 },
  errors: new Map(),
});

export function countError({ errors }: GatewayCounts, kind: string): void {
  errors.set(kind, (errors.get(kind) ?? 0) + 1);
}

export type GatewayTimes = {
  readonly appended: (ms: number, records: number) => void;
  readonly acknowledged: (ms: number) => void;
  readonly flushed: (rooms: number) => void;
};

const latencyBuckets = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 15];
const sizeBuckets = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

export function registerTimes(registry: Registry): GatewayTimes {
  const append = histogram(
    registry,
    'inkstream_append_seconds',
    'From the flush of edits to their durable append',
    latencyBuckets,
  );
  const ack = histogram(registry, 'inkstream_ack_seconds', 'From the arrival of a frame to its acknowledgement', latencyBuckets);
  const flushRooms = histogram(registry, 'inkstream_flush_rooms', 'Documents in one flush', sizeBuckets);
  const appendRecords = histogram(registry, 'inkstream_append_records', 'Records in one append', sizeBuckets);
  return {
    appended: (ms, records) => {
      append.observe(ms / 1000);
      appendRecords.observe(records);
    },
    acknowledged: (ms) => ack.observe(ms / 1000),
    flushed: (rooms) => flushRooms.observe(rooms),
  };
}

/** `gateways`: how many others are known to have people here. */
export function registerPresence(registry: Registry, { presence }: GatewayCounts, gateways: () => number): void {
  gaugeFrom(registry, 'inkstream_presence_gateways', 'Other gateways with people on documents that are open here', gateways);
  countFrom(
    registry,
    'inkstream_presence_messages_in_total',
    'Messages of other gateways about who is there',
    () => presence.messagesIn,
  );
  countFrom(
    registry,
    'inkstream_presence_messages_out_total',
    'Messages to other gateways about who is here',
    () => presence.messagesOut,
  );
  countFrom(
    registry,
    'inkstream_presence_messages_ignored_total',
    'Messages about who is there that could not be used, or not wholly',
    () => presence.ignored,
  );
}

export function registerCounts(
  registry: Registry,
  counts: GatewayCounts,
  sessions: () => number,
  rooms: Rooms,
  appender: Appender,
): void {
  const { traffic } = counts;
  gaugeFrom(registry, 'inkstream_sessions', 'Open sessions', sessions);
  gaugeFrom(registry, 'inkstream_rooms', 'Open documents', () => rooms.size);
  gaugeFrom(registry, 'inkstream_rooms_bytes', 'Bytes of all open documents', () => rooms.bytes);
  gaugeFrom(registry, 'inkstream_slow_readers', 'Sessions that are behind', () => traffic.slowReaders);
  gaugeFrom(registry, 'inkstream_unsaved_bytes', 'Bytes of edits that are not durable yet', () => appender.unsavedBytes);
  gaugeFrom(
    registry,
    'inkstream_unsaved_seconds',
    'Age of the oldest edit that is not durable yet',
    () => appender.unsavedMs / 1000,
  );
  countFrom(registry, 'inkstream_edits_in_total', 'Updates that brought something new', () => counts.rooms.editsIn);
  countFrom(registry, 'inkstream_nothing_new_total', 'Updates that brought nothing new', () => counts.rooms.nothingNew);
  countFrom(registry, 'inkstream_held_total', 'Updates that had to wait for others', () => counts.rooms.held);
  countFrom(registry, 'inkstream_flushes_total', 'Merged updates that were published', () => counts.rooms.flushes);
  countFrom(registry, 'inkstream_frames_in_total', 'Messages from clients', () => traffic.framesIn);
  countFrom(registry, 'inkstream_frames_out_total', 'Messages to clients', () => traffic.framesOut);
  countFrom(registry, 'inkstream_bytes_in_total', 'Bytes of messages from clients', () => traffic.bytesIn);
  countFrom(registry, 'inkstream_bytes_out_total', 'Bytes of messages to clients', () => traffic.bytesOut);
  countKindsFrom(registry, 'inkstream_errors_total', 'What went wrong, by kind', () => counts.errors);
}
