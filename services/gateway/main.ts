/**
 * A gateway of a cluster: people connect to it, Kafka carries what they type to the others, and MongoDB has the documents.
 */

import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { type GatewayConfig, readConfig } from '#gateway/config.ts';
import { appendMs, doorOf, urlOfDoor } from '#gateway/door-settings.ts';
import { type Gateway, startGateway } from '#gateway/gateway.ts';
import { checkAgainstStorage } from '#gateway/limits.ts';
import { readPages } from '#gateway/pages.ts';
import { watchStorage } from '#gateway/storage-watch.ts';
import { systemClock } from '#shared/runtime/clock.ts';
import { createRegistry } from '#shared/runtime/metrics.ts';
import { FaultySettings, runProgram, sayReady } from '#shared/runtime/program.ts';
import { onStop } from '#shared/runtime/shutdown.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import { type Backing, openBacking } from '#shared/store/backing.ts';

const pagesFolder = fileURLToPath(new URL('../pages/dist', import.meta.url));

async function run(config: GatewayConfig, logger: Logger): Promise<void> {
  const origin = randomUUID();
  const backing = await openBacking(config, { clientId: `inkstream-gateway-${origin}`, clock: systemClock, logger });
  const { journal, store, broadcast } = backing;
  const faults = checkAgainstStorage(config, journal, store, broadcast);
  if (faults.length > 0) throw new FaultySettings(faults);
  const registry = createRegistry();
  const storage = watchStorage({ journal, store, clock: systemClock, registry });
  const gateway = await startGateway({
    journal,
    store,
    broadcast,
    clock: systemClock,
    logger,
    registry,
    limits: config,
    ...doorOf(config),
    origin,
    pages: readPages(pagesFolder),
    writersMustWait: () => (storage.behindRecords() > config.storeLagRecordsMax ? 'the store is too far behind' : undefined),
    condition: () => ({ store: { ...storage.store(), behindRecords: storage.behindRecords() }, reading: storage.reading() }),
  });
  onStop(logger, () => {
    storage.stop();
    return stop(config, gateway, backing, logger);
  });
  sayReady('gateway', urlOfDoor(config, gateway.port));
}

/** Returns the exit code. */
async function stop(config: GatewayConfig, gateway: Gateway, backing: Backing, logger: Logger): Promise<number> {
  const unsaved = await gateway.drain(config.drainSpreadMs, appendMs);
  if (unsaved > 0) {
    // The journal is away: nothing that waits for it would end.
    logger.error({ documents: unsaved }, 'edits could not be saved; they stay with the clients that made them');
    return 1;
  }
  await gateway.close();
  await backing.close();
  logger.info({}, 'stopped; everything is saved');
  return 0;
}

// What an edit leaves behind is little and short-lived. Collecting it on four threads cost a tenth of the server's CPU, spent in handing work over.
setFlagsFromString('--no-parallel-scavenge');

await runProgram('gateway', readConfig(process.env), run);
