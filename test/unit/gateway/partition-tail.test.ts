/** The end of a partition, kept for documents that open next. */

import { expect, test } from 'vitest';
import { PartitionTail } from '#gateway/partition-tail.ts';
import type { Follower, Journal } from '#shared/journal/journal.ts';
import { createMemoryJournal } from '#shared/journal/memory.ts';

test('GW49: a gap ends the tail, and nothing is read for it any more', async () => {
  const followers: Follower[] = [];
  let stops = 0;
  const journal: Journal = {
    ...createMemoryJournal(),
    follow: (_partition, _from, follower) => {
      followers.push(follower);
      return {
        stop: async () => {
          stops++;
        },
      };
    },
  };
  const reasons: string[] = [];
  const tail = new PartitionTail(journal, 0, 5, 1_000, (reason) => void reasons.push(reason));
  const [follower] = followers;
  await follower?.onBatch({ partition: 0, first: 5, next: 7, records: [] });
  expect([tail.next, stops]).toEqual([7, 0]);
  await follower?.onBatch({ partition: 0, first: 8, next: 9, records: [] });
  expect(reasons).toEqual(['a batch begins at 8, where 7 was to come']);
  expect(stops).toBe(1);
  expect(() => tail.assertFollowing()).toThrow('a batch begins at 8');
});
