/** Conditions of a request on what it is about (RFC 9110 §13). Our entity tags are strong ones. */

/** `*`, or the tags that are named, as they came. */
type Named = '*' | readonly string[];

export type Conditions = { readonly ifMatch: Named | undefined; readonly ifNoneMatch: Named | undefined };

/** `If-Match` came to nothing, or `If-None-Match` did. */
export type Failed = 'if-match' | 'if-none-match';

const entityTag = /(?:W\/)?"[\x21\x23-\x7e\x80-\uffff]*"/uy;
const separator = /[ \t]*,?[ \t]*/uy;

/** A header's list of entity tags; undefined where it is none. */
function parseTags(header: string): Named | undefined {
  const text = header.trim();
  if (text === '*') return '*';
  const tags: string[] = [];
  for (let at = 0; at < text.length;) {
    entityTag.lastIndex = at;
    const tag = entityTag.exec(text)?.[0];
    if (tag === undefined) return undefined;
    tags.push(tag);
    separator.lastIndex = at + tag.length;
    at += tag.length + (separator.exec(text)?.[0].length ?? 0);
  }
  return tags;
}

/** The conditions in two headers ('' where there is none), or the name of the one that can't be read. */
export function parseConditions(ifMatch: string, ifNoneMatch: string): Conditions | { readonly unreadable: string } {
  const conditions = {
    ifMatch: ifMatch === '' ? undefined : parseTags(ifMatch),
    ifNoneMatch: ifNoneMatch === '' ? undefined : parseTags(ifNoneMatch),
  };
  if (ifMatch !== '' && conditions.ifMatch === undefined) return { unreadable: 'If-Match' };
  if (ifNoneMatch !== '' && conditions.ifNoneMatch === undefined) return { unreadable: 'If-None-Match' };
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
