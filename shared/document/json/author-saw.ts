/**
 * Which of two states of a document somebody had before him when he wrote a value.
 *
 * Counting what one would have to insert is the obvious way, and wrong for texts: any two sentences have half of their letters in common, so the one that people typed in between seems to be in whatever the
 * author wrote instead, and would be deleted as something that he took out. So it is looked for in pieces: of what came between the two states, with a little of what stands beside it, each
 * that is just long enough not to be somewhere by chance, and that the earlier state does not have. He saw the later state if more than two fifths of these are in his value (one deletion
 * in a sentence takes several away, and by chance there are a few in a hundred). Else he saw the earlier one, or took most of it out again; and what people typed is not deleted on a guess.
 */

import { textDifferences } from './text-diff.ts';
import { canonicalText, isList, isMap, type JsonMap, type JsonValue } from './value.ts';

/** How much a piece has to say, and what a UTF-16 unit says at least, in bits: a letter of an alphabet little, an ideograph as much as a word. */
const pieceBits = 16;
const unitBits = 4;
const firstIdeograph = 0x2e80;

/** Which share of the pieces has to be there. */
const shareMin = 0.4;

/** How many units before and behind what came are taken along. */
const besideLength = 3;
/** Pieces that are looked for, those of the longest changes first; each takes as long as reading the value. */
const piecesMax = 200;
/** Steps for finding what came; beyond them it is coarser (`text-diff.ts`). */
const stepsMax = 4_000_000;

/** What a value says, without its form, in an order that does not change. */
function contentOf(value: JsonValue): string {
  if (typeof value === 'string') return value;
  if (isList(value)) return value.map(contentOf).join('\n');
  if (!isMap(value)) return canonicalText(value);
  const keys = [...value.keys()].toSorted();
  return keys.map((key) => contentOf(value.get(key) ?? null)).join('\n');
}

const withoutInsets = (text: string) => ({ text, insets: new Map<number, number>() });

/** The shortest pieces that say enough, of the text from `from` to `to`; each begins one unit after the one before. */
function* piecesOf(text: string, from: number, to: number): Generator<string> {
  for (let start = from; start < to; start++) {
    let bits = 0;
    for (let end = start; end < to; end++) {
      bits += text.charCodeAt(end) < firstIdeograph ? unitBits : pieceBits;
      if (bits < pieceBits) continue;
      yield text.slice(start, end + 1);
      break;
    }
  }
}

/** Pieces of what came from `before` to `after` that `before` has nowhere. */
function* piecesThatCame(before: string, after: string): Generator<string> {
  const whole = { baseFrom: 0, baseTo: before.length, valueFrom: 0, valueTo: after.length };
  const hunks = textDifferences(withoutInsets(before), withoutInsets(after), whole, { steps: stepsMax });
  const changes = hunks.filter(({ valueFrom, valueTo }) => valueTo > valueFrom);
  let pieces = 0;
  for (const { valueFrom, valueTo } of changes.toSorted((a, b) => b.valueTo - b.valueFrom - (a.valueTo - a.valueFrom))) {
    for (const piece of piecesOf(after, Math.max(0, valueFrom - besideLength), Math.min(after.length, valueTo + besideLength))) {
      if (pieces++ >= piecesMax) return;
      if (!before.includes(piece)) yield piece;
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
    if (written.includes(piece)) there++;
  }
  return there > came * shareMin;
}
