/**
 * What outlives everybody: a journal, a store and the mirrors, and the processes that work on them, each stopped before every call of a port until the schedule lets it go on. A process that is killed is
 * not let go on any more; one that is frozen is let go on much later. So whatever can come between two calls does, for some seed.
 */

import type { Journal } from '#shared/journal/journal.ts';
import { JournalUnavailable } from '#shared/journal/journal.ts';
import { createJournalDisk, createMemoryJournal, type JournalDisk } from '#shared/journal/memory.ts';
import type { DocumentName } from '#shared/document/name.ts';
import type { Clock } from '#shared/runtime/clock.ts';
import { updatesOf as updatesOfState } from '#shared/mirror/base.ts';
import { isClean, ownBookkeeping } from '#shared/mirror/bookkeeping.ts';
import { appliedTo } from '#shared/mirror/history.ts';
import { createMemoryMirrors, createMirrorDisk, type MirrorDisk, type MirrorOnDisk } from '#shared/store/memory-mirrors.ts';
import { createMemoryStore, createStoreDisk, type StoreDisk } from '#shared/store/memory.ts';
import type { Bookkeeping, MirrorState, MirrorStore, SnapshotName } from '#shared/store/mirrors.ts';
import { StoreUnavailable, type Store } from '#shared/store/store.ts';
import type { Random } from '#test/simulation/rooms/random.ts';

export type Appended = { readonly document: DocumentName; readonly update: Uint8Array; readonly origin: string };

export type World = {
  readonly random: Random;
  readonly journal: JournalDisk;
  readonly store: StoreDisk;
  readonly mirrors: MirrorDisk;
  /** Everything that was ever appended, also what was trimmed. */
  readonly appended: Appended[];
  /** The states as they were looked at last, and how many of them were written in which many edits had become one. */
  readonly squashes: { readonly seen: Map<DocumentName, MirrorState>; count: number };
  /** One for each step of any process. */
  time: number;
  /** Numbers that are given out once. */
  serial: number;
  /** Whether calls of the ports fail now and then. */
  failing: boolean;
  readonly log: string[];
};

export const createWorld = (random: Random): World => ({
  random,
  journal: createJournalDisk(),
  store: createStoreDisk(),
  mirrors: createMirrorDisk(),
  appended: [],
  squashes: { seen: new Map(), count: 0 },
  time: 0,
  serial: 0,
  failing: false,
  log: [],
});

export const clockOf = (world: World): Clock => ({
  now: () => 1_700_000_000_000 + world.time,
  monotonic: () => world.time,
  after: () => {
    throw new Error('nobody waits in this world');
  },
});

/** Takes note of what was appended since it was called last. */
function noteAppended(world: World): void {
  const [partition] = world.journal.partitions;
  for (const { records } of partition?.batches ?? []) {
    for (const read of records) {
      if (read.offset < world.appended.length || !('record' in read)) continue;
      const { document, update, origin } = read.record;
      world.appended.push({ document, update, origin });
    }
  }
}

/** Counts the states in which edits were made one, of those that were written since it was called last. */
function noteSquashes({ mirrors, squashes }: World): void {
  for (const [document, state] of mirrors.states) {
    const [edits = [], editsBefore = []] = [state, squashes.seen.get(document)].map((of) => appliedTo(of, state.next.snapshot));
    if (edits.length > 0 && edits.length < editsBefore.length) squashes.count++;
    squashes.seen.set(document, state);
  }
}

export const updatesOf = (world: World, document: DocumentName): readonly Uint8Array[] =>
  world.appended.filter((record) => record.document === document).map(({ update }) => update);

/** The update of a snapshot as it is stored, or none. */
export function snapshotUpdates({ store }: World, document: DocumentName, { upto, sha256 }: SnapshotName): readonly Uint8Array[] {
  const parts = store.documents.get(document)?.snapshots.get(`${upto}-${sha256}`)?.parts;
  return parts === undefined
    ? []
    : [Buffer.concat([...parts].toSorted(([one], [other]) => one - other).map(([, bytes]) => bytes))];
}

