/**
 * Writes that stay right when the store is put back under them.
 *
 * Databases are put back to how they were an hour ago, while persisters are at work. What is read from then on is true again. What breaks is a write that rests on something else that is stored, was
 * decided on before the database was put back, and arrives after it: a checkpoint moves over segments that are gone; a head comes to name a snapshot that is gone; what a newer head covered is
 * deleted from under the older one that stands again. The journal is read from the checkpoint on, so it fills none of these holes. To look once more just before the write is the
 * obvious way, and makes the moment shorter, no more than that: a process is frozen in it, or a request is on its way for ten seconds.
 *
 * So such a write takes three steps: **mark, look, write where the mark is.** The mark is a random text that is made for this one write. It is set in the very document that is to be changed, when all that
 * the write rests on is stored. Then all of that is looked at. Then comes the write, with the mark in its filter. Wherever in between the database is put back:
 *
 *     before the mark comes       what is looked at is the database as it is now, and only what fits that is written
 *     after it, to before it      the mark is gone, and the write misses
 *     after it, to after it       all that the write rests on was stored by then, so it is there again
 *
 * For a deletion, what it rests on is a head: it is looked at before the marks are set too, so that one that covers all that is marked stood then, and heads only go forward. (That it stood a minute ago is not enough: the
 * database may have been put back since, and the marks are set under an older head, which needs what is marked.) So whatever comes back with a mark on it comes back with a head that
 * covers it, or a later one. And what comes back without a mark is not deleted, even if it was put there anew under the same id: a snapshot that is made again after all was put back, and becomes the head, has no mark.
 * What is much is deleted some at a time; each time is a deletion of its own, with a mark of its own and all three steps, so all of this holds for each, and what is deleted by then is what a head covers, like any leavings.
 * Snapshots that a mirror names (`Covered.spared`) are asked for before the marks, when the head was seen, and once more after them: what no mirror named before, once a later head stood, no mirror names again, so neither does
 * one that was put back to after the marks; and the second question is for a mirror that was put back before they came.
 *
 * Nobody but the call that made a mark ever asks for it. One that was left lying, by a process that was killed or by a write that came too late, means nothing. What is condemned has one mark, the latest: of two who condemn the
 * same thing the later one deletes it. What is to be moved may have several, and who moves it takes all of them away: the others miss, look at what stands then, and begin again.
 *
 * What is left: a database that is put back twice within one such write; and one that is put back piece by piece while it can be reached, so that a head is of today and its segments of yesterday. Nothing that looks at
 * one document at a time can tell that. Such a restore has to shut everybody out until it is done.
 */

import { randomUUID } from 'node:crypto';
import { StoreUnavailable } from './store.ts';

export const makeMark = (): string => randomUUID();

/** How often somebody else may move it first. What moves forward only is not moved that often in a moment. */
const attemptsMax = 20;

export type Move<Value> = {
  /** For people. */
  readonly what: string;
  /** Sets the mark where the move may be made. Otherwise tells what is stored instead; `again`: somebody else was there in between. */
  readonly mark: (mark: string) => Promise<'marked' | 'again' | { readonly stands: Value }>;
  /** Whether all that it rests on is there. */
  readonly look: () => Promise<boolean>;
  /** Makes the move where the mark still is, and takes all marks away. False where it is gone. */
  readonly write: (mark: string) => Promise<boolean>;
  /** What is stored. */
  readonly read: () => Promise<Value>;
};

/** Moves what a document holds, by a mark. Returns `moved`, or what stands instead. @throws StoreUnavailable where others are always first */
export async function moveByMark<Value>({
  what,
  mark: set,
  look,
  write,
  read,
}: Move<Value>): Promise<'moved' | { readonly stands: Value }> {
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const mark = makeMark();
    const marked = await set(mark);
    if (marked === 'again') continue;
    if (marked !== 'marked') return marked;
    if (!(await look())) return { stands: await read() };
    if (await write(mark)) return 'moved';
  }
  throw new StoreUnavailable(`${what} was changed by others ${attemptsMax} times while it was to be moved`);
}
