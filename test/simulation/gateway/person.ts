/**
 * A simulated person: a client of one document, and its link to one server after the other.
 *
 * A link delays messages in both directions and loses what is under way when it breaks. The server hears of that later than the client, as it does in
 * life. Each acknowledgement is held against what is durable at the moment at which it leaves the server.
 */

import * as Y from 'yjs';
import { decodeFrame } from '#shared/wire/y-websocket.ts';
import type { Clock } from '#shared/runtime/clock.ts';
import { BareClient } from '#test/harness/bare-client.ts';
import { fakeConnection, type FakeConnection } from '#test/harness/fake-connection.ts';
import { documentName } from '#test/harness/memory-gateway.ts';
import { parseServerFrame } from '#test/harness/server-frames.ts';
import type { VirtualClock } from '#test/harness/virtual-clock.ts';
import { openRoots, undoManagerOf } from '#test/simulation/rooms/editing.ts';
import type { Random } from '#test/simulation/rooms/random.ts';
import type { DurableDocument } from './durable.ts';
import type { Server } from './server.ts';

export type Person = {
  readonly client: BareClient;
  readonly document: string;
  readonly undo: Y.UndoManager;
  readonly isConnected: () => boolean;
  /** Breaks the link; the server hears of it when it pleases. */
  readonly breakLink: () => void;
  /** Breaks the link if it is to this server. */
  readonly loseServer: (server: Server) => void;
  readonly stall: (isStalled: boolean) => void;
  /** Leaves for good, and says so. */
  readonly leave: () => void;
};

export type PersonParts = {
  readonly id: number;
  readonly document: string;
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly durable: DurableDocument;
  readonly counts: { acknowledgements: number; closings: number; breaks: number };
  /** A server that takes clients now, and still is there. */
  readonly findServer: () => Server | undefined;
  readonly isAlive: (server: Server) => boolean;
};

type Link = { readonly server: Server; readonly connection: FakeConnection; readonly end: () => void };

/** As y-protocols does: what is said in less than 30 s is not taken for somebody who is gone. */
const renewalMs = 15_000;

/** Runs something after a while, in the order of the calls. */
function line(world: VirtualClock, clock: Pick<Clock, 'after'>, random: Random): (run: () => void) => void {
  let last = 0;
  return (run) => {
    last = Math.max(last, world.monotonic() + random.integer(30));
    clock.after(last - world.monotonic(), run);
  };
}

export function arrive(parts: PersonParts): Person {
  const { id, document, clock, random, durable, counts } = parts;
  const doc = new Y.Doc({ guid: '' });
  doc.clientID = id;
  const client = new BareClient(doc);
  client.keepsFrames = false;
  openRoots(client.doc);
  const undo = undoManagerOf(client.doc);
  let link: Link | undefined;
  let isStalled = false;
  let hasLeft = false;

  const retry = (): void => void clock.after(random.chance(0.2) ? 0 : 100 + random.integer(1_000), connect);

  function connect(): void {
    if (hasLeft) return;
    const server = parts.findServer();
    if (server === undefined) return retry();
    const connection = fakeConnection();
    if (isStalled) connection.stall(true);
    const sent: Uint8Array[] = [];
    let acknowledged = 0;
    let isUp = true;
    let isOpenThere = true;
    const there = line(clock, server.clock, random);
    const back = line(clock, clock, random);
    connection.onMessage = (message) => {
      const frame = parseServerFrame(message);
      if (frame.kind === 'ack') {
        durable.catchUp();
        for (const update of sent.slice(acknowledged, frame.frames)) {
          if (!durable.has(update)) throw new Error('something was acknowledged that is not durable');
        }
        counts.acknowledgements += frame.frames - acknowledged;
        acknowledged = frame.frames;
      }
      back(() => void (isUp && client.receive(message)));
    };
    const end = (): void => {
      if (!isUp) return;
      isUp = false;
      link = undefined;
      client.lost();
      retry();
      server.clock.after(random.integer(2_000), () => {
        if (isOpenThere) session.closed();
        isOpenThere = false;
        server.sessions.delete(session);
      });
    };
    const { close } = connection;
    const session = server.gateway.connect(documentName(document), {
      ...connection,
      close: (closing) => {
        close(closing);
        if (closing.code < 1000 || closing.code >= 4000)
          throw new Error(`an honest client was closed: ${closing.code} ${closing.reason}`);
        counts.closings++;
        isOpenThere = false;
        back(end);
      },
    });
    server.sessions.add(session);
    connection.onDrained = () => session.drained();
    link = { server, connection, end };
    // The process may have died of this very call.
    if (!parts.isAlive(server)) {
      end();
      return;
    }
    client.open((message) =>
      there(() => {
        // Bytes that arrived are handled even if the client is gone by then.
        const frame = decodeFrame(message);
        if (!isUp && random.chance(0.5)) return;
        if (frame.kind === 'step2' || frame.kind === 'update') sent.push(frame.update);
        if (isOpenThere) session.message(message);
      }),
    );
  }

  const renewLater = (): void => {
    clock.after(renewalMs, () => {
      if (hasLeft) return;
      const state = client.awareness.getLocalState();
      if (state !== null) client.awareness.setLocalState(state);
      renewLater();
    });
  };
  renewLater();
  connect();
  return {
    client,
    document,
    undo,
    isConnected: () => link !== undefined,
    breakLink: () => {
      counts.breaks++;
      link?.end();
    },
    loseServer: (server) => {
      if (link?.server === server) link.end();
    },
    stall: (stalled) => {
      isStalled = stalled;
      link?.connection.stall(stalled);
    },
    leave: () => {
      hasLeft = true;
      client.awareness.setLocalState(null);
      link?.end();
      client.destroy();
    },
  };
}
