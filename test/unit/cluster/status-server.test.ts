import { createServer, type AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { createRegistry } from '#shared/runtime/metrics.ts';
import { startStatusServer } from '#shared/runtime/status-server.ts';

async function start({ port = 0 } = {}) {
  const server = await startStatusServer({ host: '127.0.0.1', port, registry: createRegistry() });
  onTestFinished(() => server.close());
  const ask = async (path: string, method = 'GET') => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { method });
    return { status: response.status, body: await response.text() };
  };
  return { server, ask };
}

test('CL5: a process that serves no people answers /healthz, /readyz with its condition, and /metrics', async () => {
  const { ask, server } = await start();
  expect(await ask('/readyz')).toEqual({ status: 503, body: '{"status":"starting"}\n' });
  server.describeBy(() => ({ persister: { ok: true } }));
  server.become('ready');
  expect(await ask('/healthz')).toEqual({ status: 200, body: '{"status":"alive"}\n' });
  expect(await ask('/readyz?now')).toEqual({ status: 200, body: '{"status":"ready","persister":{"ok":true}}\n' });
  expect((await ask('/metrics')).body).toContain('process_cpu_seconds_total');
  expect((await ask('/')).status).toBe(404);
  expect((await ask('/healthz', 'POST')).status).toBe(405);
  expect(await ask('/healthz', 'HEAD')).toEqual({ status: 200, body: '' });
  server.become('draining');
  expect(await ask('/readyz')).toEqual({ status: 503, body: '{"status":"draining","persister":{"ok":true}}\n' });
});

test('CL5: what can not be told is an error of that answer alone', async () => {
  const { ask, server } = await start();
  server.describeBy(() => {
    throw new Error('odd');
  });
  expect(await ask('/readyz')).toMatchObject({ status: 500, body: expect.stringContaining('odd') as string });
  expect((await ask('/healthz')).status).toBe(200);
});

test('CL5: a port that somebody else has is an error that names it', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => void other.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void other.close());
  const { port } = other.address() as AddressInfo;
  await expect(start({ port })).rejects.toThrow(`can't listen on 127.0.0.1, port ${port}`);
});
