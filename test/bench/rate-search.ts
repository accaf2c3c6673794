/**
 * Finding the highest rate that is sustained, in few trials.
 *
 * A trial takes half a minute, so there can be no sweep. The rate is doubled while it is sustained and halved while it is not, and when both
 * have been seen the middle between them (by ratio) is tried, until they are close enough. Measuring is noisy: what was found is a rate that held, below one that did
 * not, and no more exact than the two are apart.
 */

export type Trial = { readonly rate: number; readonly isSustained: boolean };

export type SearchLimits = {
  readonly first: number;
  readonly least: number;
  readonly most: number;
  readonly trialsMax: number;
  /** Close enough: the rate that failed over the one that held. */
  readonly ratioMax: number;
};

export type SearchResult = {
  /** The highest rate that held below every one that did not; undefined where none did. */
  readonly sustained: number | undefined;
  /** The lowest rate that did not hold; undefined where all did. */
  readonly failed: number | undefined;
};

/** What the trials show. A rate that held above one that failed was luck. */
export function resultOf(trials: readonly Trial[]): SearchResult {
  const failures = trials.filter(({ isSustained }) => !isSustained).map(({ rate }) => rate);
  const failed = failures.length === 0 ? undefined : Math.min(...failures);
  const held = trials.filter(({ rate, isSustained }) => isSustained && rate < (failed ?? Infinity)).map(({ rate }) => rate);
  return { sustained: held.length === 0 ? undefined : Math.max(...held), failed };
}

/** The rate to try next; undefined when there is nothing more to be learnt. */
export function nextRate(trials: readonly Trial[], limits: SearchLimits): number | undefined {
  if (trials.length === 0) return limits.first;
  if (trials.length >= limits.trialsMax) return undefined;
  const { sustained, failed } = resultOf(trials);
  if (sustained === undefined) return failed === undefined || failed / 2 < limits.least ? undefined : failed / 2;
  if (failed === undefined) return sustained * 2 > limits.most ? undefined : sustained * 2;
  return failed / sustained <= limits.ratioMax ? undefined : Math.round(Math.sqrt(failed * sustained));
}
