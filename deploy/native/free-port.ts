/**
 * A port on which a process can be killed and come back. Not any port: those that the system hands out (port 0) are also the ends of other
 * programs' connections, and what remains of a killed process's connections keeps one shut for a minute unless it was asked for by its number.
 *
 * Between the look at a port and the moment at which somebody listens there lie seconds, in which the same process looks for others. So it goes on from where it began, by lot, and gives no port twice.
 */

import { createServer } from 'node:net';

const portMin = 20_000;
/** Below those that Linux gives to connections. */
const portMax = 32_000;

let next = Math.floor(Math.random() * (portMax - portMin));

/** The first of `count` ports of 127.0.0.1 in a row on which nothing listens now. */
export async function freePortRow(count: number): Promise<number> {
  for (;;) {
    const first = portMin + (next % (portMax - portMin));
    next += count;
    const row = Array.from({ length: count }, (_, index) => first + index);
    const areFree = await Promise.all(row.map(isFree));
    if (!areFree.includes(false)) return first;
  }
}

/** A port of 127.0.0.1 on which nothing listens now. */
export const freePort = (): Promise<number> => freePortRow(1);

async function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  const isTaken = await new Promise<boolean>((settle) => {
    probe.once('error', () => settle(true)).listen(port, '127.0.0.1', () => settle(false));
  });
  if (!isTaken) await new Promise((settle) => probe.close(settle));
  return !isTaken;
}
