/** The changefeed and the persister, as far as mirrors go, in this thread. Steps and order are the product's own. */

import { createClients } from '#changefeed/clients.ts';
import { createDoubts } from '#changefeed/doubts.ts';
import { restoreMirror } from '#changefeed/missing-mirrors.ts';
import type { TakeContext } from '#changefeed/take-context.ts';
import { takeEdit } from '#changefeed/translate.ts';
import { compactDocument, retireCovered } from '#persister/compaction.ts';
import { compactOrBlame } from '#persister/compaction-work.ts';
import { persisterLimits } from '#persister/limits.ts';
import { type MirrorContext, refreshMirror } from '#persister/mirror.ts';
import { compact } from '#shared/document/compact.ts';
import { mergeUpdates } from '#shared/document/merge.ts';
import type { DocumentName } from '#shared/document/name.ts';
import type { Offset } from '#shared/journal/journal.ts';
import { type MirrorLimits, mirrorLimits } from '#shared/mirror/limits.ts';
import { createMirrorWork, type MirrorWork } from '#shared/mirror/work.ts';
import { valueForm } from '#shared/store/mirror-values.ts';

import { rootKinds } from './contents.ts';
import { clockOf, type Ports, type Process, startProcess, type World } from './world.ts';

/** Few edits are made one, so that it happens in runs that are short. */
const limits: MirrorLimits = { ...mirrorLimits, doubtMs: 40, appliedMax: 3 };

const workOf = (): MirrorWork => createMirrorWork(valueForm, limits.valueBytesMax);
const makeRevOf = (world: World) => (): string => `rev ${++world.serial}`;

function takeContextOf(world: World, ports: Ports, name: string): TakeContext {
  const clock = clockOf(world);
  return {
    ...ports,
    work: workOf(),
    roots: () => rootKinds,
    clock,
    limits,
    clients: createClients(world.random.number),
    doubts: createDoubts(clock, limits.doubtMs),
    origin: name,
    makeRev: makeRevOf(world),
  };
}

/** Looks at one mirror after the other, for ever. */
export async function startChangefeed(world: World): Promise<Process> {
  let context: TakeContext | undefined;
  return startProcess(world, 'changefeed', async (ports, name) => {
    context ??= takeContextOf(world, ports, name); // outlives a call that failed, as the process does
    for (;;) {
      for (const document of await ports.mirrors.listDocuments(undefined, 100)) {
        const taken = await takeEdit(document, context);
        if (taken.kind === 'missing') await restoreMirror(document, context);
        if (taken.kind !== 'clean' && taken.kind !== 'wait') world.log.push(`${name}: ${document} ${JSON.stringify(taken)}`);
      }
    }
  });
}

function mirrorContextOf(world: World, ports: Ports): MirrorContext {
  return {
    ...ports,
    work: workOf(),
    roots: () => rootKinds,
    mirrorLimits: limits,
    makeRev: makeRevOf(world),
    compactor: { compact: async (input) => compactOrBlame(input, compact), end: async () => {} },
    limits: { ...persisterLimits, compactionSegmentsMin: 2 },
    partBytes: 60,
    draining: new AbortController().signal,
  };
}

/** Stores the records from `from` on, or some of them. Returns where to go on. */
async function flush(world: World, { store }: Ports, from: Offset): Promise<Offset> {
  const available = world.appended.length - from;
  if (available <= 0) return from;
  const next = from + 1 + world.random.integer(available);
  const records = world.appended.slice(from, next).map((record, index) => ({ ...record, offset: from + index }));
  for (const [document, of] of Map.groupBy(records, ({ document }) => document)) {
    const offsets = of.map(({ offset }) => offset);
    const update = mergeUpdates(of.map(({ update }) => update));
    await store.putSegment({ document, first: Math.min(...offsets), last: Math.max(...offsets), update });
  }
  return store.moveCheckpoint(0, from, next);
}

async function retire(document: DocumentName, { store, mirrors }: MirrorContext): Promise<void> {
  const head = await store.readHead(document);
  if (head !== undefined) await retireCovered(document, head, store, mirrors.listNamedSnapshots);
}

/** Stores, compacts, rewrites, deletes and trims, for ever, now this, now that; all of it in each round if it is `diligent`. */
export async function startPersister(world: World, diligent = false): Promise<Process> {
  const { random } = world;
  return startProcess(world, 'persister', async (ports, name) => {
    const context = mirrorContextOf(world, ports);
    const now = (probability: number): boolean => diligent || random.chance(probability);
    let position = await ports.store.readCheckpoint(0);
    for (;;) {
      position = await flush(world, ports, position);
      if (now(0.2)) await ports.journal.trim(0, position);
      for (const document of world.store.documents.keys()) {
        if (now(0.2)) await compactDocument(document, context);
        if (now(0.6)) {
          const refreshed = await refreshMirror(document, context);
          if (refreshed.kind === 'written') world.log.push(`${name}: ${document} rewritten at ${refreshed.head.upto}`);
        }
        if (now(0.3)) await retire(document, context);
      }
      if (world.appended.length === position) position = await ports.store.readCheckpoint(0);
    }
  });
}
