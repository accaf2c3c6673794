/** Editing lists: what is equal stays, what can be edited is, the rest is replaced. A move is a deletion and an insertion. */

import * as Y from 'yjs';
import { align } from './align.ts';
import { insertAll } from './contents.ts';
import { liveItems } from './items.ts';
import { inside, type Place } from './place.ts';
import type { Planning } from './planning.ts';
import { canonicalText, equalJson, type JsonValue } from './value.ts';

export function planList(list: Y.Array<unknown>, value: readonly JsonValue[], place: Place, planning: Planning): void {
  const contents = contentsOf(list);
  const olds = contents.map((content, i) => planning.reading.content(content, inside(place, i)) ?? null);
  const old = (i: number): JsonValue => olds[i] ?? null;
  const wanted = (j: number): JsonValue => value[j] ?? null;
  const editable = (i: number, j: number): boolean => {
    const content = contents[i];
    return content instanceof Y.AbstractType && planning.editable(content, wanted(j));
  };
  const { edited, replaced } = align(
    {
      baseLength: olds.length,
      valueLength: value.length,
      baseText: (i) => canonicalText(old(i)),
      valueText: (j) => canonicalText(wanted(j)),
      equal: (i, j) => equalJson(old(i), wanted(j)),
      editable,
    },
    planning.budget,
  );
  for (const [i, j] of edited) {
    const content = contents[i];
    if (content instanceof Y.AbstractType) planning.edit(content, wanted(j), inside(place, j));
  }
  // From the end, so that indices stay what they are.
  for (const { baseFrom, baseTo, valueFrom, valueTo } of replaced.toReversed()) {
    const made = value.slice(valueFrom, valueTo).map((entry, k) => {
      return planning.make(entry, contents, inside(place, valueFrom + k));
    });
    planning.changes.push(() => {
      if (baseTo > baseFrom) list.delete(baseFrom, baseTo - baseFrom);
      insertAll(list, baseFrom, made);
    });
  }
}

function contentsOf(list: Y.Array<unknown>): readonly unknown[] {
  const contents: unknown[] = [];
  for (const item of liveItems(list)) if (item.countable) for (const content of item.content.getContent()) contents.push(content);
  return contents;
}
