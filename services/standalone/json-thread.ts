/** The work of the JSON door and of mirrors, done in a thread of its own. */

import type { JsonChange, Representation } from '#gateway/json-documents.ts';
import {
  answerMirror,
  askIn,
  expectAnswer,
  type MirrorAnswer,
  type MirrorQuestion,
  mirrorWorkBy,
} from '#shared/mirror/thread.ts';
import type { Clock } from '#shared/runtime/clock.ts';
import { createThread, type ThreadLimits } from '#shared/runtime/thread.ts';
import { valueForm } from '#shared/store/mirror-values.ts';
import type { StoredValue } from '#shared/store/mirrors.ts';

import { textWork, type JsonWork, type Wanted } from './json-work.ts';

export type JsonQuestion =
  | MirrorQuestion
  | { readonly ask: 'represent'; readonly value: StoredValue }
  | { readonly ask: 'want'; readonly from: StoredValue | undefined; readonly change: JsonChange };

export type JsonAnswer = MirrorAnswer | Representation | Wanted;

/** The thread's side. */
export function answerJson(question: JsonQuestion): Promise<JsonAnswer> {
  switch (question.ask) {
    case 'show':
    case 'edit':
    case 'saw-later':
    case 'squash':
      return answerMirror(question, valueForm);
    case 'represent':
      return textWork.represent(question.value);
    case 'want':
      return textWork.want(question.from, question.change);
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
  const ask = askIn(thread);
  return {
    work: {
      ...mirrorWorkBy(ask, valueBytesMax),
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
