/**
 * Editing texts.
 *
 * A string is edited as a string: what is formatted around it stays so, and what comes is formatted like what is before it. Runs say how every character is formatted:
 * first what characters came and went, then, of those that stay, which formats did.
 */

import * as Y from 'yjs';
import { align, stayingPairs } from './align.ts';
import { DeltaWriter, partsOf, RunCursor } from './delta.ts';
import { planEntries } from './edit-entries.ts';
import type { Formats } from './marks.ts';
import { nameOf } from './names.ts';
import type { Hunk } from './myers.ts';
import { inside, type Place } from './place.ts';
import { refuse, type Planning } from './planning.ts';
import { insetKind } from './read.ts';
import { stringOf, type Inset, type Run } from './runs.ts';
import { insetUnit, plainDifferences, textDifferences, type FlatText } from './text-diff.ts';
import { canonicalText, equalJson, isMap, noEntries, type JsonMap, type JsonValue } from './value.ts';

/** Plans that the characters of `text` are those of `value`; insets and formats stay. */
export function planString(text: Y.Text, base: readonly Run[], value: string, planning: Planning): void {
  const old = stringOf(base);
  if (old === value) return;
  const insets = insetPlaces(base);
  const hunks = plainDifferences(old, value, planning.budget);
  for (const { baseFrom, baseTo, valueFrom, valueTo } of hunks.toReversed()) {
    const inner = insets.filter((at) => at > baseFrom && at < baseTo);
    const before = insets.filter((at) => at < baseFrom || (at === baseFrom && baseTo > baseFrom)).length;
    planning.changes.push(() => {
      const borders = [baseFrom, ...inner, baseTo];
      for (let i = borders.length - 1; i > 0; i--) {
        const from = borders[i - 1] ?? 0;
        const to = borders[i] ?? 0;
        if (to > from) text.delete(from + before + i - 1, to - from);
      }
      if (valueTo > valueFrom) text.insert(baseFrom + before, value.slice(valueFrom, valueTo));
    });
  }
}

/** Before which character each inset is. */
function insetPlaces(runs: readonly Run[]): readonly number[] {
  const places: number[] = [];
  let at = 0;
  for (const { insert } of runs) {
    if (typeof insert === 'string') at += insert.length;
    else places.push(at);
  }
  return places;
}

/** Plans that `texts`, one after the other, say the runs `value`. */
export function planRuns(
  texts: readonly Y.Text[],
  base: readonly Run[],
  value: readonly Run[],
  formats: Formats,
  place: Place,
  planning: Planning,
): void {
  const numbers = new Map<string, number>();
  const old = flatten(base, numbers);
  const wanted = flatten(value, numbers);
  const differing = differencesBetweenInsets({ old, wanted }, base, value, place, planning);
  const writer = new DeltaWriter(place, planning, formats);
  const oldRuns = new RunCursor(base);
  const newRuns = new RunCursor(value);
  let at = 0;
  for (const { baseFrom, baseTo, valueFrom, valueTo } of differing) {
    writer.retain(oldRuns.take(baseFrom - at), newRuns.take(baseFrom - at));
    for (const run of newRuns.take(valueTo - valueFrom)) writer.insert(run);
    oldRuns.take(baseTo - baseFrom);
    writer.delete(baseTo - baseFrom);
    at = baseTo;
  }
  writer.retain(oldRuns.take(old.text.length - at), newRuns.take(old.text.length - at));
  const { delta } = writer;
  if (delta.length === 0) return;
  planning.changes.push(() => {
    for (const [i, part] of partsOf(delta, texts).entries()) if (part.length > 0) texts[i]?.applyDelta(part);
    for (const fill of writer.fills) fill();
  });
}

