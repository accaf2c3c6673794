/** State vectors: how many clocks of each client somebody has. What a client sends to be told what it lacks. */

import { StructReader, clockMax } from './struct-reader.ts';
import { stateVectorEntriesMax, storedUpdateLimits } from './limits.ts';
import { varUintBytes, writeVarUint } from './varint.ts';

/** From client id to the clock after the last one that is there. */
export type StateVector = ReadonlyMap<number, number>;

/** Why bytes were refused, in words for a close frame (≤ 123 bytes). */
export type Refused = { readonly refused: string };

/** An entry is a client and a clock, of a byte at least. */
const entryBytesMin = 2;

/**
 * Parses what `Y.encodeStateVector` writes, of at most `entriesMax` clients. Yjs itself throws on what else is refused here, or takes one of two
 * contradicting entries.
 */
export function parseStateVector(bytes: Uint8Array, entriesMax = stateVectorEntriesMax): StateVector | Refused {
  const reader = new StructReader(bytes, 0, storedUpdateLimits);
  const vector = new Map<number, number>();
  const count = reader.varUint();
  if (count > (bytes.length - reader.position) / entryBytesMin) reader.refuse('it ends early');
  if (count > entriesMax) reader.refuse('it names too many clients');
  for (let i = 0; i < count && reader.refused === ''; i++) {
    const client = reader.varUint();
    const clock = reader.varUint();
    if (clock > clockMax) reader.refuse('a clock is past 2^31');
    if (vector.has(client)) reader.refuse('it names a client twice');
    vector.set(client, clock);
  }
  if (reader.refused === '' && reader.position !== bytes.length) reader.refuse('it goes on after its end');
  return reader.refused === '' ? vector : { refused: `broken state vector: ${reader.refused}` };
}

/** The same bytes as `Y.encodeStateVector`: clients descending. */
export function encodeStateVector(vector: StateVector): Uint8Array {
  // Sorted as plain numbers: a document that thousands have edited is asked for this after each edit.
  const clients = Float64Array.from(vector.keys()).toSorted().toReversed();
  let size = varUintBytes(clients.length);
  for (const client of clients) size += varUintBytes(client) + varUintBytes(vector.get(client) ?? 0);
  const bytes = new Uint8Array(size);
  let to = writeVarUint(bytes, 0, clients.length);
  for (const client of clients) to = writeVarUint(bytes, writeVarUint(bytes, to, client), vector.get(client) ?? 0);
  return bytes;
}
