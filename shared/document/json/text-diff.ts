/**
 * What has changed in a text.
 *
 * Compared by characters as people see them (grapheme clusters), so that no operation tears a surrogate pair, a flag or a family. Segmenting megabytes takes seconds and most text
 * needs none of it: a character of an alphabet or an ideograph with another one behind it stands for itself, and only stretches with anything else in them are
 * segmented. What is equal at the beginning and the end is not looked into at all.
 *
 * Where comparing by characters would take too many steps, or little is the same, by lines, then by characters in the lines that differ; where that is too much, by words; where
 * that is too much, the old text goes and the new one comes. So it does where all that would stay is scattered letters: two sentences have many of them in common, and are none the same for it,
 * while Yjs would have the old one in pieces for ever.
 */

import { differences, type Budget, type Hunk } from './myers.ts';

/** A text with insets in it, each in the place of one character (`insetUnit`). */
export type FlatText = {
  readonly text: string;
  /** Equal insets have equal numbers; by position. */
  readonly insets: ReadonlyMap<number, number>;
};

export const insetUnit = '\uFFFC';
const insetCode = 0xfffc;

/** What to replace with what in a region of both, in UTF-16 units. */
export function textDifferences(base: FlatText, value: FlatText, region: Hunk, budget: Budget): readonly Hunk[] {
  const hunks: Hunk[] = [];
  compare(base, value, region, coarser, budget, hunks);
  return hunks;
}

const noInsets: ReadonlyMap<number, number> = new Map();

/** The same of whole texts without insets. */
export function plainDifferences(base: string, value: string, budget: Budget): readonly Hunk[] {
  const whole = { baseFrom: 0, baseTo: base.length, valueFrom: 0, valueTo: value.length };
  return textDifferences({ text: base, insets: noInsets }, { text: value, insets: noInsets }, whole, budget);
}

type Tokens = { readonly ids: Int32Array; readonly ends: Int32Array };
type Split = (text: FlatText, from: number, to: number, words: Map<string, number>, budget: Budget) => Tokens;

const coarser: readonly Split[] = [splitIntoLines, splitIntoWords];

function compare(base: FlatText, value: FlatText, region: Hunk, coarser: readonly Split[], budget: Budget, hunks: Hunk[]): void {
  const rest = withoutEqualEnds(base, value, region);
  if (rest.baseFrom === rest.baseTo && rest.valueFrom === rest.valueTo) return;
  const oneSided = rest.baseFrom === rest.baseTo || rest.valueFrom === rest.valueTo;
  const found = oneSided ? [rest] : compareBy(splitIntoCharacters, base, value, rest, budget);
  if (found === undefined || isScattered(found, rest)) return compareCoarsely(base, value, rest, coarser, budget, hunks);
  budget.steps -= found.length * stepsPerHunk;
  for (const hunk of found) hunks.push(hunk);
}

/** What it costs Yjs to cut a text in one place, in steps: it has all pieces in one list. */
const stepsPerHunk = 1_000;

/** With fewer changes than these nothing is scattered, nor with longer stretches between them, in units. */
const scatteredHunksMin = 8;
const scatteredStretchMax = 4;

/** Whether what stays between so many changes is next to nothing. */
function isScattered(hunks: readonly Hunk[], { baseFrom, baseTo }: Hunk): boolean {
  if (hunks.length < scatteredHunksMin) return false;
  const gone = hunks.reduce((sum, hunk) => sum + hunk.baseTo - hunk.baseFrom, 0);
  return baseTo - baseFrom - gone < hunks.length * scatteredStretchMax;
}

function compareCoarsely(
  base: FlatText,
  value: FlatText,
  region: Hunk,
  coarser: readonly Split[],
  budget: Budget,
  hunks: Hunk[],
): void {
  const [split, ...further] = coarser;
  if (split === undefined) {
    hunks.push(region);
    return;
  }
  const found = compareBy(split, base, value, region, budget);
  const parts = found === undefined || isScattered(found, region) ? [region] : found;
  const [only] = parts;
  const isWhole = parts.length === 1 && only?.baseTo === region.baseTo && only.valueTo === region.valueTo;
  if (isWhole && only.baseFrom === region.baseFrom && only.valueFrom === region.valueFrom) {
    compareCoarsely(base, value, region, further, budget, hunks);
  } else for (const part of parts) compare(base, value, part, further, budget, hunks);
}

