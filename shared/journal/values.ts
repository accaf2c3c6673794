/** What the embedded journal keeps, as bytes. Encode and decode side by side, in the same order. */

import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { decodeStored, encodeStored, storedKinds, type Decoded } from '#shared/runtime/stored-kind.ts';
import type { FollowEnd, JournalIdentity, JournalRecord, Offset, ReadRecord } from './journal.ts';
import { decodeRecord, encodeRecord } from './record.ts';

export function encodeBatch(records: readonly JournalRecord[]): Uint8Array {
  return encodeStored(storedKinds.journalBatch, (encoder) => {
    encoding.writeVarUint(encoder, records.length);
    for (const record of records) encoding.writeVarUint8Array(encoder, encodeRecord(record));
  });
}

/** The records of a batch that begins at `first`, up to one that a newer program wrote, which ends the reading. What is unreadable is among them as such. */
export function decodeBatch(
  bytes: Uint8Array,
  first: Offset,
): { readonly records: readonly ReadRecord[]; readonly end?: FollowEnd } {
  const slots = decodeStored(bytes, storedKinds.journalBatch, (decoder) => {
    const count = decoding.readVarUint(decoder);
    const found: Uint8Array[] = [];
    for (let i = 0; i < count; i++) found.push(decoding.readVarUint8Array(decoder));
    return found;
  });
  if (slots.kind === 'newer-version') return { records: [], end: { kind: 'newer-version', offset: first, found: slots.found } };
  if (slots.kind === 'unreadable')
    return { records: [{ offset: first, unreadable: slots.reason, bytes: new Uint8Array(bytes) }] };
  const records: ReadRecord[] = [];
  for (const [index, slot] of slots.value.entries()) {
    const offset = first + index;
    const decoded = decodeRecord(slot);
    if (decoded.kind === 'newer-version') return { records, end: { kind: 'newer-version', offset, found: decoded.found } };
    records.push(
      decoded.kind === 'decoded'
        ? { offset, record: decoded.value }
        : { offset, unreadable: decoded.reason, bytes: slot.slice() },
    );
  }
  return { records };
}

export function encodeIdentity(identity: JournalIdentity): Uint8Array {
  return encodeStored(storedKinds.journalIdentity, (encoder) => {
    encoding.writeVarString(encoder, identity.id);
    encoding.writeVarUint(encoder, identity.partitionCount);
  });
}

export function decodeIdentity(bytes: Uint8Array): Decoded<JournalIdentity> {
  return decodeStored(bytes, storedKinds.journalIdentity, (decoder) => ({
    id: decoding.readVarString(decoder),
    partitionCount: decoding.readVarUint(decoder),
  }));
}

/** The offset that the next record will have, kept where trimming may leave no record that tells. */
export function encodeMark(highWater: Offset): Uint8Array {
  return encodeStored(storedKinds.journalMark, (encoder) => encoding.writeVarUint(encoder, highWater));
}

export function decodeMark(bytes: Uint8Array): Decoded<Offset> {
  return decodeStored(bytes, storedKinds.journalMark, decoding.readVarUint);
}
