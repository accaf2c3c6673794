/** Editing maps, and the attributes of elements and texts: by key. */

import * as Y from 'yjs';
import { deleteEntry, setEntry, type Keyed } from './contents.ts';
import { currentContent, liveEntries } from './items.ts';
import { shownKey, storedKey } from './names.ts';
import { inside, type Place } from './place.ts';
import { countChange, type Planning } from './planning.ts';
import { equalJson, type JsonMap, type JsonValue } from './value.ts';

/** Plans that the entries of `target` are those of `value`. `nulls` 'none': null is no entry (ProseMirror's attributes), unless there is one that is null. */
export function planEntries(target: Keyed, value: JsonMap, place: Place, planning: Planning, nulls: 'none' | 'value'): void {
  const contents = new Map<string, unknown>();
  for (const [key, item] of liveEntries(target)) contents.set(key, currentContent(item));
  for (const [key, content] of contents) {
    const here = inside(place, shownKey(key));
    const old = planning.reading.content(content, here);
    const wanted = value.get(shownKey(key));
    const kept = wanted !== undefined && !(nulls === 'none' && wanted === null && old !== null);
    if (kept || old === undefined) continue;
    countChange(planning, old, undefined);
    planning.changes.push(() => deleteEntry(target, key));
  }
  // A text beside others says nothing of what a string is to be: a title may be shared and a colour plain.
  const siblings = [...contents.values()].filter((content) => !(content instanceof Y.Text));
  for (const [shown, wanted] of value) {
    const key = storedKey(shown);
    const content = contents.get(key);
    planEntry(target, key, content, wanted, siblings, inside(place, shown), planning, nulls);
  }
}

function planEntry(
  target: Keyed,
  key: string,
  content: unknown,
  wanted: JsonValue,
  siblings: readonly unknown[],
  place: Place,
  planning: Planning,
  nulls: 'none' | 'value',
): void {
  const old = planning.reading.content(content, place);
  if (old !== undefined && equalJson(old, wanted)) return;
  if (nulls === 'none' && wanted === null) return;
  if (content instanceof Y.AbstractType && planning.editable(content, wanted)) return planning.edit(content, wanted, place);
  countChange(planning, old, wanted);
  const made = planning.make(wanted, siblings, place);
  planning.changes.push(() => {
    setEntry(target, key, made.content);
    made.fill();
  });
}