function compareBy(split: Split, base: FlatText, value: FlatText, region: Hunk, budget: Budget): readonly Hunk[] | undefined {
  const words = new Map<string, number>();
  const one = split(base, region.baseFrom, region.baseTo, words, budget);
  const other = split(value, region.valueFrom, region.valueTo, words, budget);
  return differences(one.ids, other.ids, budget)?.map((hunk) => ({
    baseFrom: beginning(one, hunk.baseFrom, region.baseFrom),
    baseTo: beginning(one, hunk.baseTo, region.baseFrom),
    valueFrom: beginning(other, hunk.valueFrom, region.valueFrom),
    valueTo: beginning(other, hunk.valueTo, region.valueFrom),
  }));
}

const beginning = ({ ends }: Tokens, token: number, from: number): number => (token === 0 ? from : (ends[token - 1] ?? from));

function sameUnit(base: FlatText, i: number, value: FlatText, j: number): boolean {
  const unit = base.text.charCodeAt(i);
  if (unit !== value.text.charCodeAt(j)) return false;
  return unit !== insetCode || base.insets.get(i) === value.insets.get(j);
}

/** How far to look for the border of a character: beyond, it is none that anybody sees as one. */
const characterUnitsMax = 64;

function withoutEqualEnds(base: FlatText, value: FlatText, region: Hunk): Hunk {
  let { baseFrom, baseTo, valueFrom, valueTo } = region;
  while (baseFrom < baseTo && valueFrom < valueTo && sameUnit(base, baseFrom, value, valueFrom)) {
    baseFrom++;
    valueFrom++;
  }
  for (let back = 0; baseFrom > region.baseFrom && !bothBorders(base, baseFrom, value, valueFrom, back); back++) {
    baseFrom--;
    valueFrom--;
  }
  while (baseFrom < baseTo && valueFrom < valueTo && sameUnit(base, baseTo - 1, value, valueTo - 1)) {
    baseTo--;
    valueTo--;
  }
  for (let on = 0; baseTo < region.baseTo && !bothBorders(base, baseTo, value, valueTo, on); on++) {
    baseTo++;
    valueTo++;
  }
  return { baseFrom, baseTo, valueFrom, valueTo };
}

const bothBorders = (base: FlatText, i: number, value: FlatText, j: number, tries: number): boolean =>
  isBorder(base.text, i, tries) && isBorder(value.text, j, tries);

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** Whether a character begins at `at`. After too many tries: whether none of two units does, at least. */
function isBorder(text: string, at: number, tries: number): boolean {
  if (at <= 0 || at >= text.length) return true;
  const before = text.charCodeAt(at - 1);
  const after = text.charCodeAt(at);
  if (standsAlone(before) && standsAlone(after)) return !(before === carriageReturn && after === lineFeed);
  if (before === insetCode || after === insetCode) return true;
  if (isLowSurrogate(after)) return false;
  if (tries > characterUnitsMax) return true;
  let from = Math.max(0, at - characterUnitsMax);
  if (isLowSurrogate(text.charCodeAt(from))) from++;
  return segmenter.segment(text.slice(from, at + characterUnitsMax)).containing(at - from)?.index === at - from;
}

const carriageReturn = 0x0d;
const lineFeed = 0x0a;

const isLowSurrogate = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff;

/** Whether a unit is a character by itself where the next one is such too. The blocks from U+0300 on have combining ones. */
function standsAlone(unit: number): boolean {
  if (unit < 0x300) return true;
  return (
    (unit >= 0x3400 && unit <= 0x9fff) ||
    (unit >= 0xac00 && unit <= 0xd7a3) ||
    (unit >= 0x3041 && unit <= 0x3096) ||
    (unit >= 0x30a1 && unit <= 0x30fa) ||
    (unit >= 0x400 && unit <= 0x482) ||
    (unit >= 0x370 && unit <= 0x3ff) ||
    unit === insetCode
  );
}

