/** Editing maps, and the attributes of elements and texts: by key. */

import * as Y from 'yjs';
import { deleteEntry, setEntry, type Keyed } from './contents.ts';
import { currentContent, liveEntries } from './items.ts';
import { shownKey, storedKey } from './names.ts';
import { inside, type Place } from './place.ts';
import type { Planning } from './planning.ts';
import { equalJson, type JsonMap, type JsonValue } from './value.ts';

/** Plans that the entries of `target` are those of `value`. `nulls` 'none': null is no entry (ProseMirror's attributes), unless there is one that is null. */
export function planEntries(target: Keyed, value: JsonMap, place: Place, planning: Planning, nulls: 'none' | 'value'): void {
  const contents = new Map<string, unknown>();
  for (const [key, item] of liveEntries(target)) contents.set(key, currentContent(item));
  const isWanted = (wanted: JsonValue | undefined, old: JsonValue | undefined): wanted is JsonValue =>
    wanted !== undefined && (wanted !== null || old === null || nulls === 'value');
  // A text beside others says nothing of what a string is to be: a title may be shared and a colour plain.
  const siblings = [...contents.values()].filter((content) => !(content instanceof Y.Text));
  for (const key of new Set([...contents.keys(), ...[...value.keys()].map(storedKey)])) {
    const shown = shownKey(key);
    const here = inside(place, shown);
    const content = contents.get(key);
    const old = planning.reading.content(content, here);
    const wanted = value.get(shown);
    if (isWanted(wanted, old)) planEntry({ target, key, content, old }, wanted, siblings, here, planning);
    else if (old !== undefined) planning.changes.push(() => deleteEntry(target, key));
  }
}

type Entry = {
  readonly target: Keyed;
  readonly key: string;
  /** What Yjs has there, and that as a value. */
  readonly content: unknown;
  readonly old: JsonValue | undefined;
};

function planEntry(entry: Entry, wanted: JsonValue, siblings: readonly unknown[], place: Place, planning: Planning): void {
  const { target, key, content, old } = entry;
  if (old !== undefined && equalJson(old, wanted)) return;
  if (content instanceof Y.AbstractType && planning.editable(content, wanted)) return planning.edit(content, wanted, place);
  const made = planning.make(wanted, siblings, place);
  planning.changes.push(() => setEntry(target, key, made));
}
