/**
 * Where a process that serves no people tells how it is: `/healthz`, `/readyz` and `/metrics`, for an orchestrator and for Prometheus.
 *
 * It is there from the beginning: a process that can't have its port must know before it takes part in anything, and one that waits for what it stands on
 * is alive. Such a process is ready as long as it does its work; what is away or late is in the body, and does not change the answer, since nothing would be
 * better if it were restarted for that.
 */

import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from './metrics.ts';

export type ServiceState = 'starting' | 'ready' | 'draining';

export type StatusServerParts = {
  readonly host: string;
  /** 0 = any free. */
  readonly port: number;
  readonly registry: Registry;
};

/** What is asked for each time that somebody wants to know. */
export type Condition = () => Readonly<Record<string, unknown>>;

export type StatusServer = {
  readonly port: number;
  /** It is `starting` until then. */
  readonly become: (state: ServiceState) => void;
  /** Says how it is in particular, in the body of `/readyz`. */
  readonly describeBy: (condition: Condition) => void;
  /** Takes no more requests, and drops those under way. */
  readonly close: () => void;
};

function answer(response: ServerResponse, status: number, contentType: string, body: string): void {
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
  });
  response.end(body);
}

const json = (response: ServerResponse, status: number, value: unknown): void =>
  answer(response, status, 'application/json', `${JSON.stringify(value)}\n`);

const plain = (response: ServerResponse, status: number, text: string): void =>
  answer(response, status, 'text/plain; charset=utf-8', `${text}\n`);

type Told = { state: ServiceState; condition: Condition };

async function answerGet(path: string, response: ServerResponse, registry: Registry, told: Told): Promise<void> {
  const { state, condition } = told;
  switch (path) {
    case '/healthz':
      return json(response, 200, { status: 'alive' });
    case '/readyz':
      return json(response, state === 'ready' ? 200 : 503, { status: state, ...condition() });
    case '/metrics':
      return answer(response, 200, registry.contentType, await registry.metrics());
    default:
      return plain(response, 404, 'not found; there are /healthz, /readyz and /metrics');
  }
}

/** Opens the port. Rejects where that can't be done, saying why. A response to HEAD goes without its body (node:http). */
export function startStatusServer({ host, port, registry }: StatusServerParts): Promise<StatusServer> {
  const told: Told = { state: 'starting', condition: () => ({}) };
  const server = createServer((request, response) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      plain(response, 405, 'only GET and HEAD are answered here');
      return;
    }
    const [path = ''] = (request.url ?? '').split('?');
    answerGet(path, response, registry, told).catch((error: unknown) =>
      plain(response, 500, `this can't be told now: ${String(error)}`),
    );
  });
  return new Promise((resolve, reject) => {
    server.once('error', (error) =>
      reject(new Error(`can't listen on ${host}, port ${port}: ${error.message}`, { cause: error })),
    );
    server.listen({ host, port, exclusive: true }, () =>
      resolve({
        port: (server.address() as AddressInfo).port,
        become: (state) => void (told.state = state),
        describeBy: (condition) => void (told.condition = condition),
        close: () => {
          server.close();
          server.closeAllConnections();
        },
      }),
    );
  });
}
