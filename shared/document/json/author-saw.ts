/**
 * Which of two states of a document somebody had before him when he wrote a value.
 *
 * Counting what one would have to insert is the obvious way, and wrong for texts: any two sentences have half of their letters in common, so the one that people typed in between seems to be in whatever the
 * author wrote instead, and would be deleted as something that he took out. So it is looked for in pieces: of what came between the two states each
 * that is just long enough not to be somewhere by chance, and that the earlier state does not have. He saw the later state if more than two fifths of these are in his value (one deletion
 * in a sentence takes several away, and by chance there are a few in a hundred). Else he saw the earlier one, or took most of it out again; and what people typed is not deleted on a guess.
 */

import { plainDifferences } from './text-diff.ts';
import { canonicalText, isList, isMap, type JsonMap, type JsonValue } from './value.ts';

/** How much a piece has to say, and what a UTF-16 unit says at least, in bits: a letter of an alphabet little, an ideograph as much as a word. */
const pieceBits = 16;
const unitBits = 4;
const firstIdeograph = 0x2e80;

/** Which share of the pieces has to be there. */
const shareMin = 0.4;

/** How many units beside what came are taken along where that says too little. */
const besideLength = 3;
/** Pieces that are looked for, those of the longest changes first; each takes as long as reading the value. */
const piecesMax = 200;
/** Steps for finding what came; beyond them it is coarser (`text-diff.ts`). */
const stepsMax = 4_000_000;

const separator = '\n';

/** What a value says, without its form, in an order that does not change. */
function contentOf(value: JsonValue): string {
  if (typeof value === 'string') return value;
  if (isList(value)) return value.map(contentOf).join(separator);
  if (!isMap(value)) return canonicalText(value);
  const keys = [...value.keys()].toSorted();
  return keys.map((key) => contentOf(value.get(key) ?? null)).join(separator);
}

/** A piece of what came, in one or several ways, of which one is enough. */
type Piece = readonly string[];

/** The shortest pieces that say enough, of the text from `from` to `to`, none of more than one line; each begins one unit after the one before. Of one that says too little as a whole: what it is with what stands beside it. */
function* piecesOf(text: string, from: number, to: number): Generator<Piece> {
  let isAny = false;
  for (let start = from; start < to; start++) {
    let bits = 0;
    let end = start;
    while (end < to && text[end] !== separator && bits < pieceBits)
      bits += text.charCodeAt(end++) < firstIdeograph ? unitBits : pieceBits;
    if (bits < pieceBits) continue;
    isAny = true;
    yield [text.slice(start, end)];
  }
  if (!isAny) yield [text.slice(Math.max(0, from - besideLength), to), text.slice(from, to + besideLength)];
}

/** Pieces of what came from `before` to `after`, as far as `before` does not have them anyway. */
function* piecesThatCame(before: string, after: string): Generator<Piece> {
  const hunks = plainDifferences(before, after, { steps: stepsMax });
  const changes = hunks.filter(({ valueFrom, valueTo }) => valueTo > valueFrom);
  let pieces = 0;
  for (const { valueFrom, valueTo } of changes.toSorted((a, b) => b.valueTo - b.valueFrom - (a.valueTo - a.valueFrom))) {
    for (const piece of piecesOf(after, valueFrom, valueTo)) {
      if (pieces++ >= piecesMax) return;
      const telling = piece.filter((way) => !before.includes(way));
      if (telling.length > 0) yield telling;
    }
  }
}

/** Whether the author of `value` saw `later`, and not only `earlier`. */
export function sawLater(earlier: JsonMap, later: JsonMap, value: JsonMap): boolean {
  const written = contentOf(value);
  let came = 0;
  let there = 0;
  for (const piece of piecesThatCame(contentOf(earlier), contentOf(later))) {
    came++;
    if (piece.some((way) => written.includes(way))) there++;
  }
  return there > came * shareMin;
}
