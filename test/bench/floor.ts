/**
 * The floor: the least that a server can do and still be one.
 *
 * A bare relay on uWebSockets.js. It keeps the updates of a tick per room and publishes them as one frame to everyone in it, but for a writer
 * who was alone in that tick. It checks nothing, keeps nothing, stores nothing, and answers every Step1 with nothing (or, for cold
 * openings, with the same bytes of a file). The updates of a tick are merged by `Y.mergeUpdates`: y-websocket clients read one message a frame, so
 * two messages in one frame would lose the second, and two frames would cost every reader's write twice.
 */

import * as encoding from 'lib0/encoding';
import { App, type WebSocket } from 'uWebSockets.js';
import * as Y from 'yjs';

export type FloorOptions = {
  readonly port: number;
  /** Whether the updates of a tick become one frame. */
  readonly merges: boolean;
  /** The answer to every Step1, as an update. */
  readonly document: Uint8Array;
  /** Called with what was published to the people of a room here. */
  readonly onPublished?: (room: string, frame: Uint8Array) => void;
};

export type Floor = {
  /** Gives a frame to everyone in a room. */
  readonly publish: (room: string, frame: Uint8Array) => void;
};

/** `writer`: who wrote all that is pending, while it was one and is still there. */
type Room = { readonly topic: string; pending: Uint8Array[]; writer: WebSocket<Session> | undefined };
type Session = { readonly room: Room };

const syncFrame = (kind: number, body: Uint8Array): Uint8Array => {
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, 0);
  encoding.writeVarUint(encoder, kind);
  encoding.writeVarUint8Array(encoder, body);
  return encoding.toUint8Array(encoder);
};

/** The update inside an Update frame: what follows two bytes of type and a varUint of length. */
function updateOf(frame: Uint8Array): Uint8Array {
  let at = 2;
  while ((frame[at] ?? 0) >= 0x80) at++;
  return frame.subarray(at + 1);
}

/** One Update frame that says what all of them say. */
export function mergeFrames(frames: readonly [Uint8Array, ...Uint8Array[]]): Uint8Array {
  return frames.length === 1 ? frames[0] : syncFrame(2, Y.mergeUpdates(frames.map(updateOf)));
}

/** Resolves when it listens, on loopback; ends with the process. */
export function startFloor({ port, merges, document, onPublished }: FloorOptions): Promise<Floor> {
  const step1 = syncFrame(0, new Uint8Array([0]));
  const step2 = syncFrame(1, document);
  const rooms = new Map<string, Room>();
  let dirty: Room[] = [];

  const flush = (): void => {
    for (const room of dirty) {
      const [first, ...rest] = room.pending;
      room.pending = [];
      if (first === undefined) continue;
      const frame = mergeFrames([first, ...rest]);
      if (room.writer === undefined) app.publish(room.topic, frame, true);
      else room.writer.publish(room.topic, frame, true);
      room.writer = undefined;
      onPublished?.(room.topic, frame);
    }
    dirty = [];
  };

  const relay = (socket: WebSocket<Session>, frame: Uint8Array): void => {
    const { room } = socket.getUserData();
    if (!merges) return void app.publish(room.topic, frame, true);
    if (room.pending.length === 0) room.writer = socket;
    else if (room.writer !== socket) room.writer = undefined;
    if (dirty.length === 0) setImmediate(flush);
    if (room.pending.length === 0) dirty.push(room);
    room.pending.push(frame);
  };

  const app = App().ws<Session>('/*', {
    idleTimeout: 120,
    maxPayloadLength: 16 * 1024 * 1024,
    maxBackpressure: 16 * 1024 * 1024,
    upgrade: (response, request, context) => {
      const topic = request.getUrl();
      const room = rooms.get(topic) ?? { topic, pending: [], writer: undefined };
      rooms.set(topic, room);
      const headers = ['sec-websocket-key', 'sec-websocket-protocol', 'sec-websocket-extensions'].map((name) =>
        request.getHeader(name),
      );
      response.upgrade<Session>({ room }, headers[0] ?? '', headers[1] ?? '', headers[2] ?? '', context);
    },
    open: (socket) => {
      socket.subscribe(socket.getUserData().room.topic);
      socket.send(step1, true);
    },
    message: (socket, message) => {
      const frame = new Uint8Array(message);
      if (frame[0] !== 0) return;
      if (frame[1] === 0) socket.send(step2, true);
      if (frame[1] === 2) relay(socket, frame.slice());
    },
    close: (socket) => {
      const { room } = socket.getUserData();
      if (room.writer === socket) room.writer = undefined;
    },
  });
  const floor: Floor = { publish: (room, frame) => void app.publish(room, frame, true) };
  return new Promise((resolve, reject) => {
    app.listen('127.0.0.1', port, (listening) => {
      if (listening) resolve(floor);
      else reject(new Error(`port ${port} is taken`));
    });
  });
}
