/**
 * Which entries of a list are which.
 *
 * What is equal stays, by the smallest difference. Between what stays, entries that were changed must be told from those that came and went: a paragraph in which a word was
 * changed keeps its identity (and the cursors in it), also where another was put before it. So old and new ones that can be edited into each other are
 * paired in their order such that the pairs have most words in common. Of very many, those that share words with no other find each other first (`anchors.ts`).
 */

import { anchors } from './anchors.ts';
import { differences, type Budget, type Hunk } from './myers.ts';

/** Two lists, as far as aligning them needs to know. Texts are equal where the entries are, and are only asked for where something has changed. */
export type Lists = {
  readonly baseLength: number;
  readonly valueLength: number;
  readonly baseText: (i: number) => string;
  readonly valueText: (j: number) => string;
  readonly equal: (i: number, j: number) => boolean;
  /** Whether the old entry can be edited into the new one. */
  readonly editable: (i: number, j: number) => boolean;
};

export type Alignment = {
  /** Old and new entry that are the same one, changed; in order. */
  readonly edited: readonly (readonly [number, number])[];
  /** What else to replace with what; in order. */
  readonly replaced: readonly Hunk[];
};

export function align(lists: Lists, budget: Budget): Alignment {
  const { baseLength, valueLength, equal } = lists;
  const shorter = Math.min(baseLength, valueLength);
  let from = 0;
  while (from < shorter && equal(from, from)) from++;
  let tail = 0;
  while (tail < shorter - from && equal(baseLength - 1 - tail, valueLength - 1 - tail)) tail++;
  const rest = { baseFrom: from, baseTo: baseLength - tail, valueFrom: from, valueTo: valueLength - tail };
  const edited: (readonly [number, number])[] = [];
  const replaced: Hunk[] = [];
  for (const hunk of hunksIn(rest, lists, budget)) pair(hunk, lists, edited, replaced);
  return { edited, replaced };
}

/** Which old and new entries are the same one, changed or not; in order. */
export function stayingPairs({ replaced }: Alignment, baseLength: number): readonly (readonly [number, number])[] {
  const pairs: (readonly [number, number])[] = [];
  let [i, j] = [0, 0];
  for (const { baseFrom, baseTo, valueTo } of replaced) {
    while (i < baseFrom) pairs.push([i++, j++]);
    [i, j] = [baseTo, valueTo];
  }
  while (i < baseLength) pairs.push([i++, j++]);
  return pairs;
}

function hunksIn(rest: Hunk, lists: Lists, budget: Budget): readonly Hunk[] {
  const { baseFrom, baseTo, valueFrom, valueTo } = rest;
  if (baseFrom === baseTo && valueFrom === valueTo) return [];
  if (baseFrom === baseTo || valueFrom === valueTo || (baseTo - baseFrom === 1 && valueTo - valueFrom === 1)) return [rest];
  const numbers = new Map<string, number>();
  const numbered = (from: number, to: number, text: (i: number) => string): Int32Array =>
    Int32Array.from({ length: to - from }, (_, i) => {
      const word = text(from + i);
      const number = numbers.get(word) ?? numbers.size;
      numbers.set(word, number);
      return number;
    });
  const found = differences(numbered(baseFrom, baseTo, lists.baseText), numbered(valueFrom, valueTo, lists.valueText), budget);
  return (found ?? [{ baseFrom: 0, baseTo: baseTo - baseFrom, valueFrom: 0, valueTo: valueTo - valueFrom }]).map((hunk) => ({
    baseFrom: baseFrom + hunk.baseFrom,
    baseTo: baseFrom + hunk.baseTo,
    valueFrom: valueFrom + hunk.valueFrom,
    valueTo: valueFrom + hunk.valueTo,
  }));
}

function pair(hunk: Hunk, lists: Lists, edited: (readonly [number, number])[], replaced: Hunk[]): void {
  const pairs = pairsOf(hunk) > comparedPairsMax ? anchoredPairs(hunk, lists) : fewPairs(hunk, lists);
  let { baseFrom, valueFrom } = hunk;
  for (const [i, j] of [...pairs, [hunk.baseTo, hunk.valueTo] as const]) {
    if (i > baseFrom || j > valueFrom) replaced.push({ baseFrom, baseTo: i, valueFrom, valueTo: j });
    if (i < hunk.baseTo && j < hunk.valueTo) edited.push([i, j]);
    baseFrom = i + 1;
    valueFrom = j + 1;
  }
}

/** Above this many possible pairs they are not all compared. */
const comparedPairsMax = 10_000;

