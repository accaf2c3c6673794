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
/** A record of `a`, with so many bytes in its update, the first of which is its offset. */
const recordAt = (offset: number, bytes: number): TailRecord => ({
  offset,
  record: { kind: 'update', document: a, update: new Uint8Array(bytes).fill(offset, 0, 1), origin: 'o', author: '', time: 0 },
});
const offsetsIn = (tail: PartitionTail): readonly (number | undefined)[] =>
  tail.updatesOf(a, tail.start).map(([offset]) => offset);

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

test('GW107: all tails share one allowance, and the largest lets go of its oldest records first', () => {
  const memory = new TailMemory(100_000);
  const [busy, quiet] = [tailFrom(0, memory), tailFrom(0, memory)];
  quiet.bring(0, [recordAt(0, 1_000)]);
  for (let offset = 0; offset < 10; offset++) busy.bring(offset, [recordAt(offset, 20_000)]);
  expect(offsetsIn(quiet.tail)).toEqual([0]);
  expect(offsetsIn(busy.tail)).toEqual([6, 7, 8, 9]);
  expect(busy.tail.start).toBe(6);
  expect(() => busy.tail.updatesOf(a, 5)).toThrow('the tail begins at 6');
  expect(memory.bytes).toBe(busy.tail.bytes + quiet.tail.bytes);
  expect(memory.bytes).toBeLessThanOrEqual(100_000);
  busy.bring(10, [recordAt(10, 500_000)]);
  expect([offsetsIn(busy.tail), busy.tail.start, offsetsIn(quiet.tail)]).toEqual([[], 11, [0]]);
  void quiet.tail.stop();
  expect(memory.bytes).toBe(0);
});

test('GW107: a tail with a small allowance takes it in small pieces, and begins between two records where some were let go of', () => {
  const memory = new TailMemory(1_000);
  const { tail, bring } = tailFrom(0, memory);
  bring(
    0,
    Array.from({ length: 40 }, (_, offset) => recordAt(offset, 40)),
  );
  expect(memory.bytes).toBeLessThanOrEqual(1_000);
  expect(tail.start).toBeGreaterThan(20);
  expect(offsetsIn(tail)).toEqual(Array.from({ length: 40 - tail.start }, (_, index) => tail.start + index));
});

test('GW108: of what is no record nothing is kept', () => {
  const memory = new TailMemory(100_000);
  const { tail, bring } = tailFrom(0, memory);
  const unreadable = (offset: number) => ({ offset, unreadable: 'no record', bytes: new Uint8Array(30_000) });
  for (let offset = 0; offset < 10; offset++) bring(offset, [unreadable(offset)]);
  expect([tail.isEmpty, memory.bytes, tail.next]).toEqual([true, 0, 10]);
  bring(10, [recordAt(10, 100), unreadable(11)]);
  expect(offsetsIn(tail)).toEqual([10]);
  expect(memory.bytes).toBeLessThan(30_000);
});

test('GW49: where a record ends the tail, nothing that came with it is given to anybody, or kept', () => {
  const memory = new TailMemory(100_000);
  const { tail, bring } = tailFrom(0, memory);
  const heard: number[] = [];
  tail.listen(a, ({ offset }) => {
    heard.push(offset);
    void tail.stop();
  });
  bring(0, [recordAt(0, 10), recordAt(1, 10)]);
  expect([heard, memory.bytes, tail.isEmpty]).toEqual([[0], 0, true]);
});
