/**
 * Collections of which there are many thousands, and each has one element or none nearly always. V8 makes a `Set` that goes from one to none and back two tables, and gives an empty array room for
 * seventeen when something is put in. Both are garbage a moment later, each time.
 */

/** A set whose only element needs no table. */
export class FewSet<T extends object> {
  #one: T | undefined;
  readonly #others = new Set<T>();

  add(element: T): void {
    if (this.#one === element) return;
    if (this.#one === undefined && this.#others.size === 0) this.#one = element;
    else this.#others.add(element);
  }

  delete(element: T): void {
    if (this.#one === element) this.#one = undefined;
    else this.#others.delete(element);
  }

  /** Lets go of each element that `isKept` says no to. It may delete others, which it is not asked about then, and must add none. */
  retain(isKept: (element: T) => boolean): void {
    const one = this.#one;
    if (one !== undefined && !isKept(one)) this.delete(one);
    if (this.#others.size === 0) return;
    for (const element of this.#others) if (!isKept(element)) this.#others.delete(element);
  }
}

/** Where an array has more than these, giving its room back is worth more than keeping it. */
const fewMax = 16;

/** Takes the first `count` out of an array. One or two that are put in again find their room, once V8 has optimised this. */
export function takeFirst<T>(array: T[], count: number): readonly T[] {
  if (count < array.length || count > fewMax) return array.splice(0, count);
  const taken = array.slice();
  while (array.length > 0) array.pop();
  return taken;
}
