/** A proxy that claims faults and makes none would turn every test behind it green. */

import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { startTcpProxy, type TcpProxy } from '#test/harness/tcp-proxy.ts';

/** An echo, and a proxy before it. `received` is what the server got, of all connections. */
async function proxiedEcho(): Promise<{
  readonly proxy: TcpProxy;
  readonly received: () => Buffer;
  readonly open: () => Promise<Talk>;
}> {
  let received = Buffer.alloc(0);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket
      .on('error', () => {})
      .on('data', (chunk) => {
        received = Buffer.concat([received, chunk]);
        socket.write(chunk);
      });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy = await startTcpProxy({ target: { host: '127.0.0.1', port: (server.address() as AddressInfo).port } });
  onTestFinished(async () => {
    await proxy.close();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { proxy, received: () => received, open: () => talk(proxy.port) };
}

type Talk = {
  readonly send: (bytes: Uint8Array | string) => void;
  /** Resolves with all that came so far when it is so many bytes. */
  readonly receives: (bytes: number) => Promise<Buffer>;
  readonly got: () => number;
  /** How it ended. */
  readonly closed: Promise<'reset' | 'ended'>;
  readonly end: () => void;
};

async function talk(port: number): Promise<Talk> {
  const socket = connect({ host: '127.0.0.1', port });
  let got = Buffer.alloc(0);
  let failure: Error | undefined;
  let look = (): void => {};
  socket.on('error', (error) => (failure = error));
  socket.on('data', (chunk) => {
    got = Buffer.concat([got, chunk]);
    look();
  });
  const closed = once(socket, 'close').then(
    () => (failure === undefined ? ('ended' as const) : ('reset' as const)),
    () => 'reset' as const,
  );
  await once(socket, 'connect');
  onTestFinished(() => void socket.destroy());
  return {
    send: (bytes) => void socket.write(bytes),
    receives: (bytes) =>
      new Promise((resolve) => {
        look = () => {
          if (got.length >= bytes) resolve(got);
        };
        look();
      }),
    got: () => got.length,
    closed,
    end: () => void socket.end(),
  };
}

test('CL45: bytes pass unchanged, however many, and so does the end', async () => {
  const { proxy, open } = await proxiedEcho();
  const client = await open();
  const sent = Buffer.alloc(8 * 1024 * 1024, 'inkstream');
  client.send(sent);
  expect((await client.receives(sent.length)).equals(sent)).toBe(true);
  expect(proxy.connections()).toBe(1);
  client.end();
  expect(await client.closed).toBe('ended');
});

test('CL45: what is delayed comes that much later, in order', async () => {
  const { proxy, open } = await proxiedEcho();
  const client = await open();
  proxy.slowBy(60);
  const start = performance.now();
  for (const letter of 'abcdefgh') client.send(letter);
  expect(String(await client.receives(8))).toBe('abcdefgh');
  // Once on the way there, once on the way back, whatever the number of chunks.
  expect(performance.now() - start).toBeGreaterThanOrEqual(119);
});

test('CL45: connections are cut at once, and new ones are taken', async () => {
  const { proxy, open } = await proxiedEcho();
  const client = await open();
  client.send('a');
  await client.receives(1);
  proxy.cut();
  expect(await client.closed).toBe('reset');
  const again = await open();
  again.send('b');
  await again.receives(1);
});

test('CL45: a connection is cut after so many bytes, and not one more has passed', async () => {
  const { proxy, open, received } = await proxiedEcho();
  const client = await open();
  const cut = proxy.cutAfter('client', 5);
  client.send('abc');
  await client.receives(3);
  client.send('defgh');
  await cut;
  expect(await client.closed).toBe('reset');
  expect(String(received()).slice(0, 5)).toBe('abcde'.slice(0, received().length));
  expect(received().length).toBeLessThanOrEqual(5);
  expect(proxy.connections()).toBe(0);
});

test('CL45: what is swallowed does not arrive, and its connection is cut in the end', async () => {
  const { proxy, open } = await proxiedEcho();
  const [client, idle] = [await open(), await open()];
  idle.send('i');
  await idle.receives(1);
  proxy.swallow('server');
  client.send('abc');
  await until(() => proxy.swallowedBytes() === 3);
  proxy.release();
  expect(await client.closed).toBe('reset');
  idle.send('j');
  await idle.receives(2);
  expect(client.got()).toBe(0);
});

test('CL45: connections are refused and taken again; those that there are go on', async () => {
  const { proxy, open } = await proxiedEcho();
  const client = await open();
  client.send('a');
  await client.receives(1);
  await proxy.refuse();
  await expect(open()).rejects.toThrow('ECONNREFUSED');
  client.send('b');
  await client.receives(2);
  await proxy.accept();
  const again = await open();
  again.send('c');
  await again.receives(1);
});

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}
