/** A measured server as a process: started fresh, known to listen, ended by SIGTERM. */

import { spawn, type ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Instruction, InstrumentReply } from './instrument.ts';

export const checkout = join(import.meta.dirname, '..', '..');
export const benchDir = join(checkout, '.local', 'bench');

const startMsMax = 30_000;
const stopMsMax = 15_000;

export type ProcessOptions = {
  readonly name: string;
  /** From the checkout: `services/standalone/main.ts`. */
  readonly entry: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly instrumented: boolean;
};

export type ServerProcess = {
  readonly pid: number;
  /** Where it says that it listens; undefined where it does not say. */
  readonly port: number | undefined;
  /** Asks the instrument inside (only where the server was started with one). */
  readonly ask: (instruction: Instruction) => Promise<InstrumentReply>;
  /** Ends it by SIGTERM; resolves when it is gone. */
  readonly stop: () => Promise<void>;
};

export function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        typeof address === 'object' && address !== null ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}

/** Resolves when the server's standard output says that it listens, with the port that it says, if it says one. */
function listening(child: ChildProcess, name: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    let output = '';
    const timeout = setTimeout(() => reject(new Error(`${name} did not listen within ${startMsMax} ms: ${output}`)), startMsMax);
    const end = (settle: () => void): void => {
      clearTimeout(timeout);
      settle();
    };
    child.stdout?.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-2_000);
      const ready = /^ready (\{.*\})$/m.exec(output);
      const url = ready?.[1] === undefined ? undefined : (JSON.parse(ready[1]) as { readonly url: string }).url;
      if (url !== undefined) end(() => resolve(Number(new URL(url).port)));
      else if (/^(listening|running at)/m.test(output)) end(() => resolve(undefined));
    });
    child.once('error', (error) => end(() => reject(error)));
    child.once('exit', (code, signal) => end(() => reject(new Error(`${name} ended with ${code ?? signal}: ${output}`))));
  });
}

function askInstrument(child: ChildProcess, instruction: Instruction): Promise<InstrumentReply> {
  return new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message as InstrumentReply));
    child.once('exit', () => reject(new Error('the server ended before its instrument answered')));
    child.send(instruction);
  });
}

/** Starts a server and waits until it listens. Nothing of our own environment's settings reaches it. */
export async function startProcess({ name, entry, environment, instrumented }: ProcessOptions): Promise<ServerProcess> {
  const instrument = instrumented ? ['--expose-gc', '--import', join(checkout, 'test/bench/instrument.ts')] : [];
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([variable]) => !variable.startsWith('INKSTREAM_')));
  const child = spawn(process.execPath, [...instrument, join(checkout, entry)], {
    env: { ...inherited, NODE_ENV: 'production', NODE_NO_WARNINGS: '1', ...environment },
    stdio: ['ignore', 'pipe', 'pipe', ...(instrumented ? ['ipc' as const] : [])],
    serialization: 'advanced',
  });
  let stopping = false;
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2_000)));
  const exited = new Promise<void>((resolve) => {
    child.once('exit', (code, signal) => {
      if (!stopping) process.stderr.write(`${name} ended by itself with ${code ?? signal}: ${said}\n`);
      resolve();
    });
  });
  const stop = async (): Promise<void> => {
    stopping = true;
    child.kill('SIGTERM');
    const hardly = setTimeout(() => child.kill('SIGKILL'), stopMsMax);
    await exited;
    clearTimeout(hardly);
  };
  const port = await listening(child, name).catch(async (error: unknown) => {
    if (child.pid !== undefined) await stop();
    throw error;
  });
  if (child.pid === undefined) throw new Error(`${name} has no process id`);
  return { pid: child.pid, port, ask: (instruction) => askInstrument(child, instruction), stop };
}
