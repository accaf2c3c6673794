/**
 * How a door puts what a room says into messages. Sessions that share a framing share the encoded bytes: a room encodes each frame once for
 * all of them.
 */

export type Framing = {
  readonly update: (update: Uint8Array) => Uint8Array;
  readonly step2: (update: Uint8Array) => Uint8Array;
  readonly awareness: (awareness: Uint8Array) => Uint8Array;
  /** "The first `frames` of your Step2 and Update frames are settled", or undefined where the client has not asked for it. */
  readonly ack: ((frames: number) => Uint8Array) | undefined;
  readonly keepAlive: Uint8Array;
};
