/** What the embedded journal keeps, as bytes. Encode and decode side by side, in the same order. */

import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { concatenate } from '#shared/runtime/bytes.ts';
import { decodeStored, encodeStored, storedKinds, type Decoded } from '#shared/runtime/stored-kind.ts';
import type { FollowEnd, JournalIdentity, JournalRecord, Offset, ReadRecord } from './journal.ts';
import { decodeRecord, writeRecordHead } from './record.ts';

/**
 * First the lengths of all records, then their bytes: one that can't be read does not hide the next, one encoder writes all heads,
 * and an update of 20 MB is copied once.
 */
export function encodeBatch(records: readonly JournalRecord[]): Uint8Array {
  const encoder = encoding.createEncoder();
  const headEnds: number[] = [];
  for (const record of records) {
    writeRecordHead(encoder, record);
    headEnds.push(encoding.length(encoder));
  }
  const heads = encoding.toUint8Array(encoder);
  const parts: Uint8Array[] = [];
  const lengths = encodeStored(storedKinds.journalBatch, (to) => {
    encoding.writeVarUint(to, records.length);
    let begin = 0;
    for (const [index, { update }] of records.entries()) {
      const head = heads.subarray(begin, headEnds[index]);
      begin += head.byteLength;
      parts.push(head, update);
      encoding.writeVarUint(to, head.byteLength + update.byteLength);
    }
  });
  return concatenate([lengths, ...parts]);
}

/** The bytes of each record, as views. */
function readSlots(decoder: decoding.Decoder): readonly Uint8Array[] {
  const count = decoding.readVarUint(decoder);
  const lengths: number[] = [];
  for (let i = 0; i < count; i++) lengths.push(decoding.readVarUint(decoder));
  return lengths.map((length) => decoding.readUint8Array(decoder, length));
}

/**
 * The records of a batch that begins at `first`, up to one that a newer program wrote, which ends the reading. What is unreadable
 * is among them as such.
 */
export function decodeBatch(
  bytes: Uint8Array,
  first: Offset,
): { readonly records: readonly ReadRecord[]; readonly end?: FollowEnd } {
  const slots = decodeStored(bytes, storedKinds.journalBatch, readSlots);
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
