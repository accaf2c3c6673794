/** What a gateway answers over plain HTTP: how it is, what it counts, and the pages. */

import type { HttpAnswer } from '#gateway/edge.ts';
import type { Registry } from '#shared/runtime/metrics.ts';

export const plainText = (status: number, body: string): HttpAnswer => ({
  status,
  headers: { 'content-type': 'text/plain; charset=utf-8' },
  body: `${body}\n`,
});

/** RFC 9110 §15.5.22. */
function upgradeRequired(): HttpAnswer {
  const answer = plainText(426, 'documents are opened by WebSocket');
  return { ...answer, headers: { ...answer.headers, upgrade: 'websocket' } };
}

const json = (status: number, value: unknown): HttpAnswer => ({
  status,
  headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
  body: `${JSON.stringify(value)}\n`,
});

export type HttpParts = {
  readonly registry: Registry;
  readonly pages: ReadonlyMap<string, HttpAnswer>;
  readonly isDraining: () => boolean;
  /** Goes into the body of `/readyz`: what is away or late, though people can be served. */
  readonly condition: () => Readonly<Record<string, unknown>>;
};

/** The answer to GET `path`. */
export async function answerGet(path: string, { registry, pages, isDraining, condition }: HttpParts): Promise<HttpAnswer> {
  switch (path) {
    case '/healthz':
      return json(200, { status: 'alive' });
    case '/readyz':
      return isDraining() ? json(503, { status: 'draining', ...condition() }) : json(200, { status: 'ready', ...condition() });
    case '/metrics':
      return answerMetrics(registry);
    default:
      if (path.startsWith('/ws/')) return upgradeRequired();
      return pages.get(path) ?? plainText(404, path === '/' ? 'the pages are not built: run `make pages`' : 'not found');
  }
}

/** Metrics that can't be collected leave the server as it is. */
function answerMetrics(registry: Registry): Promise<HttpAnswer> {
  return registry.metrics().then(
    (body) => ({ status: 200, headers: { 'content-type': registry.contentType }, body }),
    (error: unknown) => plainText(500, `the metrics can't be collected: ${String(error)}`),
  );
}
