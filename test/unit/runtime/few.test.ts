import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { FewSet, takeFirst } from '#shared/runtime/few.ts';

const elements = Array.from({ length: 4 }, (_, number) => ({ number }));
const anElement = fc.constantFrom(...elements);

test('GW114: a set for few elements is a set', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('add' as const), element: anElement }),
    fc.record({ kind: fc.constant('delete' as const), element: anElement }),
    fc.record({ kind: fc.constant('retain' as const), kept: fc.subarray(elements), drops: fc.option(anElement) }),
  );
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const [few, set] = [new FewSet<object>(), new Set<object>()];
      for (const step of steps) {
        if (step.kind === 'retain') {
          const asked: object[] = [];
          few.retain((element) => {
            asked.push(element);
            if (step.drops !== null) few.delete(step.drops);
            return step.kept.some((kept) => kept === element);
          });
          expect(asked).toEqual([...new Set(asked)]);
          const isGone = (element: object): boolean => asked.length > 0 && element === step.drops;
          for (const element of set) {
            if (!isGone(element)) expect(asked).toContain(element);
            if (isGone(element) || !step.kept.some((kept) => kept === element)) set.delete(element);
          }
        } else {
          few[step.kind](step.element);
          set[step.kind](step.element);
        }
        const found: object[] = [];
        few.retain((element) => found.push(element) > 0);
        expect(new Set(found)).toEqual(set);
      }
    }),
  );
});

test('GW115: what is taken out of an array is no longer in it, and stays as it is', () => {
  for (const length of [0, 1, 2, 16, 17, 100]) {
    const numbers = Array.from({ length }, (_, number) => number);
    for (const count of [0, 1, length - 1, length].filter((count) => count >= 0 && count <= length)) {
      const array = [...numbers];
      const taken = takeFirst(array, count);
      array.push(-1);
      expect(taken).toEqual(numbers.slice(0, count));
      expect(array).toEqual([...numbers.slice(count), -1]);
    }
  }
});
