/**
 * A client's socket as a session sees it. `edge.ts` makes them of uWebSockets.js; tests make them of arrays.
 */

import type { Closing } from '#shared/wire/close-codes.ts';

export type Connection = {
  /** Hands a whole message to the socket, which queues what the client does not take now. `frame` is not kept. False once closed. */
  readonly send: (frame: Uint8Array) => boolean;
  /** One piece of a message that is sent in pieces (RFC 6455 §5.4). Between `first` and `last` nothing else may be sent. */
  readonly sendFragment: (piece: Uint8Array, place: 'first' | 'middle' | 'last') => boolean;
  /** Bytes that the client has not taken yet. */
  readonly buffered: () => number;
  /** Closes with a code and a reason. What is buffered may still arrive; nothing is sent afterwards. */
  readonly close: (closing: Closing) => void;
};

/**
 * Connections that are sent the same. Handing a frame to a hundred sockets one by one costs 2 µs of JavaScript for each, a quarter of all; a channel
 * is handed it once. Frames come in the order in which they were sent, by a channel or to the connection alone, also around `add` and `remove`.
 */
export type Channel = {
  readonly size: number;
  readonly add: (connection: Connection) => void;
  /** What was sent before still arrives. */
  readonly remove: (connection: Connection) => void;
  /** To every connection in it but `except`. */
  readonly send: (frame: Uint8Array, except: Connection | undefined) => void;
};

/** What a socket tells its session. `message` is a copy of its own. */
export type ConnectionEvents = {
  readonly message: (message: Uint8Array) => void;
  /** Some of what was buffered went out. */
  readonly drained: () => void;
  readonly closed: () => void;
};