const pairsOf = ({ baseFrom, baseTo, valueFrom, valueTo }: Hunk): number => (baseTo - baseFrom) * (valueTo - valueFrom);

/** The best ones; too many, and those between which nothing is certain, in their order, whatever is in them. */
function fewPairs(hunk: Hunk, lists: Lists): readonly (readonly [number, number])[] {
  const possible = pairsOf(hunk);
  if (possible === 0) return [];
  return possible === 1 || possible > comparedPairsMax ? inOrder(hunk, lists) : bestPairs(hunk, lists);
}

function anchoredPairs(hunk: Hunk, lists: Lists): readonly (readonly [number, number])[] {
  const found = anchors(
    hunk.baseTo - hunk.baseFrom,
    hunk.valueTo - hunk.valueFrom,
    (i) => wordsOf(lists.baseText(hunk.baseFrom + i)).counts.keys(),
    (j) => wordsOf(lists.valueText(hunk.valueFrom + j)).counts.keys(),
  );
  const certain = found
    .map(([i, j]) => [hunk.baseFrom + i, hunk.valueFrom + j] as const)
    .filter(([i, j]) => lists.editable(i, j));
  const pairs: (readonly [number, number])[] = [];
  let { baseFrom, valueFrom } = hunk;
  for (const [i, j] of [...certain, [hunk.baseTo, hunk.valueTo] as const]) {
    for (const between of fewPairs({ baseFrom, baseTo: i, valueFrom, valueTo: j }, lists)) pairs.push(between);
    if (i < hunk.baseTo) pairs.push([i, j]);
    [baseFrom, valueFrom] = [i + 1, j + 1];
  }
  return pairs;
}

function inOrder({ baseFrom, baseTo, valueFrom, valueTo }: Hunk, lists: Lists): readonly (readonly [number, number])[] {
  const pairs: (readonly [number, number])[] = [];
  let [i, j] = [baseFrom, valueFrom];
  while (i < baseTo && j < valueTo) {
    if (lists.editable(i, j)) pairs.push([i++, j++]);
    else if (baseTo - i > valueTo - j) i++;
    else j++;
  }
  return pairs;
}

/** What a pair is worth that has no word in common: better than none. */
const worthOfNothing = 0.05;

/** By dynamic programming: the best pairs of what is left of both, from the end to the beginning. */
function bestPairs({ baseFrom, baseTo, valueFrom, valueTo }: Hunk, lists: Lists): readonly (readonly [number, number])[] {
  const width = valueTo - valueFrom + 1;
  const best = new Float64Array((baseTo - baseFrom + 1) * width);
  const worth = new Float64Array(best.length);
  const olds = Array.from({ length: baseTo - baseFrom }, (_, i) => wordsOf(lists.baseText(baseFrom + i)));
  const news = Array.from({ length: valueTo - valueFrom }, (_, j) => wordsOf(lists.valueText(valueFrom + j)));
  for (let i = olds.length - 1; i >= 0; i--) {
    for (let j = news.length - 1; j >= 0; j--) {
      const at = i * width + j;
      worth[at] = lists.editable(baseFrom + i, valueFrom + j) ? worthOfNothing + likeness(olds[i], news[j]) : 0;
      best[at] = Math.max(best[at + width] ?? 0, best[at + 1] ?? 0, (worth[at] ?? 0) + (best[at + width + 1] ?? 0));
    }
  }
  const pairs: (readonly [number, number])[] = [];
  for (let i = 0, j = 0; i < olds.length && j < news.length;) {
    const at = i * width + j;
    if ((worth[at] ?? 0) > 0 && best[at] === (worth[at] ?? 0) + (best[at + width + 1] ?? 0)) {
      pairs.push([baseFrom + i++, valueFrom + j++]);
    } else if (best[at] === best[at + width]) i++;
    else j++;
  }
  return pairs;
}

const comparedCharactersMax = 4_000;

type Words = { readonly counts: ReadonlyMap<string, number>; readonly total: number };

function wordsOf(text: string): Words {
  const counts = new Map<string, number>();
  const words = text.slice(0, comparedCharactersMax).match(/[\p{L}\p{N}]+/gu) ?? [];
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return { counts, total: words.length };
}

/** Of both, the share of words that they have in common: 0 to 1. */
function likeness(one: Words | undefined, other: Words | undefined): number {
  if (one === undefined || other === undefined || one.total + other.total === 0) return 0;
  let common = 0;
  for (const [word, count] of one.counts) common += Math.min(count, other.counts.get(word) ?? 0);
  return (2 * common) / (one.total + other.total);
}
