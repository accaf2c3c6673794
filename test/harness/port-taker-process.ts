/** A process that asks for free ports, says them in one line, and stays: for a test that starts several at once. */

import { freePort, freePortRow } from '#deploy/native/free-port.ts';

const ports: number[] = [];
for (let taken = 0; taken < 10; taken++) {
  const row = await freePortRow(3);
  ports.push(await freePort(), row, row + 1, row + 2);
}
console.log(ports.join(' '));
setInterval(() => {}, 60_000);
