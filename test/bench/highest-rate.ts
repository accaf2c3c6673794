/**
 * The highest rate of a workload's kind that a cluster sustains: edits reach 99 of 100 readers within 100 ms, none is lost, and the generator keeps to its
 * schedule. Everything runs on one machine, generator, broker and database too, so this says what the machine carries with this server on it.
 */

import { reasonOf } from '#shared/runtime/reason.ts';
import { measureTyping, type Measurement, type Settings } from './measure.ts';
import { nextRate, resultOf, type SearchLimits, type SearchResult, type Trial } from './rate-search.ts';
import type { ServerKind, ServerName } from './servers.ts';
import type { TypingWorkload } from './workloads.ts';

export const latencyP99MsMax = 100;

const searchLimits: SearchLimits = { first: 4_000, least: 250, most: 64_000, trialsMax: 7, ratioMax: 1.15 };

/** `why`: what a rate failed on. */
export type RateTrial = Trial & { readonly measured: Measurement | undefined; readonly why: readonly string[] };

export type HighestRate = SearchResult & { readonly server: ServerName; readonly trials: readonly RateTrial[] };

/** Why a measurement does not count as sustained; empty where it does. */
export function faultsOf({ p99Ms, invalid, complaints }: Pick<Measurement, 'p99Ms' | 'invalid' | 'complaints'>): string[] {
  const slow = p99Ms === undefined || p99Ms >= latencyP99MsMax ? [`p99 of ${p99Ms?.toFixed(0) ?? 'no'} ms`] : [];
  return [...slow, ...complaints, ...invalid];
}

async function tryRate(kind: ServerKind, workload: TypingWorkload, rate: number, settings: Settings): Promise<RateTrial> {
  const writers = workload.documents * workload.writersPerDocument;
  try {
    const measured = await measureTyping(kind, { ...workload, editsPerSecond: rate / writers }, settings);
    const why = faultsOf(measured);
    return { rate, isSustained: why.length === 0, measured, why };
  } catch (error) {
    return { rate, isSustained: false, measured: undefined, why: [reasonOf(error)] };
  }
}

/** Searches, a fresh cluster for each trial; `onTrial` is told of each. */
export async function findHighestRate(
  kind: ServerKind,
  workload: TypingWorkload,
  settings: Settings,
  onTrial: (trial: RateTrial) => void,
): Promise<HighestRate> {
  const trials: RateTrial[] = [];
  for (let rate = nextRate(trials, searchLimits); rate !== undefined; rate = nextRate(trials, searchLimits)) {
    const trial = await tryRate(kind, workload, rate, settings);
    trials.push(trial);
    onTrial(trial);
  }
  return { server: kind.name, trials, ...resultOf(trials) };
}
