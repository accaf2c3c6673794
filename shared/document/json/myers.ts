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

/**
 * Deletions and insertions that are found at a time. Their rows are kept for the way back: half the square of it, in numbers of four bytes. Where there are more, the way that got
 * furthest with these is gone, and the search begins again at its end: in place of the least difference there is a small one, for steps that grow with its size and not with the square of it.
 */
const differencesMax = 1_500;

/** Begins again only where at least so much was passed on both sides together for each difference: two sequences with less in common want a coarser question. */
const passedMin = 4;

/** In what the two differ, in order, neighbours joined; undefined where finding it would take too many steps, or they have too little in common. */
export function differences(base: ArrayLike<number>, value: ArrayLike<number>, budget: Budget): readonly Hunk[] | undefined {
  let from = 0;
  const shorter = Math.min(base.length, value.length);
  while (from < shorter && base[from] === value[from]) from++;
  let tail = 0;
  while (tail < shorter - from && base[base.length - 1 - tail] === value[value.length - 1 - tail]) tail++;
  const hunks: Hunk[] = [];
  let rest: Hunk = { baseFrom: from, baseTo: base.length - tail, valueFrom: from, valueTo: value.length - tail };
  while (rest.baseFrom < rest.baseTo && rest.valueFrom < rest.valueTo) {
    const way = furthest(base, value, rest, budget);
    if (way === undefined) return undefined;
    for (const hunk of wayBack(way, rest)) join(hunks, hunk);
    rest = { ...rest, baseFrom: rest.baseFrom + way.x, valueFrom: rest.valueFrom + way.x - way.diagonal };
  }
  if (rest.baseFrom < rest.baseTo || rest.valueFrom < rest.valueTo) join(hunks, rest);
  return hunks;
}

function join(hunks: Hunk[], next: Hunk): void {
  const last = hunks.at(-1);
  if (last?.baseTo !== next.baseFrom || last.valueTo !== next.valueFrom) hunks.push(next);
  else hunks[hunks.length - 1] = { ...last, baseTo: next.baseTo, valueTo: next.valueTo };
}

/**
 * For each number of differences d: how far into `base` one gets on each diagonal -d, -d + 2 … d. The way ends at `x` on `diagonal`, of the last row: at the end of both, or where all that may be looked for at a
 * time was found.
 */
type Way = { readonly rows: readonly Int32Array[]; readonly x: number; readonly diagonal: number };

function furthest(
  base: ArrayLike<number>,
  value: ArrayLike<number>,
  { baseFrom, baseTo, valueFrom, valueTo }: Hunk,
  budget: Budget,
): Way | undefined {
  const [n, m] = [baseTo - baseFrom, valueTo - valueFrom];
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
      while (x < n && x - diagonal < m && base[baseFrom + x] === value[valueFrom + x - diagonal]) x++;
      row[i] = x;
      steps += x - start;
      if (x >= n && x - diagonal >= m) return { rows, x, diagonal };
    }
    budget.steps -= steps;
    if (budget.steps < 0) return undefined;
    before = row;
  }
  return furthestOf(rows, n, m);
}

/** The way of which most is behind it; undefined where that is too little. */
function furthestOf(rows: readonly Int32Array[], n: number, m: number): Way | undefined {
  let way: Way | undefined;
  let most = passedMin * differencesMax - 1;
  for (const [i, x] of (rows.at(-1) ?? []).entries()) {
    const diagonal = 2 * i - differencesMax;
    const y = x - diagonal;
    if (x > n || y > m || x + y <= most) continue;
    most = x + y;
    way = { rows, x, diagonal };
  }
  return way;
}

/** Whether the furthest way to a diagonal is an insertion, from the diagonal above, rather than a deletion. */
const comesDown = (before: Int32Array, i: number, d: number): boolean =>
  i === 0 || (i !== d && (before[i - 1] ?? 0) < (before[i] ?? 0));

/** The differences on a way, from its beginning at that of `rest`. */
function wayBack({ rows, ...end }: Way, { baseFrom, valueFrom }: Hunk): readonly Hunk[] {
  const hunks: Hunk[] = [];
  let { diagonal } = end;
  for (let d = rows.length - 1; d > 0; d--) {
    const before = rows[d - 1] ?? new Int32Array(0);
    const i = (diagonal + d) / 2;
    const down = comesDown(before, i, d);
    const x = (down ? before[i] : before[i - 1]) ?? 0;
    const y = x - (down ? diagonal + 1 : diagonal - 1);
    diagonal += down ? 1 : -1;
    const baseTo = baseFrom + x + (down ? 0 : 1);
    const valueTo = valueFrom + y + (down ? 1 : 0);
    hunks.push({ baseFrom: baseFrom + x, baseTo, valueFrom: valueFrom + y, valueTo });
  }
  return hunks.toReversed();
}
