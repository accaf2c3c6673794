/**
 * Is the process in this container alive? `node deploy/health-check.ts`, in the environment of that process: exit code 0 or 1.
 *
 * It asks `/healthz` and not `/readyz`: who is not ready is draining, or waits for something that a restart would not bring. The certificate is not looked
 * at, since it is made out to a name that nobody in the container uses.
 */

import { request as requestPlain } from 'node:http';
import { request as requestByTls } from 'node:https';

const answerMsMax = 4_000;

const { INKSTREAM_HOST: host = '127.0.0.1', INKSTREAM_PORT: port = '8080', INKSTREAM_TLS_CERT_FILE: certFile } = process.env;

const everywhere: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };
const request = certFile === undefined ? requestPlain : requestByTls;

const fail = (why: string): never => {
  process.stderr.write(`${why}\n`);
  process.exit(1);
};

request(
  { host: everywhere[host] ?? host, port, path: '/healthz', rejectUnauthorized: false, timeout: answerMsMax },
  ({ statusCode }) => (statusCode === 200 ? process.exit(0) : fail(`/healthz answers ${statusCode}`)),
)
  .once('timeout', () => fail(`/healthz does not answer within ${answerMsMax} ms`))
  .once('error', ({ message }) => fail(`/healthz can't be asked: ${message}`))
  .end();
