/**
 * A port on which a process can be killed and come back. Not any port: those that the system hands out (port 0) are also the ends of other
 * programs' connections, and what remains of a killed process's connections keeps one shut for a minute unless it was asked for by its number.
 *
 * Between the look at a port and the moment at which somebody listens there lie seconds, and a killed process is away for as long. Meanwhile others look, of
 * this process and of those beside it. So a port is claimed: this process binds it for UDP, where it is in nobody's way, and until it ends nobody else here
 * is given that port.
 */

import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

const portMin = 20_000;
/** Below those that Linux gives to connections. */
const portMax = 32_000;

let next = Math.floor(Math.random() * (portMax - portMin));

/** The first of `count` ports of 127.0.0.1 in a row on which nothing listens now, and which nobody is given as long as this process lives. */
export async function freePortRow(count: number): Promise<number> {
  for (;;) {
    const first = portMin + (next % (portMax - portMin));
    next += count;
    const row = Array.from({ length: count }, (_, index) => first + index);
    const areOurs = await Promise.all(row.map(async (port) => (await claim(port)) && (await isFree(port))));
    if (!areOurs.includes(false)) return first;
  }
}

/** One such port. */
export const freePort = (): Promise<number> => freePortRow(1);

async function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  const isTaken = await new Promise<boolean>((settle) => {
    probe.once('error', () => settle(true)).listen(port, '127.0.0.1', () => settle(false));
  });
  if (!isTaken) await new Promise((settle) => probe.close(settle));
  return !isTaken;
}

/** Whether this process is the first to claim it. Nobody lets go of one but by ending. */
async function claim(port: number): Promise<boolean> {
  const claimed = createSocket('udp4').unref();
  return new Promise((settle) => {
    claimed.once('error', () => {
      claimed.close();
      settle(false);
    });
    claimed.bind({ address: '127.0.0.1', port, exclusive: true }, () => settle(true));
  });
}
