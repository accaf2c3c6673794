/**
 * The words for the state of things: one short status that is always there, and an explanation where something went wrong.
 */

import { isSaved, type Connection } from './saved-state.ts';

/** `steady` nothing to do, `busy` it passes by itself in a moment, `apart` this browser is on its own. */
export type Status = { readonly tone: 'steady' | 'busy' | 'apart'; readonly text: string };

/** What to show. `kept` says whether this browser keeps the document by itself (false where its storage is switched off). */
export function describeStatus(connection: Connection, kept: boolean): Status {
  switch (connection.kind) {
    case 'connecting':
      return { tone: 'busy', text: 'Connecting…' };
    case 'live':
      if (isSaved(connection)) return { tone: 'steady', text: 'Saved' };
      return { tone: 'busy', text: connection.answered ? 'Saving…' : 'Connecting…' };
    case 'offline':
      return { tone: 'apart', text: kept ? 'Offline: kept in this browser' : 'Offline: don’t close this page' };
    case 'ended':
      return { tone: 'apart', text: kept ? 'Closed: kept in this browser' : 'Closed: don’t close this page' };
  }
}

/** What a screen reader hears when the connection changes: saving is left out, since it changes with every key. */
export function announceConnection(connection: Connection, kept: boolean): string {
  switch (connection.kind) {
    case 'connecting':
      return 'Connecting.';
    case 'live':
      return 'Connected.';
    case 'offline':
      return kept ? 'Offline. What you type is kept in this browser and merges on return.' : 'Offline. Don’t close this page.';
    case 'ended':
      return 'The connection was closed by the server.';
  }
}

/**
 * Whether a connection that was closed with this code is worth another try. 4400 to 4499 mean never; and who was too large (1009) would send
 * the same again, several times a second and for ever, since each new connection begins with all that is not saved.
 */
export const mayComeBack = (code: number): boolean => code !== 1009 && !(code >= 4400 && code < 4500);

/**
 * Why the server closed the connection, for the person at the screen; undefined for what passes unnoticed (networks, restarts).
 * `shared/wire/close-codes.ts` has the codes that are ours.
 */
export function explainClose(code: number, reason: string): string | undefined {
  const because = reason === '' ? '' : ` (${reason})`;
  if (code === 4401) return `You are not allowed to open this document${because}.`;
  if (code >= 4400 && code < 4500) return `The server has closed this document for you${because}. Reload the page to try again.`;
  switch (code) {
    case 1009:
      return `The last change is too large for the server${because}. Undo it, reload the page, and add it in smaller pieces.`;
    case 1011:
      return `The server can’t read what it keeps of this document${because}. Whoever runs it has to look; what you have here stays here.`;
    case 1013:
      return `The server can’t take more at the moment${because}. It is tried again by itself; what you have here stays here.`;
    default:
      return undefined;
  }
}
