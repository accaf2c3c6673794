/** What is kept of a partition's end, as bytes. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TailPages } from '#gateway/tail-pages.ts';
import type { DocumentName } from '#shared/document/name.ts';

const names = ['a', 'b', 'a/b', 'ä', '日本', 'n'.repeat(200)] as DocumentName[];

type Kept = { readonly offset: number; readonly document: DocumentName; readonly update: Uint8Array };

/** All that can be asked for from `start` on is there, for each document, in order, and what lies before is not looked for. */
function expectAll(pages: TailPages, kept: readonly Kept[], start: number): void {
  for (const from of [start, start + 1, start + 40])
    for (const document of names) {
      const wanted = kept.filter((record) => record.document === document && record.offset >= from);
      expect(pages.updatesOf(document, from)).toEqual(wanted.map(({ update }) => update));
    }
}

test('GW113: whatever a tail keeps and lets go of, from its beginning on each document has all its updates, in order', () => {
  const record = fc.record({
    skip: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 2 ** 40 })),
    document: fc.constantFrom(...names),
    bytes: fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 0, max: 300 }) }, fc.integer({ min: 0, max: 40_000 })),
  });
  const step = fc.oneof(
    { weight: 20, arbitrary: record },
    fc.record({ trim: fc.double({ min: -0.5, max: 1.5, noNaN: true }) }),
    fc.constant('drop' as const),
  );
  const run = (pageBytes: number, steps: readonly (typeof step extends fc.Arbitrary<infer Step> ? Step : never)[]): void => {
    const pages = new TailPages(pageBytes);
    let kept: Kept[] = [];
    let start = 0;
    let next = 0;
    const letGo = (begins: number | undefined): void => {
      start = begins ?? start;
      kept = kept.filter(({ offset }) => offset >= start);
    };
    for (const one of steps) {
      if (one === 'drop') letGo(pages.dropOldest());
      else if ('trim' in one) {
        const below = start + Math.round((next - start) * one.trim);
        const before = start;
        letGo(pages.trim(below));
        expect(start, 'nothing from there on is let go of').toBeLessThanOrEqual(Math.max(below, before));
        if (below >= next) expect(pages.isEmpty).toBe(true);
      } else {
        const offset = next + one.skip;
        const update = new Uint8Array(one.bytes).fill(offset % 251);
        pages.append(offset, one.document, update);
        kept.push({ offset, document: one.document, update: update.slice() });
        update.fill(255);
        next = offset + 1;
      }
      expect(pages.isEmpty).toBe(pages.bytes === 0);
    }
    expectAll(pages, kept, start);
    pages.trim(next);
    expect(pages.bytes).toBe(0);
  };
  fc.assert(fc.property(fc.constantFrom(64, 500, 16_384), fc.array(step, { maxLength: 120 }), run), { numRuns: 300 });
});

test('GW113: what was asked for stays as it is when the tail goes on, and keeps nothing else', () => {
  const pages = new TailPages(16_384);
  const [a, b] = names as [DocumentName, DocumentName];
  pages.append(0, a, Uint8Array.of(1, 2));
  pages.append(1, b, new Uint8Array(1_000));
  const [update] = pages.updatesOf(a, 0);
  pages.trim(2);
  pages.append(2, a, Uint8Array.of(9, 9));
  expect(update).toEqual(Uint8Array.of(1, 2));
  expect(update?.buffer.byteLength).toBe(2);
});

test('GW113: a record that does not lie behind all others is refused', () => {
  const pages = new TailPages(16_384);
  const [a] = names as [DocumentName];
  pages.append(7, a, Uint8Array.of(1));
  for (const offset of [7, 3]) expect(() => pages.append(offset, a, Uint8Array.of(2))).toThrow('came after the one at 7');
  pages.append(8, a, Uint8Array.of(3));
  expect(pages.updatesOf(a, 0)).toEqual([Uint8Array.of(1), Uint8Array.of(3)]);
});
