/** What a server sends through the y-websocket door, parsed. Throws on anything else: then the server is wrong. */

import * as decoding from 'lib0/decoding';

export type ServerFrame =
  | { readonly kind: 'step1'; readonly vector: Uint8Array }
  | { readonly kind: 'step2' | 'update'; readonly update: Uint8Array }
  | { readonly kind: 'awareness'; readonly awareness: Uint8Array }
  | { readonly kind: 'ack'; readonly frames: number };

export function parseServerFrame(message: Uint8Array): ServerFrame {
  const decoder = decoding.createDecoder(message);
  const frame = readFrame(decoder);
  if (decoding.hasContent(decoder)) throw new Error(`bytes after the end of ${Buffer.from(message).toString('hex', 0, 50)}`);
  return frame;
}

function readFrame(decoder: decoding.Decoder): ServerFrame {
  const type = decoding.readVarUint(decoder);
  switch (type) {
    case 0: {
      const step = decoding.readVarUint(decoder);
      const payload = decoding.readVarUint8Array(decoder);
      if (step === 0) return { kind: 'step1', vector: payload };
      if (step === 1) return { kind: 'step2', update: payload };
      if (step === 2) return { kind: 'update', update: payload };
      throw new Error(`an unknown step ${step}`);
    }
    case 1:
      return { kind: 'awareness', awareness: decoding.readVarUint8Array(decoder) };
    case 8:
      return { kind: 'ack', frames: decoding.readVarUint(decoder) };
    default:
      throw new Error(`an unknown type ${type}`);
  }
}
