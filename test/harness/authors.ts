/**
 * People who write words into documents, and a program that edits the same documents in MongoDB: a crowd for provocation.ts.
 *
 * What they did is looked for as a whole, since the first of them came: everything has to be there once. In the end each mirror has to say what its document says.
 */

import { isDeepStrictEqual } from 'node:util';
import type * as Y from 'yjs';
import { systemClock } from '#shared/runtime/clock.ts';
import { pause } from '#shared/runtime/waiting.ts';
import {
  complaintsAbout,
  type EditKind,
  inShort,
  isStepIn,
  latestStepIn,
  makeEdit,
  startWriting,
  type Writing,
} from '#test/harness/mirror-edits.ts';
import type { MirrorDocument, MirrorProgram } from '#test/harness/mirror-program.ts';
import { createPace } from '#test/harness/pace.ts';
import type { Crowd } from '#test/harness/provocation.ts';
import type { TestCluster } from '#test/harness/test-cluster.ts';
import { type Client, openClient } from '#test/harness/y-websocket-client.ts';

/** How many words are written in each part, by all of them; where nobody writes, how many edits are made. */
const words = { before: 10, meanwhile: 20, after: 10 } as const;
/** How long a mirror may take to say what its document says, when nothing moves any more, in ms. */
const mirroredMsMax = 60_000;
const lookAgainMs = 100;

export type AuthorsOptions = {
  readonly documents: readonly string[];
  /** What the program does in each of them, in this order, over and over. */
  readonly kinds: readonly EditKind[];
  /** Whether people write as well; where not, others may do so. */
  readonly people: boolean;
  /** Between two words of a person, and between two edits of the program in a document, in ms: as fast as they can would be a book in an hour. */
  readonly paceMs: number;
};

export type Authors = Crowd & {
  /** The program makes no edit during this, and what it has made has come to somebody before; people write on. */
  readonly holdProgram: (during: () => Promise<void>) => Promise<void>;
  /** Resolves when the mirrors have all that the program has done; it is held meanwhile. */
  readonly mirrored: () => Promise<void>;
};

/** One document, and all that was ever done to it. */
type Story = {
  readonly document: string;
  readonly made: EditKind[];
  readonly typed: string[];
  clients: readonly Client[];
  writings: readonly Writing[];
  /** The edit that is being made, or was last. */
  editing: Promise<unknown>;
};

/** What is wrong with a mirror. */
function mirrorComplaints(mirror: MirrorDocument | undefined, doc: Y.Doc): readonly string[] {
  if (mirror === undefined) return ['there is none'];
  const roots = {
    text: doc.getText('text').toJSON(),
    fields: doc.getMap('fields').toJSON(),
    list: doc.getArray('list').toJSON(),
  };
  return [
    ...(['text', 'fields', 'list'] as const)
      .filter((root) => !isDeepStrictEqual(mirror.value[root], roots[root]))
      .map((root) => `${root} is ${inShort(mirror.value[root])} and not ${inShort(roots[root])}`),
    ...(mirror.inkstream?.refused ?? []).map(({ reason }) => `refused: ${reason}`),
  ];
}

async function mirrorComplaintsInTheEnd(program: MirrorProgram, document: string, doc: Y.Doc): Promise<readonly string[]> {
  const late = AbortSignal.timeout(mirroredMsMax);
  for (;;) {
    const complaints = mirrorComplaints(await program.read(document), doc);
    if (complaints.length === 0 || late.aborted) return complaints.map((what) => `the mirror of ${document}: ${what}`);
    await pause(systemClock, lookAgainMs, late);
  }
}

/** Waits until something of a step that is still to be made has come to somebody. */
async function nextStepArrives({ made, clients }: Story): Promise<void> {
  const next = made.length;
  while (!clients.some(({ doc }) => latestStepIn(doc) >= next)) await Promise.race(clients.map((client) => client.nextEvent()));
}

/** Waits until somebody has the last step that was made. */
async function lastStepArrives({ made, clients }: Story): Promise<void> {
  const index = made.length - 1;
  const kind = made[index];
  if (kind === undefined) return;
  while (!clients.some(({ doc }) => isStepIn(doc, kind, index))) await Promise.race(clients.map((client) => client.nextEvent()));
}

async function mirrorSaysWhatTheProgramDid(program: MirrorProgram, { document, clients: [client] }: Story): Promise<void> {
  for (;;) {
    const value = (await program.read(document))?.value;
    const fields = client?.doc.getMap('fields').toJSON() ?? {};
    const list = client?.doc.getArray('list').toJSON() ?? [];
    if (isDeepStrictEqual([value?.fields, value?.list], [fields, list])) return;
    await pause(systemClock, lookAgainMs);
  }
}

