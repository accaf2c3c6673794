/**
 * One directory, one process.
 *
 * A file that holds a process id outlives the process, and the id may have gone to another one, or mean nothing where the owner
 * is in another container. A lock has to be held by something that the kernel takes away with its holder. Node has no file locks,
 * but it has Unix sockets: while a process listens on one, connecting to it succeeds (also while the process is busy or frozen),
 * and from the moment it dies connecting is refused.
 *
 * Taking over from a dead owner is where this goes wrong by itself: two starters find the same dead socket, and the slower one
 * removes the live socket of the faster. So nobody removes the way to ownership. Claims are numbered directories, each with a
 * socket in it; the highest one is the owner's, and stays when it dies:
 *
 *     owner-7/socket is dead   →   listen in owner-<random>.new/, then rename that to owner-8, which fails for all but one
 *
 * A claim is live before it can be seen, and `rename` does not replace a directory that has something in it. Lower claims are
 * swept away, so a very slow starter may still get a low number: it looks again, sees a higher one, and steps back.
 */

import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { createServer, connect, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type DirectoryLock = { readonly release: () => Promise<void> };

const claimName = /^owner-(\d+)$/;

/** How long a live owner may take to say who it is, in milliseconds. */
const answerMsMax = 200;

/** The longest path of a socket, in bytes: macOS has 104 with the zero at its end, Linux 108. */
const socketPathBytesMax = 103;

/** How to reach the sockets in a directory: by its path or, where that is too long, by a short link to it. */
function reach(directory: string, longestName: string): { readonly path: string; readonly letGo: () => void } {
  if (Buffer.byteLength(join(directory, longestName)) <= socketPathBytesMax) return { path: directory, letGo: () => {} };
  const parent = mkdtempSync(join(tmpdir(), 'ink-'));
  const path = join(parent, 'd');
  symlinkSync(directory, path);
  return { path, letGo: () => rmSync(parent, { recursive: true, force: true }) };
}

type Answer = { readonly kind: 'dead' } | { readonly kind: 'hung-up' } | { readonly kind: 'alive'; readonly name: string };

/** Asks whoever listens on a socket for its process id, once. */
function askOnce(path: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let said = '';
    socket.setEncoding('utf8').on('data', (text: string) => (said += text));
    socket.setTimeout(answerMsMax, () => {
      resolve({ kind: 'alive', name: 'that does not answer' }); // frozen, and the owner all the same
      socket.destroy();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve({ kind: 'dead' });
      else if (error.code !== 'ECONNRESET') reject(error);
    });
    socket.on('close', () => resolve(said === '' ? { kind: 'hung-up' } : { kind: 'alive', name: said }));
  });
}

/** The owner behind a socket (its process id), or undefined where nobody listens any more. */
async function askOwner(path: string): Promise<string | undefined> {
  let answer = await askOnce(path);
  while (answer.kind === 'hung-up') answer = await askOnce(path); // just dying: soon nobody listens
  return answer.kind === 'alive' ? answer.name : undefined;
}

function listen(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.end(String(process.pid));
    });
    server
      .once('error', (error) =>
        reject(new Error(`no socket can be made in the data directory: ${error.message}`, { cause: error })),
      )
      .listen(path, () => resolve(server));
  });
}

function claimsIn(directory: string): readonly number[] {
  return readdirSync(directory)
    .flatMap((name) => claimName.exec(name)?.[1] ?? [])
    .map(Number)
    .toSorted((a, b) => a - b);
}

/**
 * Takes the directory, or throws an error whose message says who has it.
 * Released by `release`, and by the end of the process, however it ends; until then the process is kept alive.
 */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const own = `owner-${randomBytes(6).toString('hex')}.new`;
  const { path: reached, letGo } = reach(directory, join(own, 'socket'));
  try {
    mkdirSync(join(directory, own));
    const server = await listen(join(reached, own, 'socket'));
    try {
      await claimDirectory(directory, reached, own);
      return { release: () => new Promise((resolve) => void server.close(() => resolve())) };
    } catch (error) {
      server.close();
      throw error;
    }
  } finally {
    rmSync(join(directory, own), { recursive: true, force: true });
    letGo();
  }
}

/** Makes `own` the next claim, if the highest one is dead. */
async function claimDirectory(directory: string, reached: string, own: string): Promise<void> {
  for (;;) {
    const highest = claimsIn(directory).at(-1) ?? 0;
    const owner = highest === 0 ? undefined : await askOwner(join(reached, `owner-${highest}`, 'socket'));
    if (owner !== undefined) throw new Error(`the data directory ${directory} is in use by process ${owner}`);
    const claim = highest + 1;
    try {
      renameSync(join(directory, own), join(directory, `owner-${claim}`));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST' || code === 'ENOTEMPTY') continue;
      throw error;
    }
    const claims = claimsIn(directory);
    if (claims.at(-1) === claim) return sweep(directory, claims.slice(0, -1));
    renameSync(join(directory, `owner-${claim}`), join(directory, own));
  }
}

function sweep(directory: string, dead: readonly number[]): void {
  for (const claim of dead) {
    try {
      rmSync(join(directory, `owner-${claim}`), { recursive: true, force: true });
    } catch (error) {
      // A starter that is about to step back got in between; the next owner sweeps what he leaves.
      if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error;
    }
  }
}
