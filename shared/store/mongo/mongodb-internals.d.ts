/** What of mongodb 7.9 is used beneath its public interface, as far as it is used. */

declare module 'mongodb/lib/cmap/commands.js' {
  /** Documents of a command that are sent in a section of their own (OP_MSG, kind 1), already serialised. */
  export class DocumentSequence {
    constructor(field: string);
    push(document: object, serialized: Uint8Array): number;
  }
}

declare module 'mongodb/lib/cmap/connection.js' {
  import type { Socket } from 'node:net';

  export class Connection {
    /** Why it was closed; null while it is open. */
    error: Error | null;
    constructor(socket: Socket, options: object);
    writeCommand(command: object, options: object): Promise<void>;
    command(namespace: object, command: object, options: object): Promise<object>;
    once(event: 'close', listener: () => void): this;
    off(event: 'close', listener: () => void): this;
  }
}
