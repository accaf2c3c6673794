/**
 * The smallest difference between two sequences (Myers, *An O(ND) Difference Algorithm and Its Variations*, 1986), bounded in steps.
 *
 * The libraries for this that are well kept either have no bound (fast-diff, fast-myers-diff), one in milliseconds, after which the same input gives another result
 * (diff-match-patch), or an object for each step (jsdiff: 300 ms where this takes 10). An outside edit must give the same operations whoever computes it, and must
 * not stand still on two texts that have nothing in common. So: numbers in, a count of steps that is used up, and no answer past it; who asks has a coarser question.
 */

/** What of one sequence stands in the place of what of the other: both from … to, one of them may be empty. */
export type Hunk = { readonly baseFrom: number; readonly baseTo: number; readonly valueFrom: number; readonly valueTo: number };

/** How many more steps may be made. One is a comparison, about a nanosecond. */
export type Budget = { steps: number };

/** Deletions and insertions together. Their rows are kept for the way back: half the square of it, in numbers of four bytes. */
const differencesMax = 1_500;

/** Everything in which the two differ, in order, neighbours joined; undefined where finding it would take too many steps. */
export function differences(base: ArrayLike<number>, value: ArrayLike<number>, budget: Budget): readonly Hunk[] | undefined {
  let from = 0;
  const shorter = Math.min(base.length, value.length);
  while (from < shorter && base[from] === value[from]) from++;
  let tail = 0;
  while (tail < shorter - from && base[base.length - 1 - tail] === value[value.length - 1 - tail]) tail++;
  const n = base.length - from - tail;
  const m = value.length - from - tail;
  if (n === 0 && m === 0) return [];
  if (n === 0 || m === 0) return [{ baseFrom: from, baseTo: from + n, valueFrom: from, valueTo: from + m }];
  const rows = furthest(base, value, from, n, m, budget);
  return rows === undefined ? undefined : wayBack(rows, from, n, m);
}

/** For each number of differences d: how far into `base` one gets on each diagonal -d, -d + 2 … d. The last row ends at the end of both. */
function furthest(
  base: ArrayLike<number>,
  value: ArrayLike<number>,
  from: number,
  n: number,
  m: number,
  budget: Budget,
): readonly Int32Array[] | undefined {
  const rows: Int32Array[] = [];
  let before = new Int32Array(0);
  for (let d = 0; d <= differencesMax; d++) {
    const row = new Int32Array(d + 1);
    rows.push(row);
    let steps = d + 1;
    for (let i = 0; i <= d; i++) {
      const start = d === 0 ? 0 : comesDown(before, i, d) ? (before[i] ?? 0) : (before[i - 1] ?? 0) + 1;
      const diagonal = 2 * i - d;
      let x = start;
      while (x < n && x - diagonal < m && base[from + x] === value[from + x - diagonal]) x++;
      row[i] = x;
      steps += x - start;
      if (x >= n && x - diagonal >= m) return rows;
    }
    budget.steps -= steps;
    if (budget.steps < 0) return undefined;
    before = row;
  }
  return undefined;
}

/** Whether the furthest way to a diagonal is an insertion, from the diagonal above, rather than a deletion. */
const comesDown = (before: Int32Array, i: number, d: number): boolean =>
  i === 0 || (i !== d && (before[i - 1] ?? 0) < (before[i] ?? 0));

function wayBack(rows: readonly Int32Array[], from: number, n: number, m: number): readonly Hunk[] {
  const hunks: Hunk[] = [];
  let x = n;
  let diagonal = n - m;
  for (let d = rows.length - 1; d > 0; d--) {
    const before = rows[d - 1] ?? new Int32Array(0);
    const i = (diagonal + d) / 2;
    const down = comesDown(before, i, d);
    x = (down ? before[i] : before[i - 1]) ?? 0;
    const y = x - (down ? diagonal + 1 : diagonal - 1);
    diagonal += down ? 1 : -1;
    const baseTo = from + x + (down ? 0 : 1);
    const valueTo = from + y + (down ? 1 : 0);
    const next = hunks.at(-1);
    if (next !== undefined && next.baseFrom === baseTo && next.valueFrom === valueTo) {
      hunks[hunks.length - 1] = { ...next, baseFrom: from + x, valueFrom: from + y };
    } else hunks.push({ baseFrom: from + x, baseTo, valueFrom: from + y, valueTo });
  }
  return hunks.toReversed();
}
