/**
 * A room as a gateway has it, beside an oracle: a `Y.Doc` that reads the same updates one by one, as they came.
 */

import { expect } from 'vitest';
import * as Y from 'yjs';
import { DocumentState } from '#shared/document/document-state.ts';
import { impliedDeletions } from '#shared/document/implied-deletions.ts';
import { defaultUpdateLimits } from '#shared/document/limits.ts';
import { mergeScanned } from '#shared/document/merge.ts';
import { scanUpdate, type Scanned } from '#shared/document/scan.ts';
import { openRoots } from './editing.ts';

export type Received = 'refused' | 'nothing-new' | 'taken' | 'waiting';

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** As `expect(found, what).toBe(expected)`, which takes longer than most of what is compared here, many thousand times. */
export function expectEqual(found: unknown, expected: unknown, what?: string): void {
  if (found !== expected) expect(found, what).toBe(expected);
}

/** A document that emits nothing of its own, nor has a name: making that up takes longer than much of what happens to it. */
export function quietDocument(gc: boolean): Y.Doc {
  const document = new Y.Doc({ gc, guid: '' });
  document.on('afterTransaction', (transaction) => {
    transaction._needFormattingCleanup = false;
  });
  openRoots(document);
  return document;
}

export function expectNothingPending(document: Y.Doc): void {
  expectEqual(document.store.pendingStructs, null);
  expectEqual(document.store.pendingDs, null);
}

export class Room {
  readonly state = new DocumentState();
  readonly oracle = quietDocument(false);
  /** What was published, in order: the journal's records. */
  readonly records: Uint8Array[] = [];
  /** How many updates were taken, and of these how many were cut. */
  taken = 0;
  cut = 0;
  #pending: Scanned[] = [];

  /** `honest`: refusing it is a mistake, and the oracle reads its very bytes rather than what was left of them. */
  receive(bytes: Uint8Array, honest: boolean): Received {
    const update = scanUpdate(bytes, defaultUpdateLimits);
    if ('refused' in update) {
      if (honest) expect.unreachable(`refused ${update.refused}: ${hex(bytes)}`);
      expect(update.refused.length).toBeLessThanOrEqual(123);
      return 'refused';
    }
    let judgement = this.state.judge(update);
    if (judgement.kind === 'fresh' && judgement.deletionsOnly) {
      this.#noteImplied();
      judgement = this.state.judge(update);
    }
    if (judgement.kind === 'waiting') {
      const { client, clock } = judgement.missing;
      expect(this.state.vectorMap.get(client) ?? 0).toBeLessThanOrEqual(clock);
      return 'waiting';
    }
    if (judgement.kind === 'nothing-new') {
      if (honest) this.#expectKnown(bytes);
      return 'nothing-new';
    }
    this.#take(judgement.update, honest ? bytes : judgement.update.bytes);
    if (judgement.update !== update) this.cut++;
    return 'taken';
  }

  /** For a Step2 that waits: takes what is ready, returns what is not. */
  receiveInParts(bytes: Uint8Array): Uint8Array | undefined {
    const update = scanUpdate(bytes, defaultUpdateLimits);
    if ('refused' in update) throw new Error(update.refused);
    const { ready, rest } = this.state.split(update);
    if (ready !== undefined) expect(this.receive(ready.bytes, true)).not.toBe('waiting');
    if (rest !== undefined) expect(this.state.judge(rest).kind).toBe('waiting');
    return rest?.bytes;
  }

  #take(fresh: Scanned, asItCame: Uint8Array): void {
    const version = this.state.version;
    this.state.take(fresh);
    expect(this.state.version).toBeGreaterThan(version);
    this.#pending.push(fresh);
    this.taken++;
    Y.applyUpdate(this.oracle, asItCame);
    expectNothingPending(this.oracle);
    expectEqual(hex(this.state.vector), hex(Y.encodeStateVector(this.oracle)));
  }

  #noteImplied(): void {
    const implied = scanUpdate(impliedDeletions(this.state.encode()), defaultUpdateLimits);
    if ('refused' in implied) throw new Error(implied.refused);
    this.state.noteDeleted(implied);
  }

  #expectKnown(bytes: Uint8Array): void {
    const before = Y.encodeStateAsUpdate(this.oracle);
    Y.applyUpdate(this.oracle, bytes);
    expectEqual(hex(Y.encodeStateAsUpdate(this.oracle)), hex(before), 'a false "nothing new"');
  }

  /** Publishes what is pending as one update; undefined where nothing is. */
  flush(): Uint8Array | undefined {
    if (this.#pending.length === 0) return undefined;
    const record = mergeScanned(this.#pending);
    this.#pending = [];
    this.records.push(record);
    return record;
  }
}
