/** The work of mirrors in a thread of its own, for services that keep mirrors in MongoDB. */

import type { Transferable } from 'node:worker_threads';
import type { Clock } from '#shared/runtime/clock.ts';
import { createThread, owned, type Outcome, type ThreadLimits } from '#shared/runtime/thread.ts';
import { bsonForm } from '#shared/store/mongo/bson-form.ts';
import type { StoredValue } from '#shared/store/mirrors.ts';
import { StoreUnavailable } from '#shared/store/store.ts';

import { type Base, type ClientChoice, createMirrorWork, type EditAnswer, type MirrorWork, type ShownValue } from './work.ts';

export type MirrorQuestion =
  | { readonly ask: 'show'; readonly base: Base; readonly valueBytesMax: number }
  | { readonly ask: 'edit'; readonly base: Base; readonly value: StoredValue; readonly client: ClientChoice }
  | { readonly ask: 'nearest'; readonly bases: readonly Base[]; readonly value: StoredValue };

export type MirrorAnswer = EditAnswer | number | ShownValue;

/** The thread's side. */
export function answerMirror(question: MirrorQuestion): Promise<MirrorAnswer> {
  const work = createMirrorWork(bsonForm, question.ask === 'show' ? question.valueBytesMax : Infinity);
  switch (question.ask) {
    case 'show':
      return work.show(question.base);
    case 'edit':
      return work.edit(question.base, question.value, question.client);
    case 'nearest':
      return work.nearest(question.bases, question.value);
  }
}

type Copies = {
  readonly base: (base: Base) => Base;
  readonly stored: (value: StoredValue) => StoredValue;
  readonly made: Transferable[];
};

/** Copies of bytes, which change hands: those of the store are not ours to give away. */
function makeCopies(): Copies {
  const made: Transferable[] = [];
  const copy = (bytes: Uint8Array): Uint8Array => {
    const copied = owned(bytes);
    made.push(copied.buffer);
    return copied;
  };
  return {
    base: ({ updates, roots }) => ({ updates: updates.map(copy), roots }),
    stored: ({ bytes }) => ({ bytes: copy(bytes) }),
    made,
  };
}

function expectAnswer(outcome: Outcome<MirrorAnswer>): MirrorAnswer {
  switch (outcome.kind) {
    case 'answered':
      return outcome.answer;
    case 'threw':
      throw new Error(outcome.reason);
    case 'gave-up':
      throw new Error(`a document could not be read or compared as JSON: ${outcome.reason}`);
    case 'ended':
      throw new StoreUnavailable('stopping');
  }
}

/** `entry`: the thread's file; another one in tests. */
export function createMirrorThread(
  clock: Clock,
  limits: ThreadLimits,
  valueBytesMax: number,
  entry: URL = new URL('./mirror-worker.ts', import.meta.url),
): { readonly work: MirrorWork; readonly end: () => Promise<void> } {
  const thread = createThread<MirrorQuestion, MirrorAnswer>('mirrors', entry, clock, limits);
  const ask = (make: (copies: Copies) => MirrorQuestion): Promise<Outcome<MirrorAnswer>> => {
    const copies = makeCopies();
    return thread.ask(make(copies), copies.made);
  };
  return {
    work: {
      // Each question has answers of one kind.
      show: async (base) =>
        expectAnswer(await ask((copies) => ({ ask: 'show', base: copies.base(base), valueBytesMax }))) as ShownValue,
      edit: async (base, value, client) => {
        const outcome = await ask((copies) => ({ ask: 'edit', base: copies.base(base), value: copies.stored(value), client }));
        // It would be tried again for ever, by whoever looks at this document next.
        if (outcome.kind === 'gave-up') return { kind: 'refused', reason: `the change is too much work: ${outcome.reason}` };
        return expectAnswer(outcome) as EditAnswer;
      },
      nearest: async (bases, value) => {
        const outcome = await ask((copies) => ({ ask: 'nearest', bases: bases.map(copies.base), value: copies.stored(value) }));
        return expectAnswer(outcome) as number;
      },
    },
    end: thread.end,
  };
}
