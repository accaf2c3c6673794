/**
 * Records that are kept until the checkpoint has passed them, a second or two mostly, in case a document opens.
 *
 * As objects, each with its strings and its array, they would be the greater part of what a gateway hands on to the old generation of its heap: they live just long enough for that, and die
 * there, where only a collection of the whole heap finds them. Nearly none is ever looked at. So what arrives is copied into pages, one behind the other, and is bytes that no collector looks into:
 *
 *     record    <offset − the page's first> <name length> <document's name> <update length> <update>        numbers as lib0 writes them
 *
 * A page is let go of as a whole. Whoever asks for a document's updates reads through all of them, which is quick as long as nothing is made of what is another's.
 */

import * as decoding from 'lib0/decoding';
import type { DocumentName } from '#shared/document/name.ts';
import { allocate, varUintBytes, writeVarUint } from '#shared/document/varint.ts';
import type { Offset } from '#shared/journal/journal.ts';

type Page = {
  readonly first: Offset;
  /** Behind the last record in it. */
  next: Offset;
  readonly bytes: Uint8Array;
  used: number;
};

export class TailPages {
  readonly #pageBytes: number;
  readonly #pages: Page[] = [];
  #bytes = 0;

  /** A page has `pageBytes`, unless a record needs a larger one. */
  constructor(pageBytes: number) {
    this.#pageBytes = pageBytes;
  }

  get isEmpty(): boolean {
    return this.#pages.length === 0;
  }

  /** What it holds in memory. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Keeps a record that lies behind all others. Copies. Asserts that it does. */
  append(offset: Offset, document: DocumentName, update: Uint8Array): void {
    const name = Buffer.from(document);
    const size = varUintBytes(offset) + varUintBytes(name.length) + name.length + varUintBytes(update.length) + update.length;
    const page = this.#pageFor(offset, size);
    const { bytes } = page;
    let at = writeVarUint(bytes, page.used, offset - page.first);
    at = writeVarUint(bytes, at, name.length);
    bytes.set(name, at);
    at = writeVarUint(bytes, at + name.length, update.length);
    bytes.set(update, at);
    page.used = at + update.length;
    page.next = offset + 1;
  }

  #pageFor(offset: Offset, size: number): Page {
    const last = this.#pages.at(-1);
    if (last !== undefined && offset < last.next) throw new Error(`a record at ${offset} came after the one at ${last.next - 1}`);
    if (last !== undefined && last.used + size <= last.bytes.length) return last;
    const page = { first: offset, next: offset, bytes: allocate(Math.max(this.#pageBytes, size)), used: 0 };
    this.#pages.push(page);
    this.#bytes += page.bytes.length;
    return page;
  }

  /** The updates of a document at `from` or later, in order. Copies. */
  updatesOf(document: DocumentName, from: Offset): readonly Uint8Array[] {
    const name = Buffer.from(document);
    return this.#pages.filter(({ next }) => next > from).flatMap((page) => updatesIn(page, name, from));
  }

  /** Lets go of the pages that are wholly below `below`. Returns from which offset on everything is still here, if any was. */
  trim(below: Offset): Offset | undefined {
    const count = this.#pages.findIndex(({ next }) => next > below);
    return this.#drop(count === -1 ? this.#pages.length : count);
  }

  /** Lets go of the oldest page. Returns what `trim` does. */
  dropOldest(): Offset | undefined {
    return this.#drop(1);
  }

  #drop(count: number): Offset | undefined {
    const dropped = this.#pages.splice(0, count);
    for (const { bytes } of dropped) this.#bytes -= bytes.length;
    return dropped.at(-1)?.next;
  }
}

function updatesIn({ first, bytes, used }: Page, name: Uint8Array, from: Offset): readonly Uint8Array[] {
  const updates: Uint8Array[] = [];
  const decoder = decoding.createDecoder(bytes);
  while (decoder.pos < used) {
    const offset = first + decoding.readVarUint(decoder);
    const nameBytes = decoding.readVarUint(decoder);
    const nameAt = decoder.pos;
    decoder.pos += nameBytes;
    const updateBytes = decoding.readVarUint(decoder);
    const updateAt = decoder.pos;
    decoder.pos += updateBytes;
    const isWanted = offset >= from && nameBytes === name.length && isAt(bytes, nameAt, name);
    if (isWanted) updates.push(bytes.slice(updateAt, decoder.pos));
  }
  return updates;
}

/** From the end: the names of a product's documents begin alike. */
function isAt(bytes: Uint8Array, at: number, name: Uint8Array): boolean {
  for (let i = name.length - 1; i >= 0; i--) if (bytes[at + i] !== name[i]) return false;
  return true;
}
