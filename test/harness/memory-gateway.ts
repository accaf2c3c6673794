/** A whole gateway but for the network: rooms, appender and sessions of the y-websocket door, on memory adapters and virtual time. */

import { Appender } from '#gateway/appender.ts';
import { YWebsocketSession } from '#gateway/doors/y-websocket.ts';
import { FlushSchedule } from '#gateway/flush-schedule.ts';
import { gatewayLimitSettings, type GatewayLimits } from '#gateway/limits.ts';
import { type GatewayCounts, newCounts } from '#gateway/metrics.ts';
import { PresenceExchange } from '#gateway/presence-exchange.ts';
import { Rooms } from '#gateway/rooms.ts';
import { defaultUpdateLimits } from '#shared/document/limits.ts';
import { type DocumentName, parseDocumentName } from '#shared/document/name.ts';
import type { Broadcast } from '#shared/journal/broadcast.ts';
import type { Journal } from '#shared/journal/journal.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import type { Store } from '#shared/store/store.ts';
import type { Closing } from '#shared/wire/close-codes.ts';
import type { BareClient } from '#test/harness/bare-client.ts';
import { fakeChannel, fakeConnection, type FakeConnection } from '#test/harness/fake-connection.ts';
import { settle, type VirtualClock } from '#test/harness/virtual-clock.ts';

export const defaultGatewayLimits: GatewayLimits = Object.fromEntries(
  Object.entries(gatewayLimitSettings).map(([name, setting]) => [name, setting.fallback]),
) as GatewayLimits;

export const silentLogger: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, fatal: () => {} };

export const documentName = (text: string): DocumentName => {
  const parsed = parseDocumentName(text);
  if ('refusal' in parsed) throw new Error(parsed.refusal);
  return parsed.name;
};

export type MemoryGatewayOptions = {
  readonly journal: Journal;
  readonly store: Store;
  /** The way to other gateways; none if not given. */
  readonly broadcast?: Broadcast;
  readonly clock: VirtualClock;
  readonly limits?: Partial<GatewayLimits>;
  readonly origin?: string;
  readonly logger?: Logger;
  readonly random?: () => number;
  readonly writersMustWait?: () => string | undefined;
  /** Between the steps in which a document is opened; the next turn of the event loop if not given. */
  readonly pause?: () => Promise<void>;
};

export type MemoryGateway = {
  readonly rooms: Rooms;
  readonly appender: Appender;
  readonly exchange: PresenceExchange | undefined;
  readonly schedule: FlushSchedule;
  readonly counts: GatewayCounts;
  readonly limits: GatewayLimits;
  /** Every session that the gateway closed, in order. */
  readonly closings: Closing[];
  /** Opens a session. `closed` is to be called when the client's end is gone. */
  readonly connect: (document: DocumentName, connection: FakeConnection, asksForAck?: boolean) => YWebsocketSession;
  /** Opens a session for a client, with nothing between them. */
  readonly join: (document: string, client: BareClient) => Joined;
};

export type Joined = { readonly session: YWebsocketSession; readonly connection: FakeConnection; readonly leave: () => void };

export function memoryGateway(options: MemoryGatewayOptions): MemoryGateway {
  const { journal, store, broadcast, clock, origin = 'gateway', logger = silentLogger, random = () => 0.5 } = options;
  const limits = { ...defaultGatewayLimits, ...options.limits };
  const counts = newCounts();
  const closings: Closing[] = [];
  let sessions = 0;
  const appender = new Appender({ journal, clock, limits, logger, random, onAppended: () => {}, onFailed: () => {} });
  const schedule = new FlushSchedule({
    clock,
    flushDelayMsMax: limits.flushDelayMsMax,
    endOfTick: (run) => void setImmediate(run),
    onDraft: (draft) => appender.add(draft),
    onThrown: (_room, error) => {
      throw error;
    },
    onFlushed: () => {},
  });
  const exchange =
    broadcast === undefined
      ? undefined
      : new PresenceExchange({
          broadcast,
          clock,
          origin,
          limits,
          endOfTick: (run) => void setImmediate(run),
          counters: counts.presence,
        });
  const rooms = new Rooms({
    journal,
    store,
    clock,
    logger,
    origin,
    limits,
    roomsLimits: limits,
    trimMs: 1_000,
    counters: counts.rooms,
    traffic: counts.traffic,
    openChannel: fakeChannel,
    exchange,
    requestFlush: (room) => schedule.request(room),
    writersMustWait: options.writersMustWait ?? (() => undefined),
    pause: options.pause ?? settle,
    onOpenFailed: () => {},
  });
  const connect = (document: DocumentName, connection: FakeConnection, asksForAck = true): YWebsocketSession => {
    const session = new YWebsocketSession(document, connection, sessions++, asksForAck, {
      rooms,
      limits,
      updateLimits: defaultUpdateLimits,
      clock,
      traffic: counts.traffic,
      pause: settle,
      random,
      turn: settle,
      onClosing: (closing) => void closings.push(closing),
      onAckMs: () => {},
      onThrown: (error) => {
        throw error;
      },
    });
    connection.onDrained = () => session.drained();
    session.begin();
    return session;
  };
  const join = (document: string, client: BareClient): Joined => {
    const connection = fakeConnection();
    const outgoing: Uint8Array[] = [];
    connection.onMessage = (message) => client.receive(message);
    // As on a network, never inside of what made it send.
    client.open((message) => {
      outgoing.push(message);
      queueMicrotask(() => {
        const next = outgoing.shift();
        if (next !== undefined) session.message(next);
      });
    });
    const session = connect(documentName(document), connection);
    return {
      session,
      connection,
      leave: () => {
        client.lost();
        session.closed();
      },
    };
  };
  return { rooms, appender, exchange, schedule, counts, limits, closings, connect, join };
}
