/**
 * Loaded into a measured server (`--import`) where its inside is looked at: collects garbage before memory is read, and records a CPU profile of
 * just the measured seconds. Never present when CPU is measured for the table.
 */

import { Session, type Profiler } from 'node:inspector';
import { isMainThread } from 'node:worker_threads';

export type Instruction = 'collect' | 'profile' | 'stop-profile';
export type InstrumentReply =
  | { readonly collected: NodeJS.MemoryUsage }
  | { readonly profiling: true }
  | { readonly profile: Profiler.Profile };

const samplingIntervalUs = 1_000;
let session: Session | undefined;

const reply = (message: InstrumentReply): void => void process.send?.(message);

function collect(): void {
  for (let pass = 0; pass < 4; pass++) globalThis.gc?.();
  setTimeout(() => {
    globalThis.gc?.();
    reply({ collected: process.memoryUsage() });
  }, 500);
}

function startProfile(): void {
  session = new Session();
  session.connect();
  session.post('Profiler.enable');
  session.post('Profiler.setSamplingInterval', { interval: samplingIntervalUs });
  session.post('Profiler.start', () => reply({ profiling: true }));
}

if (isMainThread) {
  process.on('message', (instruction: Instruction) => {
    if (instruction === 'collect') collect();
    else if (instruction === 'profile') startProfile();
    else session?.post('Profiler.stop', (_error, result) => reply({ profile: result.profile }));
  });
  process.channel?.unref();
}
