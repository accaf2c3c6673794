/**
 * A gateway: its parts, put together in the order in which an edit goes through them.
 *
 *     edge ─► door (session) ─► room ─► flush schedule ─► appender ─► journal
 *                                 └─► outboxes of everyone here ─► edge
 */

import { Appender } from '#gateway/appender.ts';
import { createRestDoor, type RestDoor, type RestLimits, restPath } from '#gateway/doors/rest.ts';
import { YWebsocketSession, type DoorParts } from '#gateway/doors/y-websocket.ts';
import {
  type Admitted,
  createNetwork,
  type EdgeParts,
  type HttpAnswer,
  type Network,
  type Tls,
  type UpgradeRequest,
} from '#gateway/edge.ts';
import { FlushSchedule } from '#gateway/flush-schedule.ts';
import { answerGet, type HttpParts, plainText } from '#gateway/http.ts';
import type { GatewayLimits } from '#gateway/limits.ts';
import { countError, type GatewayCounts, newCounts, registerCounts, registerPresence, registerTimes } from '#gateway/metrics.ts';
import type { JsonDocuments } from '#gateway/json-documents.ts';
import { isForeignPage } from '#gateway/page-origin.ts';
import { decodeName } from '#gateway/path-name.ts';
import { PresenceExchange } from '#gateway/presence-exchange.ts';
import { recentAnswer } from '#gateway/recent-answer.ts';
import { Rooms } from '#gateway/rooms.ts';
import { takeTurns } from '#gateway/turns.ts';
import { defaultUpdateLimits } from '#shared/document/limits.ts';
import type { Broadcast } from '#shared/journal/broadcast.ts';
import type { Journal } from '#shared/journal/journal.ts';
import type { Clock } from '#shared/runtime/clock.ts';
import { nextTurn } from '#shared/runtime/slices.ts';
import { variableName } from '#shared/runtime/config.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import { pause } from '#shared/runtime/waiting.ts';
import type { Store } from '#shared/store/store.ts';
import { restarting, unreadable } from '#shared/wire/close-codes.ts';

export type GatewayParts = Pick<EdgeParts, 'host' | 'port'> &
  Pick<HttpParts, 'registry' | 'pages' | 'condition'> & {
    readonly tls: Tls | undefined;
    readonly journal: Journal;
    readonly store: Store;
    /** The way to the other gateways, where there may be any. */
    readonly broadcast?: Broadcast;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly limits: GatewayLimits;
    /** Random per process. */
    readonly origin: string;
    /** Whether only pages from this machine, or from this server, may open documents. */
    readonly refusesForeignPages: boolean;
    /** Why nothing may be written now, or undefined. */
    readonly writersMustWait: () => string | undefined;
    /** Documents as JSON, where this process has them. */
    readonly json?: JsonDoorParts;
  };

export type JsonDoorParts = {
  /** `settle` makes everything durable that was sent to this gateway until then; it resolves also where that could not be made so. */
  readonly open: (settle: () => Promise<void>) => JsonDocuments;
  readonly limits: RestLimits;
};

export type Gateway = {
  readonly port: number;
  /**
   * Saves what was sent, then ends all sessions within about `spreadMs`, so that their clients don't all come back at once, and saves what
   * they sent meanwhile; in all no longer than both times. Returns how many documents have edits that stayed with the clients.
   */
  readonly drain: (spreadMs: number, appendMs: number) => Promise<number>;
  readonly close: () => Promise<void>;
};

const wsPath = '/ws/';
/** How often sessions are looked over for silence, as a part of `keepAliveMs`. */
const keepAliveSweeps = 2;
/** A message that is longer than allowed by no more than this is told so; the connection of a longer one is dropped. */
const overlongBytesMax = 1024 * 1024;
/** How long it is good for that writers must wait, or need not. */
const mustWaitMs = 100;
/** Asking for the checkpoints of twelve partitions each second cost 1.5 % of a gateway's CPU. */
const trimMs = 5_000;
/** A drain closes some sessions each so many ms. */
const drainStepMs = 50;