function flatten(runs: readonly Run[], numbers: Map<string, number>): FlatText {
  const insets = new Map<number, number>();
  const parts: string[] = [];
  let at = 0;
  for (const { insert } of runs) {
    if (typeof insert === 'string') parts.push(insert);
    else {
      const text = canonicalText(insert.form);
      const number = numbers.get(text) ?? numbers.size;
      numbers.set(text, number);
      insets.set(at, number);
      parts.push(insetUnit);
    }
    at += typeof insert === 'string' ? insert.length : 1;
  }
  return { text: parts.join(''), insets };
}

/**
 * The shared types among the characters are what the text is made of (Lexical's are its paragraphs), so which of them are which is found first, by all that is in them; what
 * has changed in those is planned here. Then the characters between them are compared.
 */
function differencesBetweenInsets(
  texts: Flattened,
  base: readonly Run[],
  value: readonly Run[],
  place: Place,
  planning: Planning,
): readonly Hunk[] {
  const olds = insetsOf(base).filter(({ inset }) => inset.shared !== undefined);
  const news = olds.length === 0 ? [] : insetsOf(value).filter(({ inset }) => nameOf(inset.form) !== undefined);
  const formOf = (placed: PlacedInset | undefined): JsonValue => placed?.inset.form ?? null;
  const alignment = align(
    {
      baseLength: olds.length,
      valueLength: news.length,
      baseText: (i) => canonicalText(formOf(olds[i])),
      valueText: (j) => canonicalText(formOf(news[j])),
      equal: (i, j) => equalJson(formOf(olds[i]), formOf(news[j])),
      editable: (i, j) => isEditable(olds[i]?.inset, news[j]?.inset, planning),
    },
    planning.budget,
  );
  for (const [i, j] of alignment.edited) planInset(olds[i]?.inset, news[j]?.inset, inside(place, news[j]?.run ?? 0), planning);
  const hunks: Hunk[] = [];
  let [baseFrom, valueFrom] = [0, 0];
  const ends = { baseTo: texts.old.text.length, valueTo: texts.wanted.text.length };
  for (const [i, j] of [...stayingPairs(alignment, olds.length), [olds.length, news.length] as const]) {
    const region = { baseFrom, baseTo: olds[i]?.at ?? ends.baseTo, valueFrom, valueTo: news[j]?.at ?? ends.valueTo };
    for (const hunk of textDifferences(texts.old, texts.wanted, region, planning.budget)) hunks.push(hunk);
    [baseFrom, valueFrom] = [region.baseTo + 1, region.valueTo + 1];
  }
  return hunks;
}

type Flattened = { readonly old: FlatText; readonly wanted: FlatText };

type PlacedInset = { readonly inset: Inset; readonly at: number; readonly run: number };

function insetsOf(runs: readonly Run[]): readonly PlacedInset[] {
  const insets: PlacedInset[] = [];
  let at = 0;
  for (const [run, { insert }] of runs.entries()) {
    if (typeof insert !== 'string') insets.push({ inset: insert, at, run });
    at += typeof insert === 'string' ? insert.length : 1;
  }
  return insets;
}

function isEditable(old: Inset | undefined, wanted: Inset | undefined, planning: Planning): boolean {
  if (old?.shared === undefined || wanted === undefined || nameOf(wanted.form) !== insetKind(old.shared)) return false;
  return isMap(wanted.form) && planning.editable(old.shared, wanted.form.get('value') ?? null);
}

function planInset(old: Inset | undefined, wanted: Inset | undefined, place: Place, planning: Planning): void {
  if (old?.shared === undefined || !isMap(wanted?.form)) return;
  planning.edit(old.shared, wanted.form.get('value') ?? null, inside(inside(place, 'insert'), 'value'));
  if (old.shared instanceof Y.Text) planAttributes(old.shared, wanted.form, inside(place, 'insert'), planning);
}

/** The attributes of a text itself, which only one among other characters shows. */
function planAttributes(text: Y.Text, form: JsonMap, place: Place, planning: Planning): void {
  const attributes = form.get('attributes') ?? noEntries;
  if (isMap(attributes)) planEntries(text, attributes, inside(place, 'attributes'), planning, 'value');
  else refuse(planning, inside(place, 'attributes'), 'attributes are an object');
}
