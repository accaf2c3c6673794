/** The load generators as the benchmark sees them: processes that are all told the same and answer each for its share. */

import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { mergeHistograms } from './histogram.ts';
import { monotonicMs, type FromWorker, type Opened, type Plan, type ToWorker, type Typed } from './plan.ts';

const workerFile = fileURLToPath(new URL('worker.ts', import.meta.url));

type Answer<Kind extends FromWorker['kind']> = Extract<FromWorker, { readonly kind: Kind }>;

/** What all generators did together, and each one's CPU time. */
export type TypedTogether = Omit<Typed, 'cpuMs'> & { readonly cpuMsEach: readonly number[] };

export type Generators = {
  readonly seed: () => Promise<void>;
  /** Opens all clients that are not open yet, beginning at `at` or now. */
  readonly open: (at?: number) => Promise<Opened>;
  readonly type: (at: number, windowFrom: number, windowTo: number) => Promise<TypedTogether>;
  /** Closes all clients and ends the processes. */
  readonly quit: () => Promise<void>;
};

/** Opening thousands of clients on a busy machine takes a while; a server that never answers must not hold the whole run. */
const answerMsMax = 90_000;

function ask<Kind extends FromWorker['kind']>(worker: ChildProcess, message: ToWorker, answer: Kind): Promise<Answer<Kind>> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(
      () => settle(() => reject(new Error(`no answer to '${message.kind}' within ${answerMsMax} ms`))),
      answerMsMax,
    );
    const settle = (settled: () => void): void => {
      clearTimeout(late);
      worker.off('message', onMessage);
      worker.off('exit', onExit);
      worker.off('error', onError);
      settled();
    };
    const onExit = (): void => settle(() => reject(new Error('a load generator ended unasked')));
    const onError = (error: Error): void => settle(() => reject(error));
    const onMessage = (reply: FromWorker): void => {
      if (reply.kind === 'failed') settle(() => reject(new Error(reply.reason)));
      else if (reply.kind === answer) settle(() => resolve(reply as Answer<Kind>));
    };
    worker.on('message', onMessage);
    worker.on('exit', onExit);
    worker.on('error', onError);
    worker.send(message);
  });
}

function sum(all: readonly Typed[], pick: (typed: Typed) => number): number {
  return all.reduce((total, typed) => total + pick(typed), 0);
}

/** Starts `plan.workers` generators, each with its edits made and ready. */
export async function startGenerators(plan: Omit<Plan, 'worker'>): Promise<Generators> {
  const workers = Array.from({ length: plan.workers }, () => fork(workerFile, { serialization: 'advanced' }));
  const all = <Kind extends FromWorker['kind']>(message: ToWorker, answer: Kind): Promise<Answer<Kind>[]> =>
    Promise.all(workers.map((worker) => ask(worker, message, answer)));
  const quit = async (): Promise<void> => {
    const gone = workers.map((worker) => new Promise<void>((resolve) => worker.once('exit', () => resolve())));
    workers.forEach((worker) => worker.connected && worker.send({ kind: 'quit' } satisfies ToWorker));
    await Promise.all(gone);
  };
  await Promise.all(workers.map((worker, index) => ask(worker, { kind: 'plan', plan: { ...plan, worker: index } }, 'ready')));

  return {
    seed: async () => void (await all({ kind: 'seed' }, 'seeded')),
    open: async (at = monotonicMs()) => {
      const opened = (await all({ kind: 'open', at }, 'opened')).map((answer) => answer.opened);
      return {
        clients: opened.reduce((total, { clients }) => total + clients, 0),
        opening: mergeHistograms(opened.map(({ opening }) => opening)),
        bytesMin: Math.min(...opened.map(({ bytesMin }) => bytesMin)),
      };
    },
    type: async (at, windowFrom, windowTo) => {
      const typed = (await all({ kind: 'type', at, windowFrom, windowTo }, 'typed')).map((answer) => answer.typed);
      return {
        pairsInWindow: sum(typed, ({ pairsInWindow }) => pairsInWindow),
        latency: mergeHistograms(typed.map(({ latency }) => latency)),
        latencyAcross: mergeHistograms(typed.map(({ latencyAcross }) => latencyAcross)),
        settling: mergeHistograms(typed.map(({ settling }) => settling)),
        lateness: mergeHistograms(typed.map(({ lateness }) => lateness)),
        cpuMsEach: typed.map(({ cpuMs }) => cpuMs),
        framesIn: sum(typed, ({ framesIn }) => framesIn),
        missing: sum(typed, ({ missing }) => missing),
        gaps: sum(typed, ({ gaps }) => gaps),
        settledExpected: sum(typed, ({ settledExpected }) => settledExpected),
        settled: sum(typed, ({ settled }) => settled),
      };
    },
    quit,
  };
}
