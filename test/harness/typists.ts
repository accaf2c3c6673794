/** People who type, delete, format and paste at random, fast: a crowd for provocation.ts. */

import * as prng from 'lib0/prng';
import { systemClock } from '#shared/runtime/clock.ts';
import { pause } from '#shared/runtime/waiting.ts';
import { createPace } from '#test/harness/pace.ts';
import type { Crowd } from '#test/harness/provocation.ts';
import type { TestCluster } from '#test/harness/test-cluster.ts';
import { missingIn, openTypist, type Edit, type Typist } from '#test/harness/typist.ts';

/** How much is typed in each part, by all of them. */
const edits = { before: 80, meanwhile: 60, after: 40 } as const;

/** Types on and on, `rest` after each time that all had their turn. */
function startTyping(typists: readonly Typist[], rest: () => Promise<void>) {
  const pace = createPace();
  let stopped = false;
  const stop = Promise.withResolvers<void>();
  const run = async (): Promise<void> => {
    while (!stopped) {
      const typed = typists.filter((typist) => typist.type()).length;
      for (let count = 0; count < typed; count++) pace.step();
      // Nobody types while all wait for acknowledgements, or are offline.
      await (typed > 0 ? rest() : Promise.race([stop.promise, ...typists.map(({ client }) => client.nextEvent())]));
    }
  };
  const ended = run();
  return {
    more: pace.more,
    stop: async (): Promise<void> => {
      stopped = true;
      stop.resolve();
      await ended;
    },
  };
}

export type TypistsOptions = {
  readonly documents: readonly string[];
  readonly seed: number;
  /** One edit in so many is a megabyte, which everybody who comes later has to fetch. 0: none is. */
  readonly pasteOneIn: number;
  /** Between two edits of one of them, in ms; if not given, they type as fast as they can. */
  readonly paceMs?: number;
};

/** One on each gateway for each of the documents. */
export function createTypists({ gateways }: TestCluster, options: TypistsOptions): Crowd {
  const { documents, seed, pasteOneIn, paceMs } = options;
  const random = prng.create(seed);
  const ever = new Map(documents.map((document): [string, Edit[]] => [document, []]));
  let typists: readonly Typist[] = [];
  let typing: ReturnType<typeof startTyping> | undefined;
  const rest = (): Promise<void> =>
    paceMs === undefined ? new Promise((resolve) => setImmediate(resolve)) : pause(systemClock, paceMs);
  const lately = (document: string): readonly Edit[] =>
    typists.filter((typist) => typist.document === document).flatMap(({ acknowledged }) => acknowledged);
  return {
    documents,
    come: async () => {
      typists = gateways.flatMap(({ wsUrl }) =>
        documents.map((document) => openTypist({ url: wsUrl, document, random, pasteOneIn })),
      );
      await Promise.all(typists.map(({ client }) => client.synced()));
      typing = startTyping(typists, rest);
    },
    goOn: async (part) => typing?.more(edits[part]),
    stop: async () => typing?.stop(),
    present: () => typists,
    leave: () => {
      for (const { client } of typists) client.discard();
      for (const [document, known] of ever) known.push(...lately(document));
    },
    missingIn: (document, doc, since) =>
      missingIn(doc, since === 'ever' ? (ever.get(document) ?? []) : lately(document)).map(({ kind }) => kind),
    counts: () => {
      const kinds = Map.groupBy([...ever.values()].flat(), ({ kind }) => kind);
      return Object.fromEntries([...kinds].map(([kind, { length }]) => [kind, length]));
    },
  };
}
