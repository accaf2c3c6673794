/**
 * A WebSocket client that speaks byte by byte (RFC 6455 over `net`): it sends whatever it is told, stops reading when it is told, and
 * knows how the server ended it. What it receives is joined from its fragments.
 */

import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';

export type RawClosing = {
  /** Of the server's close frame; 1006 where there was none. */
  readonly code: number;
  readonly reason: string;
};

export type RawClient = {
  /** Sends a message whole; `text` in a text frame. */
  readonly send: (message: Uint8Array, kind?: 'binary' | 'text') => void;
  /** Sends bytes that may be no frame at all. */
  readonly sendBytes: (bytes: Uint8Array) => void;
  /** Stops reading from the socket, or goes on. */
  readonly pause: (isPaused: boolean) => void;
  /** Ends the connection without a word, after what was sent. */
  readonly end: () => void;
  /** Drops the connection without a word. */
  readonly drop: () => void;
  /** Resolves when the connection has ended, by whoever's hand. */
  readonly closed: Promise<RawClosing>;
  /** Bytes that the operating system has not taken yet. */
  readonly unsent: () => number;
};

export type RawOptions = {
  readonly port: number;
  /** With the query: `/ws/name?ack=1`. */
  readonly path: string;
  /** Any of 127.0.0.0/8: each has ports of its own. */
  readonly localAddress?: string;
  readonly onMessage?: (message: Uint8Array) => void;
};

const opBinary = 2;
const opText = 1;
const opClose = 8;
const opPing = 9;
const opPong = 10;

/** A masked frame with everything in it. The mask is zero: the server can't tell, and the bytes stay readable. */
function frameOf(opcode: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  const lengthBytes = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const frame = Buffer.alloc(2 + lengthBytes + 4 + length);
  frame[0] = 0x80 | opcode;
  frame[1] = 0x80 | (lengthBytes === 0 ? length : lengthBytes === 2 ? 126 : 127);
  if (lengthBytes === 2) frame.writeUInt16BE(length, 2);
  if (lengthBytes === 8) frame.writeBigUInt64BE(BigInt(length), 2);
  frame.set(payload, 2 + lengthBytes + 4);
  return frame;
}

type Parsed = { readonly opcode: number; readonly isLast: boolean; readonly payload: Buffer; readonly size: number };

/** The first frame in `bytes`, or undefined where it is not whole yet. */
function parseFrame(bytes: Buffer): Parsed | undefined {
  if (bytes.length < 2) return undefined;
  const [first = 0, second = 0] = bytes;
  let length = second & 127;
  let from = 2;
  if (length === 126) {
    if (bytes.length < 4) return undefined;
    length = bytes.readUInt16BE(2);
    from = 4;
  } else if (length === 127) {
    if (bytes.length < 10) return undefined;
    length = Number(bytes.readBigUInt64BE(2));
    from = 10;
  }
  if (bytes.length < from + length) return undefined;
  return { opcode: first & 15, isLast: (first & 128) !== 0, payload: bytes.subarray(from, from + length), size: from + length };
}

/** Puts chunks together and calls `onFrame` with each frame, without copying what came before again and again. */
function frameReader(onFrame: (frame: Parsed) => void): (chunk: Buffer) => void {
  let chunks: Buffer[] = [];
  let size = 0;
  let wanted = 2;
  return (chunk) => {
    chunks.push(chunk);
    size += chunk.length;
    if (size < wanted) return;
    let bytes = chunks.length === 1 ? chunk : Buffer.concat(chunks);
    for (let frame = parseFrame(bytes); frame !== undefined; frame = parseFrame(bytes)) {
      onFrame(frame);
      bytes = bytes.subarray(frame.size);
    }
    chunks = [bytes];
    size = bytes.length;
    wanted = wantedFor(bytes);
  };
}

/** How many bytes the frame that begins here needs, as far as that can be seen. */
function wantedFor(bytes: Buffer): number {
  const length = (bytes[1] ?? 0) & 127;
  if (bytes.length < 2 || length < 126) return 2 + length;
  if (length === 126) return bytes.length < 4 ? 4 : 4 + bytes.readUInt16BE(2);
  return bytes.length < 10 ? 10 : 10 + Number(bytes.readBigUInt64BE(2));
}

function upgradeRequest({ port, path }: RawOptions): string {
  const key = randomBytes(16).toString('base64');
  const lines = ['Upgrade: websocket', 'Connection: Upgrade', `Sec-WebSocket-Key: ${key}`, 'Sec-WebSocket-Version: 13'];
  return `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${lines.join('\r\n')}\r\n\r\n`;
}

/** Resolves when the WebSocket is open; rejects with the server's first line where it was refused. */
export function openRawClient(options: RawOptions): Promise<RawClient> {
  const { port, path, onMessage = () => {} } = options;
  const socket: Socket = connect({ port, host: '127.0.0.1', localAddress: options.localAddress, noDelay: true });
  let closing: RawClosing = { code: 1006, reason: '' };
  const begun: Buffer[] = [];
  const read = frameReader(({ opcode, isLast, payload }) => {
    if (opcode === opClose) {
      closing = { code: payload.length < 2 ? 1005 : payload.readUInt16BE(0), reason: payload.subarray(2).toString() };
      socket.end();
    } else if (opcode === opPing) socket.write(frameOf(opPong, payload));
    else if (opcode !== opPong) {
      begun.push(payload);
      if (isLast) onMessage(new Uint8Array(begun.length === 1 ? payload : Buffer.concat(begun)));
      if (isLast) begun.length = 0;
    }
  });
  const closed = new Promise<RawClosing>((resolve) => socket.once('close', () => resolve(closing)));
  socket.on('error', () => socket.destroy());
  const client: RawClient = {
    send: (message, kind = 'binary') => void socket.write(frameOf(kind === 'text' ? opText : opBinary, message)),
    sendBytes: (bytes) => void socket.write(bytes),
    pause: (isPaused) => void (isPaused ? socket.pause() : socket.resume()),
    end: () => void socket.end(),
    drop: () => void socket.destroy(),
    closed,
    unsent: () => socket.writableLength,
  };
  return new Promise((resolve, reject) => {
    let head = Buffer.alloc(0);
    const onHead = (chunk: Buffer): void => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\r\n\r\n');
      if (end === -1) return;
      socket.off('data', onHead);
      const [status = ''] = head.toString('latin1').split('\r\n');
      if (!status.includes(' 101 ')) {
        socket.destroy();
        reject(new Error(`${path}: ${status}`));
        return;
      }
      // The caller gets to know the client before its first message comes.
      socket.pause();
      setImmediate(() => {
        socket.on('data', read);
        if (head.length > end + 4) read(head.subarray(end + 4));
        socket.resume();
      });
      resolve(client);
    };
    socket.on('data', onHead);
    socket.once('close', () => reject(new Error(`${path}: closed before it was open`)));
    socket.write(upgradeRequest(options));
  });
}
