/**
 * A port on which a process can be killed and come back. Not any port: those that the system hands out (port 0) are also the ends of other
 * programs' connections, and what remains of a killed process's connections keeps one shut for a minute unless it was asked for by its number.
 */

import { createServer } from 'node:net';

const portMin = 20_000;
const portMax = 32_000;

/** A port of 127.0.0.1 on which nothing listens now; below those that Linux gives to connections. */
export async function freePort(): Promise<number> {
  const port = portMin + Math.floor(Math.random() * (portMax - portMin));
  const probe = createServer();
  const isTaken = await new Promise<boolean>((settle) => {
    probe.once('error', () => settle(true)).listen(port, '127.0.0.1', () => settle(false));
  });
  if (isTaken) return freePort();
  await new Promise((settle) => probe.close(settle));
  return port;
}
