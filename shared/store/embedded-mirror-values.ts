/** Mirrors as a store on one disk keeps them, as bytes. Encode and decode side by side, in the same order; golden vectors in the tests. */

import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { concatenate } from '#shared/runtime/bytes.ts';
import { decodeStored, encodeStored, storedKinds, type Decoded } from '#shared/runtime/stored-kind.ts';
import type {
  AppliedUpdate,
  Bookkeeping,
  Inkstream,
  Intent,
  MirrorState,
  RefusedEdit,
  Remembered,
  SnapshotName,
  StoredValue,
  Version,
} from './mirrors.ts';

const { writeUint8, writeVarUint, writeVarString, writeVarUint8Array, writeFloat64 } = encoding;
const { readUint8, readVarUint, readVarString, readFloat64 } = decoding;

/** Stored bytes are views of what the database handed over; what is kept of them must not keep all of it. */
const readBytes = (decoder: decoding.Decoder): Uint8Array => decoding.readVarUint8Array(decoder).slice();

function writeOptional<T>(encoder: encoding.Encoder, value: T | undefined, write: (value: T) => void): void {
  writeUint8(encoder, value === undefined ? 0 : 1);
  if (value !== undefined) write(value);
}

const readOptional = <T>(decoder: decoding.Decoder, read: () => T): T | undefined =>
  readUint8(decoder) === 0 ? undefined : read();

function writeList<T>(encoder: encoding.Encoder, list: readonly T[], write: (entry: T) => void): void {
  writeVarUint(encoder, list.length);
  for (const entry of list) write(entry);
}

function readList<T>(decoder: decoding.Decoder, read: () => T): readonly T[] {
  const list: T[] = [];
  for (let left = readVarUint(decoder); left > 0; left--) list.push(read()); // one by one: a length that is wrong ends with the bytes
  return list;
}

function writeSnapshot(encoder: encoding.Encoder, { upto, sha256 }: SnapshotName): void {
  writeVarUint(encoder, upto);
  writeVarString(encoder, sha256);
}

const readSnapshot = (decoder: decoding.Decoder): SnapshotName => ({
  upto: readVarUint(decoder),
  sha256: readVarString(decoder),
});

function writeApplied(encoder: encoding.Encoder, applied: readonly AppliedUpdate[]): void {
  writeList(encoder, applied, ({ update, offset }) => {
    writeVarUint8Array(encoder, update);
    writeVarUint(encoder, offset);
  });
}

const readApplied = (decoder: decoding.Decoder): readonly AppliedUpdate[] =>
  readList(decoder, () => ({ update: readBytes(decoder), offset: readVarUint(decoder) }));

function writeIntent(encoder: encoding.Encoder, { update, valueHash }: Intent): void {
  writeVarUint8Array(encoder, update);
  writeVarString(encoder, valueHash);
}

const readIntent = (decoder: decoding.Decoder): Intent => ({ update: readBytes(decoder), valueHash: readVarString(decoder) });

function writeVersion(encoder: encoding.Encoder, version: Version): void {
  writeVarString(encoder, version.rev);
  writeVarString(encoder, version.prev);
  writeSnapshot(encoder, version.snapshot);
  writeOptional(encoder, version.intent, (intent) => writeIntent(encoder, intent));
  writeOptional(encoder, version.omitted, (omitted) => writeVarString(encoder, omitted));
  writeVarString(encoder, version.hash);
  writeVarString(encoder, version.seal);
}

const readVersion = (decoder: decoding.Decoder): Version => ({
  rev: readVarString(decoder),
  prev: readVarString(decoder),
  snapshot: readSnapshot(decoder),
  intent: readOptional(decoder, () => readIntent(decoder)),
  omitted: readOptional(decoder, () => readVarString(decoder)),
  hash: readVarString(decoder),
  seal: readVarString(decoder),
});

function writeBookkeeping(encoder: encoding.Encoder, bookkeeping: Bookkeeping): void {
  writeVersion(encoder, bookkeeping);
  writeApplied(encoder, bookkeeping.applied);
}

const readBookkeeping = (decoder: decoding.Decoder): Bookkeeping => ({ ...readVersion(decoder), applied: readApplied(decoder) });

function writeRefused(encoder: encoding.Encoder, { reason, time, value }: RefusedEdit): void {
  writeVarString(encoder, reason);
  writeFloat64(encoder, time);
  writeOptional(encoder, value, ({ bytes }) => writeVarUint8Array(encoder, bytes));
}

const readRefused = (decoder: decoding.Decoder): RefusedEdit => ({
  reason: readVarString(decoder),
  time: readFloat64(decoder),
  value: readOptional(decoder, () => ({ bytes: readBytes(decoder) })),
});

export function encodeInkstream(inkstream: Inkstream): Uint8Array {
  return encodeStored(storedKinds.mirror, (encoder) => {
    writeBookkeeping(encoder, inkstream);
    writeList(encoder, inkstream.refused, (refused) => writeRefused(encoder, refused));
    writeList(encoder, inkstream.unrepresented, (line) => writeVarString(encoder, line));
  });
}

export function decodeInkstream(bytes: Uint8Array): Decoded<Inkstream> {
  return decodeStored(bytes, storedKinds.mirror, (decoder) => ({
    ...readBookkeeping(decoder),
    refused: readList(decoder, () => readRefused(decoder)),
    unrepresented: readList(decoder, () => readVarString(decoder)),
  }));
}

/** Kind, length and bytes, which may be 4 MB: lib0 would copy them three times. */
export const encodeMirrorValue = ({ bytes }: StoredValue): Uint8Array =>
  concatenate([encodeStored(storedKinds.mirrorValue, (encoder) => writeVarUint(encoder, bytes.byteLength)), bytes]);

/** The value, as a view of `bytes`. */
export function decodeMirrorValue(bytes: Uint8Array): Decoded<StoredValue> {
  return decodeStored(bytes, storedKinds.mirrorValue, (decoder) => ({ bytes: decoding.readVarUint8Array(decoder) }));
}

function writeRemembered(encoder: encoding.Encoder, { snapshot, applied }: Remembered): void {
  writeSnapshot(encoder, snapshot);
  writeApplied(encoder, applied);
}

const readRemembered = (decoder: decoding.Decoder): Remembered => ({
  snapshot: readSnapshot(decoder),
  applied: readApplied(decoder),
});

export function encodeMirrorState(state: MirrorState): Uint8Array {
  return encodeStored(storedKinds.mirrorState, (encoder) => {
    writeVarString(encoder, state.rev);
    writeVersion(encoder, state.before);
    writeVersion(encoder, state.next);
    writeList(encoder, state.history, (remembered) => writeRemembered(encoder, remembered));
  });
}

export function decodeMirrorState(bytes: Uint8Array): Decoded<MirrorState> {
  return decodeStored(bytes, storedKinds.mirrorState, (decoder) => ({
    rev: readVarString(decoder),
    before: readVersion(decoder),
    next: readVersion(decoder),
    history: readList(decoder, () => readRemembered(decoder)),
  }));
}