type Assembly = {
  readonly appender: Appender;
  readonly schedule: FlushSchedule;
  readonly rooms: Rooms;
  readonly exchange: PresenceExchange | undefined;
  readonly door: DoorParts;
  readonly sessions: Set<YWebsocketSession>;
};

const stackOf = (error: unknown): string | undefined => (error instanceof Error ? error.stack : String(error));

/** Who is here through other gateways; undefined where there are none. */
function exchangeOf(parts: GatewayParts, counts: GatewayCounts): PresenceExchange | undefined {
  const { broadcast, clock, origin, limits, registry } = parts;
  if (broadcast === undefined) return undefined;
  const endOfTick = (run: () => void): void => void setImmediate(run);
  const exchange = new PresenceExchange({ broadcast, clock, origin, limits, endOfTick, counters: counts.presence });
  registerPresence(registry, counts, () => exchange.gateways);
  return exchange;
}

/** The parts behind the door, each given the one that an edit goes to next. */
function assemble(parts: GatewayParts, openChannel: Network['openChannel'], isDraining: () => boolean): Assembly {
  const { clock, limits, logger, journal, registry } = parts;
  const counts = newCounts();
  const times = registerTimes(registry);
  const sessions = new Set<YWebsocketSession>();
  const updateLimits = { ...defaultUpdateLimits, structsPerUpdateMax: limits.structsPerUpdateMax };
  const appender = new Appender({
    journal,
    clock,
    limits,
    logger,
    onAppended: times.appended,
    onFailed: () => countError(counts, 'append'),
    random: Math.random,
  });
  const schedule = new FlushSchedule({
    clock,
    flushDelayMsMax: limits.flushDelayMsMax,
    endOfTick: (run) => void setImmediate(run),
    onDraft: (draft) => appender.add(draft),
    onThrown: (room, error) => {
      countError(counts, 'flush-thrown');
      logger.error({ document: room.document, error: stackOf(error) }, 'a document could not be flushed; it is read again');
      room.discard();
    },
    onFlushed: times.flushed,
  });
  const exchange = exchangeOf(parts, counts);
  const rooms = new Rooms({
    journal,
    store: parts.store,
    clock,
    logger,
    origin: parts.origin,
    limits,
    roomsLimits: limits,
    trimMs,
    counters: counts.rooms,
    traffic: counts.traffic,
    openChannel,
    exchange,
    requestFlush: (room) => schedule.request(room),
    writersMustWait: recentAnswer(parts.writersMustWait, mustWaitMs, clock),
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
    random: Math.random,
    turn: takeTurns((run) => void setImmediate(run)),
    onClosing: (closing) => {
      // Sending everybody away is no error.
      if (!isDraining()) countError(counts, `close-${closing.code}`);
      logger.debug({ ...closing }, 'closed a session');
    },
    onAckMs: times.acknowledged,
    onThrown: (error) => {
      countError(counts, 'session-thrown');
      logger.error({ error: stackOf(error) }, 'what a client sent could not be handled; its session is closed');
      return unreadable('the server failed to handle what was sent');
    },
  };
  registerCounts(registry, counts, () => sessions.size, rooms, appender);
  return { appender, schedule, rooms, exchange, door, sessions };
}

/**
 * Runs what a session does with what its client sent, and closes the session where that throws. It must not, but where it does the same client
 * comes back with the same bytes, and would end one process after the other for everybody. This and a room's flush are the only two
 * places where exceptions end: any other one leaves something in a state that nobody knows, and ends the process.
 */
function guard(session: YWebsocketSession, { onThrown }: DoorParts, run: () => void): void {
  try {
    run();
  } catch (error) {
    session.close(onThrown(error));
  }
}

/** Decides who is let in at the y-websocket door. */
function admissionBy(
  { door, sessions }: Assembly,
  refusesForeignPages: boolean,
  isDraining: () => boolean,
): (request: UpgradeRequest) => Admitted | HttpAnswer {
  let sessionNumber = 0;
  const { connectionsMax } = door.limits;
  const refusal = `pages from elsewhere may not open documents here; set ${variableName('allowAnyone')}=1 if everyone may`;
  return (request) => {
    if (isDraining()) return plainText(503, 'the server is stopping');
    if (sessions.size >= connectionsMax)
      return plainText(503, `${connectionsMax} connections are open; there is no room for more`);
    if (refusesForeignPages && isForeignPage(request.origin, request.host)) return plainText(403, refusal);
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
          message: (message) => guard(session, door, () => session.message(message)),
          drained: () => guard(session, door, () => session.drained()),
          closed: () => {
            sessions.delete(session);
            session.closed();
          },
        };
      },
    };
  };
}

