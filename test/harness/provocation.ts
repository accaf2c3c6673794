/**
 * People who type on all gateways of a cluster while one fault after another happens to it, and the count of what was lost.
 *
 * Before each fault the documents are opened by fresh clients, some on each gateway. They type before it, while it happens (those who are connected), and after it. Then they
 * are thrown away with their documents, for a client that lives on would send again what was lost, and hide it; and fresh ones on every gateway must find all
 * that was acknowledged. In the end so must whoever has nothing but the store.
 */

import * as prng from 'lib0/prng';
import { expect } from 'vitest';
import { readFromStoreAlone } from '#test/harness/cold-start.ts';
import { faultsOf, kindsOfFaults, shuffled } from '#test/harness/faults.ts';
import type { ClusterNode, TestCluster } from '#test/harness/test-cluster.ts';
import { missingIn, openTypist, type Edit, type Typist } from '#test/harness/typist.ts';
import { type Client, openClient } from '#test/harness/y-websocket-client.ts';

const documents = ['notes', 'team-7/minutes', 'plan'];
const editsBefore = 80;
const editsAfter = 40;
/** How much the others type while a process is frozen. */
const editsMeanwhile = 60;

/** Settings with which documents are compacted all the time, what a compaction covers goes at once, and the journal is cut behind the checkpoint. */
export const busyPersister = {
  FLUSH_INTERVAL_MS: 100,
  COMPACTION_SEGMENTS_MIN: 2,
  COMPACTION_BYTES_MIN: 1,
  COMPACTION_SNAPSHOT_PERCENT: 1,
  COMPACTION_BYTES_PER_SEGMENT: 1024 * 1024,
  RETIRE_AFTER_MS: 100,
  RESTORE_WINDOW_MS: 1,
  TRIM_INTERVAL_MS: 200,
};

/** Types on and on, and tells how much. */
function startTyping(typists: readonly Typist[]) {
  let edits = 0;
  let stopped = false;
  let waiting: { readonly edits: number; readonly resolve: () => void }[] = [];
  const stop = Promise.withResolvers<void>();
  const run = async (): Promise<void> => {
    while (!stopped) {
      const typed = typists.filter((typist) => typist.type()).length;
      edits += typed;
      for (const { resolve } of waiting.filter((one) => one.edits <= edits)) resolve();
      waiting = waiting.filter((one) => one.edits > edits);
      // Nobody types while all wait for acknowledgements, or are offline.
      await (typed > 0
        ? new Promise((resolve) => setImmediate(resolve))
        : Promise.race([stop.promise, ...typists.map(({ client }) => client.nextEvent())]));
    }
  };
  const ended = run();
  return {
    /** Resolves when so many more edits were made. */
    more: (count: number): Promise<void> => new Promise((resolve) => void waiting.push({ edits: edits + count, resolve })),
    stop: async (): Promise<void> => {
      stopped = true;
      stop.resolve();
      await ended;
    },
  };
}

/** How long a gateway that others have written to may take to have it too, in ms: what makes a hang into a loss. */
const arrivalMsMax = 20_000;

/** Those of the edits that do not come to a client, though it is given time. */
async function missingFor(fresh: Client, acknowledged: readonly Edit[]): Promise<readonly Edit[]> {
  const late = AbortSignal.timeout(arrivalMsMax);
  const isLate = new Promise<void>((resolve) => late.addEventListener('abort', () => resolve()));
  for (let missing = missingIn(fresh.doc, acknowledged); ; missing = missingIn(fresh.doc, missing)) {
    if (missing.length === 0 || late.aborted) return missing;
    await Promise.race([fresh.nextEvent(), isLate]);
  }
}

/** What of `edits` fresh clients do not find, each on every gateway. */
async function findLost(
  gateways: readonly ClusterNode[],
  edits: ReadonlyMap<string, readonly Edit[]>,
): Promise<readonly string[]> {
  const looks = gateways.flatMap((gateway) =>
    [...edits].map(async ([document, acknowledged]) => {
      const fresh = openClient({ url: gateway.wsUrl, document });
      try {
        await fresh.synced();
        return (await missingFor(fresh, acknowledged)).map(({ kind }) => `${kind} in ${document} on ${gateway.name}`);
      } finally {
        fresh.discard();
      }
    }),
  );
  return (await Promise.all(looks)).flat();
}

export type Provoked = { readonly faults: number; readonly edits: number; readonly lost: number };

export type Provocation = {
  readonly seed: number;
  readonly rounds: number;
  /** What a round is: every kind of fault once, or once for each gateway and each persister. */
  readonly each: 'kind' | 'process';
  /** One edit in so many is a megabyte, which everybody who comes later has to fetch. */
  readonly pasteOneIn: number;
};

/** Lets faults happen, round after round. Expects that nothing that was acknowledged is lost, and returns what was counted. */
export async function provokeFaults(cluster: TestCluster, { seed, rounds, each, pasteOneIn }: Provocation): Promise<Provoked> {
  const random = prng.create(seed);
  const all = new Map(documents.map((document): [string, Edit[]] => [document, []]));
  let typing: ReturnType<typeof startTyping> | undefined;
  const meanwhile = async (): Promise<void> => typing?.more(editsMeanwhile);
  let happened = 0;
  let lost = 0;
  for (let round = 0; round < rounds; round++) {
    const faults = each === 'kind' ? kindsOfFaults(cluster, meanwhile, random) : faultsOf(cluster, meanwhile);
    for (const { name, happen } of shuffled(faults, random)) {
      const typists = cluster.gateways.flatMap(({ wsUrl }) =>
        documents.map((document) => openTypist({ url: wsUrl, document, random, pasteOneIn })),
      );
      try {
        await Promise.all(typists.map(({ client }) => client.synced()));
        typing = startTyping(typists);
        await typing.more(editsBefore);
        await happen();
        await typing.more(editsAfter);
        await typing.stop();
      } finally {
        for (const { client } of typists) client.discard();
      }
      happened++;
      const edits = new Map(
        documents.map((document) => [
          document,
          typists.filter((typist) => typist.document === document).flatMap(({ acknowledged }) => acknowledged),
        ]),
      );
      const missing = await findLost(cluster.gateways, edits);
      expect(missing, `lost after: ${name}`).toEqual([]);
      lost += missing.length;
      for (const [document, acknowledged] of edits) all.get(document)?.push(...acknowledged);
    }
  }
  const stored = await readFromStoreAlone(cluster.connection, cluster.mongodb.url, documents);
  for (const [document, edits] of all) {
    const doc = stored.get(document);
    if (doc === undefined) throw new Error(`${document} was not read`);
    expect(missingIn(doc, edits), `${document}, out of the store alone`).toEqual([]);
  }
  const edits = [...all.values()].flat().length;
  console.log(`${edits} acknowledged edits, ${lost} lost, over ${happened} faults`);
  return { faults: happened, edits, lost };
}
