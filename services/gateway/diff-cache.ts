/**
 * Answers to Step1, by state vector: after a restart, thousands who were up to date ask the same. They are good until the document changes,
 * and kept up to so many bytes, since a stranger can ask for as many different ones as he likes.
 */

import type { DocumentState } from '#shared/document/document-state.ts';
import { parseStateVector } from '#shared/document/state-vector.ts';

const diffsBytesMax = 8 * 1024 * 1024;

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');

export class DiffCache {
  readonly #state: DocumentState;
  readonly #diffs = new Map<string, Uint8Array>();
  #bytes = 0;
  #version = 0;

  constructor(state: DocumentState) {
    this.#state = state;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** All that somebody with `vector`, an encoded state vector that was checked, lacks. */
  answer(vector: Uint8Array): Uint8Array {
    if (this.#version !== this.#state.version) {
      this.#version = this.#state.version;
      this.#diffs.clear();
      this.#bytes = 0;
    }
    const key = latin1(vector);
    const known = this.#diffs.get(key);
    if (known !== undefined) return known;
    const parsed = parseStateVector(vector);
    if ('refused' in parsed) throw new Error('a state vector was not checked');
    if (parsed.size === 0) return this.#state.encode();
    const diff = this.#state.diff(parsed);
    const bytes = diff.length + key.length;
    if (this.#bytes + bytes <= diffsBytesMax) {
      this.#diffs.set(key, diff);
      this.#bytes += bytes;
    }
    return diff;
  }
}
