/**
 * Standalone: gateway and persister in one process, on an embedded journal and store in one directory.
 */

import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { appendMs, doorOf, urlOfDoor } from '#gateway/door-settings.ts';
import { type Gateway, startGateway } from '#gateway/gateway.ts';
import { checkAgainstStorage } from '#gateway/limits.ts';
import { readPages } from '#gateway/pages.ts';
import { createCompactionThread } from '#persister/compaction-thread.ts';
import { registerPersisterMetrics } from '#persister/metrics.ts';
import { type Persister, startPersister } from '#persister/persister.ts';
import { openEmbeddedJournal } from '#shared/journal/embedded.ts';
import { allPartitions } from '#shared/journal/sharing.ts';
import { systemClock } from '#shared/runtime/clock.ts';
import { type Environment, openEnvironment } from '#shared/runtime/lmdb.ts';
import { createRegistry } from '#shared/runtime/metrics.ts';
import { FaultySettings, runProgram, sayReady } from '#shared/runtime/program.ts';
import { onStop } from '#shared/runtime/shutdown.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import { openEmbeddedMirrors } from '#shared/store/embedded-mirrors.ts';
import { openEmbeddedStore } from '#shared/store/embedded.ts';
import { readConfig, type StandaloneConfig } from './config.ts';
import { type JsonParts, startJsonParts } from './json-parts.ts';

const pagesFolder = fileURLToPath(new URL('../pages/dist', import.meta.url));

async function run(config: StandaloneConfig, logger: Logger): Promise<void> {
  const environment = await openEnvironment({ directory: resolve(config.dataDir), commitIntervalMs: config.commitIntervalMs });
  const journal = await openEmbeddedJournal(environment);
  const store = openEmbeddedStore(environment);
  const mirrors = openEmbeddedMirrors(environment);
  const faults = checkAgainstStorage(config, journal, store);
  if (faults.length > 0) {
    await environment.close();
    throw new FaultySettings(faults);
  }
  const registry = createRegistry();
  const compactor = createCompactionThread(systemClock, config);
  const persister: Persister = startPersister({
    journal,
    store,
    sharePartitions: allPartitions(journal.identity.partitionCount),
    clock: systemClock,
    limits: config,
    logger,
    metrics: registerPersisterMetrics(registry, () => persister.lag()),
    deadLetter: ({ bytes, ...letter }) =>
      logger.error({ ...letter, bytes: Buffer.from(bytes).toString('base64') }, 'the bytes of a record that was set aside'),
    compactor,
    namedSnapshots: mirrors.listNamedSnapshots,
  });
  const started = await persister.started;
  if (started.kind === 'refused') throw new Error(started.reason);

  const json = startJsonParts({ environment, journal, store, mirrors, compactor, persister, config });
  const gateway = await startGateway({
    journal,
    store,
    clock: systemClock,
    logger,
    registry,
    limits: config,
    ...doorOf(config),
    origin: randomUUID(),
    pages: readPages(pagesFolder),
    writersMustWait: () => (persister.lag().records > config.storeLagRecordsMax ? 'the store is too far behind' : undefined),
    json: { open: json.open, limits: config },
    condition: () => ({ persister: { ...persister.status(), lag: persister.lag() } }),
  });
  // Before anybody knows that it is ready: who knows may tell it to stop.
  onStop(logger, () => stop(config, { gateway, json, persister, environment }, logger));
  void json.finishAll();
  sayReady('standalone', urlOfDoor(config, gateway.port));
}

type Running = {
  readonly gateway: Gateway;
  readonly json: JsonParts;
  readonly persister: Persister;
  readonly environment: Environment;
};

/** Returns the exit code. */
async function stop(
  config: StandaloneConfig,
  { gateway, json, persister, environment }: Running,
  logger: Logger,
): Promise<number> {
  const unsaved = await gateway.drain(config.drainSpreadMs, appendMs);
  if (unsaved > 0) logger.error({ documents: unsaved }, 'edits could not be saved; they stay with the clients that made them');
  await gateway.close();
  await json.end();
  await persister.stop();
  if (unsaved > 0) return 1;
  await environment.close();
  logger.info({}, 'stopped; everything is saved');
  return 0;
}

// What an edit leaves behind is little and short-lived. Collecting it on four threads cost a tenth of the server's CPU, spent in handing work over.
setFlagsFromString('--no-parallel-scavenge');

await runProgram('standalone', readConfig(process.env), run);
