/**
 * The work of mirrors in a thread of its own. What form values have is for the thread's file to say (`mirror-worker.ts` for those in MongoDB), and a service whose thread does more than that
 * puts its questions beside these.
 */

import type { Transferable } from 'node:worker_threads';
import type { Clock } from '#shared/runtime/clock.ts';
import { createThread, owned, type Outcome, type Thread, type ThreadLimits } from '#shared/runtime/thread.ts';
import type { StoredValue, ValueForm } from '#shared/store/mirrors.ts';
import { StoreUnavailable } from '#shared/store/store.ts';

import {
  type Base,
  type ClientChoice,
  createMirrorWork,
  type EditAnswer,
  type EditBase,
  type MirrorWork,
  type ShownValue,
} from './work.ts';

export type MirrorQuestion =
  | { readonly ask: 'show'; readonly base: Base; readonly valueBytesMax: number }
  | { readonly ask: 'edit'; readonly base: EditBase; readonly value: StoredValue; readonly client: ClientChoice }
  | { readonly ask: 'saw-later'; readonly earlier: Base; readonly later: Base; readonly value: StoredValue }
  | { readonly ask: 'squash'; readonly base: readonly Uint8Array[]; readonly updates: readonly Uint8Array[] };

export type MirrorAnswer = EditAnswer | boolean | ShownValue | Uint8Array | undefined;

/** The thread's side. */
export function answerMirror(question: MirrorQuestion, form: ValueForm): Promise<MirrorAnswer> {
  const work = createMirrorWork(form, question.ask === 'show' ? question.valueBytesMax : Infinity);
  switch (question.ask) {
    case 'show':
      return work.show(question.base);
    case 'edit':
      return work.edit(question.base, question.value, question.client);
    case 'saw-later':
      return work.sawLater(question.earlier, question.later, question.value);
    case 'squash':
      return work.squash(question.base, question.updates);
  }
}

/** Copies of bytes, which change hands: those of the store are not ours to give away. */
export type Copies = {
  readonly bytes: (bytes: Uint8Array) => Uint8Array;
  readonly base: (base: Base) => Base;
  readonly editBase: (base: EditBase) => EditBase;
  readonly stored: (value: StoredValue) => StoredValue;
};

/** Asks what `make` makes of copies. */
export type Ask<Q, A> = (make: (copies: Copies) => Q) => Promise<Outcome<A>>;

export const askIn =
  <Q, A>(thread: Thread<Q, A>): Ask<Q, A> =>
  (make) => {
    const made: Transferable[] = [];
    const bytes = (original: Uint8Array): Uint8Array => {
      const copy = owned(original);
      made.push(copy.buffer);
      return copy;
    };
    const base = ({ updates, roots }: Base): Base => ({ updates: updates.map(bytes), roots });
    const question = make({
      bytes,
      base,
      editBase: ({ beside, ...seen }) => ({ ...base(seen), beside: beside?.map(bytes) }),
      stored: (value) => ({ bytes: bytes(value.bytes) }),
    });
    return thread.ask(question, made);
  };

/** What the thread made of it. Each question has answers of one kind, which the caller knows. */
export function expectAnswer<A>(outcome: Outcome<A>): A {
  switch (outcome.kind) {
    case 'answered':
      return outcome.answer;
    case 'threw':
      throw new Error(outcome.reason);
    case 'gave-up':
      throw new Error(`a document could not be read or written as JSON: ${outcome.reason}`);
    case 'ended':
      throw new StoreUnavailable('stopping');
  }
}

/** The work, by asking for it. */
export const mirrorWorkBy = (ask: Ask<MirrorQuestion, unknown>, valueBytesMax: number): MirrorWork => ({
  show: async (base) =>
    expectAnswer(await ask((copies) => ({ ask: 'show', base: copies.base(base), valueBytesMax }))) as ShownValue,
  edit: async (base, value, client) => {
    const outcome = await ask((copies) => ({ ask: 'edit', base: copies.editBase(base), value: copies.stored(value), client }));
    // It would be tried again for ever, by whoever looks at this document next.
    if (outcome.kind === 'gave-up') return { kind: 'refused', reason: `the change is too much work: ${outcome.reason}` };
    return expectAnswer(outcome) as EditAnswer;
  },
  sawLater: async (earlier, later, value) =>
    expectAnswer(
      await ask((copies) => ({
        ask: 'saw-later',
        earlier: copies.base(earlier),
        later: copies.base(later),
        value: copies.stored(value),
      })),
    ) as boolean,
  squash: async (base, updates) => {
    const outcome = await ask(({ bytes }) => ({ ask: 'squash', base: base.map(bytes), updates: updates.map(bytes) }));
    // Nothing depends on it, and an edit that can be taken without it must not wait for it.
    return outcome.kind === 'gave-up' ? undefined : (expectAnswer(outcome) as Uint8Array | undefined);
  },
});

/** A thread for mirrors in MongoDB. */
export function createMirrorThread(
  clock: Clock,
  limits: ThreadLimits,
  valueBytesMax: number,
): { readonly work: MirrorWork } & Pick<Thread<never, never>, 'keep' | 'end'> {
  const entry = new URL('./mirror-worker.ts', import.meta.url);
  const thread = createThread<MirrorQuestion, MirrorAnswer>('mirrors', entry, clock, limits);
  return { work: mirrorWorkBy(askIn(thread), valueBytesMax), keep: thread.keep, end: thread.end };
}
