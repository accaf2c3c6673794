/**
 * The order in which test files begin.
 *
 * Several run at a time, and one that takes a minute and begins last runs on alone when all others have ended. Vitest begins with what took longest the
 * last time; in a fresh clone, where there was none, with the largest files. But here small files take longest: a few lines start a cluster and break it
 * for a minute. So those that take long are named here and begin first, in this order, those that compute among those that wait.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const longest = [
  'test/integration/kafka/failover.test.ts',
  'test/integration/cluster/durability.test.ts',
  'test/integration/hostile.test.ts',
  'test/integration/cluster/recovery.test.ts',
  'test/integration/durability-kill.test.ts',
  'test/browser/saved.test.ts',
  'test/integration/replay.test.ts',
  'test/integration/cluster/mirrors.test.ts',
  'test/simulation/rooms/rooms.test.ts',
  'test/browser/cluster.test.ts',
  'test/integration/lifecycle.test.ts',
  'test/simulation/mirror/mirror.test.ts',
  'test/simulation/mirror/kill.test.ts',
  'test/integration/store-refuses.test.ts',
  'test/integration/local-cluster.test.ts',
  'test/integration/json-door.test.ts',
  'test/integration/mains.test.ts',
  'test/simulation/persister/crash.test.ts',
  'test/integration/mongo/races.test.ts',
  'test/integration/kafka/secured.test.ts',
  'test/integration/kafka/faults.test.ts',
  'test/integration/tiptap.test.ts',
  'test/integration/mongo/store.test.ts',
  'test/integration/cluster-mains.test.ts',
  'test/simulation/gateway/cluster.test.ts',
  'test/integration/slow-reader.test.ts',
  'test/simulation/gateway/gateway.test.ts',
  'test/browser/editing.test.ts',
  'test/integration/mongo/crash.test.ts',
  'test/integration/engines.test.ts',
  'test/browser/document-names.test.ts',
  'test/unit/deploy.test.ts',
  'test/integration/mongo/rivals.test.ts',
  'test/integration/y-websocket-door.test.ts',
  'test/integration/mongo/changes.test.ts',
  'test/integration/real-clients.test.ts',
  'test/integration/kafka/journal.test.ts',
  'test/unit/persister/sharing.test.ts',
  'test/integration/kafka/cluster.test.ts',
  'test/integration/mongo/stored.test.ts',
  'test/integration/kafka-proxy.test.ts',
  'test/unit/store/mongo-connection.test.ts',
  'test/browser/appearance.test.ts',
  'test/simulation/persister/schedules.test.ts',
] as const;

/** For Vitest's `sequence.sequencer`. @throws Error where a file that is named here is not there. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const places = new Map<string, number>();
    for (const [place, file] of longest.entries()) {
      const path = join(this.ctx.config.root, file);
      if (!existsSync(path)) throw new Error(`there is no ${file}, which test/harness/longest-first.ts names`);
      places.set(path, place);
    }
    const placeOf = ({ moduleId }: TestSpecification): number => places.get(moduleId) ?? places.size;
    // oxlint-disable-next-line unicorn/no-array-sort -- not an array's
    const others = await super.sort(files);
    return others.toSorted((a, b) => placeOf(a) - placeOf(b));
  }
}
