/** What of mongodb 7.9 is used beneath its public interface, as far as it is used. */

declare module 'mongodb/lib/cmap/commands.js' {
  /** Documents of a command that are sent in a section of their own (OP_MSG, kind 1), already serialised. */
  export class DocumentSequence {
    constructor(field: string);
    push(document: object, serialized: Uint8Array): number;
  }
}
