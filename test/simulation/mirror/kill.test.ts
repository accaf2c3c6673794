/**
 * A kill, and a freeze, at every single step of an intent.
 *
 * A changefeed takes in an edit, is stopped before one of its calls, and something happens to the mirror or to the document. Then it never goes on; or it goes on when another one has done
 * its work, and does what it was about to do, too late. And so again for an edit with which those before it are made one.
 */

import { expect, test } from 'vitest';

import type { Inkstream } from '#shared/store/mirrors.ts';

import { complaintsAbout } from './judgement.ts';
import { sendAll, typeSomething } from './people.ts';
import type { ProgramKind } from './programs.ts';
import { calmDown, createScene, document, type Scene } from './scene.ts';
import type { World } from './world.ts';

const reads = ['readState', 'readMirror'];
const writes = ['writeState', 'writeBookkeeping', 'append'];

/** What a program does at last, after `taken` edits that were taken in and have not been made one, and all calls before which a changefeed is stopped that takes it in. */
type Case = { readonly taken: readonly ProgramKind[]; readonly edit: ProgramKind; readonly calls: readonly string[] };

const ofSnapshot = [...reads, 'readSnapshotPart', ...writes];
const ofNothing = [...reads, 'readHead', 'readSegments', ...writes];
const first: readonly Case[] = [
  { taken: [], edit: 'set', calls: ofSnapshot },
  { taken: [], edit: 'replace', calls: ofSnapshot },
  { taken: [], edit: 'delete-and-insert', calls: ofSnapshot },
  { taken: [], edit: 'unusable', calls: [...reads, 'readSnapshotPart', 'writeState', 'replaceMirror'] },
  { taken: [], edit: 'insert', calls: ofNothing },
];
const next: readonly Case[] = [
  { taken: ['set', 'set', 'set'], edit: 'set', calls: ofSnapshot },
  { taken: ['set', 'set', 'set'], edit: 'replace', calls: ofSnapshot },
  { taken: ['insert', 'set', 'set'], edit: 'set', calls: ofNothing },
];

/** Each by itself ends in time on a busy machine too. */
const eachWay = (cases: readonly Case[]) =>
  ['killed', 'frozen, and goes on too late'].flatMap((how) =>
    cases.map((one) => ({ how, what: [...one.taken, one.edit].join(', '), ...one })),
  );

/** What comes in between: an edit, somebody who types, a persister that stores and rewrites, or some of it. */
const meanwhile: readonly (readonly (ProgramKind | 'type' | 'persist')[])[] = [
  [],
  ['set'],
  ['toggle', 'toggle'],
  ['replace'],
  ['delete'],
  ['delete-and-insert'],
  ['unset-field'],
  ['forge-field', 'set'],
  ['unusable'],
  ['put-back'],
  ['put-back', 'set'],
  ['type', 'persist'],
  ['type', 'persist', 'set', 'persist'],
  ['persist', 'replace', 'type', 'persist'],
];

const isCall = (call: string): boolean => call !== 'listDocuments';

async function persist({ processes: [, persister] }: Scene): Promise<void> {
  for (let step = 0; step < 40; step++) await persister.step();
}

type Told = {
  readonly complaints: readonly string[];
  readonly stoppedBefore: string;
  readonly squashes: number;
  readonly log: readonly string[];
};

/** Lets a changefeed look at every mirror once. */
async function lookOnce({ processes: [changefeed] }: Scene): Promise<void> {
  do await changefeed.step();
  while (isCall(changefeed.standsBefore()));
}

/** A document with its mirror, edited and taken in, and a changefeed that has nothing to do. Or, where the first edit inserts the mirror, one that people have typed into. */
async function createEditedScene(seed: number, { taken, edit }: Pick<Case, 'taken' | 'edit'>): Promise<Scene> {
  const fromNothing = [...taken, edit][0] === 'insert';
  const scene = await createScene(seed, fromNothing);
  const { world, programs, ledger, people } = scene;
  if (fromNothing) for (const person of people) await typeSomething(world, document, person, ledger);
  for (const person of people) await sendAll(world, document, person);
  await lookOnce(scene);
  for (const kind of taken) {
    programs.act(kind);
    await lookOnce(scene);
  }
  expect(fieldOf(world)?.applied ?? []).toHaveLength(taken.length);
  return scene;
}

/** Stops the changefeed before its call with number `stopAt`. Undefined where it makes no so many to take the edit in. */
async function tell(
  { taken, edit }: Pick<Case, 'taken' | 'edit'>,
  stopAt: number,
  between: (typeof meanwhile)[number],
  isFrozen: boolean,
): Promise<Told | undefined> {
  const scene = await createEditedScene(1_000 + stopAt, { taken, edit });
  const { world, programs, ledger, people } = scene;
  const [changefeed] = scene.processes;
  programs.act('read');
  let edits = taken.length + Number(programs.act(edit));

  let calls = 0;
  for (;;) {
    do await changefeed.step();
    while (!isCall(changefeed.standsBefore()));
    if (calls++ === stopAt) break;
    if (calls > 8 && isClean(scene)) return undefined;
  }
  const stoppedBefore = changefeed.standsBefore();
  for (const what of between) {
    if (what === 'type') await typeSomething(world, document, people[0] ?? expect.fail('nobody types'), ledger);
    else if (what === 'persist') await persist(scene);
    else edits += Number(programs.act(what));
  }
  const stalled = await calmDown(scene);
  if (isFrozen) for (let step = 0; step < 25; step++) await changefeed.step();
  const stalledAgain = isFrozen ? await calmDown(scene) : [];
  const complaints = [...stalled, ...stalledAgain, ...complaintsAbout(scene, edits)];
  return { complaints, stoppedBefore, squashes: world.squashes.count, log: world.log };
}

const fieldOf = ({ mirrors }: World): Inkstream | undefined => {
  const inkstream = mirrors.mirrors.get(document)?.inkstream;
  return inkstream instanceof Uint8Array ? undefined : inkstream;
};

const isClean = ({ world }: Scene): boolean => {
  const state = world.mirrors.states.get(document);
  return fieldOf(world)?.rev === state?.next.rev && state?.next.intent === undefined;
};

/** Stops it before each of its calls, with each of what may come in between. Where there are edits to be made one, only a run in which they were is proof. */
async function stopEverywhere(one: Case, isFrozen: boolean): Promise<void> {
  const stops = new Set<string>();
  for (const between of meanwhile) {
    for (let stopAt = 0; ; stopAt++) {
      const told = await tell(one, stopAt, between, isFrozen);
      if (told === undefined) break;
      const when = `stopped before call ${stopAt}, ${told.stoppedBefore}; meanwhile ${between.join(', ')}`;
      expect(told.complaints, `${when}\n${told.log.join('\n')}`).toEqual([]);
      if (one.taken.length === 0 || told.squashes > 0) stops.add(told.stoppedBefore);
    }
  }
  expect(stops).toEqual(new Set(one.calls));
}

test.each(eachWay(first))('MI8: the changefeed is $how, at each step of an edit: $what', (one) =>
  stopEverywhere(one, one.how !== 'killed'),
);

test.each(eachWay(next))(
  'MI8, MI35: the changefeed is $how, at each step of an edit with which those before are made one: $what',
  (one) => stopEverywhere(one, one.how !== 'killed'),
);
