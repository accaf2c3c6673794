/**
 * A thread that answers questions.
 *
 * What costs by the size of a document may take seconds, and for one that was made so, for ever. On the event loop that would be a pause for everyone, and no timeout can end a computation
 * there. A worker thread can be terminated, and can run out of a heap of its own without taking the process along. It is started when first asked, kept while there is work, and ended when idle.
 *
 * Questions and answers are plain data. Bytes of a question are copied once, by whoever asks, and change hands (`owned`).
 */

import { parentPort, type Transferable, Worker } from 'node:worker_threads';

import type { Clock, Timer } from './clock.ts';

export type ThreadLimits = {
  /** How long one answer may take, in milliseconds. */
  readonly answerMsMax: number;
  readonly heapMbMax: number;
  /** After which an idle thread is ended, in milliseconds. */
  readonly idleMs: number;
};

type Reply<A> = { readonly kind: 'answered'; readonly answer: A } | { readonly kind: 'threw'; readonly reason: string };

export type Outcome<A> =
  | Reply<A>
  /** Too long, out of memory, the thread died, or what was asked can't be handed to a thread. */
  | { readonly kind: 'gave-up'; readonly reason: string }
  /** Nobody is asked any more. */
  | { readonly kind: 'ended' };

export type Thread<Q, A> = {
  /** Never rejects. Questions wait for one another. */
  readonly ask: (question: Q, transfer?: readonly Transferable[]) => Promise<Outcome<A>>;
  /** Ends what is under way, and lets go of everything. */
  readonly end: () => Promise<void>;
};

/** `entry` is the thread's file, which calls `answerQuestions`. */
export function createThread<Q, A>(name: string, entry: URL, clock: Clock, limits: ThreadLimits): Thread<Q, A> {
  let worker: Worker | undefined;
  let idle: Timer | undefined;
  let ended = false;
  let settle: ((outcome: Outcome<A>) => void) | undefined;
  let turn: Promise<unknown> = Promise.resolve();

  const start = (): Worker => {
    const started = new Worker(entry, { name, resourceLimits: { maxOldGenerationSizeMb: limits.heapMbMax } });
    // A thread that dies while nothing is asked of it is simply started again.
    const forget = (reason: string): void => {
      if (worker !== started) return;
      worker = undefined;
      settle?.({ kind: 'gave-up', reason });
    };
    started.on('error', (error) => forget(error instanceof Error ? error.message : String(error)));
    started.on('exit', (code) => forget(`the ${name} thread ended with code ${code}`));
    started.unref();
    return started;
  };
  const terminate = async (): Promise<void> => {
    idle?.cancel();
    const ending = worker;
    worker = undefined;
    await ending?.terminate();
  };

  const run = async (question: Q, transfer: readonly Transferable[]): Promise<Outcome<A>> => {
    if (ended) return { kind: 'ended' };
    idle?.cancel();
    const running = (worker ??= start());
    const answered = Promise.withResolvers<Outcome<A>>();
    settle = answered.resolve;
    const onReply = (reply: Reply<A>): void => answered.resolve(reply);
    running.once('message', onReply);
    const tooLong = clock.after(limits.answerMsMax, () =>
      answered.resolve({ kind: 'gave-up', reason: `took longer than ${limits.answerMsMax} ms` }),
    );
    try {
      running.postMessage(question, transfer);
    } catch (error) {
      answered.resolve({ kind: 'gave-up', reason: error instanceof Error ? error.message : String(error) });
    }
    const outcome = await answered.promise;
    tooLong.cancel();
    settle = undefined;
    running.off('message', onReply);
    if (outcome.kind === 'answered' || outcome.kind === 'threw') idle = clock.after(limits.idleMs, () => void terminate());
    else await terminate();
    return outcome;
  };

  return {
    ask: (question, transfer = []) => {
      const mine = turn.then(() => run(question, transfer));
      turn = mine;
      return mine;
    },
    end: async () => {
      ended = true;
      settle?.({ kind: 'ended' });
      await turn;
      await terminate();
    },
  };
}

/** A copy of bytes that holds nothing else, so that it can change hands. */
export const owned = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(bytes);

/** The thread's side. Asked by whoever made the thread, so questions are what `answer` takes. `transferOf`: what of an answer changes hands instead of being copied. */
export function answerQuestions<A>(
  answer: (question: never) => Promise<A>,
  transferOf: (answer: A) => Transferable[] = () => [],
): void {
  const reply = (given: Reply<A>, transfer: Transferable[]): void => parentPort?.postMessage(given, transfer);
  parentPort?.on('message', (question: unknown) => {
    answer(question as never).then(
      (given) => reply({ kind: 'answered', answer: given }, transferOf(given)),
      (error: unknown) => reply({ kind: 'threw', reason: error instanceof Error ? error.message : String(error) }, []),
    );
  });
}
