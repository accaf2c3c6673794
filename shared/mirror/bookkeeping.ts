/**
 * How a mirror knows itself.
 *
 * Whoever looks at a mirror has to tell, from the mirror alone and at any later time, whether somebody has edited it. A flag, a time or a counter would have to be set by the editor, who does
 * not know of us. So `hash` covers the value, the name and all of our bookkeeping: where it matches nobody has edited anything, and where it does not somebody has.
 *
 * What the bookkeeping says may be trusted only where it is about this mirror. A program that copies a mirror to another name copies our field too. So `seal` covers the
 * bookkeeping with the name: where it does not match, `inkstream` counts as missing. (It keeps accidents out, not attackers: whoever may write to the database may write all of it.)
 */

import { createHash, type Hash } from 'node:crypto';
import type { DocumentName } from '#shared/document/name.ts';
import type { AppliedUpdate, Bookkeeping, Intent, Mirror, Remarks, StoredValue, Version } from '#shared/store/mirrors.ts';

/** Bookkeeping that was not signed yet. */
export type Unsealed = Omit<Bookkeeping, 'hash' | 'seal'>;

/** The hash of a value alone, hex. */
export const hashOfValue = (value: StoredValue): string => createHash('sha256').update(value.bytes).digest('hex');

/** Stands for the value while an intent is open, and matches none: no such mirror is clean. */
const pending = 'pending';

/** Each part is preceded by its length, so that no two lists of parts give the same bytes. */
function addParts(hash: Hash, parts: readonly (string | number | Uint8Array)[]): void {
  for (const part of parts) {
    const bytes = part instanceof Uint8Array ? part : Buffer.from(String(part), 'utf8');
    hash.update(`${bytes.byteLength} `).update(bytes);
  }
}

function digestOf(what: string, document: DocumentName, { applied, intent, ...version }: Unsealed, last: string): string {
  const hash = createHash('sha256');
  const { rev, prev, snapshot, omitted } = version;
  addParts(hash, [what, document, rev, prev, snapshot.upto, snapshot.sha256, omitted === undefined ? 0 : 1, omitted ?? '']);
  addParts(hash, [applied.length, ...applied.flatMap(({ update, offset }) => [offset, update])]);
  addParts(hash, intent === undefined ? [0] : [1, intent.valueHash, intent.update]);
  addParts(hash, [last]);
  return hash.digest('hex');
}

/**
 * Signs bookkeeping of `document`, together with the value that has the hash `valueHash`. An open intent is signed without a value.
 */
export function sealed(document: DocumentName, unsealed: Unsealed, valueHash: string): Bookkeeping {
  const hash = digestOf('hash', document, unsealed, unsealed.intent === undefined ? valueHash : pending);
  return { ...unsealed, hash, seal: digestOf('seal', document, unsealed, hash) };
}

/** What a mirror says of itself, if it says that of itself: undefined where that is missing, forged or another mirror's. */
export function ownBookkeeping(document: DocumentName, { inkstream }: Mirror): Bookkeeping | undefined {
  if (inkstream === undefined || inkstream.seal !== digestOf('seal', document, inkstream, inkstream.hash)) return undefined;
  const { refused: _refused, unrepresented: _unrepresented, ...bookkeeping } = inkstream;
  return bookkeeping;
}

export const remarksOf = ({ inkstream }: Mirror): Remarks => ({
  refused: inkstream?.refused ?? [],
  unrepresented: inkstream?.unrepresented ?? [],
});

/** Whether a mirror holds no edit by anybody else. `own` is its `ownBookkeeping`. */
export const isClean = (document: DocumentName, mirror: Mirror, own: Bookkeeping): boolean =>
  own.intent === undefined && own.hash === digestOf('hash', document, own, hashOfValue(mirror.value));

export function versionOf({ applied: _applied, ...version }: Bookkeeping): Version {
  return version;
}

export const appliedWith = (applied: readonly AppliedUpdate[], { update }: Intent, offset: number): readonly AppliedUpdate[] => [
  ...applied,
  { update, offset },
];
