/**
 * Awareness updates (y-protocols): who is here, with a state that is any JSON.
 *
 *     awarenessUpdate := varUint count { varUint clientID, varUint clock, varString JSON }     JSON `null` = gone
 *
 * Every client parses every state that it is sent, and throws where one does not parse: then it drops its connection, comes back, is sent
 * the same again, and so does everyone else in the room. So a state is parsed here before anyone sees it.
 *
 * A client also sends every foreign state that it receives straight back. With a hundred people each cursor move returns a hundred times, so
 * telling an echo must cost next to nothing: an entry's state stays a view of bytes until `checkState` is asked about it.
 */

import * as encoding from 'lib0/encoding';
import { cursorOf, isAtEnd, readAnyVarUint, readVarBytes, readVarUint } from '#shared/wire/bytes.ts';

export type AwarenessEntry = {
  readonly client: number;
  /** `Infinity` where it is past 2⁵³−1. */
  readonly clock: number;
  /** UTF-8 JSON as it came; `null` where the client is gone. */
  readonly state: Uint8Array;
};

/** As deep as a state may nest: a reader that walks it by recursion must not run out of stack. */
const nestingMax = 64;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The state of a client that is gone. */
export const goneState: Uint8Array = new TextEncoder().encode('null');

export const isGone = ({ state }: AwarenessEntry): boolean =>
  state.length === goneState.length && goneState.every((byte, at) => state[at] === byte);

function nestsTooDeep(json: string): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < json.length; at++) {
    const char = json[at];
    if (inString) {
      if (char === '\\') at++;
      else if (char === '"') inString = false;
    } else if (char === '"') inString = true;
    else if (char === '{' || char === '[') {
      if (++depth > nestingMax) return true;
    } else if (char === '}' || char === ']') depth--;
  }
  return false;
}

/** Why a state can't be handed to clients, or undefined where it can. `bytesMax`: its longest JSON, in bytes of UTF-8. */
export function checkState(state: Uint8Array, bytesMax: number): string | undefined {
  if (state.length > bytesMax) return `an awareness state has ${state.length} bytes; at most ${bytesMax} are allowed`;
  try {
    const json = utf8.decode(state);
    if (nestsTooDeep(json)) return `an awareness state nests deeper than ${nestingMax}`;
    JSON.parse(json);
    return undefined;
  } catch {
    return 'an awareness state is not JSON';
  }
}

/**
 * The entries of an awareness update (views into `bytes`, states unchecked), or why it is none. Never throws. An entry takes three bytes on
 * the wire and two hundred here: hence `entriesMax`.
 */
export function decodeAwareness(
  bytes: Uint8Array,
  entriesMax: number,
): { readonly entries: readonly AwarenessEntry[] } | { readonly refused: string } {
  const cursor = cursorOf(bytes);
  const count = readVarUint(cursor);
  if (count > entriesMax) return { refused: `the awareness update speaks of ${count} clients; at most ${entriesMax} are taken` };
  const entries: AwarenessEntry[] = [];
  for (let i = 0; i < count && !cursor.failed; i++) {
    const client = readVarUint(cursor);
    const clock = readAnyVarUint(cursor);
    const state = readVarBytes(cursor);
    if (!cursor.failed) entries.push({ client, clock, state });
  }
  return isAtEnd(cursor) ? { entries } : { refused: 'the awareness update is cut short, or has bytes after its end' };
}

export function encodeAwarenessUpdate(entries: readonly AwarenessEntry[]): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, entries.length);
  for (const { client, clock, state } of entries) {
    encoding.writeVarUint(encoder, client);
    encoding.writeVarUint(encoder, clock);
    encoding.writeVarUint8Array(encoder, state);
  }
  return encoding.toUint8Array(encoder);
}
