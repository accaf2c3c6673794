/**
 * Which of two states of a document somebody had before him when he wrote a value.
 *
 * It is asked where a program replaced a mirror without our field, and a persister was killed while it rewrote that mirror, so that nobody knows which of the two the program had read. If it is taken wrongly for the
 * earlier one, what people typed in between is in the document twice. If it is taken wrongly for the later one, that is deleted, as if the program had taken it out: which is worse.
 *
 * To count what one would have to insert is the obvious way, and wrong for texts: any two sentences have half of their letters in common, so what people typed seems to be in whatever the author wrote instead.
 * So it is looked for in pieces that are not there by chance. How long these have to be depends on where they are looked for: four letters in a row are on every page. A piece has to say as much as it takes to
 * point at one place in the value, and a little more; and the earlier state must not have it. What came in one place is cut into such pieces. And there is one for its borders, with what stands beside it before or
 * behind, whichever is found: the author may have gone on writing on either side. That is all that there is of a single letter, and all that tells of a paragraph that was moved.
 *
 * He saw the later state if more than half of what came is in his value, by letters: of a sentence that was typed while a counter went up, the counter tells next to nothing. Else he saw the earlier one, or took most
 * of what came out again; and what people typed is not deleted on a guess. What went in between tells nothing, and need not: deleted once more it is gone as it was. But whose value is the later state itself has
 * changed nothing, and there is nothing to be made of it.
 */

import { plainDifferences } from './text-diff.ts';
import { canonicalText, isList, isMap, type JsonMap, type JsonValue } from './value.ts';

/** What a UTF-16 unit says at least, in bits: a letter of an alphabet little, an ideograph more. */
const letterBits = 1.5;
const ideographBits = 4;
const firstIdeograph = 0x2e80;

/** How much more a piece has to say than it takes to point at a place in the value, in bits. */
const spareBits = 2;

/** How far beside what came it is looked, in units, for what the earlier state does not have with it; where all is alike so far nothing tells. */
const besideLengthMax = 1_024;
/** Pieces that are looked for; each takes about as long as reading both states and the value. */
const piecesMax = 200;
/** No pattern in the order of the pieces goes with it: every third piece of a list of rows could be all that is alike in them (Weyl, 1916). */
const goldenRatio = (Math.sqrt(5) - 1) / 2;
/** Steps for finding what came; beyond them it is coarser (`text-diff.ts`). */
const stepsMax = 4_000_000;

/** Stands before and behind everything; and behind what is no text, which does not go on: a number that begins like another one is none of it. */
const separator = '\0\n';
const valueEnd = '\x01';

/** What a value says, without its form, in an order that does not change. */
function contentOf(value: JsonValue): string {
  if (typeof value === 'string') return value + separator;
  if (isList(value)) return value.map(contentOf).join('');
  if (!isMap(value)) return canonicalText(value) + valueEnd + separator;
  const keys = [...value.keys()].toSorted();
  return keys.map((key) => contentOf(value.get(key) ?? null)).join('');
}

/** From one unit of the later state to another one. */
type Stretch = { readonly from: number; readonly to: number };

/** Of a stretch that came: something in it, or its borders. `length`: how much it counts, in units. */
type Piece = Stretch & { readonly kind: 'within' | 'borders'; readonly length: number };

type Search = { readonly before: string; readonly after: string; readonly written: string; readonly bits: number };

function searchFor(earlier: JsonMap, later: JsonMap, value: JsonMap): Search {
  const [before, after, written] = [earlier, later, value].map((seen) => separator + contentOf(seen)) as [string, string, string];
  return { before, after, written, bits: Math.log2(written.length) + spareBits };
}

/** The least number of units behind `at`, or before it, that say enough. */
function lengthSaying({ after, bits }: Search, at: number, side: 'behind' | 'before'): number {
  let length = 0;
  for (let said = 0; said < bits; length++) {
    const unit = after.charCodeAt(side === 'behind' ? at + length : at - 1 - length);
    said += unit < firstIdeograph ? letterBits : ideographBits;
  }
  return length;
}

/** What came, of each text by itself. */
function* stretchesThatCame({ before, after }: Search): Generator<Stretch> {
  for (const { valueFrom, valueTo } of plainDifferences(before, after, { steps: stepsMax })) {
    for (let from = valueFrom; from < valueTo;) {
      const found = after.indexOf(separator, from);
      const to = found === -1 ? valueTo : Math.min(found, valueTo);
      if (to > from) yield { from, to };
      from = to + separator.length;
    }
  }
}

function* piecesThatCame(search: Search): Generator<Piece> {
  for (const { from, to } of stretchesThatCame(search)) {
    yield { kind: 'borders', from, to, length: Math.min(to - from, lengthSaying(search, from, 'behind')) };
    for (let start = from; ;) {
      const length = lengthSaying(search, start, 'behind');
      if (start + length > to) break;
      yield { kind: 'within', from: start, to: start + length, length };
      start += length;
    }
  }
}

/** Longer and longer stretches out of what stands before a stretch into it, the first of which says enough. */
function* intoIt({ from, to }: Stretch, search: Search): Generator<string> {
  const end = Math.min(to, from + lengthSaying(search, from, 'behind'));
  const least = Math.max(1, lengthSaying(search, end, 'before') - (end - from));
  for (let beside = least; beside <= besideLengthMax; beside *= 2) yield search.after.slice(Math.max(0, from - beside), end);
}

/** And out of it into what stands behind it. */
function* outOfIt({ from, to }: Stretch, search: Search): Generator<string> {
  const start = Math.max(from, to - lengthSaying(search, to, 'before'));
  const least = Math.max(1, lengthSaying(search, start, 'behind') - (to - start));
  for (let beside = least; beside <= besideLengthMax; beside *= 2) yield search.after.slice(start, to + beside);
}

function firstNew(stretches: Iterable<string>, { before }: Search): readonly string[] {
  for (const stretch of stretches) if (!before.includes(stretch)) return [stretch];
  return [];
}

/** What to look for, any of it; nothing where the piece tells nothing. */
function waysOf(piece: Piece, search: Search): readonly string[] {
  switch (piece.kind) {
    case 'within':
      return firstNew([search.after.slice(piece.from, piece.to)], search);
    case 'borders':
      return [...firstNew(intoIt(piece, search), search), ...firstNew(outOfIt(piece, search), search)];
  }
}

/** Whether the author of `value` saw `later`, and not only `earlier`. */
export function sawLater(earlier: JsonMap, later: JsonMap, value: JsonMap): boolean {
  if (canonicalText(value) === canonicalText(later)) return true;
  const search = searchFor(earlier, later, value);
  const pieces = [...piecesThatCame(search)];
  const share = piecesMax / pieces.length;
  let came = 0;
  let there = 0;
  for (const piece of pieces.filter((_, index) => (index * goldenRatio) % 1 < share)) {
    const ways = waysOf(piece, search);
    if (ways.length > 0) came += piece.length;
    if (ways.some((way) => search.written.includes(way))) there += piece.length;
  }
  return there > came / 2;
}
