/** Writes the fields of a request one after the other, as Kafka's protocol guide has them. */

import { Buffer } from 'node:buffer';

export class RequestWriter {
  readonly #bytes: Buffer;
  #at = 0;

  /** For at most `bytesMax`. */
  constructor(bytesMax: number) {
    this.#bytes = Buffer.allocUnsafe(bytesMax);
  }

  int8(value: number): this {
    this.#at = this.#bytes.writeInt8(value, this.#at);
    return this;
  }

  int16(value: number): this {
    this.#at = this.#bytes.writeInt16BE(value, this.#at);
    return this;
  }

  int32(value: number): this {
    this.#at = this.#bytes.writeInt32BE(value, this.#at);
    return this;
  }

  /** As far as it is a number. */
  int64(value: number): this {
    this.int32(Math.floor(value / 2 ** 32));
    this.#at = this.#bytes.writeUInt32BE(value >>> 0, this.#at);
    return this;
  }

  /** A string, in UTF-8. */
  text(bytes: Buffer): this {
    return this.int16(bytes.length).#raw(bytes);
  }

  /** Bytes with their length. */
  bytes(bytes: Buffer): this {
    return this.int32(bytes.length).#raw(bytes);
  }

  #raw(bytes: Buffer): this {
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
    return this;
  }

  get written(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }
}