/** Numbers of tokens of several units, and of insets, lie above all units. */
const severalUnits = 0x10000;
/** What segmenting a unit costs, in steps. */
const stepsPerSegmented = 200;

function splitIntoCharacters(flat: FlatText, from: number, to: number, words: Map<string, number>, budget: Budget): Tokens {
  const { text } = flat;
  const ids = new Int32Array(to - from);
  const ends = new Int32Array(to - from);
  let count = 0;
  const add = (id: number, end: number): void => {
    ids[count] = id;
    ends[count++] = end;
  };
  for (let at = from; at < to;) {
    const unit = text.charCodeAt(at);
    const next = at + 1 < to ? text.charCodeAt(at + 1) : 0;
    if (unit === insetCode) {
      add(numberOf(`${insetUnit}${flat.insets.get(at) ?? ''}`, words), ++at);
    } else if (standsAlone(unit) && standsAlone(next) && !(unit === carriageReturn && next === lineFeed)) {
      add(unit, ++at);
    } else {
      let end = at + 1;
      while (end < to && !standsAlone(text.charCodeAt(end))) end++;
      if (unit === carriageReturn && next === lineFeed) end = at + 2;
      for (const character of charactersOf(text.slice(at, end), budget)) {
        at += character.length;
        add(character.length === 1 ? character.charCodeAt(0) : numberOf(character, words), at);
      }
    }
  }
  return { ids: ids.subarray(0, count), ends: ends.subarray(0, count) };
}

function* charactersOf(stretch: string, budget: Budget): Generator<string> {
  budget.steps -= stretch.length * stepsPerSegmented;
  if (budget.steps < 0) yield* stretch;
  else for (const { segment } of segmenter.segment(stretch)) yield segment;
}

function numberOf(word: string, words: Map<string, number>): number {
  const known = words.get(word);
  if (known !== undefined) return known;
  const number = severalUnits + words.size;
  words.set(word, number);
  return number;
}

function splitIntoLines(flat: FlatText, from: number, to: number, words: Map<string, number>): Tokens {
  const ids: number[] = [];
  const ends: number[] = [];
  for (let at = from; at < to;) {
    const feed = flat.text.indexOf('\n', at);
    const end = feed < 0 || feed >= to ? to : feed + 1;
    ids.push(numberOf(textWithInsets(flat, at, end), words));
    ends.push(end);
    at = end;
  }
  return { ids: Int32Array.from(ids), ends: Int32Array.from(ends) };
}

function textWithInsets(flat: FlatText, from: number, to: number): string {
  const slice = flat.text.slice(from, to);
  if (flat.insets.size === 0 || !slice.includes(insetUnit)) return slice;
  return [...slice].map((unit, i) => (unit === insetUnit ? `${unit}${flat.insets.get(from + i) ?? ''}${unit}` : unit)).join('');
}

const letter = /^[\p{L}\p{N}_]/u;

/** Letters and digits beside each other are a word; anything else is for itself. */
function splitIntoWords(flat: FlatText, from: number, to: number, words: Map<string, number>, budget: Budget): Tokens {
  const characters = splitIntoCharacters(flat, from, to, new Map(), budget);
  const ids: number[] = [];
  const ends: number[] = [];
  let start = from;
  let inWord = false;
  const close = (end: number): void => {
    if (end === start) return;
    ids.push(numberOf(textWithInsets(flat, start, end), words));
    ends.push(end);
    start = end;
  };
  let at = from;
  for (const end of characters.ends) {
    const isLetter = letter.test(flat.text.slice(at, end));
    if (!isLetter || !inWord) close(at);
    inWord = isLetter;
    at = end;
  }
  close(to);
  return { ids: Int32Array.from(ids), ends: Int32Array.from(ends) };
}
