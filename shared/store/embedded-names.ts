/** Lists of documents' names, out of several kinds of keys at once. Names have no control characters and are compared by their bytes. */

import { Buffer } from 'node:buffer';
import { type DocumentName, parseDocumentName } from '#shared/document/name.ts';

/** The first documents' names of two sorted lists of names, each name once, in the order of their bytes. */
export function firstNames(one: Iterator<string>, other: Iterator<string>, limit: number): readonly DocumentName[] {
  const names: DocumentName[] = [];
  let first = one.next();
  let second = other.next();
  while (names.length < limit && !(first.done === true && second.done === true)) {
    const next = lesser(first, second);
    const parsed = parseDocumentName(next);
    if ('name' in parsed) names.push(parsed.name);
    if (first.value === next) first = one.next();
    if (second.value === next) second = other.next();
  }
  one.return?.();
  other.return?.();
  return names;
}

function lesser(one: IteratorResult<string>, other: IteratorResult<string>): string {
  if (one.done === true) return other.value as string;
  if (other.done === true) return one.value;
  return Buffer.compare(Buffer.from(one.value), Buffer.from(other.value)) <= 0 ? one.value : other.value;
}
