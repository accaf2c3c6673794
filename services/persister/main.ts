/**
 * A persister of a cluster: it takes its share of the partitions from Kafka to MongoDB. Any number of them may run.
 */

import { randomUUID } from 'node:crypto';
import { systemClock } from '#shared/runtime/clock.ts';
import { createRegistry } from '#shared/runtime/metrics.ts';
import { urlOf } from '#shared/runtime/process-settings.ts';
import { runProgram, sayReady } from '#shared/runtime/program.ts';
import { onStop } from '#shared/runtime/shutdown.ts';
import { startStatusServer } from '#shared/runtime/status-server.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import { openBacking } from '#shared/store/backing.ts';

import { type PersisterConfig, readConfig } from './config.ts';
import { registerPersisterMetrics } from './metrics.ts';
import { type Persister, startPersister } from './persister.ts';

async function run(config: PersisterConfig, logger: Logger): Promise<void> {
  const backing = await openBacking(config, { clientId: `inkstream-persister-${randomUUID()}`, clock: systemClock, logger });
  const { journal, store, sharePartitions, deadLetters } = backing;
  const registry = createRegistry();
  let isDraining = false;
  const persister: Persister = startPersister({
    journal,
    store,
    sharePartitions,
    clock: systemClock,
    limits: config,
    logger,
    metrics: registerPersisterMetrics(registry, () => persister.lag()),
    deadLetter: deadLetters.append,
  });
  const started = await persister.started;
  if (started.kind === 'refused') throw new Error(started.reason);
  const server = await startStatusServer({
    host: config.host,
    port: config.port,
    registry,
    isDraining: () => isDraining,
    condition: () => ({ persister: { ...persister.status(), lag: persister.lag() } }),
  });
  onStop(logger, async () => {
    isDraining = true;
    await persister.stop();
    server.close();
    await backing.close();
    await store.close();
    logger.info({}, 'stopped');
    return 0;
  });
  sayReady('persister', urlOf('http', config.host, server.port));
}

await runProgram('persister', readConfig(process.env), run);
