/**
 * Editing texts.
 *
 * A string is edited as a string: what is formatted around it stays so, and what comes is formatted like what is before it. Runs say how every character is formatted:
 * first what characters came and went, then, of those that stay, which formats did.
 */

import * as Y from 'yjs';
import { align } from './align.ts';
import { DeltaWriter, partsOf, RunCursor } from './delta.ts';
import { planEntries } from './edit-entries.ts';
import { nameOf } from './names.ts';
import type { Hunk } from './myers.ts';
import { inside, type Place } from './place.ts';
import { refuse, type Planning } from './planning.ts';
import { insetKind } from './read.ts';
import { stringOf, type Inset, type Run } from './runs.ts';
import { insetUnit, textDifferences, type FlatText } from './text-diff.ts';
import { canonicalText, isMap, noEntries, type JsonMap } from './value.ts';

const noInsets: ReadonlyMap<number, number> = new Map();

/** Plans that the characters of `text` are those of `value`; insets and formats stay. */
export function planString(text: Y.Text, base: readonly Run[], value: string, planning: Planning): void {
  const old = stringOf(base);
  if (old === value) return;
  const insets = insetPlaces(base);
  const hunks = textDifferences({ text: old, insets: noInsets }, { text: value, insets: noInsets }, planning.budget);
  for (const { baseFrom, baseTo, valueFrom, valueTo } of hunks.toReversed()) {
    planning.deleted += baseTo - baseFrom;
    planning.inserted += valueTo - valueFrom;
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
  place: Place,
  planning: Planning,
): void {
  const numbers = new Map<string, number>();
  const old = flatten(base, numbers);
  const wanted = flatten(value, numbers);
  const differing = pairInsets(textDifferences(old, wanted, planning.budget), base, value, place, planning);
  const writer = new DeltaWriter(place, planning);
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

/** Takes out of what is replaced the shared types that can be edited instead, and plans that. */
function pairInsets(
  hunks: readonly Hunk[],
  base: readonly Run[],
  value: readonly Run[],
  place: Place,
  planning: Planning,
): readonly Hunk[] {
  const olds = insetsOf(base);
  if (!olds.some(({ inset }) => inset.shared !== undefined)) return hunks;
  const news = insetsOf(value);
  return hunks.flatMap((hunk) => {
    const gone = olds.filter(({ at }) => at >= hunk.baseFrom && at < hunk.baseTo);
    const come = news.filter(({ at }) => at >= hunk.valueFrom && at < hunk.valueTo);
    const { edited } = align(
      {
        baseLength: gone.length,
        valueLength: come.length,
        baseText: (i) => canonicalText(gone[i]?.inset.form ?? null),
        valueText: (j) => canonicalText(come[j]?.inset.form ?? null),
        equal: () => false,
        editable: (i, j) => isEditable(gone[i]?.inset, come[j]?.inset, planning),
      },
      planning.budget,
    );
    const parts: Hunk[] = [];
    let { baseFrom, valueFrom } = hunk;
    for (const [i, j] of edited) {
      const [oldAt, newAt] = [gone[i]?.at ?? 0, come[j]?.at ?? 0];
      planInset(gone[i]?.inset, come[j]?.inset, inside(place, come[j]?.run ?? 0), planning);
      if (oldAt > baseFrom || newAt > valueFrom) parts.push({ baseFrom, baseTo: oldAt, valueFrom, valueTo: newAt });
      [baseFrom, valueFrom] = [oldAt + 1, newAt + 1];
    }
    if (hunk.baseTo > baseFrom || hunk.valueTo > valueFrom) parts.push({ ...hunk, baseFrom, valueFrom });
    return parts;
  });
}

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
