/**
 * What gateways tell each other of who is here, as bytes.
 *
 *     F6 40 01 <varString gateway> <varUint number> <varUint kind> fields …
 *
 *     0 changes   <varString document> <varBytes awareness update>     what changed
 *     1 whole     <varString document> <varUint from> <varUint to> <varBytes awareness update>
 *                                                                      all of the sender's client ids in that range
 *     2 nobody    <varUint count> { <varString document> }             nobody is there through the sender
 *     3 query     <varString to> <varUint count> { <varString document> <uint8 shows> }
 *                                                                      who is there? '' asks every gateway
 *     4 unseen    <varString to> <varString document> <varBytes awareness update>
 *                                                                      readers of ours have seen these go at this very clock
 *     5 alive
 *     6 goodbye                                                        nobody is anywhere through the sender
 *
 * They don't outlive a process, but during an upgrade they are read by one of another version, and anyone may write to a topic. So what
 * can't be read is a value, and golden vectors in the tests hold the bytes where they are.
 */

import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { type DocumentName, parseDocumentName } from '#shared/document/name.ts';
import { type Decoded, decodeStored, encodeStored, storedKinds } from '#shared/runtime/stored-kind.ts';

/** `shows`: the asker shows people of whom it asks, and is to be told if there are none any more. */
export type Asked = { readonly document: DocumentName; readonly shows: boolean };

export type PresenceBody =
  | { readonly kind: 'changes'; readonly document: DocumentName; readonly awareness: Uint8Array }
  | {
      readonly kind: 'whole';
      readonly document: DocumentName;
      readonly from: number;
      readonly to: number;
      readonly awareness: Uint8Array;
    }
  | { readonly kind: 'nobody'; readonly documents: readonly DocumentName[] }
  | { readonly kind: 'query'; readonly to: string; readonly documents: readonly Asked[] }
  | { readonly kind: 'unseen'; readonly to: string; readonly document: DocumentName; readonly awareness: Uint8Array }
  | { readonly kind: 'alive' }
  | { readonly kind: 'goodbye' };

/** `gateway` is the sender's name, and `number` counts what it sent to this partition under that name: 1, 2, 3 … */
export type PresenceMessage = { readonly gateway: string; readonly number: number; readonly body: PresenceBody };

/** The largest client id that there is. */
export const clientIdMax = Number.MAX_SAFE_INTEGER;

const codes = { changes: 0, whole: 1, nobody: 2, query: 3, unseen: 4, alive: 5, goodbye: 6 } as const;

function writeBody(encoder: encoding.Encoder, body: PresenceBody): void {
  encoding.writeVarUint(encoder, codes[body.kind]);
  switch (body.kind) {
    case 'changes':
      encoding.writeVarString(encoder, body.document);
      encoding.writeVarUint8Array(encoder, body.awareness);
      return;
    case 'whole':
      encoding.writeVarString(encoder, body.document);
      encoding.writeVarUint(encoder, body.from);
      encoding.writeVarUint(encoder, body.to);
      encoding.writeVarUint8Array(encoder, body.awareness);
      return;
    case 'nobody':
      encoding.writeVarUint(encoder, body.documents.length);
      for (const document of body.documents) encoding.writeVarString(encoder, document);
      return;
    case 'query':
      encoding.writeVarString(encoder, body.to);
      encoding.writeVarUint(encoder, body.documents.length);
      for (const { document, shows } of body.documents) {
        encoding.writeVarString(encoder, document);
        encoding.writeUint8(encoder, shows ? 1 : 0);
      }
      return;
    case 'unseen':
      encoding.writeVarString(encoder, body.to);
      encoding.writeVarString(encoder, body.document);
      encoding.writeVarUint8Array(encoder, body.awareness);
      return;
    case 'alive':
    case 'goodbye':
  }
}

function readBody(decoder: decoding.Decoder): PresenceBody {
  const code = decoding.readVarUint(decoder);
  switch (code) {
    case codes.changes:
      return { kind: 'changes', document: readDocument(decoder), awareness: decoding.readVarUint8Array(decoder) };
    case codes.whole:
      return {
        kind: 'whole',
        document: readDocument(decoder),
        from: decoding.readVarUint(decoder),
        to: decoding.readVarUint(decoder),
        awareness: decoding.readVarUint8Array(decoder),
      };
    case codes.nobody:
      return { kind: 'nobody', documents: readMany(decoder, readDocument) };
    case codes.query:
      return {
        kind: 'query',
        to: decoding.readVarString(decoder),
        documents: readMany(decoder, () => ({
          document: readDocument(decoder),
          shows: decoding.readUint8(decoder) === 1,
        })),
      };
    case codes.unseen:
      return {
        kind: 'unseen',
        to: decoding.readVarString(decoder),
        document: readDocument(decoder),
        awareness: decoding.readVarUint8Array(decoder),
      };
    case codes.alive:
      return { kind: 'alive' };
    case codes.goodbye:
      return { kind: 'goodbye' };
    default:
      throw new Error(`there is no kind ${code}`);
  }
}

function readDocument(decoder: decoding.Decoder): DocumentName {
  const parsed = parseDocumentName(decoding.readVarString(decoder));
  if ('refusal' in parsed) throw new Error(parsed.refusal);
  return parsed.name;
}

function readMany<Item>(decoder: decoding.Decoder, read: (decoder: decoding.Decoder) => Item): readonly Item[] {
  const items: Item[] = [];
  for (let left = decoding.readVarUint(decoder); left > 0; left--) items.push(read(decoder));
  return items;
}

export function encodePresenceMessage({ gateway, number, body }: PresenceMessage): Uint8Array {
  return encodeStored(storedKinds.presenceMessage, (encoder) => {
    encoding.writeVarString(encoder, gateway);
    encoding.writeVarUint(encoder, number);
    writeBody(encoder, body);
  });
}

/** The message in `bytes`; what it has of awareness is a view into them. Never throws. */
export function decodePresenceMessage(bytes: Uint8Array): Decoded<PresenceMessage> {
  return decodeStored(bytes, storedKinds.presenceMessage, (decoder) => ({
    gateway: decoding.readVarString(decoder),
    number: decoding.readVarUint(decoder),
    body: readBody(decoder),
  }));
}
