/** Where the time goes inside a server, the first one of a cluster: a CPU profile of exactly the measured window, and each thread's share. */

import type { Profiler } from 'node:inspector';
import type { Probe } from './measure.ts';
import { monotonicMs } from './plan.ts';
import { threadCpuMs } from './processes.ts';

const functionsShown = 40;

/** A profile, and the window in it that counts, in µs of the machine's monotonic clock: V8 uses the same. */
type Profiled = { readonly profile: Profiler.Profile; readonly from: number; readonly to: number };

type SelfTime = { readonly name: string; readonly us: number };

/** A file as it is named from the checkout on; Node's own as they are. */
const fileOf = ({ callFrame }: Profiler.ProfileNode): string =>
  callFrame.url.replace(/^.*\/(?=(services|shared|test|node_modules)\/)/, '');

function functionOf(node: Profiler.ProfileNode): string {
  const { functionName, lineNumber } = node.callFrame;
  const file = fileOf(node);
  return file === '' ? functionName : `${functionName || '(anonymous)'} ${file}:${lineNumber + 1}`;
}

/** The package, the folder of ours, or Node; V8's own doings by their names. */
function placeOf(node: Profiler.ProfileNode): string {
  const file = fileOf(node);
  if (file === '') return node.callFrame.functionName.startsWith('(') ? node.callFrame.functionName : 'V8, native functions';
  if (file.startsWith('node:')) return 'Node';
  const [first = '', second = '', third = ''] = file.split('/');
  if (first === 'node_modules') return second.startsWith('@') ? `${second}/${third}` : second;
  return third.includes('.') ? `${first}/${second}` : `${first}/${second}/${third}`;
}

/** Time spent in each function itself, summed by what `nameOf` calls it, most first; what waits is not in it. */
function selfTimes({ profile, from, to }: Profiled, nameOf: (node: Profiler.ProfileNode) => string): SelfTime[] {
  const names = new Map(profile.nodes.map((node) => [node.id, nameOf(node)]));
  const times = new Map<string, number>();
  let at = profile.startTime;
  profile.samples?.forEach((id, index) => {
    const us = profile.timeDeltas?.[index] ?? 0;
    at += us;
    const name = names.get(id) ?? '?';
    if (name !== '(idle)' && at >= from && at < to) times.set(name, (times.get(name) ?? 0) + us);
  });
  return [...times].map(([name, us]) => ({ name, us })).toSorted((a, b) => b.us - a.us);
}

/** A probe that prints the profile of its window, in µs per edit (or opening). */
export function profilingProbe(print: (line: string) => void): Probe {
  let from = 0;
  let before = new Map<number, { readonly name: string; readonly cpuMs: number }>();
  return {
    prepare: async (server) => void (await server.ask('profile')),
    begin: (server) => {
      from = monotonicMs() * 1_000;
      before = threadCpuMs(server.pids[0] ?? 0);
    },
    end: async (server, operations) => {
      const [pid = 0] = server.pids;
      const threads = [...threadCpuMs(pid)].map(([id, { name, cpuMs }]) => ({
        name: `${name}${id === pid ? ' (main)' : ''}`,
        us: (cpuMs - (before.get(id)?.cpuMs ?? 0)) * 1_000,
      }));
      const to = monotonicMs() * 1_000;
      const reply = await server.ask('stop-profile');
      if (!('profile' in reply)) throw new Error('the instrument did not answer with a profile');
      const show = (title: string, times: readonly SelfTime[]): void => {
        print(`µs each, ${title}:`);
        for (const { name, us } of times) if (us > 0) print(`${(us / operations()).toFixed(1).padStart(9)}  ${name}`);
      };
      show(
        'by thread',
        threads.toSorted((a, b) => b.us - a.us),
      );
      const profiled = { profile: reply.profile, from, to };
      show('main thread, by place', selfTimes(profiled, placeOf));
      show('main thread, in the function itself', selfTimes(profiled, functionOf).slice(0, functionsShown));
    },
  };
}
