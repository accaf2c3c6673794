/** Where the time goes inside a server, the first one of a cluster: a CPU profile of exactly the measured window, and each thread's share. */

import type { Profiler } from 'node:inspector';
import type { Probe } from './measure.ts';
import { threadCpuMs } from './processes.ts';

const functionsShown = 40;

type SelfTime = { readonly name: string; readonly us: number };

/** Time spent in each function itself, most first; what waits is not in it. */
function selfTimes(profile: Profiler.Profile): SelfTime[] {
  const names = new Map(
    profile.nodes.map(({ id, callFrame }) => {
      const file = callFrame.url.replace(/^.*\/(?=(services|shared|test|node_modules)\/)/, '');
      return [
        id,
        file === '' ? callFrame.functionName : `${callFrame.functionName || '(anonymous)'} ${file}:${callFrame.lineNumber + 1}`,
      ];
    }),
  );
  const times = new Map<string, number>();
  profile.samples?.forEach((id, index) => {
    const name = names.get(id) ?? '?';
    if (name !== '(idle)') times.set(name, (times.get(name) ?? 0) + (profile.timeDeltas?.[index] ?? 0));
  });
  return [...times].map(([name, us]) => ({ name, us })).toSorted((a, b) => b.us - a.us);
}

/** A probe that prints the profile of its window, in µs per edit (or opening). */
export function profilingProbe(print: (line: string) => void): Probe {
  let before = new Map<number, { readonly name: string; readonly cpuMs: number }>();
  return {
    begin: async (server) => {
      await server.ask('profile');
      before = threadCpuMs(server.pids[0] ?? 0);
    },
    end: async (server, operations) => {
      const [pid = 0] = server.pids;
      const threads = [...threadCpuMs(pid)].map(([id, { name, cpuMs }]) => ({
        name: `${name}${id === pid ? ' (main)' : ''}`,
        us: (cpuMs - (before.get(id)?.cpuMs ?? 0)) * 1_000,
      }));
      const reply = await server.ask('stop-profile');
      const each = (us: number): string => (us / operations()).toFixed(1).padStart(9);
      print('µs each, by thread:');
      for (const { name, us } of threads.toSorted((a, b) => b.us - a.us)) if (us > 0) print(`${each(us)}  ${name}`);
      print('µs each, main thread, in the function itself:');
      if (!('profile' in reply)) throw new Error('the instrument did not answer with a profile');
      for (const { name, us } of selfTimes(reply.profile).slice(0, functionsShown)) print(`${each(us)}  ${name}`);
    },
  };
}
