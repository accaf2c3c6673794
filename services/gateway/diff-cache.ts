/**
 * Answers to Step1, by state vector: after a restart, thousands who were up to date ask the same. They are good until the document changes,
 * and kept up to so many bytes, since a stranger can ask for as many different ones as he likes. Those of a large document are parts of it, and
 * next to nothing to keep.
 */

import { bytesOf, type Parts } from '#gateway/framing.ts';
import type { DocumentState } from '#shared/document/document-state.ts';
import { parseStateVector } from '#shared/document/state-vector.ts';

const diffsBytesMax = 8 * 1024 * 1024;
/** Documents up to here are answered with one array of bytes, the same for all who know nothing yet. */
const wholeBytesMax = 1024 * 1024;
/** What a part is counted with that is not copied. */
const partBytes = 16;

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');

export class DiffCache {
  readonly #state: DocumentState;
  readonly #diffs = new Map<string, Parts>();
  #bytes = 0;
  #version = 0;

  constructor(state: DocumentState) {
    this.#state = state;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** All that somebody with `vector`, an encoded state vector that was checked, lacks. */
  answer(vector: Uint8Array): Parts {
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
    const isSmall = this.#state.bytes <= wholeBytesMax;
    if (isSmall && parsed.size === 0) return [this.#state.encode()];
    const diff = isSmall ? [this.#state.diff(parsed)] : this.#state.diffParts(parsed);
    const bytes = key.length + (isSmall ? bytesOf(diff) : diff.length * partBytes);
    if (this.#bytes + bytes <= diffsBytesMax) {
      this.#diffs.set(key, diff);
      this.#bytes += bytes;
    }
    return diff;
  }
}
