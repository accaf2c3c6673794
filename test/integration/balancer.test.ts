/** The load balancer before gateways that do nothing but say which of them was asked. */

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import WS, { WebSocketServer } from 'ws';
import { freePort } from '#deploy/native/free-port.ts';
import { balancerAtHand } from '#deploy/native/parts.ts';

const configuration = 'deploy/haproxy.cfg';

/** As a gateway is: it echoes on a WebSocket; not ready, it answers 503 to everything and keeps the sockets that it has. */
class FakeGateway {
  isReady = true;
  readonly asked: string[] = [];
  readonly #name: string;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  port = 0;

  constructor(name: string) {
    this.#name = name;
  }

  async open(): Promise<void> {
    const sockets = new WebSocketServer({ noServer: true });
    const server = createServer((request, response) => {
      const path = request.url ?? '';
      if (path !== '/readyz') this.asked.push(path);
      response.writeHead(this.isReady ? 200 : 503).end(this.#name);
    });
    server.on('connection', (socket) => this.#sockets.add(socket));
    server.on('upgrade', (request, socket, head) => {
      sockets.handleUpgrade(request, socket, head, (client) => client.on('message', () => client.send(this.#name)));
    });
    server.listen(this.port, '127.0.0.1');
    await once(server, 'listening');
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** As kill -9 would. */
  close(): void {
    this.#server?.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

async function startBalancer(): Promise<{ readonly one: FakeGateway; readonly two: FakeGateway; readonly address: string }> {
  const [one, two] = [new FakeGateway('gateway-1'), new FakeGateway('gateway-2')];
  await Promise.all([one.open(), two.open()]);
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn('haproxy', ['-db', '-f', configuration], {
    stdio: 'ignore',
    env: environment(address, one.port, two.port),
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
    one.close();
    two.close();
  });
  const isUp = (): Promise<boolean> =>
    fetch(`http://${address}/`).then(
      ({ ok }) => ok,
      () => false,
    );
  while (!(await isUp())) expect(child.exitCode).toBeNull();
  return { one, two, address };
}

const environment = (address: string, one: number, two: number): NodeJS.ProcessEnv => ({
  ...process.env,
  BALANCER_ADDRESS: address,
  BALANCER_GATEWAY_1: `127.0.0.1:${one}`,
  BALANCER_GATEWAY_2: `127.0.0.1:${two}`,
});

const ask = async (address: string, path: string): Promise<string> => (await fetch(`http://${address}${path}`)).text();

const documents = Array.from({ length: 64 }, (_, index) => `/ws/team-${index}/minutes`);
const placesOf = (address: string): Promise<readonly string[]> => Promise.all(documents.map((path) => ask(address, path)));

async function connect(address: string, path: string): Promise<WS> {
  const socket = new WS(`ws://${address}${path}`);
  onTestFinished(() => socket.terminate());
  await once(socket, 'open');
  return socket;
}

async function echo(socket: WS): Promise<string> {
  socket.send('who?');
  const [message] = (await once(socket, 'message')) as [Buffer];
  return message.toString();
}

async function leaveOutWithout(skip: (condition: boolean, reason: string) => void): Promise<void> {
  const balancer = await balancerAtHand();
  skip(balancer !== 'here', balancer === 'here' ? '' : balancer.missing);
}

test('CL27: the configuration of the load balancer is valid', async ({ skip }) => {
  await leaveOutWithout(skip);
  const env = environment('127.0.0.1:8080', 8081, 8082);
  expect(execFileSync('haproxy', ['-c', '-f', configuration], { encoding: 'utf8', env })).toContain('valid');
});

test('CL27: a document has one gateway, however its name is written, and documents are shared out', async ({ skip }) => {
  await leaveOutWithout(skip);
  const { address } = await startBalancer();
  const places = await placesOf(address);
  expect(await placesOf(address)).toEqual(places);
  const otherwise = documents.map((path) => `/ws/${encodeURIComponent(path.slice('/ws/'.length))}?token=${path.length}&ack=1`);
  expect(await Promise.all(otherwise.map((path) => ask(address, path)))).toEqual(places);
  const first = places.filter((name) => name === 'gateway-1').length;
  expect(first).toBeGreaterThan(16);
  expect(first).toBeLessThan(48);
});

test('CL28: a gateway that drains gets no new people and keeps its own; its documents alone move, and come back', async ({
  skip,
}) => {
  await leaveOutWithout(skip);
  const { one, address } = await startBalancer();
  const places = await placesOf(address);
  const its = documents[places.indexOf('gateway-1')] ?? '';
  const socket = await connect(address, its);

  one.isReady = false;
  // Before the balancer has noticed, too.
  expect(new Set(await placesOf(address))).toEqual(new Set(['gateway-2']));
  for (;;) {
    one.asked.length = 0;
    await ask(address, its);
    if (one.asked.length === 0) break;
  }
  expect(new Set(await placesOf(address))).toEqual(new Set(['gateway-2']));
  expect(one.asked).toEqual([]);
  expect(await echo(socket)).toBe('gateway-1');

  one.isReady = true;
  while ((await ask(address, its)) !== 'gateway-1');
  expect(await placesOf(address)).toEqual(places);
  expect(await echo(socket)).toBe('gateway-1');
});

test('CL28: who comes to a gateway that was killed is served by the other, at once', async ({ skip }) => {
  await leaveOutWithout(skip);
  const { one, address } = await startBalancer();
  const places = await placesOf(address);
  const its = documents[places.indexOf('gateway-1')] ?? '';
  const socket = await connect(address, its);
  expect(await echo(socket)).toBe('gateway-1');
  one.close();
  await once(socket, 'close');
  expect(await echo(await connect(address, its))).toBe('gateway-2');
  expect(new Set(await placesOf(address))).toEqual(new Set(['gateway-2']));
});
