/**
 * Whether what is on the screen is saved.
 *
 * The tempting answer is "the connection is open and I have sent everything". But a socket takes bytes that the server never reads, a
 * server can die between reading and writing, and an edit made while a socket is closing is not sent at all. Only the server knows what
 * is durable, so only the server's word counts: asked with `?ack=1`, it sends n, "this connection's first n Step2 and Update
 * frames are settled". We count those frames as they are sent, per connection, and compare.
 *
 *     saved = live, and the Step2 that brings what was never acknowledged has been sent,
 *             and no edit waits unsent, and settled ≥ sent
 *
 * A new connection starts from nothing: what an old one was promised is found again by the exchange of Step1 and Step2. A refused frame
 * is never counted by the server, nor any after it, so a connection with one never reaches "saved". All functions are pure.
 */

import type { ClientFrame } from '#shared/wire/y-websocket.ts';

export type Connection =
  /** The first attempt of this page. */
  | { readonly kind: 'connecting' }
  | Live
  /** Lost, or never had; the provider tries again by itself. */
  | { readonly kind: 'offline' }
  /** Closed by the server for good. */
  | { readonly kind: 'ended' };

type Live = {
  readonly kind: 'live';
  /** Step2 and Update frames sent on this connection. */
  readonly sent: number;
  /** How many of them, from the first on, the server has settled. */
  readonly settled: number;
  /** A Step2 is among those sent. Until then the server may lack what earlier connections did not get through. */
  readonly answered: boolean;
  /** An edit was made and no frame has been sent since. */
  readonly unsent: boolean;
};

/** A connection was opened; nothing has been sent on it. */
export const opened = (): Connection => ({ kind: 'live', sent: 0, settled: 0, answered: false, unsent: false });

/** The person has edited. Comes before the frame that carries the edit, if one follows. */
export function edited(connection: Connection): Connection {
  return connection.kind === 'live' ? { ...connection, unsent: true } : connection;
}

/** A frame was handed to this connection's socket. Only Step2 and Update count. */
export function frameSent(connection: Connection, frame: ClientFrame): Connection {
  if (connection.kind !== 'live' || (frame.kind !== 'step2' && frame.kind !== 'update')) return connection;
  return { ...connection, sent: connection.sent + 1, answered: connection.answered || frame.kind === 'step2', unsent: false };
}

/** The server has settled the first `count` counted frames. It can't have settled what was not sent, and takes nothing back. */
export function settledUpTo(connection: Connection, count: number): Connection {
  if (connection.kind !== 'live') return connection;
  return { ...connection, settled: Math.max(connection.settled, Math.min(count, connection.sent)) };
}

export function isSaved(connection: Connection): boolean {
  return connection.kind === 'live' && connection.answered && !connection.unsent && connection.settled >= connection.sent;
}
