/**
 * A document as bytes.
 *
 * The obvious server keeps a `Y.Doc` for each open document: every edit is integrated into a tree that nobody looks at, a document of 17 MB takes 13 s and hundreds
 * of megabytes to open, and a diff walks all of it. But a server only answers four questions, and all of them are about clocks: is this
 * new, is everything there that it refers to, what does that client lack, what is the whole. For that it is enough to hold each
 * client's structs as bytes in the order of their clocks, the state vector, and the set of deleted clocks.
 *
 * It only works while the document is *contiguous*: each client's clocks from 0 on, and everything that a struct refers to there. So
 * what comes in is judged first and taken only when it is ready, cut to what is not there yet:
 *
 *     scan ─► judge ─► nothing-new            neither structs nor deletions beyond what is there
 *                  ├─► fresh ─► take          ready, overlapping nothing: what to publish and record
 *                  └─► waiting                something that it refers to is missing; `split` finds the part that is ready
 *
 * Taking costs by the size of the update, never by that of the document. Deletions that only seem new: Yjs deletes by itself (two people
 * set one map key, someone types into a deleted element), every reader alike, and a client's next Step2 says so. `deletionsOnly` marks what may
 * be such; `impliedDeletions` finds them with a Y.Doc, `noteDeleted` adds them, and judging again gives "nothing new".
 */

import { assembleParts, assembleUpdate, emptyUpdate, headerBytes } from './assemble.ts';
import { at, IntervalSet, type Ranges } from './intervals.ts';
import { agreesOnEntries, deletionsOfReplaced, withTrueFlags } from './map-entries.ts';
import { reachOf, type Missing } from './readiness.ts';
import type { Scanned } from './scan.ts';
import { encodeStateVector, type StateVector } from './state-vector.ts';
import { StructRun, type Piece } from './struct-run.ts';
import { partOf, rescan, splitRanges } from './update-parts.ts';
import { varUintBytes } from './varint.ts';

export type Judgement =
  | { readonly kind: 'nothing-new' }
  | {
      readonly kind: 'fresh';
      /** Overlaps nothing that is there, and its map entries are put right (`map-entries.ts`). May be the very update that was judged. */
      readonly update: Scanned;
      /** It has no structs: Yjs may have made these deletions by itself. */
      readonly deletionsOnly: boolean;
    }
  | {
      readonly kind: 'waiting';
      /** The first thing that is not there: until the document has this clock, judging again gives the same. */
      readonly missing: Missing;
    };

/** `ready` is fresh, as from `judge`; `rest` is what then still waits. Undefined where there is none. */
export type Split = { readonly ready: Scanned | undefined; readonly rest: Scanned | undefined };

/** Deletions that are known already are dropped from an update with fewer bytes of structs than this; more would cost too long to copy. */
const trimBytesMax = 64 * 1024;
const bytesPerInterval = 16;

export class DocumentState {
  readonly #runs = new Map<number, StructRun>();
  /** The clients, descending; undefined after a new one. */
  #descending: Float64Array | undefined;
  readonly #vector = new Map<number, number>();
  readonly #deleted = new IntervalSet();
  /** Which clocks are map entries. */
  readonly #entries = new IntervalSet();
  #runBytes = 0;
  #version = 0;
  #encodedVector: Uint8Array | undefined;
  #encoded: Uint8Array | undefined;

