/**
 * The Yjs clients under which edits are taken in.
 *
 * A fresh client for each edit would be always right, and leave an entry in the document's state for each: 5,000 edits of a field, 5,000 clients, in every state vector for ever. One
 * client for a document would be small, and wrong as soon as a base lacks something that was made under it: Yjs would number the new operations like the old ones, and readers
 * would have either. So a client is used on for as long as every base has all that it made, and is let go of whenever that is in doubt. Another process has others.
 */

import type { DocumentName } from '#shared/document/name.ts';
import type { ClientChoice } from '#shared/mirror/work.ts';

type Used = { readonly client: number; readonly clock: number };

export type Clients = {
  readonly choose: (document: DocumentName) => ClientChoice;
  /** An edit was made up to `clock`, whether or not it will be stored. */
  readonly made: (document: DocumentName, client: number, clock: number) => void;
  /** A write missed, or nobody knows: what was made may be nowhere. */
  readonly forget: (document: DocumentName) => void;
};

/** Remembers the clients of at most `documentsMax` documents. `random`: in [0, 1), unpredictable. */
export function createClients(random: () => number, documentsMax = 10_000): Clients {
  const used = new Map<DocumentName, Used>();
  return {
    choose: (document) => ({ used: used.get(document), fresh: Math.floor(random() * 2 ** 32) }),
    made: (document, client, clock) => {
      used.delete(document);
      used.set(document, { client, clock });
      for (const oldest of used.keys()) {
        if (used.size <= documentsMax) break;
        used.delete(oldest);
      }
    },
    forget: (document) => void used.delete(document),
  };
}
