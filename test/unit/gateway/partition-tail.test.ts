/** The end of a partition, kept for documents that open next. */

import { expect, test } from 'vitest';
import { PartitionTail, type TailRecord } from '#gateway/partition-tail.ts';
import { TailMemory } from '#gateway/tail-memory.ts';
import type { Batch, Follower, Journal } from '#shared/journal/journal.ts';
import { createMemoryJournal } from '#shared/journal/memory.ts';
import { documentName } from '#test/harness/memory-gateway.ts';

/** A tail, and a hand that brings it batches. */
function tailFrom(from: number, memory: TailMemory) {
  const followers: Follower[] = [];
  const seen = { stops: 0, reasons: [] as string[] };
  const journal: Journal = {
    ...createMemoryJournal(),
    follow: (_partition, _from, follower) => {
      followers.push(follower);
      return {
        stop: async () => {
          seen.stops++;
        },
      };
    },
  };
  const tail = new PartitionTail(journal, 0, from, memory, (reason) => void seen.reasons.push(reason));
  const bring = (first: number, records: Batch['records'] = []): void =>
    void followers[0]?.onBatch({ partition: 0, first, next: first + Math.max(1, records.length), records });
  return { tail, seen, bring };
}

const a = documentName('a');
/** A record of `a`, with so many bytes in its update. */
const recordAt = (offset: number, bytes: number): TailRecord => ({
  offset,
  record: { kind: 'update', document: a, update: new Uint8Array(bytes), origin: 'o', author: '', time: 0 },
});
const offsetsIn = (tail: PartitionTail): readonly number[] => tail.recordsOf(a, tail.start).map(({ offset }) => offset);

test('GW49: a gap ends the tail, and nothing is read for it any more', () => {
  const memory = new TailMemory(10_000);
  const { tail, seen, bring } = tailFrom(5, memory);
  bring(5);
  bring(6, [recordAt(6, 10)]);
  expect([tail.next, seen.stops]).toEqual([7, 0]);
  bring(8);
  expect(seen).toEqual({ stops: 1, reasons: ['a batch begins at 8, where 7 was to come'] });
  expect(() => tail.assertFollowing()).toThrow('a batch begins at 8');
  expect(memory.bytes).toBe(0);
});

test('GW107: all tails share one allowance, and the largest lets go of its oldest batches first', () => {
  const memory = new TailMemory(10_000);
  const [busy, quiet] = [tailFrom(0, memory), tailFrom(0, memory)];
  quiet.bring(0, [recordAt(0, 1_000)]);
  for (let offset = 0; offset < 10; offset++) busy.bring(offset, [recordAt(offset, 2_000)]);
  expect(offsetsIn(quiet.tail)).toEqual([0]);
  expect(offsetsIn(busy.tail)).toEqual([6, 7, 8, 9]);
  expect(busy.tail.start).toBeGreaterThan(0);
  expect(memory.bytes).toBe(busy.tail.bytes + quiet.tail.bytes);
  expect(memory.bytes).toBeLessThanOrEqual(10_000);
  busy.bring(10, [recordAt(10, 50_000)]);
  expect([offsetsIn(busy.tail), busy.tail.start, offsetsIn(quiet.tail)]).toEqual([[], 11, [0]]);
  void quiet.tail.stop();
  expect(memory.bytes).toBe(0);
});

test('GW108: of what is no record nothing is kept by itself, and beside records it counts', () => {
  const memory = new TailMemory(10_000);
  const { tail, bring } = tailFrom(0, memory);
  const unreadable = (offset: number) => ({ offset, unreadable: 'no record', bytes: new Uint8Array(3_000) });
  for (let offset = 0; offset < 10; offset++) bring(offset, [unreadable(offset)]);
  expect([tail.isEmpty, memory.bytes, tail.next]).toEqual([true, 0, 10]);
  bring(10, [recordAt(10, 100), unreadable(11)]);
  expect(offsetsIn(tail)).toEqual([10]);
  expect(memory.bytes).toBeGreaterThanOrEqual(3_100);
});
