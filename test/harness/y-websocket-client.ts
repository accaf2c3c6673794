/**
 * A person with a real y-websocket client: an unmodified `WebsocketProvider` on a Y.Doc, in Node.
 *
 * What the provider puts on its socket is watched and not changed. That is how a test knows which of its edits were acknowledged: with `?ack=1` the
 * server counts the Step2 and Update frames of a connection that are settled, so they are counted here in the same way. A socket that closes
 * starts a new count; what the old one left open was never acknowledged.
 *
 * Waiting is for a condition, looked at whenever something happened to the client; the deadline only turns a hang into an error.
 */

import { setMaxListeners } from 'node:events';
import * as decoding from 'lib0/decoding';
import WS from 'ws';
import { WebsocketProvider } from 'y-websocket';
import * as Y from 'yjs';
import { decodeFrame } from '#shared/wire/y-websocket.ts';

// Every provider listens for the end of the process.
setMaxListeners(0, process);

const messageAck = 8;
const waitMsMax = 45_000;

/** One Step2 or Update frame that was handed to a socket. */
export type SentFrame = { readonly kind: 'step2' | 'update'; readonly update: Uint8Array };

export type ClientOptions = {
  /** As `WebsocketProvider` takes it: `ws://…/ws`. */
  readonly url: string;
  /** The document's name, percent-encoded where it has to be. */
  readonly document: string;
  /** How often the client asks for what it lacks, in milliseconds; never, if not given. */
  readonly resyncIntervalMs?: number;
  /** Hears of every Step2 and Update frame when it is sent. */
  readonly onSent?: (frame: SentFrame) => void;
  /** Hears of the first frames, in the order of `onSent`, that were acknowledged since it was called last. */
  readonly onAcknowledged?: (frames: number) => void;
  /** Hears that a connection is gone: what was sent on it and not acknowledged never will be. */
  readonly onDisconnected?: () => void;
};

export type Client = {
  readonly doc: Y.Doc;
  /** The root type `text`. */
  readonly text: Y.Text;
  readonly provider: WebsocketProvider;
  /** Step2 and Update frames of this connection that are not acknowledged yet. */
  readonly unsettled: () => number;
  /** The close codes that the server gave, in order. */
  readonly closeCodes: readonly number[];
  /** Resolves when something happens to this client: an update, an acknowledgement, a change of presence, a connection that comes or goes. */
  readonly nextEvent: () => Promise<void>;
  /** Resolves when `condition` is true; it is looked at after each event. Rejects after 45 s, saying `what` did not happen. */
  readonly until: (what: string, condition: () => boolean) => Promise<void>;
  /** Resolves when the server has sent the whole document on this connection. */
  readonly synced: () => Promise<void>;
  /** Resolves when this connection is synced and everything that was sent on it is acknowledged. */
  readonly saved: () => Promise<void>;
  /** Throws client and document away: nothing of them is sent again. */
  readonly discard: () => void;
};

/** A `WebSocket` for a provider, that tells what is sent on it. */
function watchedSocket(onSend: (message: Uint8Array) => void): typeof WebSocket {
  class WatchedSocket extends WS {
    override send(message: Uint8Array): void {
      onSend(message);
      super.send(message);
    }
  }
  return WatchedSocket as unknown as typeof WebSocket;
}

/** Opens a document. Discard the client in the end, or it goes on reconnecting. */
export function openClient(options: ClientOptions): Client {
  const doc = new Y.Doc();
  const watchers = new Set<() => void>();
  const closeCodes: number[] = [];
  let sent = 0;
  let acknowledged = 0;
  const happened = (): void => {
    for (const look of [...watchers]) look();
  };

  const onSend = (message: Uint8Array): void => {
    const frame = decodeFrame(message);
    if (frame.kind !== 'step2' && frame.kind !== 'update') return;
    sent++;
    options.onSent?.({ kind: frame.kind, update: frame.update });
  };
  const provider = new WebsocketProvider(options.url, options.document, doc, {
    connect: false,
    disableBc: true,
    params: { ack: '1' },
    maxBackoffTime: 400,
    resyncInterval: options.resyncIntervalMs ?? -1,
    WebSocketPolyfill: watchedSocket(onSend),
  });
  provider.messageHandlers[messageAck] = (_encoder, decoder) => {
    const count = decoding.readVarUint(decoder);
    if (count <= acknowledged || count > sent) throw new Error(`acknowledged ${count} of ${sent} frames, after ${acknowledged}`);
    const more = count - acknowledged;
    acknowledged = count;
    options.onAcknowledged?.(more);
    happened();
  };
  provider.on('connection-close', (event: { readonly code: number } | null) => {
    if (event !== null) closeCodes.push(event.code);
    sent = 0;
    acknowledged = 0;
    options.onDisconnected?.();
    happened();
  });
  for (const name of ['sync', 'status'] as const) provider.on(name, happened);
  provider.awareness.on('change', happened);
  doc.on('update', happened);
  provider.connect();

  const until = (what: string, condition: () => boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(deadline);
        watchers.delete(look);
      };
      const look = (): void => {
        if (!condition()) return;
        end();
        resolve();
      };
      const deadline = setTimeout(() => {
        end();
        const state = `synced: ${provider.synced}, frames sent: ${sent}, acknowledged: ${acknowledged}, closed with: ${closeCodes.join(', ')}`;
        reject(new Error(`${what}: not within ${waitMsMax} ms (${options.document}; ${state})`));
      }, waitMsMax);
      watchers.add(look);
      look();
    });

  return {
    doc,
    text: doc.getText('text'),
    provider,
    unsettled: () => sent - acknowledged,
    closeCodes,
    nextEvent: () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const look = (): void => {
        watchers.delete(look);
        resolve();
      };
      watchers.add(look);
      return promise;
    },
    until,
    synced: () => until('synced', () => provider.synced),
    saved: () => until('saved', () => provider.synced && sent > 0 && sent === acknowledged),
    discard: () => {
      watchers.clear();
      provider.destroy();
      doc.destroy();
    },
  };
}

/** Whether two clients have the same text and have heard of the same edits. Cheap where they differ. */
export function isSame(one: Client, other: Client): boolean {
  return (
    one.text.length === other.text.length &&
    Buffer.compare(Y.encodeStateVector(one.doc), Y.encodeStateVector(other.doc)) === 0 &&
    one.text.toJSON() === other.text.toJSON()
  );
}