/** What a mirror shows that was made of a snapshot, with all that was taken in on top of it. */
export function shownUpdates(world: World, document: DocumentName, snapshot: SnapshotName): readonly Uint8Array[] {
  const applied = appliedTo(world.mirrors.states.get(document), snapshot) ?? [];
  return updatesOfState({ updates: snapshotUpdates(world, document, snapshot), applied });
}

/** What a mirror says of itself, where that is its own and nobody has edited it. */
export function cleanBookkeeping(document: DocumentName, { value, inkstream }: MirrorOnDisk): Bookkeeping | undefined {
  if (inkstream === undefined || inkstream instanceof Uint8Array) return undefined;
  const mirror = { value, inkstream, guard: { kind: 'missing' } as const, roomBytes: Infinity };
  const own = ownBookkeeping(document, mirror);
  return own !== undefined && isClean(document, mirror, own) ? own : undefined;
}

/** Appends at once, as a gateway whose append has succeeded. */
export async function appendTyped(world: World, document: DocumentName, update: Uint8Array): Promise<void> {
  const record = { kind: 'update', document, update, origin: 'people', author: '', time: 0 } as const;
  await createMemoryJournal({ disk: world.journal }).append([record]);
  noteAppended(world);
}

export type Ports = { readonly journal: Journal; readonly store: Store; readonly mirrors: MirrorStore };

export type Kind = 'changefeed' | 'persister';

export type Process = {
  readonly name: string;
  readonly kind: Kind;
  /** Goes on slowly, and is in nobody's way to be replaced. */
  isZombie: boolean;
  /** Lets it make the call that it is stopped before, and waits until it is stopped before the next one. */
  readonly step: () => Promise<void>;
  /** What it is stopped before. */
  readonly standsBefore: () => string;
};

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
/** Nearly all that is between two calls needs no turn of the event loop, and that costs as much as the rest. */
const looksPerTurn = 100;
const looksMax = 1_000_000;

/** Starts a process that runs `live` for ever, from the top again where a port rejects. It stands before its first call. */
export async function startProcess(
  world: World,
  kind: Kind,
  live: (ports: Ports, name: string) => Promise<void>,
): Promise<Process> {
  const name = `${kind} ${++world.serial}`;
  let waiting: { readonly call: string; readonly goOn: () => void } | undefined;
  let failure: Error | undefined;

  const gate = async (call: string, moment: 'before' | 'after'): Promise<void> => {
    if (moment === 'before') await new Promise<void>((resolve) => (waiting = { call, goOn: resolve }));
    if (!world.failing || !world.random.chance(0.02)) return;
    world.log.push(`${name} fails ${moment} ${call}`);
    if (call === 'append' || call === 'trim') throw new JournalUnavailable(`${moment} ${call}`);
    throw new StoreUnavailable(`${moment} ${call}`);
  };
  const ports: Ports = {
    journal: createMemoryJournal({ disk: world.journal, step: gate }),
    store: createMemoryStore({ disk: world.store, step: gate }),
    mirrors: createMemoryMirrors({ disk: world.mirrors, step: gate }),
  };
  const run = async (): Promise<void> => {
    for (;;) {
      try {
        await live(ports, name);
      } catch (error) {
        if (!(error instanceof StoreUnavailable) && !(error instanceof JournalUnavailable)) throw error;
      }
    }
  };
  const untilStopped = async (): Promise<void> => {
    for (let looks = 1; waiting === undefined && failure === undefined; looks++) {
      if (looks === looksMax) throw new Error(`${name} makes no call any more`);
      await (looks % looksPerTurn === 0 ? turn() : undefined);
    }
    noteAppended(world);
    noteSquashes(world);
    if (failure !== undefined) throw failure;
  };

  run().catch((error: unknown) => (failure = error instanceof Error ? error : new Error(String(error))));
  await untilStopped();
  return {
    name,
    kind,
    isZombie: false,
    standsBefore: () => waiting?.call ?? '',
    step: async () => {
      world.time++;
      const stopped = waiting;
      waiting = undefined;
      stopped?.goOn();
      await untilStopped();
    },
  };
}
