/** A program of ours that ends by itself: a command, or a service that can't start. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';

const root = resolve(import.meta.dirname, '../..');
const deadlineMs = 60_000;

/** How it ended, and what it said. No code where it had to be killed. */
export type ProgramEnd = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

type Environment = Readonly<Record<string, string | undefined>>;
type Settings = Readonly<Record<string, string | number>>;

/** An environment without settings of Inkstream's that a person may have in the shell, plus the given ones, by names without their prefix. */
export function withSettings(environment: Environment, settings: Settings): NodeJS.ProcessEnv {
  const inherited = Object.entries(environment).filter(([name]) => !name.startsWith('INKSTREAM_'));
  const given = Object.entries(settings).map(([name, value]) => [`INKSTREAM_${name}`, String(value)]);
  return Object.fromEntries([...inherited, ...given]) as NodeJS.ProcessEnv;
}

/**
 * Runs a program until it ends, with these settings (by names without their prefix) and no others of Inkstream's:
 * `endOfProgram(['services/gateway/main.ts'], { PORT: 0 })`. Kills it after a minute. `environment` is what it has besides.
 */
export async function endOfProgram(
  words: readonly string[],
  settings: Settings = {},
  environment: Environment = process.env,
): Promise<ProgramEnd> {
  const child = spawn(join(root, 'node_modules/.bin/node'), words, {
    cwd: root,
    env: withSettings(environment, settings),
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: AbortSignal.timeout(deadlineMs),
    killSignal: 'SIGKILL',
  });
  child.on('error', () => {});
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: code as number | null, stdout, stderr };
}
