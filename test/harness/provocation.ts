/**
 * People who are at work through all gateways of a cluster while one fault after another happens to it, and the count of what was lost.
 *
 * Before each fault the documents are opened by fresh clients, some on each gateway. They work before it, while it happens (those who are connected), and after it. Then they
 * are thrown away with their documents, for a client that lives on would send again what was lost, and hide it; and fresh ones on every gateway must find all
 * that was acknowledged. In the end so must whoever has nothing but the store.
 */

import * as prng from 'lib0/prng';
import { expect } from 'vitest';
import type * as Y from 'yjs';
import { readFromStoreAlone } from '#test/harness/cold-start.ts';
import { type Fault, type Meanwhile, shuffled } from '#test/harness/faults.ts';
import type { TestCluster } from '#test/harness/test-cluster.ts';
import { openClient } from '#test/harness/y-websocket-client.ts';

/** Those who are at work on some documents. */
export type Crowd = {
  readonly documents: readonly string[];
  /** They come, to every gateway, and begin. */
  readonly come: () => Promise<void>;
  /** Resolves when they have done so much more as belongs to this part. Rejects where one of them can't go on. */
  readonly goOn: (part: 'before' | 'meanwhile' | 'after') => Promise<void>;
  /** Resolves when what their program edits from now on comes to a client. */
  readonly takenIn?: () => Promise<void>;
  /** They end what they are about. */
  readonly stop: () => Promise<void>;
  /** They go, with all that they know. */
  readonly leave: () => void;
  /** What a document has to have of what was acknowledged since they came, or ever, and has not, or not once. */
  readonly missingIn: (document: string, doc: Y.Doc, since: 'they came' | 'ever') => readonly string[];
  /** What else is wrong when nothing moves any more. */
  readonly wrongInTheEnd?: (document: string, doc: Y.Doc) => Promise<readonly string[]>;
  /** How many edits of what kinds were acknowledged. */
  readonly counts: () => Readonly<Record<string, number>>;
};

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

/** How long a gateway that others have written to may take to have it too, in ms: what makes a hang into a loss. */
const arrivalMsMax = 60_000;
/** From the coming of people to their going, over a fault, in ms: what makes a hang into an error. */
const faultMsMax = 240_000;

/** Rejects where `what` takes longer than `ms`. */
async function within(ms: number, name: string, what: Promise<void>): Promise<void> {
  const late = AbortSignal.timeout(ms);
  const isLate = new Promise<never>((_, reject) => {
    late.addEventListener('abort', () => reject(new Error(`${name}: not over within ${ms} ms`)));
  });
  await Promise.race([what, isLate]);
}

/** What of a document a fresh client does not find on a gateway, though it is given time. */
async function missingOn(
  url: string,
  document: string,
  missingIn: (doc: Y.Doc) => readonly string[],
): Promise<readonly string[]> {
  const fresh = openClient({ url, document: encodeURIComponent(document) });
  const late = AbortSignal.timeout(arrivalMsMax);
  const isLate = new Promise<void>((resolve) => late.addEventListener('abort', () => resolve()));
  try {
    await fresh.synced();
    for (;;) {
      const missing = missingIn(fresh.doc);
      if (missing.length === 0 || late.aborted) return missing;
      await Promise.race([fresh.nextEvent(), isLate]);
    }
  } finally {
    fresh.discard();
  }
}

/** What of what was acknowledged since people came fresh clients do not find, each on every gateway. */
async function findLost({ gateways }: TestCluster, crowds: readonly Crowd[]): Promise<readonly string[]> {
  const looks = gateways.flatMap(({ name, wsUrl }) =>
    crowds.flatMap((crowd) =>
      crowd.documents.map(async (document) =>
        (await missingOn(wsUrl, document, (doc) => crowd.missingIn(document, doc, 'they came'))).map(
          (what) => `${what}, in ${document} on ${name}`,
        ),
      ),
    ),
  );
  return (await Promise.all(looks)).flat();
}

/** What whoever has the store alone does not find of all that was ever acknowledged; and what else is wrong then. */
async function findWrongInTheEnd({ connection, mongodb }: TestCluster, crowds: readonly Crowd[]): Promise<readonly string[]> {
  const documents = [...new Set(crowds.flatMap((crowd) => crowd.documents))];
  const stored = await readFromStoreAlone(connection, mongodb.url, documents);
  const looks = crowds.flatMap((crowd) =>
    crowd.documents.map(async (document) => {
      const doc = stored.get(document);
      if (doc === undefined) throw new Error(`${document} was not read`);
      const missing = crowd.missingIn(document, doc, 'ever').map((what) => `${what}, in ${document} in the store alone`);
      return [...missing, ...((await crowd.wrongInTheEnd?.(document, doc)) ?? [])];
    }),
  );
  return (await Promise.all(looks)).flat();
}

const sum = (counts: readonly Readonly<Record<string, number>>[]): ReadonlyMap<string, number> => {
  const sums = new Map<string, number>();
  for (const [kind, count] of counts.flatMap((each) => Object.entries(each))) sums.set(kind, (sums.get(kind) ?? 0) + count);
  return sums;
};

const asWords = (counts: ReadonlyMap<string, number>): string =>
  [...counts].map(([kind, count]) => `${count} ${kind}`).join(', ');

export type Provocation = {
  readonly seed: number;
  /** Half a round is half of the faults. */
  readonly rounds: number;
  /** Those of one round, in whatever order. */
  readonly faults: (meanwhile: Meanwhile, random: prng.PRNG) => readonly Fault[];
  readonly crowds: readonly Crowd[];
};

export type Provoked = { readonly faults: number; readonly edits: number };

/** Lets faults happen, round after round. Expects that nothing that was acknowledged is lost, and returns what was counted. */
export async function provokeFaults(cluster: TestCluster, { seed, rounds, faults, crowds }: Provocation): Promise<Provoked> {
  const random = prng.create(seed);
  const each = async (what: (crowd: Crowd) => Promise<void> | undefined): Promise<void> => {
    await Promise.all(crowds.map(async (crowd) => what(crowd)));
  };
  const meanwhile: Meanwhile = {
    typed: () => each((crowd) => crowd.goOn('meanwhile')),
    takenIn: () => each((crowd) => crowd.takenIn?.()),
  };
  const live = async (happen: () => Promise<void>): Promise<void> => {
    await each((crowd) => crowd.come());
    await each((crowd) => crowd.goOn('before'));
    await happen();
    await each((crowd) => crowd.goOn('after'));
    await each((crowd) => crowd.stop());
  };
  const happened: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const all = faults(meanwhile, random);
    for (const { name, happen } of shuffled(all, random).slice(0, Math.ceil((rounds - round) * all.length))) {
      const began = performance.now();
      try {
        await within(faultMsMax, name, live(happen));
      } finally {
        for (const crowd of crowds) crowd.leave();
      }
      happened.push(name);
      expect(await findLost(cluster, crowds), `lost after: ${name}`).toEqual([]);
      console.log(`${new Date().toISOString()} ${name}: ${Math.round(performance.now() - began)} ms`);
    }
  }
  expect(await findWrongInTheEnd(cluster, crowds), 'in the end').toEqual([]);
  const counts = sum(crowds.map((crowd) => crowd.counts()));
  const edits = [...counts.values()].reduce((one, other) => one + other, 0);
  const kinds = new Map([...Map.groupBy(happened, (name) => name)].map(([name, times]) => [`× ${name}`, times.length]));
  console.log(`${edits} acknowledged edits (${asWords(counts)}), 0 lost, over ${happened.length} faults: ${asWords(kinds)}`);
  return { faults: happened.length, edits };
}
