/** A connection made of arrays: a client that reads as much as a test lets it. */

import type { Channel, Connection } from '#gateway/connection.ts';
import type { Closing } from '#shared/wire/close-codes.ts';

export type FakeConnection = Connection & {
  /** Messages that the client has read whole, fragments joined. */
  readonly messages: Uint8Array[];
  /** How many pieces each message had. */
  readonly pieces: number[];
  readonly closing: () => Closing | undefined;
  /** The most that was ever buffered. */
  readonly bufferedMost: () => number;
  /** From now on the client reads nothing (true) or everything at once (false). */
  readonly stall: (isStalled: boolean) => void;
  /** A client that has stalled reads `bytes`, and the session hears of it. */
  readonly read: (bytes: number) => void;
  /** Called when the client has read something. */
  onDrained: () => void;
  onMessage: (message: Uint8Array) => void;
};

type Piece = { readonly bytes: Uint8Array; readonly place: 'first' | 'middle' | 'last' | 'whole' };

export function fakeConnection(): FakeConnection {
  const messages: Uint8Array[] = [];
  const pieces: number[] = [];
  let queue: Piece[] = [];
  let buffered = 0;
  let bufferedMost = 0;
  let begun: Uint8Array[] = [];
  let isStalled = false;
  let isInFragments = false;
  let closing: Closing | undefined;
  /** Of the first piece in the queue, what was read already. */
  let readOfFirst = 0;

  const arrive = ({ bytes, place }: Piece): void => {
    begun.push(bytes);
    if (place === 'first' || place === 'middle') return;
    const message = begun.length === 1 ? bytes : new Uint8Array(Buffer.concat(begun));
    pieces.push(begun.length);
    begun = [];
    messages.push(message);
    connection.onMessage(message);
  };
  const put = (piece: Piece): boolean => {
    if (closing !== undefined) return false;
    // As uWebSockets.js does, which writes at once or copies.
    const copy = { ...piece, bytes: new Uint8Array(piece.bytes) };
    if (!isStalled && queue.length === 0) arrive(copy);
    else {
      queue.push(copy);
      buffered += copy.bytes.length;
      bufferedMost = Math.max(bufferedMost, buffered);
    }
    return true;
  };
  const take = (bytes: number): void => {
    let left = bytes;
    for (let [first] = queue; first !== undefined; [first] = queue) {
      const taken = Math.min(left, first.bytes.length - readOfFirst);
      left -= taken;
      readOfFirst += taken;
      buffered -= taken;
      if (readOfFirst < first.bytes.length) return;
      readOfFirst = 0;
      queue = queue.slice(1);
      arrive(first);
    }
  };
  const read = (bytes: number): void => {
    if (queue.length === 0) return;
    take(bytes);
    connection.onDrained();
  };
  const connection: FakeConnection = {
    messages,
    pieces,
    closing: () => closing,
    bufferedMost: () => bufferedMost,
    stall: (stalled) => {
      isStalled = stalled;
      if (!stalled) read(Infinity);
    },
    read,
    onDrained: () => {},
    onMessage: () => {},
    send: (frame) => {
      if (isInFragments) throw new Error('a message was sent between the pieces of another one');
      return put({ bytes: frame, place: 'whole' });
    },
    sendFragment: (piece, place) => {
      if ((place === 'first') === isInFragments) throw new Error(`a ${place} piece came in the wrong place`);
      isInFragments = place !== 'last';
      return put({ bytes: piece, place });
    },
    buffered: () => buffered,
    close: (given) => {
      if (closing !== undefined) throw new Error('closed twice');
      closing = given;
    },
  };
  return connection;
}

/** A channel that sends to one connection after the other. */
export function fakeChannel(): Channel {
  const members = new Set<Connection>();
  return {
    get size() {
      return members.size;
    },
    add: (connection) => void members.add(connection),
    remove: (connection) => void members.delete(connection),
    send: (frame, except) => {
      for (const connection of members) if (connection !== except) connection.send(frame);
    },
  };
}
