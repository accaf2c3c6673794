/**
 * The driver without writes that wait for ever.
 *
 * A command that does not fit into the socket's buffer waits until the socket says `drain` or `error` (mongodb 7.9, `Connection.writeCommand`). A closed socket says neither:
 * one that was given up for its silence while a large write was under way, or one whose other end has closed in this very turn of the event loop, which the connection does not know yet. That
 * is what happens when a database is killed: the call fails on one connection and is repeated at once on the next, which is just as dead. The limits on time are of no use then, since they
 * hang on the socket. The call never ends; and where it is the monitor's, no server is ever found again. So a write ends when its connection does.
 */

import { Connection } from 'mongodb/lib/cmap/connection.js';

type Writing = Pick<Connection, 'writeCommand' | 'error' | 'once' | 'off'>;

const patched = Symbol('patched');

/** Makes every write of every connection end with it. May be called again. */
export function endWritesWithConnections(): void {
  const prototype = Connection.prototype as Writing & { [patched]?: true };
  if (prototype[patched] === true) return;
  const { writeCommand } = prototype;
  prototype[patched] = true;
  prototype.writeCommand = async function writeUntilClosed(this: Writing, command, options): Promise<void> {
    const closed = Promise.withResolvers<never>();
    const onClose = (): void => closed.reject(this.error ?? new Error('the connection was closed'));
    this.once('close', onClose);
    try {
      await Promise.race([writeCommand.call(this, command, options), closed.promise]);
    } finally {
      this.off('close', onClose);
    }
  };
}
