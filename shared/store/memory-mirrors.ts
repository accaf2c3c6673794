/**
 * Mirrors in memory: the ground that simulations and unit tests stand on.
 *
 * Like the store in memory: the contents are a `MirrorDisk` that outlives the adapters opened on it, and before and after each write, and before each read, `step` is called and
 * waited for. What other programs do is done to the disk itself.
 */

import type { DocumentName } from '#shared/document/name.ts';
import type { Moment } from '#shared/journal/memory.ts';
import { valueForm } from './mirror-values.ts';
import {
  holds,
  sameValue,
  snapshotsNamedBy,
  type Guard,
  type Inkstream,
  type Mirror,
  type MirrorState,
  type MirrorStore,
  type StoredValue,
} from './mirrors.ts';
import { StoreUnavailable } from './store.ts';

/** The methods of a mirror store, as steps. */
export type MirrorStep = Exclude<keyof MirrorStore, 'form' | 'close'>;

/** A mirror as it is kept. `inkstream` is bytes where some program wrote something there that is none of ours. */
export type MirrorOnDisk = { readonly value: StoredValue; readonly inkstream: Inkstream | Uint8Array | undefined };

export type MirrorDisk = {
  readonly mirrors: Map<DocumentName, MirrorOnDisk>;
  readonly states: Map<DocumentName, MirrorState>;
};

export const createMirrorDisk = (): MirrorDisk => ({ mirrors: new Map(), states: new Map() });

export type MemoryMirrorsOptions = {
  /** Opens mirrors on these contents instead of new ones. */
  readonly disk?: MirrorDisk;
  /** What it throws is what the call rejects with. */
  readonly step?: (step: MirrorStep, moment: Moment) => void | Promise<void>;
};

export type MemoryMirrors = MirrorStore & {
  readonly disk: MirrorDisk;
  /** What kill -9 does: from now on this adapter changes nothing and settles no promise. */
  readonly crash: () => void;
};

const never = new Promise<never>(() => {});

const guardOf = ({ inkstream }: MirrorOnDisk): Guard =>
  inkstream === undefined
    ? { kind: 'missing' }
    : inkstream instanceof Uint8Array
      ? { kind: 'unreadable', bytes: inkstream }
      : { kind: 'rev', rev: inkstream.rev };

const asRead = (mirror: MirrorOnDisk): Mirror => ({
  value: mirror.value,
  inkstream: mirror.inkstream instanceof Uint8Array ? undefined : mirror.inkstream,
  guard: guardOf(mirror),
  roomBytes: Infinity,
});

export function createMemoryMirrors(options: MemoryMirrorsOptions = {}): MemoryMirrors {
  const { disk = createMirrorDisk() } = options;
  const { mirrors, states } = disk;
  let closed = false;
  let crashed = false;

  const mirrorOf = (document: DocumentName): Mirror | undefined => {
    const stored = mirrors.get(document);
    return stored === undefined ? undefined : asRead(stored);
  };
  const pass = async (name: MirrorStep, moment: Moment): Promise<void> => {
    if (crashed) await never;
    if (closed) throw new StoreUnavailable('the mirrors were closed');
    await options.step?.(name, moment);
    if (crashed) await never;
  };
  const read = async <T>(name: MirrorStep, look: () => T): Promise<T> => {
    await pass(name, 'before');
    return look();
  };
  /** Sets what `decide` returns; nothing where that is undefined. */
  const write = async <T>(
    name: MirrorStep,
    place: Map<DocumentName, T>,
    document: DocumentName,
    decide: (stored: T | undefined) => T | undefined,
  ): Promise<boolean> => {
    await pass(name, 'before');
    const decided = decide(place.get(document));
    if (decided !== undefined) place.set(document, decided);
    await pass(name, 'after');
    return decided !== undefined;
  };

  return {
    disk,
    form: valueForm,
    readState: (document) => read('readState', () => states.get(document)),
    writeState: (document, expected, state) =>
      write('writeState', states, document, (stored) => (stored?.rev === expected ? state : undefined)),
    readMirror: (document) => read('readMirror', () => mirrorOf(document)),
    writeBookkeeping: (document, guard, inkstream) =>
      write('writeBookkeeping', mirrors, document, (stored) =>
        stored !== undefined && holds(guard, asRead(stored)) ? { value: stored.value, inkstream } : undefined,
      ),
    replaceMirror: (document, guard, replaced, contents) =>
      write('replaceMirror', mirrors, document, (stored) =>
        stored !== undefined && holds(guard, asRead(stored)) && sameValue(stored.value, replaced) ? contents : undefined,
      ),
    insertMirror: (document, contents) =>
      write('insertMirror', mirrors, document, (stored) => (stored === undefined ? contents : undefined)),
    editValue: (document, seen, value) =>
      write('editValue', mirrors, document, (stored) => {
        if (seen === undefined || stored === undefined) return seen === stored ? { value, inkstream: undefined } : undefined;
        return holds(seen.guard, asRead(stored)) && sameValue(seen.value, stored.value) ? { ...stored, value } : undefined;
      }),
    listNamedSnapshots: (document) =>
      read('listNamedSnapshots', () => snapshotsNamedBy(mirrorOf(document)?.inkstream, states.get(document))),
    listDocuments: (after, limit) =>
      read('listDocuments', () =>
        [...new Set([...mirrors.keys(), ...states.keys()])]
          .filter((name) => after === undefined || name > after)
          .toSorted()
          .slice(0, limit),
      ),
    close: async () => {
      closed = true;
    },
    crash: () => {
      crashed = true;
    },
  };
}
