/**
 * A kill, and a freeze, at every single step of an intent.
 *
 * A changefeed takes in an edit, is stopped before one of its calls, and something happens to the mirror or to the document. Then it never goes on; or it goes on when another one has done
 * its work, and does what it was about to do, too late.
 */

import { expect, test } from 'vitest';

import { complaintsAbout } from './judgement.ts';
import { sendAll, typeSomething } from './people.ts';
import type { ProgramKind } from './programs.ts';
import { calmDown, createScene, document, type Scene } from './scene.ts';

const reads = ['readState', 'readMirror'];
const writes = ['writeState', 'writeBookkeeping', 'append'];

/** Edits, and all calls before which a changefeed is stopped that takes them in. */
const first: readonly (readonly [ProgramKind, readonly string[]])[] = [
  ['set', [...reads, 'readSnapshotPart', ...writes]],
  ['replace', [...reads, 'readSnapshotPart', ...writes]],
  ['delete-and-insert', [...reads, 'readSnapshotPart', ...writes]],
  ['unusable', [...reads, 'readSnapshotPart', 'writeState', 'replaceMirror']],
  ['insert', [...reads, 'readHead', 'readSegments', ...writes]],
];

/** Each by itself ends in time on a busy machine too. */
const tests = ['killed', 'frozen, and goes on too late'].flatMap((how) =>
  first.map(([edit, calls]) => [how, edit, calls] as const),
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

type Told = { readonly complaints: readonly string[]; readonly stoppedBefore: string; readonly log: readonly string[] };

/** Stops the changefeed before its call with number `stopAt`. Undefined where it makes no so many to take the edit in. */
async function tell(
  edit: ProgramKind,
  stopAt: number,
  between: (typeof meanwhile)[number],
  isFrozen: boolean,
): Promise<Told | undefined> {
  const scene = await createScene(1_000 + stopAt, edit === 'insert');
  const { world, programs, ledger, people } = scene;
  const [changefeed] = scene.processes;
  if (edit === 'insert') for (const person of people) await typeSomething(world, document, person, ledger);
  for (const person of people) await sendAll(world, document, person);
  while (isCall(changefeed.standsBefore())) await changefeed.step();
  programs.act('read');
  let edits = Number(programs.act(edit));

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
  return { complaints: [...stalled, ...stalledAgain, ...complaintsAbout(scene, edits)], stoppedBefore, log: world.log };
}

const isClean = ({ world }: Scene): boolean => {
  const inkstream = world.mirrors.mirrors.get(document)?.inkstream;
  const state = world.mirrors.states.get(document);
  return !(inkstream instanceof Uint8Array) && inkstream?.rev === state?.next.rev && state?.next.intent === undefined;
};

test.each(tests)('MI8: the changefeed is %s, at each step of an edit: %s', async (how, edit, calls) => {
  const stops = new Set<string>();
  for (const between of meanwhile) {
    for (let stopAt = 0; ; stopAt++) {
      const told = await tell(edit, stopAt, between, how !== 'killed');
      if (told === undefined) break;
      const when = `stopped before call ${stopAt}, ${told.stoppedBefore}; meanwhile ${between.join(', ')}`;
      expect(told.complaints, `${when}\n${told.log.join('\n')}`).toEqual([]);
      stops.add(told.stoppedBefore);
    }
  }
  expect(stops).toEqual(new Set(calls));
});