/** A person on each gateway for each of the documents, and one program. Where there are no people, somebody on the first gateway looks at what the program does. */
export function createAuthors({ gateways }: TestCluster, program: MirrorProgram, options: AuthorsOptions): Authors {
  const stories = options.documents.map((document): Story => ({
    document,
    made: [],
    typed: [],
    clients: [],
    writings: [],
    editing: Promise.resolve(),
  }));
  const storyOf = (document: string): Story => stories.find((story) => story.document === document) as Story;
  const pace = createPace();
  let visit = 0;
  let isOver = false;
  let held: Promise<void> | undefined;
  let working: Promise<unknown> = Promise.resolve();

  const wrote = (): Promise<void> => {
    pace.step();
    return pause(systemClock, options.paceMs);
  };
  const edit = async (story: Story): Promise<void> => {
    const { document, made, writings } = story;
    for (;;) {
      while (held !== undefined) await held;
      if (isOver) return;
      const kind = options.kinds[made.length % options.kinds.length] ?? 'field';
      story.editing = makeEdit(program, { document, index: made.length, kind }, writings[0], new Map());
      await story.editing;
      made.push(kind);
      if (!options.people) pace.step();
      await pause(systemClock, options.paceMs);
    }
  };
  const openAll = async (story: Story): Promise<void> => {
    const { document, typed } = story;
    const there = options.people ? gateways : gateways.slice(0, 1);
    story.clients = there.map(({ wsUrl }) => openClient({ url: wsUrl, document: encodeURIComponent(document) }));
    await Promise.all(story.clients.map((client) => client.synced()));
    if (!options.people || typed.length > 0) return;
    // Every other word, and every mark, is put behind another one.
    story.clients[0]?.text.insert(0, '<begin>');
    typed.push('<begin>');
    await story.clients[0]?.saved();
  };
  /** Rejects where one of them can't go on. */
  const going = async (what: Promise<unknown>): Promise<void> => {
    const failed = working.then(() => new Promise<never>(() => {}));
    await Promise.race([what, failed]);
  };
  const holdProgram = async (during: () => Promise<void>): Promise<void> => {
    const release = Promise.withResolvers<void>();
    held = release.promise;
    try {
      await Promise.all(stories.map(({ editing }) => editing));
      await Promise.all(stories.map(lastStepArrives));
      await during();
    } finally {
      held = undefined;
      release.resolve();
    }
  };
  return {
    documents: options.documents,
    holdProgram: (during) => going(holdProgram(during)),
    mirrored: () => going(Promise.all(stories.map((story) => mirrorSaysWhatTheProgramDid(program, story)))),
    come: async () => {
      visit++;
      isOver = false;
      await Promise.all(stories.map(openAll));
      for (const story of stories) {
        const names = ['a', 'b', 'c', 'd'].map((letter) => `${letter}${visit}.`);
        story.writings = options.people
          ? story.clients.map((client, index) => startWriting(client, names[index] ?? '', wrote))
          : [];
      }
      working = Promise.all(stories.flatMap((story) => [edit(story), ...story.writings.map(({ ended }) => ended)]));
      working.catch(() => {}); // whoever waits for something hears of it
    },
    goOn: (part) =>
      going(part === 'after' ? Promise.all([pace.more(words.after), ...stories.map(nextStepArrives)]) : pace.more(words[part])),
    takenIn: () => going(Promise.all(stories.map(nextStepArrives))),
    stop: async () => {
      isOver = true;
      for (const { writings } of stories) for (const { stop } of writings) void stop();
      await working;
      for (const { typed, writings } of stories) typed.push(...writings.flatMap((writing) => writing.typed));
    },
    present: () => stories.flatMap(({ document, clients }) => clients.map((client) => ({ document, client }))),
    leave: () => {
      for (const client of stories.flatMap(({ clients }) => clients)) client.discard();
    },
    missingIn: (document, doc) => {
      const { made, typed } = storyOf(document);
      return complaintsAbout(doc, { made, typed: options.people ? typed : undefined });
    },
    wrongInTheEnd: (document, doc) => mirrorComplaintsInTheEnd(program, document, doc),
    counts: () => ({
      words: stories.reduce((sum, { typed }) => sum + typed.length, 0),
      'edits in MongoDB': stories.reduce((sum, { made }) => sum + made.length, 0),
    }),
  };
}
