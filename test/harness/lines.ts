/** A child process, and the lines that it has written to stdout. */

import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

export type TalkingProcess = {
  readonly child: ChildProcess;
  readonly lines: readonly string[];
  /** The first line that matches, now or later; rejects if the process ends without it. */
  readonly line: (pattern: RegExp) => Promise<string>;
  /** Resolves when it has ended and all lines are there. */
  readonly ended: Promise<void>;
  readonly kill: () => Promise<void>;
};

export function startTalking(command: string, ...args: readonly string[]): TalkingProcess {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: string[] = [];
  let said = '';
  const waiting = new Set<() => void>();
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  let over = false;
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    for (const look of waiting) look();
  });
  child.once('close', () => {
    over = true;
    for (const look of waiting) look();
    resolve();
  });
  return {
    child,
    lines,
    line: (pattern) =>
      new Promise((found, reject) => {
        const look = (): void => {
          const line = lines.find((one) => pattern.test(one));
          if (line === undefined && !over) return;
          waiting.delete(look);
          if (line === undefined) reject(new Error(`ended without a line like ${pattern.source}: ${said}`));
          else found(line);
        };
        waiting.add(look);
        look();
      }),
    ended,
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
