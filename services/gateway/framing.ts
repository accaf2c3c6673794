/**
 * How a door puts what a room says into messages. Sessions that share a framing share the encoded bytes: a room encodes each frame once for
 * all of them.
 *
 * What may be as large as a document comes in parts that follow each other, and leaves so: they are views of what the room keeps anyway, so
 * that a hundred slow readers of a large document do not each hold a copy of it.
 */

export type Parts = readonly Uint8Array[];

export const bytesOf = (parts: Parts): number => parts.reduce((bytes, part) => bytes + part.length, 0);

export type Framing = {
  /** A question: what does the client have that `vector` lacks? */
  readonly step1: (vector: Uint8Array) => Uint8Array;
  readonly update: (update: Uint8Array) => Uint8Array;
  /** An update that makes up for several that were left out. */
  readonly catchUp: (update: Parts) => Parts;
  readonly step2: (update: Parts) => Parts;
  readonly awareness: (awareness: Uint8Array) => Uint8Array;
  /** "The first `frames` of your Step2 and Update frames are settled", or undefined where the client has not asked for it. */
  readonly ack: ((frames: number) => Uint8Array) | undefined;
  readonly keepAlive: Uint8Array;
};
