/**
 * What outlives a process says what it is.
 *
 * A record or a stored value may be read by a program that is older or newer than its writer, or may not be ours at all. Guessing
 * turns the first into silent loss ("unreadable, skip it") and the second into a partition that stands still for ever. So
 * everything begins with a mark that no text begins with, its kind, and its version:
 *
 *     F6 <varUint kind> <varUint version> fields …
 *
 * No mark means that it is none of ours: unreadable. A kind or a version that this program does not know means that a newer
 * program wrote it: the reader stops and says so.
 */

import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { reasonOf } from './reason.ts';

/** Never valid in UTF-8, so neither JSON nor any other text is taken for ours. */
const mark = 0xf6;

export type StoredKind = { readonly code: number; readonly version: number; readonly name: string };

/** Every kind there is, in one place, so that no two share a code. A code is never used again for something else. */
export const storedKinds = {
  updateRecord: { code: 1, version: 1, name: 'update record' },
  journalBatch: { code: 16, version: 1, name: 'journal batch' },
  journalIdentity: { code: 17, version: 1, name: 'journal identity' },
  journalMark: { code: 18, version: 1, name: 'journal high-water mark' },
  segment: { code: 32, version: 1, name: 'segment' },
  snapshotPart: { code: 33, version: 1, name: 'snapshot part' },
  head: { code: 34, version: 1, name: 'head' },
  checkpoint: { code: 35, version: 1, name: 'checkpoint' },
  journalBinding: { code: 36, version: 1, name: 'journal binding' },
  segmentPart: { code: 37, version: 1, name: 'segment part' },
  mirror: { code: 38, version: 1, name: 'mirror' },
  mirrorState: { code: 39, version: 1, name: 'mirror state' },
  lease: { code: 40, version: 1, name: 'lease' },
  changeToken: { code: 41, version: 1, name: 'change token' },
  mirrorValue: { code: 42, version: 1, name: 'value of a mirror' },
  deadLetter: { code: 48, version: 1, name: 'dead letter' },
  presenceMessage: { code: 64, version: 1, name: 'presence message' },
} as const satisfies Record<string, StoredKind>;

const knownCodes: ReadonlySet<number> = new Set(Object.values(storedKinds).map(({ code }) => code));

/** Why bytes are not what was looked for. `newer-version`: stop and say so. `unreadable`: set them aside and go on. */
export type Refusal =
  | { readonly kind: 'newer-version'; readonly found: string }
  | { readonly kind: 'unreadable'; readonly reason: string };

export type Decoded<T> = { readonly kind: 'decoded'; readonly value: T } | Refusal;

/** For people: why `what` can't be used, and what to do. */
export const describeRefusal = (refusal: Refusal, what: string): string =>
  refusal.kind === 'newer-version'
    ? `${what} was written by a newer version (${refusal.found}): run that version, or a later one`
    : `${what} can't be read: ${refusal.reason}`;

export function writeKind(encoder: encoding.Encoder, kind: StoredKind): void {
  encoding.writeUint8(encoder, mark);
  encoding.writeVarUint(encoder, kind.code);
  encoding.writeVarUint(encoder, kind.version);
}

/** Reads what `writeKind` wrote; undefined where it is the kind and version that was looked for. */
function readKind(decoder: decoding.Decoder, wanted: StoredKind): Refusal | undefined {
  if (decoding.readUint8(decoder) !== mark) return { kind: 'unreadable', reason: 'it does not begin like anything of ours' };
  const code = decoding.readVarUint(decoder);
  const version = decoding.readVarUint(decoder);
  if (!knownCodes.has(code)) return { kind: 'newer-version', found: `kind ${code}, version ${version}` };
  if (code !== wanted.code)
    return { kind: 'unreadable', reason: `it is of kind ${code}, and not a ${wanted.name} (${wanted.code})` };
  if (version > wanted.version) return { kind: 'newer-version', found: `${wanted.name}, version ${version}` };
  if (version < wanted.version) return { kind: 'unreadable', reason: `${wanted.name} has no version ${version}` };
  return undefined;
}

/** The bytes of a stored value: its kind, then what `writeFields` writes. */
export function encodeStored(kind: StoredKind, writeFields: (encoder: encoding.Encoder) => void): Uint8Array {
  return encoding.encode((encoder) => {
    writeKind(encoder, kind);
    writeFields(encoder);
  });
}

/** What `encodeStored` made. `readFields` may throw on malformed bytes, and must leave none over. Never throws itself. */
export function decodeStored<T>(bytes: Uint8Array, kind: StoredKind, readFields: (decoder: decoding.Decoder) => T): Decoded<T> {
  const decoder = decoding.createDecoder(bytes);
  try {
    const refusal = readKind(decoder, kind);
    if (refusal !== undefined) return refusal;
    const value = readFields(decoder);
    if (decoding.hasContent(decoder)) return { kind: 'unreadable', reason: `${kind.name}: bytes are left over at the end` };
    return { kind: 'decoded', value };
  } catch (error) {
    return { kind: 'unreadable', reason: `${kind.name}: ${reasonOf(error)}` };
  }
}
