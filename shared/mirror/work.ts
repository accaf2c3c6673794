/**
 * The part of it all that takes time: reading a document's JSON, finding the operations from one value to another, comparing two bases, and making one update of many.
 *
 * Each costs by the size of the document, seconds for a very large one, so each is a question with plain data in it and an answer with plain data in it: a service asks a thread, tests ask
 * directly. `createMirrorWork` is what runs at the other end.
 */

import { sawLater } from '#shared/document/json/author-saw.ts';
import { editOperations } from '#shared/document/json/edit.ts';
import { readDocumentJson } from '#shared/document/json/read.ts';
import type { RootKind } from '#shared/document/json/roots.ts';
import type { JsonMap } from '#shared/document/json/value.ts';
import { storedUpdateLimits } from '#shared/document/limits.ts';
import { scanUpdate } from '#shared/document/scan.ts';
import { squash } from '#shared/document/squash.ts';
import type { StoredValue, ValueForm } from '#shared/store/mirrors.ts';

type Roots = ReadonlyMap<string, RootKind>;

/** The updates of a state of a document, and the kinds of its roots that are set. */
export type Base = { readonly updates: readonly Uint8Array[]; readonly roots: Roots };

/** A base that an edit begins from. `beside`: where its author knew nothing of the document that there was, what is stored of that; undefined where he did. */
export type EditBase = Base & { readonly beside: readonly Uint8Array[] | undefined };

/** Under which Yjs client an edit is made: the one that this process used before, while the base has everything that it made, else a fresh one. */
export type ClientChoice = {
  readonly used: { readonly client: number; readonly clock: number } | undefined;
  readonly fresh: number;
};

export type EditAnswer =
  | { readonly kind: 'operations'; readonly update: Uint8Array; readonly client: number; readonly clockAfter: number }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'refused'; readonly reason: string };

/** A document's value as it goes into a mirror. `omitted`: why there is none, in words. */
export type ShownValue = {
  readonly value: StoredValue;
  readonly omitted: string | undefined;
  readonly unrepresented: readonly string[];
};

export type MirrorWork = {
  /** The smallest operations from a base to a value that somebody wrote, as one update. */
  readonly edit: (base: EditBase, value: StoredValue, client: ClientChoice) => Promise<EditAnswer>;
  /** Whether the author of a value saw `later`, and not only `earlier`, as far as the value shows. */
  readonly sawLater: (earlier: Base, later: Base, value: StoredValue) => Promise<boolean>;
  /** What `updates` add to `base`, as one update, which may be longer than they are; undefined where there is none, or it is too much work. */
  readonly squash: (base: readonly Uint8Array[], updates: readonly Uint8Array[]) => Promise<Uint8Array | undefined>;
  /** What a mirror of this state shows. */
  readonly show: (base: Base) => Promise<ShownValue>;
};

/** The structs of updates that were admitted: of each client, up to which clock. */
function clocksIn(updates: readonly Uint8Array[]): ReadonlyMap<number, number> {
  const clocks = new Map<number, number>();
  for (const update of updates) {
    const scanned = scanUpdate(update, storedUpdateLimits);
    if ('refused' in scanned) throw new Error(`a stored update can't be read: ${scanned.refused}`);
    for (const { client, end } of scanned.sections) clocks.set(client, Math.max(clocks.get(client) ?? 0, end));
  }
  return clocks;
}

/** Nearly all clients of editors are above it: they are drawn from 2³². */
const lowClients = 2 ** 20;

/**
 * Never one under which somebody else has written. For who did not see the document it is below all others: where operations meet that know nothing of each other, Yjs puts those of the lower client
 * first, and of a map's entries with one key the last one counts. So what people have in a map, and what they deleted there, stays.
 */
function unusedClient(known: ReadonlyMap<number, number>, isBlind: boolean, fresh: number): number {
  const below = isBlind ? [...known.keys()].reduce((least, client) => Math.min(least, client), lowClients) : 0;
  let client = below > 0 ? fresh % below : fresh;
  while (known.has(client)) client = (client + 1) >>> 0;
  return client;
}

/** A value as it is stored, or why there is no form for it: it would be tried again for ever. */
function encodeIfPossible(value: JsonMap, form: ValueForm): StoredValue | string {
  try {
    return form.encode(value);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return error.message;
  }
}

/** Does the work in this thread. `valueBytesMax`: the largest value that a mirror holds, as it is stored. */
export function createMirrorWork(form: ValueForm, valueBytesMax: number): MirrorWork {
  const show = async ({ updates, roots }: Base): Promise<ShownValue> => {
    const { value, unrepresented } = readDocumentJson(updates, roots);
    const without = (omitted: string): ShownValue => ({ value: form.encode(undefined), omitted, unrepresented });
    const stored = encodeIfPossible(value, form);
    if (typeof stored === 'string') return without(`the document as JSON can't be stored: ${stored}`);
    const bytes = stored.bytes.byteLength;
    if (bytes <= valueBytesMax) return { value: stored, omitted: undefined, unrepresented };
    return without(`the document has ${bytes} bytes as JSON, and a mirror holds at most ${valueBytesMax}`);
  };
  return {
    show,
    squash: async (base, updates) => squash(base, updates),
    edit: async ({ updates, roots, beside }, stored, { used, fresh }) => {
      const value = form.decode(stored);
      if (value === undefined) return { kind: 'refused', reason: 'there is no value' };
      const known = clocksIn(updates);
      const isComplete = used !== undefined && (known.get(used.client) ?? 0) >= used.clock;
      const others = beside === undefined ? known : clocksIn([...updates, ...beside]);
      const client = isComplete ? used.client : unusedClient(others, beside !== undefined, fresh);
      const edit = editOperations(updates, value, { client, roots, ...(beside === undefined ? {} : { beside }) });
      return edit.kind === 'operations' ? { ...edit, client } : edit;
    },
    sawLater: async (earlier, later, stored) => {
      const value = form.decode(stored);
      const shownBy = ({ updates, roots }: Base): JsonMap => readDocumentJson(updates, roots).value;
      return value instanceof Map && sawLater(shownBy(earlier), shownBy(later), value as JsonMap);
    },
  };
}
