/**
 * What all tails of a gateway keep together.
 *
 * A share of the bound for each partition would be simple, and wrong: of a dozen partitions one is busy, and one large record is more than
 * its share. So there is one allowance for all of them. Past it the largest tail lets go of its oldest page, and so on until they fit. What is let
 * go of is still in the journal: a document that needs it reads it there, which costs a request and nothing else.
 */

export type Keeper = {
  /** What it keeps now; more than none as long as there is something to drop. */
  readonly bytes: number;
  /** Lets go of what it has kept longest, and gives its bytes back. */
  readonly dropOldest: () => void;
};

/** A tail takes memory by so much at a time, or by so small a part of the allowance. */
const pageBytes = { min: 64, max: 16 * 1024, part: 1 / 64 } as const;

export class TailMemory {
  readonly pageBytes: number;
  readonly #bytesMax: number;
  readonly #keepers = new Set<Keeper>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.pageBytes = Math.max(pageBytes.min, Math.min(pageBytes.max, Math.floor(bytesMax * pageBytes.part)));
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(keeper: Keeper): void {
    this.#keepers.add(keeper);
  }

  /** For one that keeps nothing any more. */
  remove(keeper: Keeper): void {
    this.#keepers.delete(keeper);
  }

  /** Counts what a keeper has kept; makes room for it where there is none. */
  take(bytes: number): void {
    this.#bytes += bytes;
    while (this.#bytes > this.#bytesMax) this.#largest().dropOldest();
  }

  giveBack(bytes: number): void {
    this.#bytes -= bytes;
  }

  #largest(): Keeper {
    const [first, ...others] = this.#keepers;
    if (first === undefined) throw new Error(`${this.#bytes} bytes are kept by nobody`);
    return others.reduce((largest, keeper) => (keeper.bytes > largest.bytes ? keeper : largest), first);
  }
}