/** The JSON door, where there are documents as JSON. */
function restDoorOf(parts: GatewayParts, { schedule, appender }: Assembly, isDraining: () => boolean): RestDoor | undefined {
  const { json, logger, refusesForeignPages, writersMustWait } = parts;
  if (json === undefined) return undefined;
  const settle = (): Promise<void> => {
    schedule.run();
    return appender.drained();
  };
  return createRestDoor({
    documents: json.open(settle),
    limits: json.limits,
    refusesForeignPages,
    isDraining,
    writersMustWait,
    onThrown: (document, error) => logger.error({ document, error: stackOf(error) }, 'a request for JSON could not be answered'),
  });
}

/** Answers what opens no WebSocket. */
function requestBy(rest: RestDoor | undefined, http: HttpParts): EdgeParts['request'] {
  return (head) => {
    if (head.path.startsWith(restPath) && rest !== undefined) return rest.answer(head);
    if (head.method === 'GET' || head.method === 'HEAD') return answerGet(head.path, http);
    return plainText(404, 'only GET and HEAD are answered here');
  };
}

/** Starts a gateway; rejects where the port can't be opened. */
export async function startGateway(parts: GatewayParts): Promise<Gateway> {
  const { clock } = parts;
  const network = createNetwork(parts.tls);
  let isDraining = false;
  const assembly = assemble(parts, network.openChannel, () => isDraining);
  const { appender, schedule, rooms, exchange, sessions } = assembly;
  const condition = (): Readonly<Record<string, unknown>> => ({
    journal: {
      ok: appender.failure === undefined,
      reason: appender.failure,
      unsavedBytes: appender.unsavedBytes,
      unsavedMs: appender.unsavedMs,
    },
    ...parts.condition(),
  });

  const rest = restDoorOf(parts, assembly, () => isDraining);
  const edge = await network.listen({
    host: parts.host,
    port: parts.port,
    messageBytesMax: parts.limits.frameBytesMax + overlongBytesMax,
    upgrade: admissionBy(assembly, parts.refusesForeignPages, () => isDraining),
    request: requestBy(rest, { ...parts, isDraining: () => isDraining, condition }),
  });

  const keepAliveLater = (): void => {
    clock.after(parts.limits.keepAliveMs / keepAliveSweeps, () => {
      for (const session of sessions) session.keepAlive();
      keepAliveLater();
    });
  };
  keepAliveLater();

  /** Flushes everything and waits until it is durable, for at most `ms`. */
  const save = async (ms: number): Promise<void> => {
    schedule.run();
    await Promise.race([appender.drained(), pause(clock, ms)]);
  };
  return {
    port: edge.port,
    drain: async (spreadMs, appendMs) => {
      isDraining = true;
      rooms.stop();
      const lost = appender.rememberLosses();
      const deadline = clock.monotonic() + spreadMs + appendMs;
      await save(appendMs);
      const leaving = [...sessions];
      const step = Math.max(1, Math.ceil((leaving.length * drainStepMs) / spreadMs));
      for (let at = 0; at < leaving.length; at += step) {
        for (const session of leaving.slice(at, at + step)) session.close(restarting('the server is stopping'));
        if (at + step < leaving.length) await pause(clock, drainStepMs);
      }
      // After what their ends changed: goodbye is for what was lost of that.
      schedule.run();
      exchange?.leave();
      await save(deadline - clock.monotonic());
      await Promise.race([rest?.finished(), pause(clock, deadline - clock.monotonic())]);
      return new Set([...lost, ...[...appender.unsavedRooms].map(({ document }) => document)]).size;
    },
    close: async () => {
      edge.close();
      exchange?.leave();
      await rooms.close();
    },
  };
}
