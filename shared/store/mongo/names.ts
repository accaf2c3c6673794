/** Lists of documents' names, out of several collections at once. */

import type { Collection } from 'mongodb';
import { parseDocumentName, type DocumentName } from '#shared/document/name.ts';
import type { Call } from './connection.ts';
import type { Stored } from './writes.ts';

/** The ids after `after` in a collection, in the order of their bytes, at most `limit`; fewer only at the end. They need not be names. */
export type ListIds = (after: string | undefined, limit: number) => Promise<readonly string[]>;

/** Ids that are texts. */
export const idsIn =
  (collection: Collection<Stored<string>>, call: Call): ListIds =>
  async (after, limit) => {
    const range = after === undefined ? { $gte: '' } : { $gt: after };
    const options = { ...call, projection: { _id: 1 }, sort: { _id: 1 }, limit } as const;
    const found = await collection.find({ _id: range }, options).toArray();
    return found.map(({ _id }) => _id);
  };

const byBytes = (one: string, other: string): number => Buffer.compare(Buffer.from(one), Buffer.from(other));

/** The names after `from` that are in any of the lists, each once, in the order of their bytes, at most `limit`; fewer only at the end. Ids that are no names are left out. */
export async function listNames(
  lists: readonly ListIds[],
  from: DocumentName | undefined,
  limit: number,
): Promise<readonly DocumentName[]> {
  const found: DocumentName[] = [];
  let after: string | undefined = from;
  for (;;) {
    const listed: (readonly string[])[] = [];
    for (const list of lists) listed.push(await list(after, limit));
    // What is behind the end of a list that goes on may lack some of that list's.
    const ends = listed.flatMap((ids) => (ids.length < limit ? [] : ids.slice(-1))).toSorted(byBytes);
    const [end] = ends;
    const ids = [...new Set(listed.flat())].filter((id) => end === undefined || byBytes(id, end) <= 0).toSorted(byBytes);
    for (const id of ids) {
      const parsed = parseDocumentName(id);
      if ('name' in parsed) found.push(parsed.name);
    }
    if (end === undefined || found.length >= limit) return found.slice(0, limit);
    after = end;
  }
}
