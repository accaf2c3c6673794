/** The work of the JSON door and of mirrors, done in a thread of its own. */

import type { Transferable } from 'node:worker_threads';
import type { JsonChange, Representation } from '#gateway/json-documents.ts';
import { createMirrorWork, type Base, type ClientChoice, type EditAnswer, type ShownValue } from '#shared/mirror/work.ts';
import type { Clock } from '#shared/runtime/clock.ts';
import { createThread, owned, type Outcome, type ThreadLimits } from '#shared/runtime/thread.ts';
import { valueForm } from '#shared/store/mirror-values.ts';
import type { StoredValue } from '#shared/store/mirrors.ts';
import { StoreUnavailable } from '#shared/store/store.ts';

import { textWork, type JsonWork, type Wanted } from './json-work.ts';

export type JsonQuestion =
  | { readonly ask: 'show'; readonly base: Base; readonly valueBytesMax: number }
  | { readonly ask: 'edit'; readonly base: Base; readonly value: StoredValue; readonly client: ClientChoice }
  | { readonly ask: 'nearest'; readonly bases: readonly Base[]; readonly value: StoredValue }
  | { readonly ask: 'represent'; readonly value: StoredValue }
  | { readonly ask: 'want'; readonly from: StoredValue | undefined; readonly change: JsonChange };

export type JsonAnswer = EditAnswer | number | ShownValue | Representation | Wanted;

/** The thread's side. */
export function answerJson(question: JsonQuestion): Promise<JsonAnswer> {
  const work = createMirrorWork(valueForm, question.ask === 'show' ? question.valueBytesMax : Infinity);
  switch (question.ask) {
    case 'show':
      return work.show(question.base);
    case 'edit':
      return work.edit(question.base, question.value, question.client);
    case 'nearest':
      return work.nearest(question.bases, question.value);
    case 'represent':
      return textWork.represent(question.value);
    case 'want':
      return textWork.want(question.from, question.change);
  }
}

type Copies = {
  readonly bytes: (bytes: Uint8Array) => Uint8Array;
  readonly base: (base: Base) => Base;
  readonly stored: (value: StoredValue) => StoredValue;
  readonly made: Transferable[];
};

/** Copies of bytes, which change hands: those of the store are not ours to give away. */
function makeCopies(): Copies {
  const made: Transferable[] = [];
  const bytes = (original: Uint8Array): Uint8Array => {
    const copy = owned(original);
    made.push(copy.buffer);
    return copy;
  };
  return {
    bytes,
    base: ({ updates, roots }) => ({ updates: updates.map(bytes), roots }),
    stored: (value) => ({ bytes: bytes(value.bytes) }),
    made,
  };
}

/** What the thread made of it: each question has answers of one kind. */
function expectAnswer(outcome: Outcome<JsonAnswer>): JsonAnswer {
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

/** `entry`: the thread's file; another one in tests. */
export function createJsonThread(
  clock: Clock,
  limits: ThreadLimits,
  valueBytesMax: number,
  entry: URL = new URL('./json-worker.ts', import.meta.url),
): { readonly work: JsonWork; readonly end: () => Promise<void> } {
  const thread = createThread<JsonQuestion, JsonAnswer>('json', entry, clock, limits);
  const ask = async (make: (copies: Copies) => JsonQuestion): Promise<Outcome<JsonAnswer>> => {
    const copies = makeCopies();
    return thread.ask(make(copies), copies.made);
  };
  return {
    work: {
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
      represent: async (value) =>
        expectAnswer(await ask((copies) => ({ ask: 'represent', value: copies.stored(value) }))) as Representation,
      want: async (from, { kind, body }) => {
        const outcome = await ask((copies) => ({
          ask: 'want',
          from: from === undefined ? undefined : copies.stored(from),
          change: { kind, body: copies.bytes(body) },
        }));
        return expectAnswer(outcome) as Wanted;
      },
    },
    end: thread.end,
  };
}
