/**
 * The least of a WebSocket client (RFC 6455) that costs a load generator little.
 *
 * Thousands of these live in one process that must not become the bottleneck. So all sockets read into one shared buffer, a frame that
 * arrived whole is handed over where it lies, and frames to send are made once, mask included, and written as they are. No extensions.
 */

import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';

const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
const finBit = 0x80;
const sharedReadBuffer = Buffer.allocUnsafe(256 * 1024);
const mask = [0x5a, 0x17, 0xc3, 0x88] as const;

/** `bytes[start…end)` is one whole message (or a control frame's payload), valid during the call only. */
export type FrameSink = (opcode: number, bytes: Uint8Array, start: number, end: number) => void;

/** One frame from a client, with a fixed mask: what it costs the server to take off does not depend on which it is. */
export function clientFrame(payload: Uint8Array, opcode: number = opcodes.binary): Buffer {
  const length = payload.length;
  const lengthBytes = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const head = 2 + lengthBytes;
  const frame = Buffer.alloc(head + 4 + length);
  frame[0] = finBit | opcode;
  frame[1] = 0x80 | (lengthBytes === 0 ? length : lengthBytes === 2 ? 126 : 127);
  if (lengthBytes === 2) frame.writeUInt16BE(length, 2);
  if (lengthBytes === 8) frame.writeBigUInt64BE(BigInt(length), 2);
  frame.set(mask, head);
  for (let at = 0; at < length; at++) frame[head + 4 + at] = (payload[at] ?? 0) ^ (mask[at & 3] ?? 0);
  return frame;
}

/** The bytes that the frame at `start` takes in all, or 0 while its head is not there yet. Frames from a server have no mask. */
function frameLength(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < 2) return 0;
  const short = (bytes[start + 1] ?? 0) & 0x7f;
  if (short < 126) return 2 + short;
  const head = short === 126 ? 4 : 10;
  if (end - start < head) return 0;
  let length = 0;
  for (let at = start + 2; at < start + head; at++) length = length * 256 + (bytes[at] ?? 0);
  return head + length;
}

const headLength = (bytes: Uint8Array, start: number): number => {
  const short = (bytes[start + 1] ?? 0) & 0x7f;
  return short < 126 ? 2 : short === 126 ? 4 : 10;
};

/** Takes a server's byte stream in pieces of any size and gives whole messages to `sink`, fragments joined. */
export function frameReader(sink: FrameSink): (bytes: Uint8Array, start: number, end: number) => void {
  let held = Buffer.alloc(0);
  let heldLength = 0;
  let fragments: Uint8Array[] = [];
  let fragmentedOpcode = 0;

  const takeFrame = (bytes: Uint8Array, start: number, end: number): void => {
    const first = bytes[start] ?? 0;
    const opcode = first & 0x0f;
    const payload = start + headLength(bytes, start);
    const final = (first & finBit) !== 0;
    if (opcode >= opcodes.close || (final && opcode !== opcodes.continuation)) return sink(opcode, bytes, payload, end);
    if (opcode !== opcodes.continuation) fragmentedOpcode = opcode;
    // A Buffer's own slice is a view of the shared buffer.
    fragments.push(Uint8Array.prototype.slice.call(bytes, payload, end));
    if (!final) return;
    const whole = Buffer.concat(fragments);
    fragments = [];
    sink(fragmentedOpcode, whole, 0, whole.length);
  };

  const hold = (bytes: Uint8Array, start: number, end: number, capacity: number): void => {
    if (held.length < capacity) {
      const larger = Buffer.allocUnsafe(capacity);
      larger.set(held.subarray(0, heldLength));
      held = larger;
    }
    held.set(bytes.subarray(start, end), heldLength);
    heldLength += end - start;
  };

  return (bytes, start, end) => {
    let at = start;
    while (heldLength > 0 && at < end) {
      const wanted = frameLength(held, 0, heldLength) || heldLength + 1;
      const taken = Math.min(wanted - heldLength, end - at);
      hold(bytes, at, at + taken, wanted);
      at += taken;
      if (frameLength(held, 0, heldLength) !== heldLength) continue;
      const whole = held.subarray(0, heldLength);
      held = Buffer.alloc(0);
      heldLength = 0;
      takeFrame(whole, 0, whole.length);
    }
    while (at < end) {
      const length = frameLength(bytes, at, end);
      if (length === 0 || at + length > end) return hold(bytes, at, end, Math.max(length, end - at));
      takeFrame(bytes, at, at + length);
      at += length;
    }
  };
}

export type WebSocketEvents = {
  readonly onOpen: () => void;
  /** One whole message, valid during the call only. */
  readonly onMessage: (bytes: Uint8Array, start: number, end: number) => void;
  /** Called once, with what is known about why. */
  readonly onClose: (reason: string) => void;
};

export type WebSocketConnection = {
  /** Writes bytes made by `clientFrame`. */
  readonly writeFrame: (frame: Uint8Array) => void;
  readonly close: () => void;
};

/** Opens `ws://127.0.0.1:<port><path>`; answers pings. */
export function openWebSocket(port: number, path: string, events: WebSocketEvents): WebSocketConnection {
  let upgraded = false;
  let handshake = '';
  let reason = 'the connection ended';

  const reader = frameReader((opcode, bytes, start, end) => {
    if (opcode === opcodes.ping) socket.write(clientFrame(bytes.slice(start, end), opcodes.pong));
    else if (opcode === opcodes.close) {
      reason = `closed by the server: ${end - start < 2 ? 1005 : Buffer.from(bytes.slice(start, start + 2)).readUInt16BE(0)}`;
      socket.end();
    } else if (opcode !== opcodes.pong) events.onMessage(bytes, start, end);
  });

  const readHandshake = (bytes: Uint8Array, length: number): void => {
    handshake += Buffer.from(bytes.buffer, bytes.byteOffset, length).toString('latin1');
    const end = handshake.indexOf('\r\n\r\n');
    if (end === -1) return;
    if (!handshake.startsWith('HTTP/1.1 101')) {
      reason = `refused: ${handshake.slice(0, handshake.indexOf('\r\n'))}`;
      socket.destroy();
      return;
    }
    upgraded = true;
    const rest = Buffer.from(handshake.slice(end + 4), 'latin1');
    handshake = '';
    events.onOpen();
    if (rest.length > 0) reader(rest, 0, rest.length);
  };

  const socket = connect({
    host: '127.0.0.1',
    port,
    noDelay: true,
    onread: {
      buffer: sharedReadBuffer,
      callback: (length, bytes) => {
        if (upgraded) reader(bytes, 0, length);
        else readHandshake(bytes, length);
        return true;
      },
    },
  });
  socket.on('connect', () => {
    const key = randomBytes(16).toString('base64');
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
    );
  });
  socket.on('error', (error) => (reason = error.message));
  socket.on('close', () => events.onClose(reason));
  return { writeFrame: (frame) => void socket.write(frame), close: () => void socket.destroy() };
}
