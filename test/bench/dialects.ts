/**
 * The two protocols that the measured servers speak, as far as a load generator needs them.
 *
 * y-websocket names the document in the URL and has one message a frame; Hocuspocus puts the document's name in front of each
 * message, wants an Auth message first and confirms each update with a SyncStatus. Everything to send is made into frames beforehand; what
 * comes in is told apart by its first bytes.
 */

import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { clientFrame } from './websocket.ts';

const messages = { sync: 0, awareness: 1, auth: 2, syncStatus: 8, settled: 8 } as const;
const syncs = { step1: 0, step2: 1, update: 2 } as const;
const ping = 0x09;
const pong = Buffer.from([0x0a]);
const emptyStateVector = new Uint8Array([0]);
const emptyUpdate = new Uint8Array([0, 0]);
const providerVersion = '4.8.0';

export type DialectName = 'y-websocket' | 'hocuspocus';

/** What a message from the server is. `at` is where its update begins; `settled` counts this connection's Step2 and Update frames. */
export type Incoming =
  | { readonly kind: 'step1' }
  | { readonly kind: 'step2'; readonly at: number; readonly bytes: number }
  | { readonly kind: 'update'; readonly at: number; readonly bytes: number }
  | { readonly kind: 'settled'; readonly frames: number }
  | { readonly kind: 'confirmed' }
  | { readonly kind: 'ping' }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'other' };

/** Everything that clients of one document send, as frames. */
export type Outgoing = {
  readonly opening: readonly Buffer[];
  /** A Step1, to be answered by the whole document. */
  readonly ask: Buffer;
  /** The answer to the server's Step1 of a client that has nothing. */
  readonly emptyStep2: Buffer;
  readonly pong: Buffer;
  readonly update: (update: Uint8Array) => Buffer;
};

const other: Incoming = { kind: 'other' };
const step1: Incoming = { kind: 'step1' };
const confirmed: Incoming = { kind: 'confirmed' };
const pinged: Incoming = { kind: 'ping' };

function readVarUintAt(bytes: Uint8Array, start: number): { readonly value: number; readonly next: number } {
  let value = 0;
  let factor = 1;
  let at = start;
  for (;;) {
    const byte = bytes[at++] ?? 0;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return { value, next: at };
    factor *= 128;
  }
}

function readSync(bytes: Uint8Array, start: number): Incoming {
  if (bytes[start] === syncs.step1) return step1;
  const length = readVarUintAt(bytes, start + 1);
  return { kind: bytes[start] === syncs.step2 ? 'step2' : 'update', at: length.next, bytes: length.value };
}

/** Tells what one message from a server is, without copying it. */
export function readIncoming(dialect: DialectName, bytes: Uint8Array, start: number, end: number): Incoming {
  let at = start;
  if (dialect === 'hocuspocus') {
    if (end - start === 1 && bytes[start] === ping) return pinged;
    const name = readVarUintAt(bytes, start);
    at = name.next + name.value;
  }
  const type = bytes[at];
  if (type === messages.sync) return readSync(bytes, at + 1);
  if (type === messages.auth && bytes[at + 1] !== 2) {
    const decoder = decoding.createDecoder(bytes.slice(at + 2, end));
    return { kind: 'refused', reason: decoding.hasContent(decoder) ? decoding.readVarString(decoder) : 'no reason given' };
  }
  if (type !== messages.settled) return other;
  if (dialect === 'y-websocket') return { kind: 'settled', frames: readVarUintAt(bytes, at + 1).value };
  return bytes[at + 1] === 1 ? confirmed : { kind: 'refused', reason: 'SyncStatus 0' };
}

/** The frames that clients of `document` send in this dialect. */
export function outgoing(dialect: DialectName, document: string): Outgoing {
  const frame = (write: (encoder: encoding.Encoder) => void): Buffer => {
    const encoder = encoding.createEncoder();
    if (dialect === 'hocuspocus') encoding.writeVarString(encoder, document);
    write(encoder);
    return clientFrame(encoding.toUint8Array(encoder));
  };
  const sync = (kind: number, body: Uint8Array): Buffer =>
    frame((encoder) => {
      encoding.writeVarUint(encoder, messages.sync);
      encoding.writeVarUint(encoder, kind);
      encoding.writeVarUint8Array(encoder, body);
    });
  const auth = frame((encoder) => {
    encoding.writeVarUint(encoder, messages.auth);
    encoding.writeVarUint(encoder, 0);
    encoding.writeVarString(encoder, '');
    encoding.writeVarString(encoder, providerVersion);
  });
  const ask = sync(syncs.step1, emptyStateVector);
  return {
    opening: dialect === 'hocuspocus' ? [auth, ask] : [ask],
    ask,
    emptyStep2: sync(syncs.step2, emptyUpdate),
    pong: clientFrame(pong),
    update: (update) => sync(syncs.update, update),
  };
}
