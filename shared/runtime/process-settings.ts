/** What every process that listens can be told, and how its address is written. */

import { amount, choice, text } from './config.ts';
import { logLevels } from './telemetry.ts';

export const processSettings = {
  host: text('address', '127.0.0.1', 'the address to listen on'),
  port: amount('port', 8080, 'the port to listen on; 0 is any free one', 0, 65_535),
  logLevel: choice(logLevels, 'info', 'the least important diagnostics that are written'),
};

/** `http://127.0.0.1:8080`, without a slash at its end. An IPv6 address is put in brackets (RFC 3986 §3.2.2). */
export const urlOf = (scheme: 'http' | 'https', host: string, port: number): string =>
  `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
