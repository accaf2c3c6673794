/**
 * The frames of the y-websocket protocol (y-websocket 3.x, y-protocols 1.0): what a client sends, parsed, and what we send, encoded.
 *
 *     0 Sync            00 00 <varBytes stateVector> Step1 | 00 01 <varBytes update> Step2 | 00 02 <varBytes update> Update
 *     1 Awareness       01 <varBytes awarenessUpdate>
 *     2 Auth            02 00 <varString reason>      only ever sent by a server
 *     3 QueryAwareness  03
 *     8 Ack             08 <varUint n>                ours, where the client asked for it with `?ack=1`
 *
 * Decoding never throws; the byte fields of a frame are views into the message.
 */

import { varUintBytes, writeVarUint } from '#shared/document/varint.ts';
import { cursorOf, isAtEnd, readVarBytes, readVarUint } from '#shared/wire/bytes.ts';

const noBytes = new Uint8Array(0);

const messageSync = 0;
const messageAwareness = 1;
const messageQueryAwareness = 3;
const messageAck = 8;

const syncStep1 = 0;
const syncStep2 = 1;
const syncUpdate = 2;

export type ClientFrame =
  | { readonly kind: 'step1'; readonly vector: Uint8Array }
  | { readonly kind: 'step2'; readonly update: Uint8Array }
  | { readonly kind: 'update'; readonly update: Uint8Array }
  | { readonly kind: 'awareness'; readonly awareness: Uint8Array }
  | { readonly kind: 'query-awareness' }
  | { readonly kind: 'unknown'; readonly type: number }
  | { readonly kind: 'malformed'; readonly reason: string };

/** The frame in one binary message. Types that we do not know are `unknown`: a client's extension, to be ignored. */
export function decodeFrame(message: Uint8Array): ClientFrame {
  const cursor = cursorOf(message);
  const type = readVarUint(cursor);
  if (cursor.failed) return { kind: 'malformed', reason: 'the frame is empty or has no type' };
  switch (type) {
    case messageSync: {
      const step = readVarUint(cursor);
      const payload = readVarBytes(cursor);
      if (!isAtEnd(cursor)) return { kind: 'malformed', reason: 'the sync frame is cut short, or has bytes after its end' };
      if (step === syncStep1) return { kind: 'step1', vector: payload };
      if (step === syncStep2) return { kind: 'step2', update: payload };
      if (step === syncUpdate) return { kind: 'update', update: payload };
      return { kind: 'malformed', reason: `the sync frame has the unknown step ${step}` };
    }
    case messageAwareness: {
      const awareness = readVarBytes(cursor);
      if (!isAtEnd(cursor)) return { kind: 'malformed', reason: 'the awareness frame is cut short, or has bytes after its end' };
      return { kind: 'awareness', awareness };
    }
    case messageQueryAwareness:
      return isAtEnd(cursor)
        ? { kind: 'query-awareness' }
        : { kind: 'malformed', reason: 'the awareness query has bytes after its end' };
    default:
      return { kind: 'unknown', type };
  }
}

/**
 * A frame of just its size. A small one is a piece of Node's pool: an array in V8's heap, which this would be otherwise, has to be given memory
 * outside of it as soon as native code is to send it. So whoever keeps a frame keeps its neighbours too.
 */
function encodeFrame(header: readonly number[], number: number, payload: Uint8Array = noBytes): Uint8Array {
  const frame = Buffer.allocUnsafe(header.length + varUintBytes(number) + payload.length);
  frame.set(header);
  frame.set(payload, writeVarUint(frame, header.length, number));
  return frame;
}

const encodeBytes = (header: readonly number[], payload: Uint8Array): Uint8Array => encodeFrame(header, payload.length, payload);

/** For a Step2 or an Update whose payload is sent in parts. */
export const step2Header = (payloadBytes: number): Uint8Array => encodeFrame([messageSync, syncStep2], payloadBytes);
export const updateHeader = (payloadBytes: number): Uint8Array => encodeFrame([messageSync, syncUpdate], payloadBytes);

export const encodeStep1 = (vector: Uint8Array): Uint8Array => encodeBytes([messageSync, syncStep1], vector);
export const encodeStep2 = (update: Uint8Array): Uint8Array => encodeBytes([messageSync, syncStep2], update);
export const encodeUpdate = (update: Uint8Array): Uint8Array => encodeBytes([messageSync, syncUpdate], update);

export const encodeAwareness = (awareness: Uint8Array): Uint8Array => encodeBytes([messageAwareness], awareness);

/** An awareness update without entries: changes nothing, and tells the client's watchdog (30 s) that the server is there. */
export const keepAliveFrame: Uint8Array = Uint8Array.of(messageAwareness, 1, 0);

/** "This connection's first `frames` Step2 and Update frames are all settled." */
export const encodeAck = (frames: number): Uint8Array => encodeFrame([messageAck], frames);
