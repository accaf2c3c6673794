/** A document with a mirror, and what it takes to take edits in and to rewrite it, with nothing in between and nobody killed. */

import * as Y from 'yjs';

import { createClients } from '#changefeed/clients.ts';
import { createDoubts } from '#changefeed/doubts.ts';
import type { TakeContext } from '#changefeed/take-context.ts';
import { takeEdit, type Taken } from '#changefeed/translate.ts';
import { compactOrBlame } from '#persister/compaction-work.ts';
import { persisterLimits } from '#persister/limits.ts';
import { type MirrorContext, refreshMirror, type Refreshed } from '#persister/mirror.ts';
import { compact } from '#shared/document/compact.ts';
import { readDocumentJson } from '#shared/document/json/read.ts';
import type { RootKind } from '#shared/document/json/roots.ts';
import type { JsonMap, JsonValue } from '#shared/document/json/value.ts';
import { createJournalDisk, createMemoryJournal } from '#shared/journal/memory.ts';
import { type MirrorLimits, mirrorLimits } from '#shared/mirror/limits.ts';
import { createMirrorWork } from '#shared/mirror/work.ts';
import { createMemoryMirrors } from '#shared/store/memory-mirrors.ts';
import { decodeValue, encodeValue, valueForm } from '#shared/store/mirror-values.ts';
import type { Inkstream, MirrorStore } from '#shared/store/mirrors.ts';
import { createMemoryStore } from '#shared/store/memory.ts';
import { nameOf } from '#test/contract/store.contract.ts';
import { virtualClock } from '#test/harness/virtual-clock.ts';
import { randomOf } from '#test/simulation/persister/typing.ts';

export const document = nameOf('team-7/plan');

const roots: ReadonlyMap<string, RootKind> = new Map<string, RootKind>([['text', 'text']]);

/** `recordBytesSaid`: how large a record may be, as the journal says. */
export function createMirrorWorld(
  limits: Partial<MirrorLimits> = {},
  recordBytesMax = 1_000_000,
  recordBytesSaid = recordBytesMax,
) {
  const all = { ...mirrorLimits, ...limits };
  const disk = createJournalDisk();
  const journal = createMemoryJournal({ disk, recordBytesMax });
  const store = createMemoryStore();
  const mirrors = createMemoryMirrors();
  const clock = virtualClock();
  const work = createMirrorWork(valueForm, all.valueBytesMax);
  let revs = 0;
  const makeRev = (): string => `rev ${++revs}`;
  const doc = new Y.Doc();
  doc.clientID = 1;
  let stored = 0;

  const updates = (): readonly Uint8Array[] =>
    (disk.partitions[0]?.batches ?? []).flatMap(({ records }) =>
      records.flatMap((read) => ('record' in read ? [read.record.update] : [])),
    );
  const clients = createClients(randomOf(5));
  const madeUnder: number[] = [];
  const take: TakeContext = {
    mirrors,
    store,
    journal: { ...journal, recordBytesMax: recordBytesSaid },
    work,
    roots: () => roots,
    clock,
    limits: all,
    clients: {
      ...clients,
      made: (name, client, clock) => {
        madeUnder.push(client);
        clients.made(name, client, clock);
      },
    },
    doubts: createDoubts(clock, all.doubtMs),
    origin: 'changefeed',
    makeRev,
  };
  const rewrite: MirrorContext = {
    mirrors,
    store,
    journal,
    work,
    roots: () => roots,
    makeRev,
    mirrorLimits: all,
    compactor: { compact: async (input) => compactOrBlame(input, compact), end: async () => {} },
    limits: persisterLimits,
    partBytes: 1_000_000,
    draining: new AbortController().signal,
  };

  return {
    journal,
    store,
    mirrors,
    clock,
    updates,
    rewriteContext: rewrite,
    takeContext: take,
    /** The clients under which edits were made, stored or not. */
    madeUnder,
    /** Somebody types, and it is stored. */
    type: async (edit: (doc: Y.Doc) => void): Promise<void> => {
      const before = Y.encodeStateVector(doc);
      doc.transact(() => edit(doc));
      const update = Y.encodeStateAsUpdate(doc, before);
      await journal.append([{ kind: 'update', document, update, origin: 'people', author: '', time: 0 }]);
    },
    /** What was appended is stored, up to an offset. */
    flush: async (next = updates().length): Promise<void> => {
      for (const [index, update] of updates().slice(stored, next).entries())
        await store.putSegment({ document, first: stored + index, last: stored + index, update });
      await store.moveCheckpoint(0, stored, next);
      stored = next;
    },
    refresh: (): Promise<Refreshed> => refreshMirror(document, rewrite),
    take: (): Promise<Taken> => takeEdit(document, take),
    /** Takes in whatever there is. What each call said, but for the last one, which found nothing. */
    takeAll: async (): Promise<readonly Taken[]> => {
      const said: Taken[] = [];
      for (;;) {
        const taken = await takeEdit(document, take);
        if (taken.kind === 'clean' || taken.kind === 'missing') return said;
        said.push(taken);
        if (taken.kind === 'wait' || said.length > 20) return said;
      }
    },
    /** What a program does: writes a value, and leaves our field as it is. */
    write: (value: JsonValue | undefined): void => {
      mirrors.disk.mirrors.set(document, {
        value: encodeValue(value),
        inkstream: mirrors.disk.mirrors.get(document)?.inkstream,
      });
    },
    /** And one that replaces all of it. */
    replace: (value: JsonValue): void => {
      mirrors.disk.mirrors.set(document, { value: encodeValue(value), inkstream: undefined });
    },
    value: (): JsonValue | undefined => {
      const mirror = mirrors.disk.mirrors.get(document);
      return mirror === undefined ? undefined : decodeValue(mirror.value);
    },
    inkstream: (): Inkstream => {
      const found = mirrors.disk.mirrors.get(document)?.inkstream;
      if (found === undefined || found instanceof Uint8Array) throw new Error('the mirror has no field of ours');
      return found;
    },
    json: (): JsonMap => readDocumentJson(updates(), roots).value,
  };
}

export type World = ReturnType<typeof createMirrorWorld>;

/** What a mirror says whose document is a text. */
export const textOf = (text: string): JsonMap => new Map([['text', text]]);

/** The text of such a document or mirror; nothing where it is something else. */
export const textIn = (value: JsonValue | undefined): string => {
  const text = value instanceof Map ? (value as JsonMap).get('text') : undefined;
  return typeof text === 'string' ? text : '';
};

/** Its sentences, each as often as it is there, in no order. */
export const sentencesIn = (value: JsonValue | undefined): readonly string[] =>
  textIn(value)
    .split(/(?<=\.)/u)
    .toSorted();

/** The same mirrors for somebody who reads one of the two, then nothing for a while in which `happens`, and then the other. */
export function readSlowly(mirrors: MirrorStore, happens: () => Promise<unknown>): MirrorStore {
  let reads = 0;
  const slowly = async <T>(read: () => Promise<T>): Promise<T> => {
    const found = await read();
    if (++reads === 1) await happens();
    return found;
  };
  return {
    ...mirrors,
    readState: (name) => slowly(() => mirrors.readState(name)),
    readMirror: (name) => slowly(() => mirrors.readMirror(name)),
  };
}
