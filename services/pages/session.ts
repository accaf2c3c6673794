/**
 * One document, connected: the Yjs document, this browser's copy of it, and the y-websocket provider as it comes, watched from outside.
 *
 * The provider says when a connection opens and closes, and hides the rest. What it sends is seen by giving it a WebSocket that reports its
 * `send`; what it does not know (acknowledgements) or only warns of (denials) comes through its table of message handlers. Two tabs of one browser
 * talk through the server like everyone else: over the provider's BroadcastChannel a tab would show text of the other one as "Saved" that the server has never seen.
 */

import * as decoding from 'lib0/decoding';
import { decodeFrame } from '#shared/wire/y-websocket.ts';
import { readAuthMessage } from 'y-protocols/auth';
import type { Awareness } from 'y-protocols/awareness';
import { messageAuth, WebsocketProvider } from 'y-websocket';
import * as Y from 'yjs';
import { roomName } from './document-name.ts';
import { keepOffline } from './offline-copy.ts';
import { edited, frameSent, isSaved, opened, settledUpTo, type Connection } from './saved-state.ts';
import { explainClose, mayComeBack } from './status.ts';

const messageAck = 8;

/** The root type that holds the text, under the name that other editors and programs look for. */
const textName = 'text';

export type SessionState = {
  readonly connection: Connection;
  /** Whether this browser keeps the document by itself. */
  readonly kept: boolean;
  /** What went wrong, in words, until it is over. */
  readonly problem: string | undefined;
};

export type Session = { readonly text: Y.Text; readonly awareness: Awareness };

/** Opens the document at the server that the page came from. Calls `onChange` with each new state, the first one included. */
export function openSession(name: string, onChange: (state: SessionState) => void): Session {
  const doc = new Y.Doc();
  let state: SessionState = { connection: { kind: 'connecting' }, kept: false, problem: undefined };
  const change = (changed: Partial<SessionState>): void => {
    state = { ...state, ...changed };
    onChange(state);
  };

  // Before the provider's own listener: an edit is unsent until a frame follows it.
  doc.on('update', (_update: Uint8Array, origin: unknown) => {
    if (origin !== provider) change({ connection: edited(state.connection) });
  });
  const provider = new WebsocketProvider(`${location.origin.replace(/^http/u, 'ws')}/ws`, roomName(name), doc, {
    connect: false,
    disableBc: true,
    params: { ack: '1' },
    shouldReconnect: ({ code }) => mayComeBack(code),
    WebSocketPolyfill: reportingWebSocket((frame) => change({ connection: frameSent(state.connection, decodeFrame(frame)) })),
  });
  provider.messageHandlers[messageAck] = (_encoder, decoder) => {
    const connection = settledUpTo(state.connection, decoding.readVarUint(decoder));
    change({ connection, problem: isSaved(connection) ? undefined : state.problem });
  };
  provider.messageHandlers[messageAuth] = (_encoder, decoder) => {
    readAuthMessage(decoder, doc, (_doc, reason) => change({ problem: explainClose(4401, reason) }));
  };
  provider.on('status', ({ status }) => {
    if (status === 'disconnected') forgetClocks(provider.awareness);
    if (status !== 'connected') return;
    change({ connection: opened() });
    // Others who saw this person before the connection broke take nothing with a clock that they know (y-protocols): move it on.
    provider.awareness.setLocalState(provider.awareness.getLocalState());
  });
  provider.on('connection-close', (event) => {
    change({ connection: { kind: 'offline' }, problem: (event && explainClose(event.code, event.reason)) ?? state.problem });
  });
  provider.on('closed', () => change({ connection: { kind: 'ended' } }));

  const text = doc.getText(textName);
  // Where nobody else has the text, closing the page asks first.
  window.addEventListener('beforeunload', (event) => {
    if (!state.kept && !isSaved(state.connection) && text.length > 0) event.preventDefault();
  });

  onChange(state);
  void keepOffline(name, doc, () => change({ kept: false })).then((kept) => {
    change({ kept });
    provider.connect();
  });
  return { text, awareness: provider.awareness };
}

/**
 * Lets the others be taken in again as they are. With the connection the provider drops their states, but awareness still knows their clocks and takes
 * nothing that is not newer (y-protocols): those who stayed connected, to another gateway or through a better network, would be missing until
 * they move or renew themselves, up to 15 s.
 */
function forgetClocks({ meta, clientID }: Awareness): void {
  for (const clientId of meta.keys()) if (clientId !== clientID) meta.delete(clientId);
}

/** The platform's WebSocket, reporting each frame that it has taken. */
function reportingWebSocket(report: (frame: Uint8Array) => void): typeof WebSocket {
  return class extends WebSocket {
    override send(data: Parameters<WebSocket['send']>[0]): void {
      super.send(data);
      if (data instanceof Uint8Array) report(data);
    }
  };
}
