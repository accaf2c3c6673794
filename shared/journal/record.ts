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
import { Buffer } from 'node:buffer';
import { parseDocumentName } from '#shared/document/name.ts';
import { createCopying } from '#shared/runtime/bytes.ts';
import { decodeStored, storedKinds, writeKind, type Decoded } from '#shared/runtime/stored-kind.ts';
import type { JournalRecord, UpdateRecord } from './journal.ts';

/** Everything but the update's bytes, which come last: so that whoever puts long updates together copies them once. */
export function writeRecordHead(encoder: encoding.Encoder, record: JournalRecord): void {
  switch (record.kind) {
    case 'update':
      writeKind(encoder, storedKinds.updateRecord);
      encoding.writeVarString(encoder, record.document);
      encoding.writeVarString(encoder, record.origin);
      encoding.writeVarString(encoder, record.author);
      encoding.writeVarUint(encoder, record.time);
      encoding.writeVarUint(encoder, record.update.byteLength);
  }
}

const copyUpdate = createCopying();

function readUpdateRecord(decoder: decoding.Decoder): UpdateRecord {
  const parsed = parseDocumentName(decoding.readVarString(decoder));
  if ('refusal' in parsed) throw new Error(parsed.refusal);
  return {
    kind: 'update',
    document: parsed.name,
    origin: decoding.readVarString(decoder),
    author: decoding.readVarString(decoder),
    time: decoding.readVarUint(decoder),
    update: copyUpdate(decoding.readVarUint8Array(decoder)), // else 20 bytes of update keep a batch of a megabyte alive
  };
}

/** Each head is written over the one before it. */
const heads = encoding.createEncoder();

/** A small one is a piece of Node's pool: the garbage collector has to look after each ArrayBuffer, and to free it in a thread. */
export function encodeRecord(record: JournalRecord): Uint8Array {
  heads.bufs.length = 0;
  heads.cpos = 0;
  writeRecordHead(heads, record);
  return Buffer.concat([...heads.bufs, heads.cbuf.subarray(0, heads.cpos), record.update]);
}

/**
 * The record in `bytes`. `newer-version` stops the partition; `unreadable` goes to the dead letters. Never throws; copies what it
 * keeps.
 */
export function decodeRecord(bytes: Uint8Array): Decoded<JournalRecord> {
  return decodeStored(bytes, storedKinds.updateRecord, readUpdateRecord);
}