  /** Encoded; cached until the next `take`. Never written to. */
  get vector(): Uint8Array {
    return (this.#encodedVector ??= encodeStateVector(this.#vector));
  }

  /** Live: it changes with each `take`. */
  get vectorMap(): StateVector {
    return this.#vector;
  }

  /** What it holds in memory, roughly. */
  get bytes(): number {
    return this.#runBytes + (this.#deleted.count + this.#entries.count) * bytesPerInterval;
  }

  /** Grows with each change: for caches of what is computed here. */
  get version(): number {
    return this.#version;
  }

  /** What is to be done with an update. Changes nothing. */
  judge(update: Scanned): Judgement {
    let hasNewStructs = false;
    let overlaps = update.skips;
    for (const { client, start, end } of update.sections) {
      const have = this.#vector.get(client) ?? 0;
      if (end > have) hasNewStructs = true;
      if (start < have) overlaps = true;
    }
    const known = this.#countKnown(update.deletions);
    if (!hasNewStructs && known * 3 === update.deletions.length) return { kind: 'nothing-new' };
    const novel = overlaps || (known > 0 && structBytes(update) < trimBytesMax) ? this.#novelPart(update) : update;
    const missing = reachOf(novel, this.#vector).missing ?? this.#missingForDeletions(novel);
    if (missing !== undefined) return { kind: 'waiting', missing };
    return { kind: 'fresh', update: this.#withEntriesPutRight(novel), deletionsOnly: !hasNewStructs };
  }

  /** Takes an update apart that is waiting (or not): the part that can be taken now, and what can't. Changes nothing. */
  split(update: Scanned): Split {
    const overlaps = update.skips || update.sections.some(({ client, start }) => start < (this.#vector.get(client) ?? 0));
    const novel = overlaps ? this.#novelPart(update) : update;
    const { ends } = reachOf(novel, this.#vector);
    const reached = new Map<number, number>();
    for (const [index, { client, start }] of novel.sections.entries()) {
      // One that begins beyond the vector reaches nothing.
      if (start <= (this.#vector.get(client) ?? 0)) reached.set(client, ends[index] ?? start);
    }
    const border = (client: number): number => reached.get(client) ?? this.#vector.get(client) ?? 0;
    const { below, above } = splitRanges(novel.deletions, border);
    const ready = partOf(novel, (section, index) => ({ from: section.start, to: ends[index] ?? 0 }), below);
    const judgement = ready === undefined ? undefined : this.judge(ready);
    return {
      ready: judgement?.kind === 'fresh' ? judgement.update : undefined,
      rest: partOf(novel, (section, index) => ({ from: ends[index] ?? 0, to: section.end }), above),
    };
  }

  /** What of an update is not here: its structs from the vector on, its deletions that are not known. It must have something new. */
  #novelPart(update: Scanned): Scanned {
    const deletions: number[] = [];
    for (let i = 0; i < update.deletions.length; i += 3) {
      const client = at(update.deletions, i);
      const start = at(update.deletions, i + 1);
      const end = at(update.deletions, i + 2);
      if (!this.#deleted.covers(client, start, end)) deletions.push(client, start, end);
    }
    const part = partOf(
      update,
      ({ client, start, end }) => ({ from: Math.max(start, this.#vector.get(client) ?? 0), to: end }),
      deletions,
    );
    return part ?? nothing;
  }

  /** See `map-entries.ts`. */
  #withEntriesPutRight(update: Scanned): Scanned {
    const flagged = agreesOnEntries(update, this.#entries) ? update : rescan(withTrueFlags(update, this.#entries));
    const deletions = deletionsOfReplaced(flagged);
    if (deletions.length === 0) return flagged;
    return partOf(flagged, ({ start, end }) => ({ from: start, to: end }), [...flagged.deletions, ...deletions]) ?? flagged;
  }

  #countKnown(deletions: Ranges): number {
    let known = 0;
    for (let i = 0; i < deletions.length; i += 3) {
      if (this.#deleted.covers(at(deletions, i), at(deletions, i + 1), at(deletions, i + 2))) known++;
    }
    return known;
  }

  /** Of an update whose structs are all ready: a deletion of what is neither here nor in it would eat what is written there later. */
  #missingForDeletions({ deletions, sections }: Scanned): Missing | undefined {
    let ends: Map<number, number> | undefined;
    for (let i = 0; i < deletions.length; i += 3) {
      const client = at(deletions, i);
      const end = at(deletions, i + 2);
      if (end <= (this.#vector.get(client) ?? 0)) continue;
      ends ??= new Map(sections.map((section) => [section.client, section.end]));
      if (end > (ends.get(client) ?? 0)) return { client, clock: end - 1 };
    }
    return undefined;
  }

  /** Takes in what `judge` called fresh, with nothing taken since. Keeps views of its bytes. */
  take(update: Scanned): void {
    const share = structBytes(update) * 2 >= update.bytes.length;
    for (const section of update.sections) {
      const run = this.#runs.get(section.client) ?? this.#addClient(section.client);
      const before = run.heldBytes;
      // What is mostly something else is not worth keeping for a view of the rest.
      run.append(update.bytes, section, share ? 'view' : 'copy');
      this.#runBytes += run.heldBytes - before;
      this.#vector.set(section.client, section.end);
    }
    this.#entries.addAll(update.keyed);
    this.#deleted.addAll(update.gone);
    this.#changeDeleted(update.deletions);
  }

  /** Adds the delete set of `update` to what is known to be deleted. All of it must be here. */
  noteDeleted(update: Scanned): void {
    const { below } = splitRanges(update.deletions, (client) => this.#vector.get(client) ?? 0);
    this.#changeDeleted(below);
  }

  #changeDeleted(ranges: Ranges): void {
    this.#deleted.addAll(ranges);
    this.#version++;
    this.#encodedVector = undefined;
    this.#encoded = undefined;
  }

  #addClient(client: number): StructRun {
    const run = new StructRun(client, 0);
    this.#runs.set(client, run);
    this.#runBytes += run.heldBytes;
    this.#descending = undefined;
    return run;
  }

  /** The whole document as one update; cached until the next `take`. Never written to: it is also what this keeps. */
  encode(): Uint8Array {
    if (this.#encoded !== undefined) return this.#encoded;
    const pieces = this.#piecesFrom(noVector, 'live');
    const bytes = assembleUpdate(pieces, this.#deleted.encode());
    let from = varUintBytes(pieces.length);
    for (const piece of pieces) {
      from += headerBytes(piece);
      this.#runs.get(piece.client)?.rehome(bytes, from);
      for (const part of piece.parts) from += part.length;
    }
    return (this.#encoded = bytes);
  }

  /**
   * What somebody with `vector` lacks, and the whole delete set (deletions don't show in vectors), as one update: what
   * `Y.diffUpdate` makes of the whole. Where the vector ends inside a surrogate pair, it begins one clock earlier, so that the pair is not torn.
   */
  diff(vector: StateVector): Uint8Array {
    if (vector.size === 0) return this.encode();
    return assembleUpdate(this.#piecesFrom(vector, 'live'), this.#deleted.encode());
  }

  /**
   * The same as `diff`, as parts that follow each other: views of what this keeps, which stay as they are whatever is taken later. Nothing is copied,
   * so a document of any size costs a few bytes for each of its pages.
   */
  diffParts(vector: StateVector): readonly Uint8Array[] {
    return assembleParts(this.#piecesFrom(vector, 'lasting'), this.#deleted.encode());
  }

  #piecesFrom(vector: StateVector, views: 'live' | 'lasting'): readonly Piece[] {
    const pieces: Piece[] = [];
    this.#descending ??= Float64Array.from(this.#runs.keys()).toSorted().toReversed();
    for (const client of this.#descending) {
      const run = this.#runs.get(client);
      const have = vector.get(client) ?? 0;
      if (run !== undefined && have < run.end) pieces.push(run.from(have, views));
    }
    return pieces;
  }
}

const noVector: StateVector = new Map();
const nothing = rescan(emptyUpdate);

const structBytes = (update: Scanned): number => update.sections.reduce((sum, { from, to }) => sum + to - from, 0);
