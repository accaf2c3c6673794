/**
 * A persister of a cluster: it takes its share of the partitions from Kafka to MongoDB. Any number of them may run.
 *
 * People wait for what a gateway does; for what a persister does nobody waits, for as long as it keeps up. So where both are on one machine it gives way (`niceness`). What it can't
 * get done for that it does later in larger pieces, which cost less; and how far it is behind is in its metrics.
 */

import { randomUUID } from 'node:crypto';
import { getPriority, setPriority } from 'node:os';
import { hasMirror, mirrorLimitsBy, mirrorThreadLimits, rootKindsBy } from '#shared/mirror/settings.ts';
import { createMirrorThread } from '#shared/mirror/thread.ts';
import { systemClock } from '#shared/runtime/clock.ts';
import { createRegistry } from '#shared/runtime/metrics.ts';
import { urlOf } from '#shared/runtime/process-settings.ts';
import { reasonOf } from '#shared/runtime/reason.ts';
import { runProgram, sayReady } from '#shared/runtime/program.ts';
import { onStop } from '#shared/runtime/shutdown.ts';
import { startStatusServer } from '#shared/runtime/status-server.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import { openBacking } from '#shared/store/backing.ts';

import { type PersisterConfig, readConfig } from './config.ts';
import { registerMirrorMetrics, registerPersisterMetrics } from './metrics.ts';
import { type Persister, startPersister } from './persister.ts';

/** Gives way to other processes. On Linux that is the calling thread and those that it starts from now on; the collector's own threads stay as they are. */
function giveWay(niceness: number, logger: Logger): void {
  try {
    if (getPriority() < niceness) setPriority(niceness);
  } catch (error) {
    logger.warn({ reason: reasonOf(error) }, 'can not give way to other processes of this machine');
  }
}

async function run(config: PersisterConfig, logger: Logger): Promise<void> {
  giveWay(config.niceness, logger);
  const registry = createRegistry();
  // Before anything else: one that can't have its port must not have taken partitions from others.
  const status = await startStatusServer({ host: config.host, port: config.port, registry });
  const backing = await openBacking(config, {
    clientId: `inkstream-persister-${randomUUID()}`,
    clock: systemClock,
    logger,
    readerLimits: { fetchIntervalMs: config.readIntervalMs },
  });
  const { journal, store, mirrors, sharePartitions, deadLetters } = backing;
  const thread = createMirrorThread(systemClock, mirrorThreadLimits(config), config.mirrorBytesMax);
  const persister: Persister = startPersister({
    journal,
    store,
    sharePartitions,
    clock: systemClock,
    limits: config,
    logger,
    metrics: registerPersisterMetrics(registry, () => persister.lag()),
    deadLetter: deadLetters.append,
    namedSnapshots: mirrors.listNamedSnapshots,
    mirroring: {
      mirrors,
      ...thread,
      roots: rootKindsBy(config),
      makeRev: randomUUID,
      mirrorLimits: mirrorLimitsBy(config),
      queueLimits: config,
      hasMirror: hasMirror(config),
      written: registerMirrorMetrics(registry, () => persister.status().mirrorsWaiting),
    },
  });
  status.describeBy(() => ({ persister: { ...persister.status(), lag: persister.lag() } }));
  onStop(logger, async () => {
    status.become('draining');
    await persister.stop();
    status.close();
    await backing.close();
    logger.info({}, 'stopped');
    return 0;
  });
  const started = await persister.started;
  if (started.kind === 'refused') throw new Error(started.reason);
  if (started.kind === 'stopped') return;
  status.become('ready');
  sayReady('persister', urlOf('http', config.host, status.port));
}

await runProgram('persister', readConfig(process.env), run);
