/**
 * A document with a mirror in any adapter, into which somebody types, whose mirror is rewritten as a persister does it, and edited by a program at any point of that.
 *
 * The mirror is where the race is: two connections to one database, or two adapters on one disk. What the document is stored in stays in memory, each document's for itself.
 */

import { randomUUID } from 'node:crypto';
import * as Y from 'yjs';
import { createClients } from '#changefeed/clients.ts';
import { createDoubts } from '#changefeed/doubts.ts';
import type { TakeContext } from '#changefeed/take-context.ts';
import { takeEdit } from '#changefeed/translate.ts';
import { compactOrBlame } from '#persister/compaction-work.ts';
import { persisterLimits } from '#persister/limits.ts';
import { type MirrorContext, refreshMirror, type Refreshed } from '#persister/mirror.ts';
import { compact } from '#shared/document/compact.ts';
import { readDocumentJson } from '#shared/document/json/read.ts';
import type { RootKind } from '#shared/document/json/roots.ts';
import { canonicalText, type JsonMap } from '#shared/document/json/value.ts';
import type { DocumentName } from '#shared/document/name.ts';
import { createJournalDisk, createMemoryJournal } from '#shared/journal/memory.ts';
import { mirrorLimits } from '#shared/mirror/limits.ts';
import { createMirrorWork } from '#shared/mirror/work.ts';
import { createMemoryStore } from '#shared/store/memory.ts';
import type { MirrorStore } from '#shared/store/mirrors.ts';
import { virtualClock } from '#test/harness/virtual-clock.ts';

/** A point of a rewrite: before, together with, or right after the start of one of its calls on the mirrors. */
export type RacePoint = { readonly call: number; readonly moment: 'before' | 'together' | 'behind' };

/** Calls that a rewrite makes: state, mirror; state, mirror, state. */
export const callsOfRewrite = 5;

const roots: ReadonlyMap<string, RootKind> = new Map<string, RootKind>([
  ['text', 'text'],
  ['fields', 'map'],
]);
const stepsMax = 100;

export type RaceDocument = {
  /** Types, and has it stored. */
  readonly type: (words: string) => Promise<void>;
  /** Rewrites the mirror, and has `edit` made at that point of it, and taken in at once. Resolves with what the rewrite said, when all of it is over and stored. */
  readonly race: (point: RacePoint, edit: () => Promise<void>) => Promise<Refreshed>;
  /** Until everything was taken in, and the mirror says what the document does. */
  readonly settle: () => Promise<void>;
  /** What the mirror says, and the document. */
  readonly shown: () => Promise<string>;
  readonly said: () => string;
  /** The map `fields` of the mirror as it is. */
  readonly fields: () => Promise<JsonMap>;
  /** Edits that became records. */
  readonly takenIn: () => number;
};

/** `mirrors` are the persister's, `others` the changefeed's. */
export function raceDocument(document: DocumentName, mirrors: MirrorStore, others: MirrorStore): RaceDocument {
  const disk = createJournalDisk();
  const journal = createMemoryJournal({ disk });
  const store = createMemoryStore();
  const clock = virtualClock();
  const parts = {
    store,
    journal,
    work: createMirrorWork(mirrors.form, mirrorLimits.valueBytesMax),
    roots: () => roots,
    makeRev: randomUUID,
  };
  const take: TakeContext = {
    ...parts,
    mirrors: others,
    clock,
    limits: mirrorLimits,
    clients: createClients(Math.random),
    doubts: createDoubts(clock, mirrorLimits.doubtMs),
    origin: 'changefeed',
  };
  const rewrite: MirrorContext = {
    ...parts,
    mirrors,
    mirrorLimits,
    compactor: { compact: async (input) => compactOrBlame(input, compact), end: async () => {} },
    limits: persisterLimits,
    partBytes: 1_000_000,
    draining: new AbortController().signal,
  };
  const doc = new Y.Doc();
  let stored = 0;

  const records = () =>
    (disk.partitions[0]?.batches ?? []).flatMap(({ records: some }) =>
      some.flatMap((read) => ('record' in read ? [read.record] : [])),
    );
  const flush = async (): Promise<void> => {
    const all = records();
    for (const { update } of all.slice(stored)) {
      await store.putSegment({ document, first: stored, last: stored, update });
      await store.moveCheckpoint(0, stored, ++stored);
    }
  };
  const takeAll = async (): Promise<boolean> => {
    for (let step = 0; step < stepsMax; step++) {
      const { kind } = await takeEdit(document, take);
      if (kind === 'clean' || kind === 'missing') return true;
      if (kind === 'wait') return false;
    }
    throw new Error('it is never done with an edit');
  };
  const said = (): string =>
    canonicalText(
      readDocumentJson(
        records().map(({ update }) => update),
        roots,
      ).value,
    );
  const read = async (): Promise<JsonMap> => {
    const mirror = await others.readMirror(document);
    const value = mirror === undefined ? undefined : others.form.decode(mirror.value);
    if (!(value instanceof Map)) throw new Error('the mirror has no value');
    return value;
  };
  return {
    type: async (words) => {
      const before = Y.encodeStateVector(doc);
      doc.getText('text').insert(doc.getText('text').length, words);
      const update = Y.encodeStateAsUpdate(doc, before);
      await journal.append([{ kind: 'update', document, update, origin: 'people', author: '', time: 0 }]);
      await flush();
    },
    race: async (point, edit) => {
      let edited: Promise<void> | undefined;
      let taken = Promise.resolve(false);
      const begin = (): Promise<void> => {
        if (edited !== undefined) return edited;
        edited = edit();
        taken = edited.then(takeAll);
        return edited;
      };
      const refreshed = await refreshMirror(document, { ...rewrite, mirrors: interrupted(mirrors, point, begin) });
      await begin();
      const isDone = await taken; // if not, it was not known yet which of two versions its author saw, and now it is
      if (!isDone && !(await takeAll())) throw new Error('the edit still waits when the rewrite is over');
      await flush();
      return refreshed;
    },
    settle: async () => {
      for (let step = 0; step < stepsMax; step++) {
        const isDone = await takeAll();
        await flush();
        const { kind } = await refreshMirror(document, rewrite);
        if (isDone && (kind === 'written' || kind === 'current')) return;
      }
      throw new Error('the mirror never says what the document does');
    },
    shown: async () => canonicalText(await read()),
    said,
    fields: async () => {
      const fields = (await read()).get('fields');
      return fields instanceof Map ? (fields as JsonMap) : new Map();
    },
    takenIn: () => records().filter(({ origin }) => origin === 'changefeed').length,
  };
}

/** Mirrors that call `begin` at that point of what is done on them. */
function interrupted(mirrors: MirrorStore, { call, moment }: RacePoint, begin: () => Promise<void>): MirrorStore {
  let calls = 0;
  const at = async <T>(work: () => Promise<T>): Promise<T> => {
    if (calls++ !== call) return work();
    if (moment === 'before') await begin();
    if (moment === 'together') void begin();
    const working = work();
    if (moment === 'behind') void begin();
    return working;
  };
  return {
    ...mirrors,
    readState: (document) => at(() => mirrors.readState(document)),
    readMirror: (document) => at(() => mirrors.readMirror(document)),
    writeState: (document, ...rest) => at(() => mirrors.writeState(document, ...rest)),
    replaceMirror: (document, ...rest) => at(() => mirrors.replaceMirror(document, ...rest)),
  };
}
