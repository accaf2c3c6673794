/**
 * An engine (a broker, a database) as a process of ours: started, known to be ready, killed, and never left behind.
 *
 * A child does not end with its parent: a test run that is killed with -9 runs no handler, and a broker of half a gigabyte stays. So a leash is
 * held beside each engine: a shell that reads from a pipe whose other end is ours. However we end, the pipe closes, the shell reads its end
 * and kills the engine. A local cluster is meant to outlive the command that starts it: its engines are let off the leash once they are ready.
 *
 * What an engine says goes into a file, not into a pipe: a pipe that nobody reads any more would end what writes to it.
 */

import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

const readyMsMax = 60_000;
const stopMsMax = 20_000;
const pollMs = 20;
const quotedLines = 20;

export type EnginePlan = {
  /** For messages: `Kafka`. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Emptied at each start. */
  readonly logFile: string;
  /** Ready is what has said this line… */
  readonly readyLine: RegExp;
  /** …and answers. */
  readonly answers: () => Promise<boolean>;
  /** `leashed` ends when this process does, however it ends; `free` stays, once it is ready. */
  readonly lifetime: 'leashed' | 'free';
  /** Without it: this process's own. */
  readonly environment?: NodeJS.ProcessEnv;
};

export type Engine = {
  readonly pid: number;
  /** Resolves when the process is gone, with its exit code or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  /** Sends a signal; for those that end it, await `ended` after it. Harmless on one that is gone. */
  readonly signal: (signal: NodeJS.Signals) => void;
  /** SIGKILL: resolves when it is gone. */
  readonly kill: () => Promise<void>;
  /** SIGTERM: resolves when it has put everything away and ended; SIGKILL after 20 s. */
  readonly stop: () => Promise<void>;
};

/**
 * Starts an engine and resolves when it is ready.
 * @throws Error with its last lines where it ends, or is not ready within a minute, instead.
 */
export async function startEngine(plan: EnginePlan): Promise<Engine> {
  await writeFile(plan.logFile, '');
  const log = openSync(plan.logFile, 'a');
  const child = spawn(plan.command, plan.args, {
    stdio: ['ignore', log, log],
    detached: true,
    env: plan.environment ?? process.env,
  });
  closeSync(log);
  const ended = new Promise<number | NodeJS.Signals>((settle, fail) => {
    child.once('error', fail);
    child.once('exit', (code, signal) => settle(signal ?? code ?? 0));
  });
  ended.catch(() => {});
  const { pid } = child;
  if (pid === undefined) {
    await ended;
    throw new Error(`${plan.name} has no process`);
  }
  const letOff = leash(pid, ended);
  const signal = (name: NodeJS.Signals): void => void child.kill(name);
  const kill = async (): Promise<void> => {
    signal('SIGKILL');
    await ended;
  };
  const stop = async (): Promise<void> => {
    signal('SIGTERM');
    const late = AbortSignal.timeout(stopMsMax);
    late.addEventListener('abort', () => signal('SIGKILL'));
    await ended;
  };
  await untilReady(plan, ended).catch(async (error: unknown) => {
    await kill();
    throw error;
  });
  if (plan.lifetime === 'free') {
    letOff();
    child.unref();
  }
  return { pid, ended, signal, kill, stop };
}

/** Returns what lets it off. */
function leash(pid: number, ended: Promise<unknown>): () => void {
  const shell = spawn('/bin/sh', ['-c', 'read -r _; kill -9 "$0"', String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  const drop = (): void => void shell.kill('SIGKILL');
  shell.once('error', drop);
  ended.then(drop, drop);
  return drop;
}

async function untilReady(plan: EnginePlan, ended: Promise<number | NodeJS.Signals>): Promise<void> {
  let end: number | NodeJS.Signals | undefined;
  ended.then(
    (how) => (end = how),
    () => {},
  );
  const deadline = performance.now() + readyMsMax;
  for (;;) {
    const said = await readFile(plan.logFile, 'utf8');
    if (end === undefined && plan.readyLine.test(said) && (await plan.answers())) return;
    if (end !== undefined || performance.now() > deadline) {
      const how = end === undefined ? `was not ready after ${readyMsMax} ms` : `ended at its start (${end})`;
      throw new Error(
        `${plan.name} ${how}; ${plan.logFile} ends with:\n${said.trimEnd().split('\n').slice(-quotedLines).join('\n')}`,
      );
    }
    await delay(pollMs);
  }
}
