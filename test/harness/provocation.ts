/**
 * People who are at work through all gateways of a cluster while one fault after another happens to it, and the count of what was lost.
 *
 * Before each fault the documents are opened by fresh clients, some on each gateway. They work before it, while it happens (those who are connected), and after it. All of them have to
 * get all that was acknowledged. Then they are thrown away with their documents, for a client that lives on would send again what was lost, and hide it; and fresh ones
 * on every gateway must find it too. In the end so must whoever has nothing but the store.
 */

import * as prng from 'lib0/prng';
import { expect } from 'vitest';
import type * as Y from 'yjs';
import { readFromStoreAlone } from '#test/harness/cold-start.ts';
import { type Fault, type Meanwhile, shuffled } from '#test/harness/faults.ts';
import type { TestCluster } from '#test/harness/test-cluster.ts';
import { type Client, openClient } from '#test/harness/y-websocket-client.ts';

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
  /** Their clients, until they leave. */
  readonly present: () => readonly { readonly document: string; readonly client: Client }[];
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

/** The same for a database that is put back: the journal is cut only where a test does it. */
export const restorablePersister = { ...busyPersister, RESTORE_WINDOW_MS: 86_400_000 };

/** How long a gateway that others have written to may take to have it too, in ms: what makes a hang into a loss. */
const arrivalMsMax = 60_000;
/** From the coming of people to their going, over a fault, and for newcomers to look, in ms: what makes a hang into an error. */
const faultMsMax = 240_000;

/** Goes through the parts of one fault, and tells how long each took. `during` rejects where they take too long, and names the part. */
function createWatch(name: string) {
  const parts: string[] = [];
  const late = AbortSignal.timeout(faultMsMax);
  const isLate = Promise.withResolvers<never>();
  late.addEventListener('abort', () => isLate.reject(late.reason));
  return {
    during: async (part: string, what: Promise<void>): Promise<void> => {
      const began = performance.now();
      await Promise.race([
        what,
        isLate.promise.catch(() => {
          throw new Error(`${name}: not over within ${faultMsMax} ms (${[...parts, `still: ${part}`].join(', ')})`);
        }),
      ]);
      parts.push(`${part} ${Math.round(performance.now() - began)}`);
    },
    /** In ms. */
    tell: (): string => `${new Date().toISOString()} ${name}: ${parts.join(', ')} ms`,
  };
}

/** What of a document does not come to a client, though it is given time. */
async function missingFor(client: Client, missingIn: (doc: Y.Doc) => readonly string[]): Promise<readonly string[]> {
  const late = AbortSignal.timeout(arrivalMsMax);
  const isLate = new Promise<void>((resolve) => late.addEventListener('abort', () => resolve()));
  for (;;) {
    const missing = missingIn(client.doc);
    if (missing.length === 0 || late.aborted) return missing;
    await Promise.race([client.nextEvent(), isLate]);
  }
}

/** What of what was acknowledged since people came does not come to one of them. */
async function findLostByThosePresent(crowds: readonly Crowd[]): Promise<readonly string[]> {
  const looks = crowds.flatMap((crowd) =>
    crowd.present().map(async ({ document, client }) => {
      const missing = await missingFor(client, (doc) => crowd.missingIn(document, doc, 'they came'));
      return missing.map((what) => `${what}, in ${document} of somebody who was there`);
    }),
  );
  return (await Promise.all(looks)).flat();
}

/** What of it fresh clients do not find, each on every gateway. */
async function findLostByNewcomers({ gateways }: TestCluster, crowds: readonly Crowd[]): Promise<readonly string[]> {
  const looks = gateways.flatMap(({ name, wsUrl }) =>
    crowds.flatMap((crowd) =>
      crowd.documents.map(async (document) => {
        const fresh = openClient({ url: wsUrl, document: encodeURIComponent(document) });
        try {
          await fresh.synced();
          const missing = await missingFor(fresh, (doc) => crowd.missingIn(document, doc, 'they came'));
          return missing.map((what) => `${what}, in ${document} on ${name}`);
        } finally {
          fresh.discard();
        }
      }),
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
  const live = async ({ name, happen }: Fault): Promise<void> => {
    const { during, tell } = createWatch(name);
    const complain = (lost: readonly string[]): void => expect(lost, `lost after: ${name}`).toEqual([]);
    try {
      await during(
        'they came',
        each((crowd) => crowd.come()),
      );
      await during(
        'began',
        each((crowd) => crowd.goOn('before')),
      );
      await during('it happened', happen());
      await during(
        'they went on',
        each((crowd) => crowd.goOn('after')),
      );
      await during(
        'ended',
        each((crowd) => crowd.stop()),
      );
      await during('had all', findLostByThosePresent(crowds).then(complain));
    } finally {
      for (const crowd of crowds) crowd.leave();
    }
    await during('newcomers had all', findLostByNewcomers(cluster, crowds).then(complain));
    console.log(tell());
  };
  const happened: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const all = faults(meanwhile, random);
    for (const fault of shuffled(all, random).slice(0, Math.ceil((rounds - round) * all.length))) {
      await live(fault);
      happened.push(fault.name);
    }
  }
  expect(await findWrongInTheEnd(cluster, crowds), 'in the end').toEqual([]);
  const counts = sum(crowds.map((crowd) => crowd.counts()));
  const edits = [...counts.values()].reduce((one, other) => one + other, 0);
  const kinds = new Map([...Map.groupBy(happened, (name) => name)].map(([name, times]) => [`× ${name}`, times.length]));
  console.log(`${edits} acknowledged edits (${asWords(counts)}), 0 lost, over ${happened.length} faults: ${asWords(kinds)}`);
  return { faults: happened.length, edits };
}
