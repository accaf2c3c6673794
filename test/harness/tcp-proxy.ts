/**
 * A network that fails on command: a proxy on 127.0.0.1 between a client and a server.
 *
 * What it does not do it does not touch: bytes pass in order, both ways, with backpressure. A fault is something that TCP can do to its
 * users and nothing else. So bytes are never taken out of the middle of a stream: what was swallowed for a while is the last that the connection
 * carried, and when the swallowing ends it is cut.
 *
 * What the bytes mean is known to a `reader` (kafka-proxy.ts has one), which sees all of them and decides what goes on.
 */

import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '#deploy/native/free-port.ts';

const host = '127.0.0.1';
/** Of one direction of one connection: past it the sender is not read from. */
const waitingBytesMax = 1024 * 1024;

/** Who sends. */
export type Side = 'client' | 'server';

/** What goes on to the other side, all that came, something else or nothing; with `onCut` the connection is cut after it, and then that is called. */
export type Verdict = { readonly pass: Uint8Array; readonly onCut?: () => void };

/** Made anew for each connection. */
export type Reader = (side: Side, chunk: Uint8Array) => Verdict;

export type TcpProxy = {
  readonly port: number;
  /** `127.0.0.1:<port>` */
  readonly address: string;
  /** Connections that are open now. */
  readonly connections: () => number;
  /** From now on every byte takes so many milliseconds longer; 0 ends it. Order is kept. */
  readonly slowBy: (ms: number) => void;
  /** Resets every open connection, at both ends. New ones are taken. */
  readonly cut: () => void;
  /** Of what `side` sends from now on so many bytes pass, over all connections; then the one that sent the last of them is cut. Resolves when it is. */
  readonly cutAfter: (side: Side, bytes: number) => Promise<void>;
  /** From now on nothing that `side` sends arrives, on any connection, old or new. */
  readonly swallow: (side: Side) => void;
  readonly swallowedBytes: () => number;
  /** Ends the swallowing; connections of which something was swallowed are cut. */
  readonly release: () => void;
  /** Connections are refused, and those that there are go on. */
  readonly refuse: () => Promise<void>;
  /** Connections are taken again. */
  readonly accept: () => Promise<void>;
  /** Cuts everything, and ends. */
  readonly close: () => Promise<void>;
};

type Faults = {
  delayMs: number;
  cuts: { readonly side: Side; bytesLeft: number; readonly done: () => void }[];
  readonly swallowed: Set<Side>;
  swallowedBytes: number;
};

type Connection = { readonly cut: () => void; isTorn: boolean };

const passAll: Reader = (_side, chunk) => ({ pass: chunk });

/** Starts a proxy to `target`, which need not be there yet: until it is, connections end as they would without a proxy. */
export async function startTcpProxy(options: {
  readonly target: { readonly host: string; readonly port: number };
  readonly reader?: () => Reader;
}): Promise<TcpProxy> {
  const faults: Faults = { delayMs: 0, cuts: [], swallowed: new Set(), swallowedBytes: 0 };
  const connections = new Set<Connection>();
  const port = await freePort();

  const join = (client: Socket): void => {
    const server = connect({ ...options.target, noDelay: true, allowHalfOpen: true });
    client.setNoDelay(true);
    const connection: Connection = {
      isTorn: false,
      cut: () => {
        connections.delete(connection);
        client.resetAndDestroy();
        server.resetAndDestroy();
      },
    };
    connections.add(connection);
    const reader = options.reader?.() ?? passAll;
    relay({ side: 'client', from: client, to: server, connection, reader, faults });
    relay({ side: 'server', from: server, to: client, connection, reader, faults });
  };

  const cutWhere = (isMeant: (connection: Connection) => boolean): void => {
    for (const connection of connections) if (isMeant(connection)) connection.cut();
  };

  let listener: Server | undefined = await listen(port, join);
  const refuse = async (): Promise<void> => {
    const closing = listener;
    listener = undefined;
    // `close` calls back when the last connection has ended, and no longer listens when it returns.
    closing?.close();
  };
  return {
    port,
    address: `${host}:${port}`,
    connections: () => connections.size,
    slowBy: (ms) => {
      faults.delayMs = ms;
    },
    cut: () => cutWhere(() => true),
    cutAfter: (side, bytes) => new Promise((done) => faults.cuts.push({ side, bytesLeft: bytes, done })),
    swallow: (side) => void faults.swallowed.add(side),
    swallowedBytes: () => faults.swallowedBytes,
    release: () => {
      faults.swallowed.clear();
      cutWhere(({ isTorn }) => isTorn);
    },
    refuse,
    accept: async () => {
      listener ??= await listen(port, join);
    },
    close: async () => {
      await refuse();
      cutWhere(() => true);
    },
  };
}

async function listen(port: number, join: (client: Socket) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, join);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, host, resolve);
  });
  return server;
}

type Direction = {
  readonly side: Side;
  readonly from: Socket;
  readonly to: Socket;
  readonly connection: Connection;
  readonly reader: Reader;
  readonly faults: Faults;
};

/** Carries one direction of one connection, chunk by chunk, each as late as it is due. */
function relay(direction: Direction): void {
  const { from, to, connection, faults } = direction;
  const waiting: { readonly chunk: Uint8Array; readonly due: number }[] = [];
  let waitingBytes = 0;
  let isEnded = false;
  let isCarrying = false;

  const carry = async (): Promise<void> => {
    if (isCarrying) return;
    isCarrying = true;
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const late = next.due - performance.now();
      if (late > 0) await delay(late);
      await pass(direction, next.chunk);
      waitingBytes -= next.chunk.byteLength;
      if (from.isPaused() && waitingBytes < waitingBytesMax) from.resume();
    }
    isCarrying = false;
    if (isEnded) to.end();
  };

  from.on('data', (chunk: Uint8Array) => {
    waiting.push({ chunk, due: performance.now() + faults.delayMs });
    waitingBytes += chunk.byteLength;
    if (waitingBytes >= waitingBytesMax) from.pause();
    void carry();
  });
  from.once('end', () => {
    isEnded = true;
    void carry();
  });
  from.once('error', connection.cut);
  from.once('close', () => {
    if (!isEnded || to.destroyed) connection.cut();
  });
}

/** Lets the reader and the faults have their say about one chunk, and writes what is left of it. */
async function pass({ side, to, connection, reader, faults }: Direction, chunk: Uint8Array): Promise<void> {
  const verdict = reader(side, chunk);
  if (faults.swallowed.has(side)) {
    faults.swallowedBytes += verdict.pass.byteLength;
    connection.isTorn ||= verdict.pass.byteLength > 0;
    return;
  }
  const due = faults.cuts.find((cut) => cut.side === side);
  const bytes = Math.min(verdict.pass.byteLength, due?.bytesLeft ?? Infinity);
  await write(to, verdict.pass.subarray(0, bytes));
  if (due !== undefined) due.bytesLeft -= bytes;
  if (due?.bytesLeft === 0) faults.cuts.splice(faults.cuts.indexOf(due), 1);
  if (verdict.onCut !== undefined || due?.bytesLeft === 0) connection.cut();
  if (due?.bytesLeft === 0) due.done();
  verdict.onCut?.();
}

/** Resolves when the socket has handed the bytes to the system, or is gone. */
const write = (to: Socket, bytes: Uint8Array): Promise<void> =>
  new Promise((resolve) => {
    if (bytes.byteLength === 0 || to.destroyed) resolve();
    else to.write(bytes, () => resolve());
  });
