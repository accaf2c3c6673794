/** What the kernel knows about a process: CPU time and memory, of it and of everything that it started. Linux. */

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
const pageBytes = Number(execFileSync('getconf', ['PAGESIZE'], { encoding: 'utf8' }));

/** The fields of a `stat` file from the third on (proc(5)); the name before them may hold anything. */
function readStat(path: string): { readonly name: string; readonly fields: readonly string[] } {
  const line = readFileSync(path, 'utf8');
  const end = line.lastIndexOf(')');
  return { name: line.slice(line.indexOf('(') + 1, end), fields: line.slice(end + 2).split(' ') };
}

const cpuMsOf = (fields: readonly string[]): number => ((Number(fields[11]) + Number(fields[12])) * 1_000) / ticksPerSecond;

/** A process and all its descendants. */
function processTree(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(processTree)];
}

/** CPU time in milliseconds, user and system, of a process and its descendants, to a tick of 10 ms. */
export const treeCpuMs = (pid: number): number =>
  processTree(pid).reduce((sum, each) => sum + cpuMsOf(readStat(`/proc/${each}/stat`).fields), 0);

/** Resident memory in bytes of a process and its descendants. */
export const treeResidentBytes = (pid: number): number =>
  processTree(pid).reduce((sum, each) => sum + Number(readStat(`/proc/${each}/stat`).fields[21]) * pageBytes, 0);

/** CPU time in milliseconds of each thread that has used any, by thread id. */
export function threadCpuMs(pid: number): Map<number, { readonly name: string; readonly cpuMs: number }> {
  const threads = readdirSync(`/proc/${pid}/task`).map((thread) => {
    const { name, fields } = readStat(`/proc/${pid}/task/${thread}/stat`);
    return [Number(thread), { name, cpuMs: cpuMsOf(fields) }] as const;
  });
  return new Map(threads);
}

/** CPU time in milliseconds that the whole machine has spent not idle, since it booted. */
export function machineCpuMs(): number {
  const [, ...ticks] = (readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '').split(/\s+/).map(Number);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = ticks;
  return ((user + nice + system + irq + softirq) * 1_000) / ticksPerSecond;
}
