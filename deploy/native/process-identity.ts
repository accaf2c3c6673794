/**
 * Which process it was, and not only which number it had.
 *
 * A process id is given to another process after its own is gone. A supervisor that remembers ids alone takes a stranger for its broker, believes that all
 * is well, and in the end kills the stranger. So the moment at which a process began is remembered with its id: no other process has both.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

export type ProcessIdentity = {
  readonly pid: number;
  /** An opaque text, the same for as long as the process lives. */
  readonly began: string;
};

const pollMs = 20;

/** Who has this process id now; undefined where nobody has, or only a process that has ended and waits to be collected. */
export function identify(pid: number): ProcessIdentity | undefined {
  const began = existsSync('/proc/self/stat') ? beganOnLinux(pid) : beganByPs(pid);
  return began === undefined ? undefined : { pid, began };
}

export const isAlive = ({ pid, began }: ProcessIdentity): boolean => identify(pid)?.began === began;

/** Field 22 of proc(5), in ticks since the machine started. The command before it is in brackets, and may have some in it. */
function beganOnLinux(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, ticks] = [fields[0], fields[19]];
    if (ticks === undefined || state === 'Z' || state === 'X') return undefined;
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}:${ticks}`;
  } catch {
    return undefined;
  }
}

function beganByPs(pid: number): string | undefined {
  try {
    const said = execFileSync('ps', ['-p', String(pid), '-o', 'stat=,lstart='], { encoding: 'utf8' }).trim();
    return said === '' || said.startsWith('Z') ? undefined : said.replace(/^\S+\s+/u, '');
  } catch {
    return undefined;
  }
}

/** Resolves with whether it was gone within `ms`. */
export async function goneWithin(ms: number, target: ProcessIdentity): Promise<boolean> {
  const deadline = performance.now() + ms;
  while (isAlive(target)) {
    if (performance.now() > deadline) return false;
    await delay(pollMs);
  }
  return true;
}

/** Sends a signal to this very process; nothing happens where it is gone. */
export function sendSignal(target: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isAlive(target)) return;
  try {
    process.kill(target.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
