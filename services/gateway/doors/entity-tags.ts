/** Conditions of a request on what it is about (RFC 9110 §13). Our entity tags are strong ones. */

/** `*`, or the tags that are named, as they came. */
type Named = '*' | readonly string[];

export type Conditions = { readonly ifMatch: Named | undefined; readonly ifNoneMatch: Named | undefined };

/** `If-Match` came to nothing, or `If-None-Match` did. */
export type Failed = 'if-match' | 'if-none-match';

const entityTag = /(?:W\/)?"[\x21\x23-\x7e\x80-\uffff]*"/gu;
/** Between tags stands at least one comma, and any of them may have nothing between them (RFC 9110 §5.6.1.2). */
const tagList = new RegExp(String.raw`^[ \t,]*(?:${entityTag.source}[ \t]*(?:,[ \t,]*|$))*$`, 'u');

/** A header's list of entity tags, which may have none; undefined where it is no such list. */
function parseTags(lines: readonly string[]): Named | undefined {
  const text = lines.join(',').trim();
  if (text === '*') return '*';
  return tagList.test(text) ? (text.match(entityTag) ?? []) : undefined;
}

/** The conditions in two headers, by the lines that there are of each, or the name of the one that can't be read. */
export function parseConditions(
  ifMatch: readonly string[],
  ifNoneMatch: readonly string[],
): Conditions | { readonly unreadable: string } {
  const conditions = {
    ifMatch: ifMatch.length === 0 ? undefined : parseTags(ifMatch),
    ifNoneMatch: ifNoneMatch.length === 0 ? undefined : parseTags(ifNoneMatch),
  };
  if (ifMatch.length > 0 && conditions.ifMatch === undefined) return { unreadable: 'If-Match' };
  if (ifNoneMatch.length > 0 && conditions.ifNoneMatch === undefined) return { unreadable: 'If-None-Match' };
  return conditions;
}

/** Which condition does not hold of something that has this strong tag; undefined where all hold. `etag`: undefined where there is nothing. */
export function failedCondition({ ifMatch, ifNoneMatch }: Conditions, etag: string | undefined): Failed | undefined {
  const isAmong = (named: Named, tag: (one: string) => string): boolean =>
    etag !== undefined && (named === '*' || named.some((one) => tag(one) === etag));
  // A weak tag matches nothing in If-Match, which compares strongly, and its opaque part in If-None-Match, which does not.
  if (ifMatch !== undefined && !isAmong(ifMatch, (one) => one)) return 'if-match';
  if (ifNoneMatch !== undefined && isAmong(ifNoneMatch, (one) => one.replace(/^W\//u, ''))) return 'if-none-match';
  return undefined;
}
