/**
 * Is the load generator the bottleneck?
 *
 * Before anything is compared it must show that it keeps its schedule under more than any measured server will ask of it: the floor
 * with merging off sends every edit to every client as a frame of its own, at one and a half times the rate of the workload.
 */

import { measureTyping, type GeneratorReport, type Settings } from './measure.ts';
import type { ServerKind } from './servers.ts';
import type { TypingWorkload } from './workloads.ts';

export type Proof = { readonly workload: string; readonly generator: GeneratorReport; readonly invalid: readonly string[] };

const rateFactor = 1.5;

/** Runs each workload, faster, on the floor while it merges nothing. */
export async function proveGenerator(
  floor: ServerKind,
  heaviest: readonly TypingWorkload[],
  settings: Settings,
): Promise<Proof[]> {
  const proofs: Proof[] = [];
  for (const workload of heaviest) {
    const faster = { ...workload, editsPerSecond: workload.editsPerSecond * rateFactor };
    const { generator, invalid, complaints } = await measureTyping(floor, faster, settings, {
      environment: { FLOOR_MERGE: '0' },
    });
    if (generator === undefined) throw new Error('typing was measured without a generator');
    proofs.push({ workload: `${workload.name} × ${rateFactor}`, generator, invalid: [...invalid, ...complaints] });
  }
  return proofs;
}
