/**
 * Which of many changed entries are certainly the same one.
 *
 * Two hundred paragraphs in each of which a program replaced a name, and a new one before them: nothing is equal, and comparing each with each costs the square. Taken in their order, all
 * would become the one after it, and what somebody types into one meanwhile would stand in another. But most of them have a word, or an id, that no other entry has, before or after; those
 * find each other in one pass (as in patience diff), and what lies between two of them is few enough to be compared.
 */

/** Words of an entry. */
export type WordsOf = (entry: number) => Iterable<string>;

/** Pairs of entries that share words which nobody else has, in their order on both sides; as many as possible. */
export function anchors(baseLength: number, valueLength: number, baseWords: WordsOf, valueWords: WordsOf): readonly Pair[] {
  const inBase = ownersOf(baseLength, baseWords);
  const inValue = ownersOf(valueLength, valueWords);
  const votes = new Map<number, number>();
  for (const [word, i] of inBase) {
    const j = inValue.get(word);
    if (i === several || j === undefined || j === several) continue;
    votes.set(i * valueLength + j, (votes.get(i * valueLength + j) ?? 0) + 1);
  }
  // Most words first, then their order, so that it is always the same.
  const ranked = [...votes].toSorted(([pair, count], [other, more]) => more - count || pair - other);
  const partners = new Map<number, number>();
  const taken = new Set<number>();
  for (const [pair] of ranked) {
    const [i, j] = [Math.floor(pair / valueLength), pair % valueLength];
    if (partners.has(i) || taken.has(j)) continue;
    partners.set(i, j);
    taken.add(j);
  }
  return longestRise([...partners].toSorted(([one], [other]) => one - other));
}

type Pair = readonly [base: number, value: number];

const several = -1;

/** The only entry that has a word, or `several`. */
function ownersOf(length: number, wordsOf: WordsOf): ReadonlyMap<string, number> {
  const owners = new Map<string, number>();
  for (let entry = 0; entry < length; entry++) {
    for (const word of wordsOf(entry)) owners.set(word, (owners.get(word) ?? entry) === entry ? entry : several);
  }
  return owners;
}

/** Of pairs in the order of their first, the most that are in the order of their second too. */
function longestRise(pairs: readonly Pair[]): readonly Pair[] {
  const tails: number[] = [];
  const before: number[] = [];
  for (const [at, [, j]] of pairs.entries()) {
    let [low, high] = [0, tails.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((pairs[tails[middle] ?? 0]?.[1] ?? 0) < j) low = middle + 1;
      else high = middle;
    }
    before.push(tails[low - 1] ?? -1);
    tails[low] = at;
  }
  const rise: Pair[] = [];
  for (let at = tails.at(-1) ?? -1; at >= 0; at = before[at] ?? -1) rise.push(pairs[at] ?? [0, 0]);
  return rise.toReversed();
}
