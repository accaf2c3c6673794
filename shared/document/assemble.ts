/** Puts an update together: sections of structs, clients descending (Yjs' merge drops structs in silence where they do not), then a delete set. */

import type { Piece } from './struct-run.ts';
import { allocate, varUintBytes, writeVarUint } from './varint.ts';

/** An update without anything in it. */
export const emptyUpdate: Uint8Array = Uint8Array.of(0, 0);

/** A delete set without anything in it. */
export const noDeletions: Uint8Array = Uint8Array.of(0);

/** `pieces`: one a client, clients descending. `deletions` is encoded. The result is fresh memory. */
export function assembleUpdate(pieces: readonly Piece[], deletions: Uint8Array): Uint8Array {
  let size = varUintBytes(pieces.length) + deletions.length;
  for (const piece of pieces) {
    size += headerBytes(piece);
    for (const part of piece.parts) size += part.length;
  }
  const bytes = allocate(size);
  let to = writeVarUint(bytes, 0, pieces.length);
  for (const piece of pieces) {
    to = writeVarUint(bytes, to, piece.structs);
    to = writeVarUint(bytes, to, piece.client);
    to = writeVarUint(bytes, to, piece.start);
    for (const part of piece.parts) {
      bytes.set(part, to);
      to += part.length;
    }
  }
  bytes.set(deletions, to);
  return bytes;
}

/** The same update, in parts that follow each other. */
export function assembleParts(pieces: readonly Piece[], deletions: Uint8Array): readonly Uint8Array[] {
  const count = allocate(varUintBytes(pieces.length));
  writeVarUint(count, 0, pieces.length);
  const parts = [count];
  for (const piece of pieces) {
    const header = allocate(headerBytes(piece));
    writeVarUint(header, writeVarUint(header, writeVarUint(header, 0, piece.structs), piece.client), piece.start);
    parts.push(header);
    for (const part of piece.parts) parts.push(part);
  }
  parts.push(deletions);
  return parts;
}

/** How many bytes stand before the structs of a piece. */
export function headerBytes(piece: Piece): number {
  return varUintBytes(piece.structs) + varUintBytes(piece.client) + varUintBytes(piece.start);
}
