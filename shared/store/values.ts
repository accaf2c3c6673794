/** What a store on one disk keeps, as bytes. Encode and decode side by side, in the same order; golden vectors in the tests. */

import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import type { JournalIdentity, Offset } from '#shared/journal/journal.ts';
import { concatenate } from '#shared/runtime/bytes.ts';
import {
  decodeStored,
  describeRefusal,
  encodeStored,
  storedKinds,
  type Decoded,
  type StoredKind,
} from '#shared/runtime/stored-kind.ts';
import { NewerVersion, StoreCorrupt, type Head } from './store.ts';

/** Kind, length and bytes, which are long: lib0 would copy them three times. */
const encodeBytes = (kind: StoredKind, bytes: Uint8Array): Uint8Array =>
  concatenate([encodeStored(kind, (encoder) => encoding.writeVarUint(encoder, bytes.byteLength)), bytes]);

export const encodeSegment = (update: Uint8Array): Uint8Array => encodeBytes(storedKinds.segment, update);

/** The update, as a view of `bytes`. */
export function decodeSegment(bytes: Uint8Array): Decoded<Uint8Array> {
  return decodeStored(bytes, storedKinds.segment, decoding.readVarUint8Array);
}

export const encodeSnapshotPart = (part: Uint8Array): Uint8Array => encodeBytes(storedKinds.snapshotPart, part);

/** The slice, as a view of `bytes`. */
export function decodeSnapshotPart(bytes: Uint8Array): Decoded<Uint8Array> {
  return decodeStored(bytes, storedKinds.snapshotPart, decoding.readVarUint8Array);
}

export function encodeHead(head: Head): Uint8Array {
  return encodeStored(storedKinds.head, (encoder) => {
    encoding.writeVarUint(encoder, head.upto);
    encoding.writeVarString(encoder, head.sha256);
    encoding.writeVarUint(encoder, head.parts);
  });
}

export function decodeHead(bytes: Uint8Array): Decoded<Head> {
  return decodeStored(bytes, storedKinds.head, (decoder) => ({
    upto: decoding.readVarUint(decoder),
    sha256: decoding.readVarString(decoder),
    parts: decoding.readVarUint(decoder),
  }));
}

export function encodeCheckpoint(upto: Offset): Uint8Array {
  return encodeStored(storedKinds.checkpoint, (encoder) => encoding.writeVarUint(encoder, upto));
}

export function decodeCheckpoint(bytes: Uint8Array): Decoded<Offset> {
  return decodeStored(bytes, storedKinds.checkpoint, decoding.readVarUint);
}

export function encodeJournalBinding(identity: JournalIdentity): Uint8Array {
  return encodeStored(storedKinds.journalBinding, (encoder) => {
    encoding.writeVarString(encoder, identity.id);
    encoding.writeVarUint(encoder, identity.partitionCount);
  });
}

export function decodeJournalBinding(bytes: Uint8Array): Decoded<JournalIdentity> {
  return decodeStored(bytes, storedKinds.journalBinding, (decoder) => ({
    id: decoding.readVarString(decoder),
    partitionCount: decoding.readVarUint(decoder),
  }));
}

/** The value; what is newer or broken throws, since there is nothing to set aside in a store: `what` is named in the message. */
export function expectDecoded<T>(decoded: Decoded<T>, what: string): T {
  if (decoded.kind === 'decoded') return decoded.value;
  const Failure = decoded.kind === 'newer-version' ? NewerVersion : StoreCorrupt;
  throw new Failure(describeRefusal(decoded, what));
}
