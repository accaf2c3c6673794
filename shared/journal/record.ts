/**
 * Journal records as bytes.
 *
 *     update record   F6 01 01 <varString document> <varString origin> <varString author> <varUint time> <varBytes update>
 *
 * Every encode has its decode beside it, in the same order. The bytes are kept for months and read by programs of other versions:
 * golden vectors in the tests hold them where they are. What does not decode is a value, since anyone may write to a topic.
 */

import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { parseDocumentName } from '#shared/document/name.ts';
import { decodeStored, storedKinds, writeKind, type Decoded } from '#shared/runtime/stored-kind.ts';
import type { JournalRecord, UpdateRecord } from './journal.ts';

export function writeRecord(encoder: encoding.Encoder, record: JournalRecord): void {
  switch (record.kind) {
    case 'update':
      writeKind(encoder, storedKinds.updateRecord);
      encoding.writeVarString(encoder, record.document);
      encoding.writeVarString(encoder, record.origin);
      encoding.writeVarString(encoder, record.author);
      encoding.writeVarUint(encoder, record.time);
      encoding.writeVarUint8Array(encoder, record.update);
  }
}

function readUpdateRecord(decoder: decoding.Decoder): UpdateRecord {
  const parsed = parseDocumentName(decoding.readVarString(decoder));
  if ('refusal' in parsed) throw new Error(parsed.refusal);
  return {
    kind: 'update',
    document: parsed.name,
    origin: decoding.readVarString(decoder),
    author: decoding.readVarString(decoder),
    time: decoding.readVarUint(decoder),
    update: decoding.readVarUint8Array(decoder).slice(), // else 20 bytes of update keep a batch of a megabyte alive
  };
}

export function encodeRecord(record: JournalRecord): Uint8Array {
  return encoding.encode((encoder) => writeRecord(encoder, record));
}

/**
 * The record in `bytes`. `newer-version` stops the partition; `unreadable` goes to the dead letters. Never throws; copies what it
 * keeps.
 */
export function decodeRecord(bytes: Uint8Array): Decoded<JournalRecord> {
  return decodeStored(bytes, storedKinds.updateRecord, readUpdateRecord);
}
