/**
 * A thread that answers questions.
 *
 * What costs by the size of a document may take seconds, and for one that was made so, for ever. On the event loop that would be a pause for everyone, and no timeout can end a computation
 * there. A worker thread can be terminated, and can run out of a heap of its own without taking the process along. It is started when first asked, kept while there is work, and ended when idle; or
 * started before, and kept, by whoever expects to be asked and can't wait for that.
 *
 * Questions and answers are plain data. Bytes of a question are copied once, by whoever asks, and change hands (`owned`).
 */

import { parentPort, type Transferable, Worker } from 'node:worker_threads';

import type { Clock, Timer } from './clock.ts';
import { reasonOf } from './reason.ts';

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
  /** Starts it now, and keeps it while it is idle, until `done` is aborted. */
  readonly keep: (done: AbortSignal) => void;
  /** Ends what is under way, and lets go of everything. */
  readonly end: () => Promise<void>;
};

function startWorker(name: string, entry: URL, { heapMbMax }: ThreadLimits, gone: (reason: string) => void): Worker {
  const worker = new Worker(entry, { name, resourceLimits: { maxOldGenerationSizeMb: heapMbMax } });
  worker.on('error', (error) => gone(reasonOf(error)));
  worker.on('exit', (code) => gone(`the ${name} thread ended with code ${code}`));
  worker.unref();
  return worker;
}

/** Why a question can't be handed to a thread; undefined where it was. */
function post(worker: Worker, question: unknown, transfer: readonly Transferable[]): string | undefined {
  try {
    worker.postMessage(question, transfer);
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}

/** `entry` is the thread's file, which calls `answerQuestions`. */
export function createThread<Q, A>(name: string, entry: URL, clock: Clock, limits: ThreadLimits): Thread<Q, A> {
  let worker: Worker | undefined;
  let idle: Timer | undefined;
  let kept: AbortSignal | undefined;
  let ended = false;
  let settle: ((outcome: Outcome<A>) => void) | undefined;
  let turn: Promise<unknown> = Promise.resolve();

  const start = (): Worker => {
    const started = startWorker(name, entry, limits, (reason) => {
      if (worker !== started) return;
      worker = undefined; // the next question starts another one
      settle?.({ kind: 'gave-up', reason });
    });
    return started;
  };
  const terminate = async (): Promise<void> => {
    idle?.cancel();
    const ending = worker;
    worker = undefined;
    await ending?.terminate();
  };

  const rest = (): void => {
    idle?.cancel();
    if (kept === undefined || kept.aborted) idle = clock.after(limits.idleMs, () => void terminate());
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
    const reason = post(running, question, transfer);
    if (reason !== undefined) answered.resolve({ kind: 'gave-up', reason });
    const outcome = await answered.promise;
    tooLong.cancel();
    settle = undefined;
    running.off('message', onReply);
    if (outcome.kind === 'answered' || outcome.kind === 'threw') rest();
    else await terminate();
    return outcome;
  };

  return {
    ask: (question, transfer = []) => {
      const mine = turn.then(() => run(question, transfer));
      turn = mine.then(() => undefined); // the answer is whose it is: a document
      return mine;
    },
    keep: (done) => {
      if (ended || done.aborted) return;
      kept = done;
      idle?.cancel();
      worker ??= start();
      done.addEventListener('abort', () => {
        if (!ended && settle === undefined) rest();
      });
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
      (error: unknown) => reply({ kind: 'threw', reason: reasonOf(error) }, []),
    );
  });
}
