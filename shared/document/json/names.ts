/**
 * What JSON has no form for, named.
 *
 * A subdocument, a value that is nested too deeply or a shared type in the middle of a text must show in the value, or a program that writes the value back would remove them.
 * Each has an object in its place with the key `@inkstream`, which says what it is:
 *
 *     {"@inkstream": "subdocument", "guid": …}              a document of its own                                        kept or deleted, not made or changed
 *     {"@inkstream": "hook", "name": …}                     a Y.XmlHook                                                  the same
 *     {"@inkstream": "embed", "value": …}                   an embed that is no object                                   the same
 *     {"@inkstream": "value", "value": …}                   in XML: a value where only nodes belong                      the same
 *     {"@inkstream": "too-deep"}                            deeper than MongoDB nests                                    the same
 *     {"@inkstream": "map", "value": …}                     in a rich text: a shared type among the characters (Lexical)  edited and made like any other
 *                     array, text, xml-text, xml-element, xml-fragment; with "attributes" where it has some
 *
 * No key of anybody's is lost for it. A key that begins with `@inkstream`, or that has NUL in it (which BSON's keys can't hold), is written as `@inkstream:` and the key, with
 * `%00` for NUL and `%25` for `%`, and read back the same way.
 */

import { isMap, type JsonMap, type JsonValue } from './value.ts';

const reservedKey = '@inkstream';
const escapedPrefix = `${reservedKey}:`;

/** An object in the place of what JSON has no form for. */
export function named(what: string, fields: readonly (readonly [string, JsonValue])[] = []): JsonMap {
  return new Map<string, JsonValue>([[reservedKey, what], ...fields]);
}

/** What an object stands for, where it is one of these. */
export function nameOf(value: JsonValue | undefined): string | undefined {
  if (!isMap(value)) return undefined;
  const what = value.get(reservedKey);
  if (what === undefined) return undefined;
  return typeof what === 'string' ? what : '';
}

/** A document's key as the value has it. */
export function shownKey(key: string): string {
  if (!key.startsWith(reservedKey) && !key.includes('\0')) return key;
  return escapedPrefix + key.replaceAll('%', '%25').replaceAll('\0', '%00');
}

/** The value's key as the document has it. */
export function storedKey(shown: string): string {
  if (!shown.startsWith(escapedPrefix)) return shown;
  return shown.slice(escapedPrefix.length).replaceAll('%00', '\0').replaceAll('%25', '%');
}

/** Of the ways in which somebody may write a key, the one in which it is read. */
export function settledKey(shown: string): string {
  return shown === reservedKey ? shown : shownKey(storedKey(shown));
}
