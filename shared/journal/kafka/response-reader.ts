/** Reads the fields of a response one after the other, as Kafka's protocol guide has them. */

import type { Buffer } from 'node:buffer';
import { readInt64 } from './record-batch.ts';

export const int32Bytes = 4;
export const int64Bytes = 8;

export class ResponseReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  int16(): number {
    this.#at += 2;
    return this.#bytes.readInt16BE(this.#at - 2);
  }

  int32(): number {
    this.#at += int32Bytes;
    return this.#bytes.readInt32BE(this.#at - int32Bytes);
  }

  int64(): number {
    this.#at += int64Bytes;
    return readInt64(this.#bytes, this.#at - int64Bytes);
  }

  text(): string {
    return this.view(this.int16()).toString('utf8');
  }

  skip(bytes: number): void {
    this.#at += bytes;
  }

  view(bytes: number): Buffer {
    this.#at += bytes;
    return this.#bytes.subarray(this.#at - bytes, this.#at);
  }

  /** Nothing is written as a length below 0. */
  repeat(run: () => void): void {
    for (let left = this.int32(); left > 0; left--) run();
  }
}
