import { describe, expect, test } from 'vitest';
import { followBy, type Found } from '#shared/journal/following.ts';
import type { Batch, FollowEnd } from '#shared/journal/journal.ts';
import { settle } from '#test/harness/virtual-clock.ts';

const batch = (first: number, next = first + 1): Batch => ({ partition: 0, first, next, records: [] });

/** A follower of a source whose answers are given by hand. */
function byHand(from = 0) {
  const asked: { readonly at: number; readonly answer: (found: Found) => void; readonly fail: (error: Error) => void }[] = [];
  const delivered: number[] = [];
  const ends: FollowEnd[] = [];
  const reader = followBy(from, { onBatch: ({ first }) => void delivered.push(first), onEnd: (end) => ends.push(end) }, (at) => {
    const { promise, resolve, reject } = Promise.withResolvers<Found>();
    asked.push({ at, answer: resolve, fail: reject });
    return promise;
  });
  const answer = async (found: Found): Promise<void> => {
    asked.at(-1)?.answer(found);
    await settle();
  };
  return { reader, asked, delivered, ends, answer };
}

describe('JR4: no append falls between asking and resting', () => {
  test('one that is told of while the answer is on its way makes it ask again', async () => {
    const { reader, asked, delivered, answer } = byHand();
    reader.wake();
    await answer({ kind: 'nothing-yet' });
    expect(asked.map(({ at }) => at)).toEqual([0, 0]);
    await answer({ kind: 'batches', batches: [batch(0), batch(1)] });
    expect(delivered).toEqual([0, 1]);
    expect(asked.map(({ at }) => at)).toEqual([0, 0, 2]);
  });

  test('one that is told of at the very moment when it goes to rest does too', async () => {
    const { reader, asked } = byHand();
    asked[0]?.answer({ kind: 'nothing-yet' });
    await Promise.resolve();
    await Promise.resolve();
    reader.wake();
    await settle();
    expect(asked).toHaveLength(2);
  });

  test('it asks for nothing while it rests, and once for each waking', async () => {
    const { reader, asked, answer } = byHand(7);
    await answer({ kind: 'nothing-yet' });
    expect(asked.map(({ at }) => at)).toEqual([7]);
    reader.wake();
    await answer({ kind: 'nothing-yet' });
    expect(asked).toHaveLength(2);
  });
});

describe('JR8: ends', () => {
  test('what the source throws is an end, once', async () => {
    const { reader, asked, ends } = byHand();
    const error = new Error('no disk');
    asked[0]?.fail(error);
    await settle();
    reader.wake();
    await settle();
    expect(ends).toEqual([{ kind: 'failed', error }]);
    expect(asked).toHaveLength(1);
  });

  test('an end behind batches is told after them', async () => {
    const { delivered, ends, answer } = byHand();
    const end: FollowEnd = { kind: 'newer-version', offset: 1, found: 'kind 2, version 1' };
    await answer({ kind: 'batches', batches: [batch(0)], end });
    expect(delivered).toEqual([0]);
    expect(ends).toEqual([end]);
  });

  test('an answer that comes after stop is dropped', async () => {
    const { reader, delivered, ends, answer } = byHand();
    const stopping = reader.stop();
    await answer({ kind: 'batches', batches: [batch(0)] });
    await stopping;
    expect(delivered).toEqual([]);
    expect(ends).toEqual([]);
  });
});
