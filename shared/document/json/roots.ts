/**
 * What the roots of a document are.
 *
 * Yjs stores no types for roots: whoever opens a document says `getText('body')` or `getMap('body')`, and until then there is only a name with contents
 * under it. The contents tell most of it (characters make a text, keys a map), but not all: a text is a string as long as nothing in it is bold
 * and a list of runs from then on, an empty root has no kind at all, and a text that holds other shared types could be anything. So a setting may
 * name them; what is not named is inferred from what is there. (A text of which nothing but other shared types is left looks like a list; an application that has such names it.)
 *
 *     keys alone (deleted ones too)                          map
 *     characters, formats or embeds                          text; rich-text where anything is formatted or embedded
 *     XML elements and XML texts                             xml; rich-text where such a text has attributes of its own (Lexical)
 *     anything else                                          array
 *     nothing that is not deleted                            none: it is not in the value
 */

import * as Y from 'yjs';
import type { DocumentName } from '../name.ts';
import { liveItems, type SharedType } from './items.ts';
import { isList, isMap, type JsonValue } from './value.ts';

/** 'text': a plain string; 'rich-text': delta runs; 'xml': ProseMirror's nodes. */
export type RootKind = 'text' | 'rich-text' | 'map' | 'array' | 'xml';

/** Names roots of a document, out of a setting; what is not named is inferred. */
export type RootKinds = (document: DocumentName) => ReadonlyMap<string, RootKind>;

/** The kind of a root by what is in it; undefined where nothing is. A text is 'text' here: whether anything is formatted shows as it is read. */
export function inferredKind(root: SharedType): RootKind | undefined {
  let found: RootKind | undefined;
  for (const { content } of liveItems(root)) {
    if (isOfText(content)) return 'text';
    found ??= 'array';
    if (!(content instanceof Y.ContentType)) continue;
    const { type } = content;
    if (type instanceof Y.XmlText && type._map.size > 0) return 'rich-text';
    if (type instanceof Y.XmlElement || type instanceof Y.XmlText || type instanceof Y.XmlHook) found = 'xml';
  }
  if (found !== undefined) return found;
  return root._map.size > 0 ? 'map' : undefined;
}

const isOfText = (content: Y.Item['content']): boolean =>
  content instanceof Y.ContentString || content instanceof Y.ContentFormat || content instanceof Y.ContentEmbed;

/** The kind of a root that nobody has named and that is not there yet, by what it shall hold; undefined where that is no root's value. */
export function kindOfValue(value: JsonValue): RootKind | undefined {
  if (typeof value === 'string') return 'text';
  if (isList(value)) return value.length > 0 && value.every(looksLikeRun) ? 'rich-text' : 'array';
  if (!isMap(value)) return undefined;
  return value.get('type') === 'doc' && isList(value.get('content')) ? 'xml' : 'map';
}

function looksLikeRun(value: JsonValue): boolean {
  if (!isMap(value) || !value.has('insert')) return false;
  return value.size === 1 || (value.size === 2 && isMap(value.get('attributes')));
}
