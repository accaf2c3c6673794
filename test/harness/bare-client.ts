/**
 * A y-websocket client without a socket: a Y.Doc, a y-protocols awareness, and what they say on a connection.
 *
 * It does what y-websocket 3.1 does (sends Step1 and its awareness when it opens, answers Step1, sends its edits, sends awareness that it receives
 * straight back), and leaves to its user when messages arrive, on what they travel, and when the connection is gone.
 */

import * as encoding from 'lib0/encoding';
import { applyAwarenessUpdate, Awareness, encodeAwarenessUpdate, removeAwarenessStates } from 'y-protocols/awareness';
import * as Y from 'yjs';
import { encodeAwareness, encodeStep1, encodeStep2, encodeUpdate } from '#shared/wire/y-websocket.ts';
import { parseServerFrame, type ServerFrame } from '#test/harness/server-frames.ts';

const fromServer = Symbol('from the server');

type AwarenessChange = { readonly added: number[]; readonly updated: number[]; readonly removed: number[] };

export class BareClient {
  readonly doc: Y.Doc;
  readonly awareness: Awareness;
  /** What was received on this connection, but for what `receive` was told to forget. */
  readonly frames: ServerFrame[] = [];
  /** A Step2 came on this connection. */
  synced = false;
  /** Step2 and Update frames sent on this connection. */
  sent = 0;
  acknowledged = 0;
  keepsFrames = true;
  #send: ((message: Uint8Array) => void) | undefined;

  constructor(doc = new Y.Doc({ guid: '' })) {
    this.doc = doc;
    this.awareness = new Awareness(doc);
    this.awareness.setLocalState(null);
    doc.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin !== fromServer) this.#sendSettled(encodeUpdate(update));
    });
    this.awareness.on('update', ({ added, updated, removed }: AwarenessChange) =>
      this.#sendAwareness([...added, ...updated, ...removed]),
    );
  }

  get text(): Y.Text {
    return this.doc.getText('text');
  }

  /** Whether everything that was sent on this connection is acknowledged, and the document is there. */
  get saved(): boolean {
    return this.synced && this.sent > 0 && this.sent === this.acknowledged;
  }

  /** A new connection. */
  open(send: (message: Uint8Array) => void): void {
    this.#send = send;
    this.synced = false;
    this.sent = 0;
    this.acknowledged = 0;
    this.frames.length = 0;
    this.sendStep1();
    if (this.awareness.getLocalState() !== null) this.#sendAwareness([this.doc.clientID]);
  }

  /** The connection is gone. */
  lost(): void {
    this.#send = undefined;
    this.synced = false;
    const others = [...this.awareness.getStates().keys()].filter((client) => client !== this.doc.clientID);
    removeAwarenessStates(this.awareness, others, fromServer);
  }

  sendStep1(): void {
    this.#send?.(encodeStep1(Y.encodeStateVector(this.doc)));
  }

  receive(message: Uint8Array): void {
    const frame = parseServerFrame(message);
    if (this.keepsFrames) this.frames.push(frame);
    switch (frame.kind) {
      case 'step1':
        this.#sendSettled(encodeStep2(Y.encodeStateAsUpdate(this.doc, frame.vector)));
        return;
      case 'step2':
      case 'update':
        Y.applyUpdate(this.doc, frame.update, fromServer);
        if (frame.kind === 'step2') this.synced = true;
        return;
      case 'awareness':
        applyAwarenessUpdate(this.awareness, frame.awareness, fromServer);
        return;
      case 'ack':
        if (frame.frames <= this.acknowledged || frame.frames > this.sent) {
          throw new Error(`${frame.frames} frames acknowledged after ${this.acknowledged}, of ${this.sent} that were sent`);
        }
        this.acknowledged = frame.frames;
    }
  }

  destroy(): void {
    this.#send = undefined;
    this.awareness.destroy();
    this.doc.destroy();
  }

  #sendSettled(message: Uint8Array): void {
    if (this.#send === undefined) return;
    this.sent++;
    this.#send(message);
  }

  #sendAwareness(clients: readonly number[]): void {
    this.#send?.(encodeAwareness(encodeAwarenessUpdate(this.awareness, [...clients])));
  }
}

/** An awareness frame by hand. `state` is JSON, sound or not. */
export function awarenessFrame(
  ...entries: readonly { readonly client: number; readonly clock: number; readonly state: string }[]
): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, entries.length);
  for (const { client, clock, state } of entries) {
    encoding.writeVarUint(encoder, client);
    encoding.writeVarUint(encoder, clock);
    encoding.writeVarString(encoder, state);
  }
  return encodeAwareness(encoding.toUint8Array(encoder));
}
