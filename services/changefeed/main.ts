/**
 * A changefeed of a cluster: what other programs write into mirrors in MongoDB it takes into the documents. Any number of them may run; one works, and another one
 * takes over within seconds.
 */

import { randomUUID } from 'node:crypto';
import { hasMirror, mirrorLimitsBy, mirrorThreadLimits, rootKindsBy } from '#shared/mirror/settings.ts';
import { createMirrorThread } from '#shared/mirror/thread.ts';
import { systemClock } from '#shared/runtime/clock.ts';
import { createRegistry } from '#shared/runtime/metrics.ts';
import { urlOf } from '#shared/runtime/process-settings.ts';
import { runProgram, sayReady } from '#shared/runtime/program.ts';
import { onStop } from '#shared/runtime/shutdown.ts';
import { startStatusServer } from '#shared/runtime/status-server.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import { pause } from '#shared/runtime/waiting.ts';
import { openBacking } from '#shared/store/backing.ts';

import { createClients } from './clients.ts';
import { type ChangefeedConfig, readConfig } from './config.ts';
import { createDoubts } from './doubts.ts';
import { registerChangefeedMetrics } from './metrics.ts';
import { createRestore } from './missing-mirrors.ts';
import type { TakeContext } from './take-context.ts';
import { createTakeIn } from './taking-in.ts';
import { takeEdit } from './translate.ts';
import { createWatch, type Watch } from './watch.ts';

/** How long stopping waits for looks that are under way: one that hangs in a database that is away is taken up again by the next process. */
const stopMsMax = 5_000;

async function run(config: ChangefeedConfig, logger: Logger): Promise<void> {
  const registry = createRegistry();
  const status = await startStatusServer({ host: config.host, port: config.port, registry });
  const holder = randomUUID();
  const backing = await openBacking(config, { clientId: `inkstream-changefeed-${holder}`, clock: systemClock, logger });
  const { journal, store, mirrors, changes, leases } = backing;
  const thread = createMirrorThread(systemClock, mirrorThreadLimits(config), config.mirrorBytesMax);
  const limits = mirrorLimitsBy(config);
  const metrics = registerChangefeedMetrics(registry, () => watch.status());
  const take: TakeContext = {
    mirrors,
    store,
    journal,
    work: thread.work,
    roots: rootKindsBy(config),
    clock: systemClock,
    limits,
    clients: createClients(Math.random),
    doubts: createDoubts(systemClock, limits.doubtMs),
    origin: holder,
    makeRev: randomUUID,
  };
  const takeIn = createTakeIn((document) => takeEdit(document, take), {
    hasMirror: hasMirror(config),
    restore: createRestore(take),
    logger,
    metrics,
  });
  const watch: Watch = createWatch({
    changes,
    leases,
    mirrors,
    takeIn,
    held: thread.keep, // the first edit is not to wait for its start
    holder,
    clock: systemClock,
    limits: config,
    logger,
    metrics,
  });
  status.describeBy(() => ({ changefeed: watch.status() }));
  const stopping = new AbortController();
  const watching = watch.run(stopping.signal);
  onStop(logger, async () => {
    status.become('draining');
    stopping.abort();
    await Promise.race([watching, pause(systemClock, stopMsMax)]);
    await thread.end();
    status.close();
    await backing.close();
    logger.info({}, 'stopped');
    return 0;
  });
  status.become('ready');
  sayReady('changefeed', urlOf('http', config.host, status.port));
  await watching;
}

await runProgram('changefeed', readConfig(process.env), run);
