/** What a shared type holds, item by item: the one place that walks Yjs' lists. */

import type * as Y from 'yjs';

/** Any of Yjs' types, by what it holds (`Y.AbstractType` is another one for each kind of event). */
export type SharedType = Pick<Y.AbstractType<unknown>, '_start' | '_map'>;

/** The items of a list, a text or an XML fragment that are not deleted, in their order. Formats are among them. */
export function* liveItems(type: SharedType): Generator<Y.Item> {
  for (let item = type._start; item !== null; item = item.right) if (!item.deleted) yield item;
}

/** The current entries of a map, or attributes of an element or a text. */
export function* liveEntries(type: SharedType): Generator<readonly [string, Y.Item]> {
  for (const entry of type._map) if (!entry[1].deleted) yield entry;
}

/** What is under a key: Yjs makes the last one count. */
export function currentContent(item: Y.Item): unknown {
  return item.content.getContent()[item.length - 1];
}
