/**
 * Collections of which there are many thousands, and each has one element or none nearly always. V8 makes a `Set` that goes from one to none and back two tables, and gives an empty array room for
 * seventeen when something is put in. Both are garbage a moment later, each time.
 */

/** A set whose only element needs no table. */
export class FewSet<T extends object> {
  #one: T | undefined;
  readonly #others = new Set<T>();

  get size(): number {
    return (this.#one === undefined ? 0 : 1) + this.#others.size;
  }

  add(element: T): void {
    if (this.#one === element) return;
    if (this.#one === undefined && this.#others.size === 0) this.#one = element;
    else this.#others.add(element);
  }

  delete(element: T): void {
    if (this.#one === element) this.#one = undefined;
    else this.#others.delete(element);
  }

  /** Lets go of each element that `isKept` says no to. It may delete others, which it is not asked about then. */
  retain(isKept: (element: T) => boolean): void {
    const one = this.#one;
    if (one !== undefined && !isKept(one)) this.delete(one);
    if (this.#others.size === 0) return;
    for (const element of this.#others) if (!isKept(element)) this.#others.delete(element);
  }
}

/** Takes everything out of an array, whose room stays. */
export function takeAll<T>(array: T[]): readonly T[] {
  const all = array.slice();
  while (array.length > 0) array.pop();
  return all;
}
