/**
 * Writing into shared types.
 *
 * Yjs tells kinds of values apart by their `constructor`, so it throws on an object with a key of that name, and lists take no bigints. Both can be stored and
 * read. Such a value goes in as 0, and is put in its place before the transaction ends and anything of it is encoded.
 *
 * A new shared type takes nothing before it is in the document, so it is filled right after.
 */

import * as Y from 'yjs';
import { liveItems } from './items.ts';
import type { Made } from './planning.ts';

/** What has entries: attributes are such too. */
export type Keyed = Y.Map<unknown> | Y.XmlElement | Y.Text;

export function setEntry(target: Keyed, key: string, { content, fill }: Made): void {
  const odd = isOdd(content);
  if (target instanceof Y.Map) target.set(key, odd ? 0 : content);
  else target.setAttribute(key, odd ? 0 : content);
  const item = odd ? target._map.get(key) : undefined;
  if (item?.content instanceof Y.ContentAny) item.content.arr[0] = content;
  fill();
}

export function deleteEntry(target: Keyed, key: string): void {
  if (target instanceof Y.Map) target.delete(key);
  else target.removeAttribute(key);
}

export function insertAll(list: Y.Array<unknown> | Y.XmlFragment, index: number, made: readonly Made[]): void {
  if (made.length === 0) return;
  insertContents(
    list,
    index,
    made.map(({ content }) => content),
  );
  for (const { fill } of made) fill();
}

function insertContents(list: Y.Array<unknown> | Y.XmlFragment, index: number, contents: readonly unknown[]): void {
  const written = contents.map((content) => (isOdd(content) ? 0 : content));
  if (list instanceof Y.Array) list.insert(index, written);
  else list.insert(index, written as Y.XmlElement[]);
  if (!contents.some(isOdd)) return;
  let at = 0;
  for (const item of liveItems(list)) {
    if (item.content instanceof Y.ContentAny) {
      for (let i = 0; i < item.length; i++) {
        const content = contents[at + i - index];
        if (isOdd(content)) item.content.arr[i] = content;
      }
    }
    if (item.countable) at += item.length;
    if (at >= index + contents.length) return;
  }
}

function isOdd(content: unknown): boolean {
  if (typeof content === 'bigint') return true;
  return typeof content === 'object' && content !== null && Object.hasOwn(content, 'constructor');
}
