import { expect, test } from 'vitest';

import { createCopying } from '#shared/runtime/bytes.ts';

test('GW112: copies are arrays of their own bytes; small ones share a piece of memory with their like, and with nobody else', () => {
  const [copy, copyOther] = [createCopying(), createCopying()];
  const one = copy(Uint8Array.of(1, 2, 3));
  const two = copy(Buffer.of(4, 5));
  const other = copyOther(Uint8Array.of(6));
  expect([one, two, other]).toEqual([Uint8Array.of(1, 2, 3), Uint8Array.of(4, 5), Uint8Array.of(6)]);
  expect(two.buffer).toBe(one.buffer);
  expect([other.buffer, Buffer.from('x').buffer]).not.toContain(one.buffer);
  const large = new Uint8Array(2_000).fill(7);
  const itsCopy = copy(large);
  large.fill(0);
  expect([itsCopy.byteLength, itsCopy.buffer.byteLength, itsCopy[1_999]]).toEqual([2_000, 2_000, 7]);
  for (let i = 0; i < 20; i++) copy(new Uint8Array(1_000).fill(i));
  expect([...one, ...two], 'and what comes later leaves them alone').toEqual([1, 2, 3, 4, 5]);
});
