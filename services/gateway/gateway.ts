/**
 * A gateway: its parts, put together in the order in which an edit goes through them.
 *
 *     edge ─► door (session) ─► room ─► flush schedule ─► appender ─► journal
 *                                 └─► outboxes of everyone here ─► edge
 */

import { Appender } from '#gateway/appender.ts';
import { YWebsocketSession, type DoorParts } from '#gateway/doors/y-websocket.ts';
import { type Admitted, type Edge, type EdgeParts, type HttpAnswer, listen, type UpgradeRequest } from '#gateway/edge.ts';
import { FlushSchedule } from '#gateway/flush-schedule.ts';
import type { GatewayLimits } from '#gateway/limits.ts';
import { countError, newCounts, registerCounts, registerTimes } from '#gateway/metrics.ts';
import { Rooms } from '#gateway/rooms.ts';
import { defaultUpdateLimits } from '#shared/document/limits.ts';
import { parseDocumentName } from '#shared/document/name.ts';
import type { Journal } from '#shared/journal/journal.ts';
import type { Clock } from '#shared/runtime/clock.ts';
import type { Registry } from '#shared/runtime/metrics.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import type { Store } from '#shared/store/store.ts';
import { restarting } from '#shared/wire/close-codes.ts';

export type GatewayParts = Pick<EdgeParts, 'host' | 'port' | 'tls'> & {
  readonly journal: Journal;
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly limits: GatewayLimits;
  /** Random per process. */
  readonly origin: string;
  readonly pages: ReadonlyMap<string, HttpAnswer>;
  /** Why nothing may be written now, or undefined. */
  readonly writersMustWait: () => string | undefined;
  /** Goes into the body of `/readyz`: what is away or late, though people can be served. */
  readonly condition: () => Readonly<Record<string, unknown>>;
};

export type Gateway = {
  readonly port: number;
  /**
   * Ends all sessions within about `spreadMs`, so that their clients don't all come back at once, and appends what they sent, for at
   * most `appendMs`. Returns how many documents have edits that stayed with the clients.
   */
  readonly drain: (spreadMs: number, appendMs: number) => Promise<number>;
  readonly close: () => Promise<void>;
};

const wsPath = '/ws/';
/** How often sessions are looked over for silence, as a part of `keepAliveMs`. */
const keepAliveSweeps = 2;
/** Sessions that a drain closes at a time. */
const drainStepMs = 50;

const plainText = (status: number, body: string): HttpAnswer => ({
  status,
  headers: { 'content-type': 'text/plain; charset=utf-8' },
  body: `${body}\n`,
});

const json = (status: number, value: unknown): HttpAnswer => ({
  status,
  headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
  body: `${JSON.stringify(value)}\n`,
});

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Starts a gateway; rejects where the port can't be opened. */
export async function startGateway(parts: GatewayParts): Promise<Gateway> {
  const { clock, limits, logger, journal, registry } = parts;
  const counts = newCounts();
  const times = registerTimes(registry);
  const sessions = new Set<YWebsocketSession>();
  let sessionNumber = 0;
  let isDraining = false;

  const updateLimits = { ...defaultUpdateLimits, structsPerUpdateMax: limits.structsPerUpdateMax };
  const appender = new Appender({
    journal,
    clock,
    limits,
    logger,
    onAppended: times.appended,
    onFailed: () => countError(counts, 'append'),
  });
  const schedule = new FlushSchedule({
    clock,
    flushDelayMsMax: limits.flushDelayMsMax,
    endOfTick: (run) => void setImmediate(run),
    onDraft: (draft) => appender.add(draft),
    onFlushed: times.flushed,
  });
  const rooms = new Rooms({
    journal,
    store: parts.store,
    clock,
    logger,
    origin: parts.origin,
    limits,
    roomsLimits: limits,
    updateLimits,
    counters: counts.rooms,
    requestFlush: (room) => schedule.request(room),
    writersMustWait: parts.writersMustWait,
    pause: nextTurn,
    onOpenFailed: () => countError(counts, 'open'),
  });
  const door: DoorParts = {
    rooms,
    limits,
    updateLimits,
    clock,
    traffic: counts.traffic,
    pause: nextTurn,
    onClosing: (closing) => {
      if (!isDraining) countError(counts, `close-${closing.code}`);
      logger.debug({ ...closing }, 'closed a session');
    },
    onAckMs: times.acknowledged,
  };
  registerCounts(registry, counts, () => sessions.size, rooms, appender);

  const admit = (request: UpgradeRequest): Admitted | HttpAnswer => {
    if (isDraining) return plainText(503, 'the server is stopping');
    if (!request.path.startsWith(wsPath)) return plainText(404, `connect to ${wsPath}<document>`);
    const parsed = decodeName(request.path.slice(wsPath.length));
    if ('refusal' in parsed) return plainText(400, parsed.refusal);
    const asksForAck = request.query.get('ack') === '1';
    return {
      attach: (connection) => {
        const session = new YWebsocketSession(parsed.name, connection, sessionNumber++, asksForAck, door);
        sessions.add(session);
        session.begin();
        return {
          message: (message) => session.message(message),
          drained: () => session.drained(),
          closed: () => {
            sessions.delete(session);
            session.closed();
          },
        };
      },
    };
  };

  const get = async (path: string): Promise<HttpAnswer> => {
    switch (path) {
      case '/healthz':
        return json(200, { status: 'alive' });
      case '/readyz':
        return json(isDraining ? 503 : 200, { status: isDraining ? 'draining' : 'ready', ...parts.condition() });
      case '/metrics':
        return { status: 200, headers: { 'content-type': registry.contentType }, body: await registry.metrics() };
      default:
        return parts.pages.get(path) ?? plainText(404, path === '/' ? 'the pages are not built: run `make pages`' : 'not found');
    }
  };

  const keepAliveLater = (): void => {
    clock.after(limits.keepAliveMs / keepAliveSweeps, () => {
      for (const session of sessions) session.keepAlive();
      keepAliveLater();
    });
  };
  keepAliveLater();

  const edge: Edge = await listen({
    host: parts.host,
    port: parts.port,
    tls: parts.tls,
    messageBytesMax: limits.frameBytesMax * 2,
    upgrade: admit,
    get,
  });

  const wait = (ms: number): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve));
  return {
    port: edge.port,
    drain: async (spreadMs, appendMs) => {
      isDraining = true;
      rooms.stop();
      const leaving = [...sessions];
      const step = Math.max(1, Math.ceil((leaving.length * drainStepMs) / spreadMs));
      for (let at = 0; at < leaving.length; at += step) {
        for (const session of leaving.slice(at, at + step)) session.close(restarting('the server is stopping'));
        if (at + step < leaving.length) await wait(drainStepMs);
      }
      schedule.run();
      await Promise.race([appender.drained(), wait(appendMs)]);
      return appender.unsavedRooms.size;
    },
    close: async () => {
      edge.close();
      await rooms.close();
    },
  };
}

/** The document's name out of a path, percent-encoded. */
function decodeName(encoded: string): ReturnType<typeof parseDocumentName> {
  try {
    return parseDocumentName(decodeURIComponent(encoded));
  } catch {
    return { refusal: 'the document name is not percent-encoded UTF-8' };
  }
}
